import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import Database from 'better-sqlite3';

import { DiscordStandIn, type StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { SECRET } from './database.js';
import { median, type Bench, type Report } from './report.js';

/** At most the burst of new DM channels. */
const MEMBERS = 8;
/** At most the commands per minute of one member. */
const COMMANDS_PER_MEMBER = 8;
const IDLE_MS = 1_000;
/** A command writes its last statement after its acknowledgement. */
const SETTLE_MS = 200;
const OURS = '../../dist/index.js';
const BARE = './bare-bot.mjs';

/** Times in ms, memory in MB. */
type Values = Record<'start' | 'idle' | 'used' | 'cpu' | 'dm' | 'ack', number>;

/** Commits are subtracted from the bot's figure, or added to the floor. */
const FIGURES = [
  ['start to the first answer', 'start', 'ms', 0, 0, 1.15],
  ['memory, idle after the first answer', 'idle', 'MB', 0, 0, 1.15],
  ['memory, idle after 72 commands', 'used', 'MB', 0, 0, 1.15],
  ['!getcode of a known member to its DM', 'dm', 'ms', 0, 1, 1.5],
  ['!getcode of a known member to its acknowledgement, without 2 commits', 'ack', 'ms', 2, 1, 1.5],
  ['CPU per !getcode', 'cpu', 'ms', 0, 3, 1.6],
] as const;

/** Measures the bot and a bare bot, each in its own process, command by command in turns. */
export async function measureBots({ folder, isQuick, report }: Bench): Promise<void> {
  const stages = { ours: await openStage(), bare: await openStage() };
  const idleMs = isQuick ? SETTLE_MS : IDLE_MS;
  const rounds: Record<'ours' | 'bare' | 'commit', Values>[] = [];
  // The first round creates the database.
  for (let round = 0; round <= (isQuick ? 1 : 7); round++) {
    const ours = await stages.ours.start(join(folder, 'bots', 'codes.db'));
    const bare = await stages.bare.start('', BARE);
    const insert = prepareCommit(join(folder, `commits-${round}.db`));
    await pause(idleMs);
    const bots = { ours, bare };
    const idle = { ours: residentMegabytes(ours.child), bare: residentMegabytes(bare.child) };
    // Opens the DM channels: new ones are paced.
    for (const kind of ['ours', 'bare'] as const)
      for (const member of stages[kind].members) await bots[kind].ask(member);
    const before = { ours: cpuMs(ours.child), bare: cpuMs(bare.child), commit: 0 };
    const times: Record<'ours' | 'bare' | 'commit', { dm: number; ack: number }[]> = {
      ours: [],
      bare: [],
      commit: [],
    };
    for (let count = 0; count < COMMANDS_PER_MEMBER * MEMBERS; count++) {
      for (const kind of ['ours', 'bare'] as const) {
        const member = stages[kind].members[count % MEMBERS];
        if (member !== undefined) times[kind].push(await bots[kind].ask(member));
      }
      const start = performance.now();
      const used = process.cpuUsage();
      insert();
      const { user, system } = process.cpuUsage(used);
      before.commit -= (user + system) / 1_000;
      const ms = performance.now() - start;
      times.commit.push({ dm: ms, ack: ms });
    }
    const cpu = { ours: cpuMs(ours.child), bare: cpuMs(bare.child), commit: 0 };
    await pause(idleMs);
    const valuesOf = (kind: 'ours' | 'bare' | 'commit'): Values => ({
      start: kind === 'commit' ? 0 : bots[kind].startMs,
      idle: kind === 'commit' ? 0 : idle[kind],
      used: kind === 'commit' ? 0 : residentMegabytes(bots[kind].child),
      cpu: (cpu[kind] - before[kind]) / times[kind].length,
      dm: median(times[kind].map(({ dm }) => dm)),
      ack: median(times[kind].map(({ ack }) => ack)),
    });
    if (round > 0)
      rounds.push({ ours: valuesOf('ours'), bare: valuesOf('bare'), commit: valuesOf('commit') });
    await ours.stop();
    await bare.stop();
  }
  for (const stage of Object.values(stages)) await stage.discord.close();

  report.add({ what: 'one durable commit', unit: 'ms', values: rounds.map(({ commit }) => commit.dm) });
  for (const [what, figure, unit, subtracted, added, atMost] of FIGURES) {
    const values = rounds.map(({ ours, commit }) => ours[figure] - subtracted * commit[figure]);
    const floor = {
      what: ['bare bot', 'bare bot and 1 commit', '', 'bare bot and 3 commits'][added] ?? '',
      values: rounds.map(({ bare, commit }) => bare[figure] + added * commit[figure]),
    };
    report.add({ what, unit, values, floor, target: { atMost } });
  }
  await countCalls(join(folder, 'counts', 'codes.db'), report);
}

/** A stand-in with one server and a few members, on which bots start. */
export async function openStage() {
  const discord = await DiscordStandIn.start();
  const guild = discord.addGuild('Bench', discord.addUser('owner'));
  const channel = discord.addChannel(guild, 'general');
  const [first, ...members] = Array.from({ length: MEMBERS + 1 }, (_, index) => {
    const member = discord.addUser(`member${index}`);
    discord.join(guild, member);
    return member;
  });

  /** Resolves with the times in ms until the DM and until the acknowledgement. */
  async function ask(
    member: StandInUser | undefined,
  ): Promise<{ readonly dm: number; readonly ack: number }> {
    if (member === undefined) throw new Error('No members');
    let dm = Number.NaN;
    const askedAt = performance.now();
    const answered = discord.nextMessage(({ author, channelId }) => {
      if (author !== discord.botUser) return false;
      if (channelId !== channel.id) dm = performance.now() - askedAt;
      return channelId === channel.id;
    });
    discord.say(channel, member, `!getcode ${member.id}`);
    await answered;
    return { dm, ack: performance.now() - askedAt };
  }

  /** Starts a bot in a process of its own; resolves after its first answer. */
  async function start(databaseUrl: string, path = OURS, execArgv: readonly string[] = []) {
    const startedAt = performance.now();
    const child = fork(fileURLToPath(new URL(path, import.meta.url)), {
      execArgv: [...execArgv],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        DISCORD_TOKEN: discord.token,
        DISCORD_API_URL: discord.apiUrl,
        DATABASE_URL: databaseUrl,
        CODE_SECRET: SECRET,
        GETCODE_LIMIT: '1000/10m',
        ALLOWED_GUILD_IDS: guild.id,
        MEMBERSHIP_CHECK_INTERVAL: 'off',
        BACKUP_INTERVAL: 'off',
        LOG_LEVEL: 'error',
      },
    });
    const ended = once(child, 'exit');
    await Promise.race([discord.connected(), ended.then(() => Promise.reject(new Error(`${path} ended`)))]);
    await ask(first);
    const startMs = performance.now() - startedAt;
    const stop = async (): Promise<void> => {
      child.kill('SIGTERM');
      await ended;
    };
    return { child, startMs, ask, stop };
  }

  return { discord, guild, members, start };
}

