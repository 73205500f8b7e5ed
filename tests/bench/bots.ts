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
/** At most the burst of new DM channels, and the commands per minute of one member. */
const MEMBERS = 8;
const ROUNDS_OF_ASKING = 8;
const COMMITS = 200;
/** About the time between two requests: after a pause, a commit takes longer than in a row. */
const COMMIT_PAUSE_MS = 3;

interface Figures {
  /** In ms. */
  readonly start: number[];
  /** In MB. */
  readonly memory: number[];
  /** In ms per command: CPU, to the DM, to the acknowledgement. */
  readonly cpu: number[];
  readonly direct: number[];
  readonly ack: number[];
}

const BOTS = [
  ['ours', '../../dist/index.js'],
  ['bare', './bare-bot.mjs'],
] as const;

/** Measures the bot and a bare bot in turns, each in its own process. */
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
  const { direct, ack, cpu } = ours;
  report('!getcode to its DM, floor + 1 commit', median(direct), floor(bare.direct), 'at most 1.5', 'ms');
  report(
    '!getcode to its acknowledgement, floor + 1 commit',
    median(ack),
    floor(bare.ack),
    'at most 1.5 + 2 commits',
    'ms',
  );
  report('CPU per !getcode, floor: the bare bot', median(cpu), median(bare.cpu), 'at most 1.77', 'ms');
}

function newFigures(): Figures {
  return { start: [], memory: [], cpu: [], direct: [], ack: [] };
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
      ALLOWED_GUILD_IDS: guild.id,
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
    if (first === undefined) throw new Error('No members');
    await ask(first);
    figures.start.push(performance.now() - started);
    // Opens the DM channels: new ones are paced.
    for (const member of others) await ask(member);
    const cpuBefore = cpuMs(bot.pid ?? 0);
    for (const member of Array.from({ length: ROUNDS_OF_ASKING }, () => members).flat()) {
      const { direct, ack } = await ask(member);
      figures.direct.push(direct);
      figures.ack.push(ack);
    }
    figures.cpu.push((cpuMs(bot.pid ?? 0) - cpuBefore) / (MEMBERS * ROUNDS_OF_ASKING));
    figures.memory.push(residentMegabytes(bot.pid ?? 0));
  } finally {
    bot.kill('SIGTERM');
    await once(bot, 'exit');
    await discord.close();
  }
}

/** CPU time of a process so far, to 10 ms. Linux only. */
function cpuMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return Number.NaN;
  }
}

/** Linux only. */
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
