import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import { median, type Bench } from './report.js';
import { cpuMs, megabytesOf, openStage, OURS, stop, type Settings, type Stage } from './stage.js';

/** At most the burst of new DM channels. */
const MEMBERS = 8;
/** Of each member at most 8, the commands per minute. */
const COMMANDS = 64;
const IDLE_MS = 1_000;
/** A command writes its last statement after its acknowledgement. */
const SETTLE_MS = 200;

/** Times in ms, memory in MB. */
type Values = Record<'start' | 'idle' | 'dm' | 'ack' | 'cpu', number>;

/** Commits are subtracted from the bot's figure, or added to the floor. */
const FIGURES = [
  ['start to the first answer', 'start', 'ms', 0, 0, 1.15],
  ['memory, idle after the first answer', 'idle', 'MB', 0, 0, 1.15],
  ['!getcode of a known member to its DM', 'dm', 'ms', 0, 1, 1.5],
  ['!getcode of a known member to its acknowledgement, without 2 commits', 'ack', 'ms', 2, 1, 1.5],
  ['CPU per !getcode', 'cpu', 'ms', 0, 3, 1.6],
] as const;

/** Measures the bot, a bare bot and a durable commit, command by command in turns. */
export async function measureBots({ folder, isQuick, report }: Bench): Promise<void> {
  // Member 0 meets the bot at its start.
  const stages = { ours: await openStage(MEMBERS + 1), bare: await openStage(MEMBERS + 1) };
  const settings = { DATABASE_URL: join(folder, 'bots', 'codes.db'), GETCODE_LIMIT: '1000/10m' };
  const rounds: Record<'ours' | 'bare' | 'commit', Values>[] = [];
  // The first round creates the database.
  for (let round = 0; round <= (isQuick ? 1 : 7); round++) {
    const ours = await launch(stages.ours, settings);
    const bare = await launch(stages.bare, {}, './bare-bot.mjs');
    const commit = prepareCommit(join(folder, `commits-${round}.db`));
    const subjects = [ours, bare, commit];
    await pause(IDLE_MS);
    for (const { bot, values } of [ours, bare]) values.idle = megabytesOf(bot);
    // Opens the DM channels: new ones are paced.
    for (let member = 1; member <= MEMBERS; member++) for (const { run } of subjects) await run(member);
    for (const subject of subjects) subject.cpuBefore = subject.cpu();
    for (let count = 0; count < COMMANDS; count++)
      for (const { run, times } of subjects) times.push(await run(1 + (count % MEMBERS)));
    for (const { values, cpu, cpuBefore, times } of subjects) {
      values.cpu = (cpu() - cpuBefore) / COMMANDS;
      values.dm = median(times.map(({ dm }) => dm));
      values.ack = median(times.map(({ ack }) => ack));
    }
    if (round > 0) rounds.push({ ours: ours.values, bare: bare.values, commit: commit.values });
    for (const { bot } of [ours, bare]) await stop(bot);
  }
  for (const { discord } of Object.values(stages)) await discord.close();

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
}

interface Subject {
  /** Resolves with the times in ms until the DM and until the acknowledgement. */
  readonly run: (member: number) => Promise<{ readonly dm: number; readonly ack: number }>;
  /** CPU time so far in ms. */
  readonly cpu: () => number;
}

async function launch(stage: Stage, settings: Settings, path?: string) {
  const [bot, start] = await stage.startAndAsk(settings, path);
  return { bot, ...prepare({ run: stage.ask, cpu: () => cpuMs(bot) }, start) };
}

function prepare(subject: Subject, start = 0) {
  const values: Values = { start, idle: 0, dm: NaN, ack: NaN, cpu: NaN };
  return { ...subject, values, times: new Array<Awaited<ReturnType<Subject['run']>>>(), cpuBefore: NaN };
}

function prepareCommit(path: string) {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE t (a TEXT)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  let cpu = 0;
  const run = async () => {
    const [start, cpuBefore] = [performance.now(), process.cpuUsage()];
    insert.run('x'.repeat(300));
    const ms = performance.now() - start;
    const { user, system } = process.cpuUsage(cpuBefore);
    cpu += (user + system) / 1_000;
    return { dm: ms, ack: ms };
  };
  return prepare({ run, cpu: () => cpu });
}

/** Counts what one command of a member costs, whom the bot meets for the first and for the second time. */
async function countCalls(databaseUrl: string, report: Bench['report']): Promise<void> {
  const { discord, start, ask } = await openStage(1);
  const probe = new URL('./probe.mjs', import.meta.url).href;
  const bot = await start({ DATABASE_URL: databaseUrl }, OURS, ['--import', probe]);
  /** Counts since the last call. */
  const count = async (): Promise<Record<'statements' | 'commits', number>> => {
    await pause(SETTLE_MS);
    bot.send('count');
    const [counts] = await once(bot, 'message');
    return counts;
  };
  for (const [who, most] of [
    ['new', [Infinity, Infinity, 3]],
    ['known', [12, 3, 2]],
  ] as const) {
    await count();
    const callsBefore = discord.requests.length;
    await ask(0);
    const { statements, commits } = await count();
    const add = (what: string, value: number, atMost: number): string =>
      report.add({ what: `${what} per !getcode of a ${who} member`, unit: '', values: [value], atMost });
    add('statements without BEGIN and COMMIT', statements, most[0]);
    add('commits', commits, most[1]);
    add('REST calls', discord.requests.length - callsBefore, most[2]);
  }
  await stop(bot);
  await discord.close();
}