/** Counts what one command of a member costs, whom the bot meets for the first and for the second time. */
async function countCalls(databaseUrl: string, report: Report): Promise<void> {
  const { discord, members, start } = await openStage();
  const probe = new URL('./probe.mjs', import.meta.url).href;
  const { child, ask, stop } = await start(databaseUrl, OURS, ['--import', probe]);
  const counts = async (): Promise<Record<'statements' | 'commits' | 'calls', number>> => {
    await pause(SETTLE_MS);
    child.send('counts');
    const [sent] = await once(child, 'message');
    return { ...sent, calls: discord.requests.length };
  };
  for (const [who, targets] of [
    ['new', { statements: null, commits: null, calls: 3 }],
    ['known', { statements: 12, commits: 3, calls: 2 }],
  ] as const) {
    const before = await counts();
    await ask(members[0]);
    const after = await counts();
    for (const [what, figure] of [
      ['statements without BEGIN and COMMIT', 'statements'],
      ['commits', 'commits'],
      ['REST calls', 'calls'],
    ] as const) {
      const [value, atMost] = [after[figure] - before[figure], targets[figure]];
      const target = atMost === null ? {} : { target: { atMost } };
      report.add({ what: `${what} per !getcode of a ${who} member`, unit: '', values: [value], ...target });
    }
  }
  await stop();
  await discord.close();
}

/** CPU time so far of all threads of a process in ms. Elsewhere than on Linux, the time that passes. */
export function cpuMs({ pid }: ChildProcess): number {
  if (process.platform !== 'linux') return performance.now();
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.map((thread) => threadMs(pid, thread)).reduce((sum, ms) => sum + ms, 0);
}

/** CPU time so far of a thread, by default the main one, in ms: what limits the rate of a program that is never idle. */
export function threadMs(pid: number | undefined, thread = String(pid)): number {
  if (process.platform !== 'linux') return performance.now();
  return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** Linux only. */
export function residentMegabytes({ pid }: ChildProcess): number {
  if (process.platform !== 'linux') return Number.NaN;
  const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) / 1_024;
}

/** Returns a function that makes one durable commit. */
function prepareCommit(path: string): () => void {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE t (a TEXT)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  return () => void insert.run('x'.repeat(300));
}
