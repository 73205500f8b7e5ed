import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import type { StandInMessage } from '../../src/demo/stand-in/stand-in.js';
import { markdownTable, median, type Bench } from './report.js';
import { cpuMs, megabytesOf, openStage, stop } from './stage.js';

const MEMBERS = 1_000;
/** All members ask within this time. */
const RUSH_MS = 10_000;
/** A member who waits for a DM for longer is offered the button. */
const SOON_MS = 10_000;
/** Members press the button 2 to 12 seconds after they were named. */
const PRESS_AFTER_MS = 2_000;
/** When nobody was answered for this long, nobody else will be. */
const QUIET_MS = 90_000;

/**
 * Measures a rush: members who never met the bot all type `!getcode`, while the stand-in enforces Discord's limits.
 * Once without an incident, and once with a bot that is killed when the last member has asked.
 */
export async function measureRush(bench: Bench): Promise<void> {
  const calm = await rush(bench, 'undisturbed', false);
  const killed = await rush(bench, 'killed and started again', true);
  bench.report.print(markdownTable(calm.map((cells, index) => [...cells, killed[index]?.[1] ?? ''])));
}

/** Returns two columns of a table: what happened to how many members, and figures of the bot. */
async function rush({ folder, report }: Bench, name: string, isKilled: boolean): Promise<string[][]> {
  const databaseUrl = join(folder, `rush-${isKilled}`, 'codes.db');
  const { discord, channel, members, start } = await openStage(MEMBERS, { enforcesRateLimits: true });
  /** Times are in ms since the first member asked; `Infinity`: it did not happen. */
  const all = members.map((user) => ({
    user,
    asked: 0,
    /** The first DM. */
    sent: Infinity,
    dms: 0,
    /** Lines in the channel that name the member. */
    lines: 0,
    /** Of these, the first with the button. */
    offered: Infinity,
    hasSeen: false,
  }));
  type Member = (typeof all)[number];

  let bot = await start({ DATABASE_URL: databaseUrl });
  await pause(1_000);
  const idle = megabytesOf(bot);
  const begun = performance.now();
  const now = (): number => performance.now() - begun;
  let lastAnswer = 0;

  async function press(message: StandInMessage, member: Member): Promise<void> {
    await pause(PRESS_AFTER_MS + member.asked);
    const id = message.components[0]?.components[0]?.custom_id ?? '';
    const answer = await discord.press(message, id, member.user).catch(() => null);
    // The embed holds the code.
    if (answer?.ephemeral === true && answer.message.embeds.length > 0) member.hasSeen = true;
  }

  discord.onMessage((message) => {
    if (message.author !== discord.botUser || message.ephemeralTo !== null) return;
    lastAnswer = now();
    if (message.channelId !== channel.id) {
      const reader = all.find(({ user }) => discord.directMessages(user).includes(message));
      if (reader === undefined) return;
      reader.dms += 1;
      reader.sent = Math.min(reader.sent, lastAnswer);
      return;
    }
    for (const member of all.filter(({ user }) => message.content.includes(`<@${user.id}>`))) {
      member.lines += 1;
      if (message.components.length === 0) continue;
      member.offered = Math.min(member.offered, lastAnswer);
      void press(message, member);
    }
  });

  for (const [index, member] of all.entries()) {
    await pause((index * RUSH_MS) / MEMBERS - now());
    member.asked = now();
    discord.say(channel, member.user, `!getcode ${member.user.username}`);
  }
  if (isKilled) {
    const database = new Database(databaseUrl, { readonly: true });
    const stored = database.prepare('SELECT count(*) FROM codes').pluck();
    while (Number(stored.get()) < MEMBERS) await pause(100);
    database.close();
    await stop(bot, 'SIGKILL');
    bot = await start({ DATABASE_URL: databaseUrl });
  }
  while (all.some(({ lines }) => lines === 0) && now() < lastAnswer + QUIET_MS) await pause(250);
  await pause(2 * (PRESS_AFTER_MS + RUSH_MS));
  const [cpu, peak] = [cpuMs(bot), megabytesOf(bot, 'VmHWM')];
  await stop(bot, 'SIGKILL');
  await discord.close();

  const many = (matches: (member: Member) => boolean): number => all.filter(matches).length;
  const isSoon = (at: number, { asked }: Member): boolean => at - asked <= SOON_MS;
  const answers = (code: number): number => discord.requests.filter(({ status }) => status === code).length;
  const waits = all
    .map(({ asked, sent, offered }) => Math.min(sent, offered) - asked)
    .filter(Number.isFinite);
  const wasOvertaken = ({ asked, sent, offered }: Member): boolean =>
    all.some(
      (later) =>
        later.asked > asked &&
        ((sent < Infinity && later.sent < sent) || (offered < Infinity && later.offered < offered)),
    );
  const figures: readonly (readonly [what: string, value: number, unit?: string])[] = [
    ['DM within 10 seconds', many((member) => isSoon(member.sent, member))],
    ['DM later', many((member) => member.dms > 0 && !isSoon(member.sent, member))],
    ['the button, without a DM', many(({ dms, offered }) => dms === 0 && offered < Infinity)],
    ['the button within 10 seconds', many((member) => member.dms === 0 && isSoon(member.offered, member))],
    ['saw the code after a press', many(({ hasSeen }) => hasSeen)],
    ['neither DM nor button', MEMBERS - waits.length],
    ['more than one DM', many(({ dms }) => dms > 1)],
    ['named in the channel more than once', many(({ lines }) => lines > 1)],
    ['not named in the channel', many(({ lines }) => lines === 0)],
    ['overtaken by somebody who asked later', many((member) => wasOvertaken(member))],
    ['messages in the channel', discord.messages(channel).length - MEMBERS],
    ['wait for a DM or the button, median', median(waits), 'ms'],
    ['wait for a DM or the button, longest', Math.max(...waits), 'ms'],
    ['last answer after the first request', lastAnswer, 'ms'],
    ['answers 429', answers(429)],
    ['answers 403', answers(403)],
    ['CPU of the bot that ran last', cpu, 'ms'],
    ['memory, idle', idle, 'MB'],
    ['memory, peak', peak, 'MB'],
  ];
  return [
    ['a rush', name],
    ...figures.map(([what, value, unit = '']) => [
      what,
      report.add({ what: `${what}, ${name}`, unit, values: [value] }),
    ]),
  ];
}
