import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import Database from 'better-sqlite3';

import { DiscordStandIn, type StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { median, print, report } from './report.js';

const ROUNDS = 5;
/** As many as the bot opens new channels with at once, and as often as it hears each within a minute. */
const MEMBERS = 8;
const ROUNDS_OF_ASKING = 8;
const COMMITS = 200;
/** About as long as a request takes: after a pause a commit costs more than in a row. */
const COMMIT_PAUSE_MS = 3;

/** Milliseconds, one for each request; megabytes. */
interface Figures {
  readonly start: number[];
  readonly memory: number[];
  readonly direct: number[];
  readonly ack: number[];
}

const BOTS = [
  ['ours', '../../dist/index.js'],
  ['bare', './bare-bot.mjs'],
] as const;

/** The bot and the bare one, each a process of its own, by turns, both on a stand-in. */
export async function measureBots(folder: string): Promise<void> {
  const figures = { ours: newFigures(), bare: newFigures() };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [kind, path] of BOTS) {
      await measureBot(path, join(folder, 'access-codes.db'), figures[kind]);
    }
  }
  const { ours, bare } = figures;
  const commit = await measureCommit(join(folder, 'commits.db'));
  print(`one durable commit: ${commit.toFixed(2)} ms`);
  report('start to first answer', median(ours.start), median(bare.start), 'at most 1.15', 'ms');
  report('memory when idle', median(ours.memory), median(bare.memory), 'at most 1.15', 'MB');
  const floor = (times: readonly number[]): number => median(times) + commit;
  report(
    '!getcode to its direct message, floor + 1 commit',
    median(ours.direct),
    floor(bare.direct),
    'at most 1.25',
    'ms',
  );
  report(
    '!getcode to its acknowledgement, floor + 1 commit',
    median(ours.ack),
    floor(bare.ack),
    'at most 1.25',
    'ms',
  );
}

function newFigures(): Figures {
  return { start: [], memory: [], direct: [], ack: [] };
}

async function measureBot(path: string, databaseUrl: string, figures: Figures): Promise<void> {
  const discord = await DiscordStandIn.start();
  const guild = discord.addGuild('Bench', discord.addUser('owner'));
  const channel = discord.addChannel(guild, 'general');
  const started = performance.now();
  const bot = fork(fileURLToPath(new URL(path, import.meta.url)), {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: {
      PATH: process.env['PATH'],
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      DATABASE_URL: databaseUrl,
      GETCODE_LIMIT: '1000/10m',
    },
  });

  const members = Array.from({ length: MEMBERS }, (_, index) => discord.addUser(`member${index}`));
  for (const member of members) discord.join(guild, member);

  async function ask(member: StandInUser): Promise<{ readonly direct: number; readonly ack: number }> {
    let direct = 0;
    const start = performance.now();
    const answered = discord.nextMessage(({ author, channelId }) => {
      if (author !== discord.botUser) return false;
      if (channelId !== channel.id) direct = performance.now() - start;
      return channelId === channel.id;
    });
    discord.say(channel, member, `!getcode ${member.id}`);
    await answered;
    return { direct, ack: performance.now() - start };
  }

  try {
    await discord.connected();
    const [first, ...others] = members;
    if (first === undefined) throw new Error('Nobody is there to ask');
    await ask(first);
    figures.start.push(performance.now() - started);
    // What a member whom the bot has met costs: new ones are paced.
    for (const member of others) await ask(member);
    for (const member of Array.from({ length: ROUNDS_OF_ASKING }, () => members).flat()) {
      const { direct, ack } = await ask(member);
      figures.direct.push(direct);
      figures.ack.push(ack);
    }
    figures.memory.push(residentMegabytes(bot.pid ?? 0));
  } finally {
    bot.kill('SIGTERM');
    await once(bot, 'exit');
    await discord.close();
  }
}

/** Linux tells it in /proc; elsewhere the figure is missing. */
function residentMegabytes(pid: number): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
  } catch {
    return Number.NaN;
  }
}

async function measureCommit(path: string): Promise<number> {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE t (a TEXT)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  const times: number[] = [];
  for (let count = 0; count < COMMITS; count++) {
    const start = performance.now();
    insert.run('x'.repeat(300));
    times.push(performance.now() - start);
    await pause(COMMIT_PAUSE_MS);
  }
  database.close();
  return median(times);
}
