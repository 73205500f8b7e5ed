import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import Database from 'better-sqlite3';

import { DiscordStandIn, type StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { cpuMs } from './bots.js';
import type { Bench } from './report.js';

const MEMBERS = 1_000;
/** All members ask within this time. */
const RUSH_MS = 10_000;
/** A member who waits for a DM for longer is offered the button. */
const SOON_MS = 10_000;
/** Members press the button this long after they were named. */
const PRESS_MS = { from: 2_000, to: 12_000 };
/** When nobody was answered for this long, nobody else will be. */
const QUIET_MS = 90_000;

/** When something happened to a member, in ms since the first member asked. */
interface Member {
  readonly user: StandInUser;
  asked: number;
  readonly direct: number[];
  /** Lines in the channel that name the member. */
  readonly lines: number[];
  /** Of these, the first with the button. */
  offered: number | null;
  shown: number | null;
}

/**
 * Measures a rush: members who never met the bot all type `!getcode`, while the stand-in enforces Discord's limits.
 * Once without an incident, and once with a bot that is killed when the last member has asked.
 */
export async function measureRush({ folder, report }: Bench): Promise<void> {
  const calm = await rush(join(folder, 'rush', 'codes.db'), MEMBERS, false);
  const killed = await rush(join(folder, 'killed', 'codes.db'), MEMBERS, true);
  report.print('| a rush | undisturbed | killed and started again |');
  report.print('| --- | ---: | ---: |');
  for (const [what, value] of Object.entries(calm)) report.print(`| ${what} | ${value} | ${killed[what]} |`);
}

async function rush(databaseUrl: string, count: number, isKilled: boolean): Promise<Record<string, string>> {
  const discord = await DiscordStandIn.start({ enforcesRateLimits: true });
  const guild = discord.addGuild('Rush', discord.addUser('owner'));
  const channel = discord.addChannel(guild, 'general');
  const start = (): ChildProcess =>
    fork(fileURLToPath(new URL('../../dist/index.js', import.meta.url)), {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        DISCORD_TOKEN: discord.token,
        DISCORD_API_URL: discord.apiUrl,
        DATABASE_URL: databaseUrl,
        ALLOWED_GUILD_IDS: guild.id,
      },
    });
  const members = new Map<string, Member>();
  for (let index = 0; index < count; index++) {
    const user = discord.addUser(`member${index}`);
    discord.join(guild, user);
    members.set(user.id, { user, asked: 0, direct: [], lines: [], offered: null, shown: null });
  }

  let bot = start();
  await discord.connected();
  await pause(1_000);
  const idle = memory(bot, 'VmRSS');
  let peak = 0;
  const begun = performance.now();
  const now = (): number => performance.now() - begun;
  let lastAnswer = 0;
  const press = async (message: Parameters<typeof discord.press>[0], member: Member): Promise<void> => {
    const part = (member.asked % RUSH_MS) / RUSH_MS;
    await pause(PRESS_MS.from + part * (PRESS_MS.to - PRESS_MS.from));
    const id = message.components[0]?.components[0]?.custom_id ?? '';
    const answer = await discord.press(message, id, member.user).catch(() => null);
    // The embed holds the code.
    if (answer?.ephemeral === true && answer.message.embeds.length > 0) member.shown ??= now();
  };
  discord.onMessage((message) => {
    if (message.author !== discord.botUser || message.ephemeralTo !== null) return;
    lastAnswer = now();
    if (message.channelId !== channel.id) {
      const reader = [...members.values()].find(({ user }) => discord.directMessages(user).includes(message));
      reader?.direct.push(now());
      return;
    }
    for (const [, id = ''] of message.content.matchAll(/<@(\d+)>/g)) {
      const member = members.get(id);
      if (member === undefined) continue;
      member.lines.push(now());
      if (message.components.length === 0) continue;
      member.offered ??= now();
      void press(message, member);
    }
  });

  for (const [index, member] of [...members.values()].entries()) {
    await pause((index * RUSH_MS) / count - now());
    member.asked = now();
    discord.say(channel, member.user, `!getcode ${member.user.username}`);
  }
  if (isKilled) {
    while (countCodes(databaseUrl) < count) await pause(100);
    bot.kill('SIGKILL');
    await once(bot, 'exit');
    bot = start();
  }
  const all = [...members.values()];
  while (all.some(({ lines }) => lines.length === 0) && now() < lastAnswer + QUIET_MS) {
    await pause(250);
    peak = Math.max(peak, memory(bot, 'VmHWM'));
  }
  await pause(2 * PRESS_MS.to);
  const cpu = cpuMs(bot);
  bot.kill('SIGKILL');
  await once(bot, 'exit');

  const waits = all.map(
    ({ asked, direct, offered }) => Math.min(direct[0] ?? Infinity, offered ?? Infinity) - asked,
  );
  const served = waits.filter(Number.isFinite).toSorted((a, b) => a - b);
  const many = (matches: (member: Member) => boolean): string =>
    all.filter(matches).length.toLocaleString('en');
  const seconds = (ms: number | undefined): string => `${((ms ?? Number.NaN) / 1_000).toFixed(1)} s`;
  const limited = discord.requests.filter(({ status }) => status === 429);
  const refused = discord.requests.filter(({ status }) => status === 403);
  const result = {
    'members who asked': many(() => true),
    'DM within 10 seconds': many(({ direct, asked }) => (direct[0] ?? Infinity) - asked <= SOON_MS),
    'DM later': many(({ direct, asked }) => direct[0] !== undefined && direct[0] - asked > SOON_MS),
    'the button, without a DM': many(({ direct, offered }) => direct.length === 0 && offered !== null),
    'the button within 10 seconds': many(
      ({ direct, offered, asked }) => direct.length === 0 && (offered ?? Infinity) - asked <= SOON_MS,
    ),
    'saw the code after a press': many(({ shown }) => shown !== null),
    'neither DM nor button': many(({ direct, offered }) => direct.length === 0 && offered === null),
    'more than one DM': many(({ direct }) => direct.length > 1),
    'named in the channel more than once': many(({ lines }) => lines.length > 1),
    'not named in the channel': many(({ lines }) => lines.length === 0),
    'overtaken by somebody who asked later': many(overtaken(all)),
    'messages in the channel': String(discord.messages(channel).length - count),
    'wait for a DM or the button, median': seconds(served[Math.floor(served.length / 2)]),
    'wait for a DM or the button, longest': seconds(served.at(-1)),
    'last answer after the first request': seconds(lastAnswer),
    'answers 429': String(limited.length),
    'answers 403': String(refused.length),
    'CPU of the bot that ran last': seconds(cpu),
    'memory, idle and peak': `${idle.toFixed(0)} MB and ${peak.toFixed(0)} MB`,
  };
  await discord.close();
  return result;
}

/** Selects members whose DM, or button, came after that of somebody who asked later. */
function overtaken(all: readonly Member[]): (member: Member) => boolean {
  const found = new Set<Member>();
  for (const timeOf of [({ direct }: Member) => direct[0], ({ offered }: Member) => offered ?? undefined]) {
    let soonest = Infinity;
    for (const member of all.toReversed()) {
      const time = timeOf(member);
      if (time === undefined) continue;
      if (time > soonest) found.add(member);
      soonest = Math.min(soonest, time);
    }
  }
  return (member) => found.has(member);
}

/** How many requests the bot has stored. */
function countCodes(databaseUrl: string): number {
  const database = new Database(databaseUrl, { readonly: true });
  const stored = Number(database.prepare('SELECT count(*) FROM codes').pluck().get());
  database.close();
  return stored;
}

/** In MB. Linux only. */
function memory({ pid }: ChildProcess, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024;
  } catch {
    return Number.NaN;
  }
}
