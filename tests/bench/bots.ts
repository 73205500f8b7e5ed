import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import { median, type Bench } from './report.js';
import { cpuMs, megabytesOf, openStage, OURS, stop, type Stage } from './stage.js';

/** At most the burst of new DM channels. */
const MEMBERS = 8;
/** Of each member: at most the commands per minute. */
const COMMANDS = 8;
const IDLE_MS = 1_000;
/** A command writes its last statement after its acknowledgement. */
const SETTLE_MS = 200;

type Name = 'start' | 'idle' | 'used' | 'dm' | 'ack' | 'cpu';
/** Times in ms, memory in MB. */
type Values = Record<Name, number>;

/** Commits are subtracted from the bot's figure, or added to the floor. */
const FIGURES = [
  ['start to the first answer', 'start', 'ms', 0, 0, 1.15],
  ['memory, idle after the first answer', 'idle', 'MB', 0, 0, 1.15],
  ['memory, idle after 73 commands', 'used', 'MB', 0, 0, 1.15],
  ['!getcode of a known member to its DM', 'dm', 'ms', 0, 1, 1.5],
  ['!getcode of a known member to its acknowledgement, without 2 commits', 'ack', 'ms', 2, 1, 1.5],
  ['CPU per !getcode', 'cpu', 'ms', 0, 3, 1.6],
] as const;

/** Measures the bot and a bare bot, each in its own process, command by command in turns. */
export async function measureBots({ folder, isQuick, report }: Bench): Promise<void> {
  // Member 0 meets the bot at its start.
  const [stage, bareStage] = [await openStage(MEMBERS + 1), await openStage(MEMBERS + 1)];
  const settings = { DATABASE_URL: join(folder, 'bots', 'codes.db'), GETCODE_LIMIT: '1000/10m' };
  const idleMs = isQuick ? SETTLE_MS : IDLE_MS;
  const rounds: Record<'ours' | 'bare' | 'commit', Values>[] = [];
  // The first round creates the database.
  for (let round = 0; round <= (isQuick ? 1 : 7); round++) {
    const ours = await launch(stage, settings);
    const bare = await launch(bareStage, {}, './bare-bot.mjs');
    const bots = [ours, bare];
    await pause(idleMs);
    for (const { child, values } of bots) values.idle = megabytesOf(child);
    // Opens the DM channels: new ones are paced.
    for (const { ask } of bots) for (let member = 1; member <= MEMBERS; member++) await ask(member);
    for (const bot of bots) bot.cpuBefore = cpuMs(bot.child);
    for (let count = 0; count < COMMANDS * MEMBERS; count++)
      for (const { ask, times } of bots) times.push(await ask(1 + (count % MEMBERS)));
    for (const { child, values, cpuBefore, times } of bots) {
      values.cpu = (cpuMs(child) - cpuBefore) / times.length;
      values.dm = median(times.map(({ dm }) => dm));
      values.ack = median(times.map(({ ack }) => ack));
    }
    await pause(idleMs);
    for (const { child, values } of bots) {
      values.used = megabytesOf(child);
      await stop(child);
    }
    const commit = measureCommits(join(folder, `commits-${round}.db`));
    if (round > 0) rounds.push({ ours: ours.values, bare: bare.values, commit });
  }

  report.add({ what: 'one durable commit', unit: 'ms', values: rounds.map(({ commit }) => commit.dm) });
  for (const [what, name, unit, subtracted, added, atMost] of FIGURES) {
    const values = rounds.map(({ ours, commit }) => ours[name] - subtracted * commit[name]);
    const floor = {
      what: ['bare bot', 'bare bot and 1 commit', '', 'bare bot and 3 commits'][added] ?? '',
      values: rounds.map(({ bare, commit }) => bare[name] + added * commit[name]),
    };
    report.add({ what, unit, values, floor, atMost });
  }
  await countCalls(join(folder, 'counts', 'codes.db'), report);
  for (const { discord } of [stage, bareStage]) await discord.close();
}

/** Starts a bot; resolves after its first answer. */
async function launch(stage: Stage, settings: Readonly<Record<string, string>>, path?: string) {
  const startedAt = performance.now();
  const child = await stage.start(settings, path);
  await stage.ask(0);
  const start = performance.now() - startedAt;
  const values: Values = { start, idle: NaN, used: NaN, dm: NaN, ack: NaN, cpu: NaN };
  const times: Awaited<ReturnType<Stage['ask']>>[] = [];
  return { child, ask: stage.ask, values, times, cpuBefore: NaN };
}

/** Measures a durable commit: its time and CPU time in ms. */
function measureCommits(path: string): Values {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE t (a TEXT)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  const before = process.cpuUsage();
  const times = Array.from({ length: COMMANDS * MEMBERS }, () => {
    const start = performance.now();
    insert.run('x'.repeat(300));
    return performance.now() - start;
  });
  const { user, system } = process.cpuUsage(before);
  const ms = median(times);
  return { start: 0, idle: 0, used: 0, dm: ms, ack: ms, cpu: (user + system) / 1_000 / times.length };
}

/** Counts what one command of a member costs, whom the bot meets for the first and for the second time. */
async function countCalls(databaseUrl: string, report: Bench['report']): Promise<void> {
  const { discord, start, ask } = await openStage(2);
  const probe = new URL('./probe.mjs', import.meta.url).href;
  const child = await start({ DATABASE_URL: databaseUrl }, OURS, ['--import', probe]);
  await ask(0);
  /** Counts since the last call. */
  const counts = async (): Promise<Record<'statements' | 'commits', number>> => {
    await pause(SETTLE_MS);
    child.send('counts');
    const [sent] = await once(child, 'message');
    return sent;
  };
  await counts();
  for (const [who, maxima] of [
    ['new', [undefined, undefined, 3]],
    ['known', [12, 3, 2]],
  ] as const) {
    const callsBefore = discord.requests.length;
    await ask(1);
    const { statements, commits } = await counts();
    const values = [statements, commits, discord.requests.length - callsBefore];
    for (const [index, name] of ['statements without BEGIN and COMMIT', 'commits', 'REST calls'].entries()) {
      const what = `${name} per !getcode of a ${who} member`;
      report.add({ what, unit: '', values: values.slice(index, index + 1), atMost: maxima[index] });
    }
  }
  await stop(child);
  await discord.close();
}
