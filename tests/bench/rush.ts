import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import type { StandInMessage, StandInPlace, StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { markdownTable, median, type Bench } from './report.js';
import { cpuMs, megabytesOf, openStage, stop } from './stage.js';

const MEMBERS = 1_000;
/** All members ask within this time. */
const RUSH_MS = 10_000;
/** A member who waits for a DM for longer is offered the button. */
const SOON_MS = 10_000;
/** Members press the button 2 to 12 seconds after they were named, the first to ask soonest. */
const PRESS_AFTER_MS = 2_000;
/** After the last request: answers end within 70 seconds, after a kill too. */
const AFTERMATH_MS = 90_000;

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
  let bot = await start({ DATABASE_URL: databaseUrl });
  await pause(1_000);
  const idle = megabytesOf(bot);

  const haveSeen = new Set<StandInUser>();
  async function press(message: StandInMessage, user: StandInUser, index: number): Promise<void> {
    await pause(PRESS_AFTER_MS + (index * RUSH_MS) / MEMBERS);
    const id = message.components[0]?.components[0]?.custom_id ?? '';
    const answer = await discord.press(message, id, user).catch(() => null);
    // The embed holds the code.
    if (answer?.ephemeral === true && answer.message.embeds.length > 0) haveSeen.add(user);
  }
  const names = ({ content }: StandInMessage, { id }: StandInUser): boolean => content.includes(`<@${id}>`);
  discord.onMessage((message) => {
    if (message.channelId !== channel.id || message.components.length === 0) return;
    for (const [index, user] of members.entries()) if (names(message, user)) void press(message, user, index);
  });

  const begun = Date.now();
  for (const [index, user] of members.entries()) {
    await pause(begun + (index * RUSH_MS) / MEMBERS - Date.now());
    discord.say(channel, user, `!getcode ${user.username}`);
  }
  if (isKilled) {
    const database = new Database(databaseUrl, { readonly: true });
    const stored = database.prepare('SELECT count(*) FROM codes').pluck();
    while (Number(stored.get()) < MEMBERS) await pause(100);
    database.close();
    await stop(bot, 'SIGKILL');
    bot = await start({ DATABASE_URL: databaseUrl });
  }
  await pause(AFTERMATH_MS);
  const [cpu, peak] = [cpuMs(bot), megabytesOf(bot, 'VmHWM')];
  await stop(bot, 'SIGKILL');
  await discord.close();

  const answersIn = (place: StandInPlace): StandInMessage[] =>
    discord.messages(place).filter(({ author }) => author === discord.botUser);
  const lines = answersIn(channel);
  /** Unix times in ms; `Infinity`: it did not happen. */
  const all = members.map((user) => {
    const question = discord.messages(channel).find(({ author }) => author === user);
    const dms = answersIn(user);
    const own = lines.filter((line) => names(line, user));
    return {
      asked: question?.createdAt ?? Number.NaN,
      sent: dms[0]?.createdAt ?? Infinity,
      dms: dms.length,
      offered: own.find(({ components }) => components.length > 0)?.createdAt ?? Infinity,
      named: own.length,
      hasSeen: haveSeen.has(user),
    };
  });
  type Member = (typeof all)[number];
  const many = (matches: (member: Member) => boolean): number => all.filter(matches).length;
  const isSoon = (at: number, { asked }: Member): boolean => at - asked <= SOON_MS;
  const statuses = (code: number): number => discord.requests.filter(({ status }) => status === code).length;
  const waits = all.map((one) => Math.min(one.sent, one.offered) - one.asked).filter(Number.isFinite);
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
    ['named in the channel more than once', many(({ named }) => named > 1)],
    ['not named in the channel', many(({ named }) => named === 0)],
    ['overtaken by somebody who asked later', many((member) => wasOvertaken(member))],
    ['messages in the channel', lines.length],
    ['wait for a DM or the button, median', median(waits), 'ms'],
    ['wait for a DM or the button, longest', Math.max(...waits), 'ms'],
    ['last answer after the first request', (lines.at(-1)?.createdAt ?? Number.NaN) - begun, 'ms'],
    ['answers 429', statuses(429)],
    ['answers 403', statuses(403)],
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
