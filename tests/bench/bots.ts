import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import { median, type Bench } from './report.js';
import { cpuMs, megabytesOf, openStage, stop, type Settings, type Stage } from './stage.js';

/** At most the burst of new DM channels. */
const MEMBERS = 8;
/** Of each member at most 8, the commands per minute. */
const COMMANDS = 64;
/** A command writes its last statement after its acknowledgement. */
const IDLE_MS = 1_000;

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
    const commits: { readonly ms: number; readonly cpu: number }[] = [];
    const bots = [ours, bare];
    await pause(IDLE_MS);
    for (const { bot, values } of bots) values.idle = megabytesOf(bot);
    // Opens the DM channels: new ones are paced.
    for (const { ask } of bots) for (let member = 1; member <= MEMBERS; member++) await ask(member);
    for (const { bot, values } of bots) values.cpu = -cpuMs(bot) / COMMANDS;
    for (let count = 0; count < COMMANDS; count++) {
      for (const { ask, times } of bots) times.push(await ask(1 + (count % MEMBERS)));
      commits.push(commit());
    }
    for (const { bot, values, times } of bots) {
      values.cpu += cpuMs(bot) / COMMANDS;
      values.dm = median(times.map(({ dm }) => dm));
      values.ack = median(times.map(({ ack }) => ack));
      await stop(bot);
    }
    const ms = median(commits.map((one) => one.ms));
    const cpu = commits.reduce((sum, one) => sum + one.cpu, 0) / COMMANDS;
    if (round === 0) continue;
    rounds.push({
      ours: ours.values,
      bare: bare.values,
      commit: { start: 0, idle: 0, dm: ms, ack: ms, cpu },
    });
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

/** Starts a bot; resolves after its first answer. */
async function launch(stage: Stage, settings: Settings, path?: string) {
  const [bot, start] = await stage.startAndAsk(settings, path);
  const values: Values = { start, idle: NaN, dm: NaN, ack: NaN, cpu: NaN };
  const times: { readonly dm: number; readonly ack: number }[] = [];
  return { bot, ask: stage.ask, values, times };
}

/** Returns a function that makes a durable commit and returns its time and CPU time in ms. */
function prepareCommit(path: string) {
  const database = new Database(path);
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = FULL');
  database.exec('CREATE TABLE t (a TEXT)');
  const insert = database.prepare('INSERT INTO t VALUES (?)');
  return () => {
    const [start, before] = [performance.now(), process.cpuUsage()];
    insert.run('x'.repeat(300));
    const { user, system } = process.cpuUsage(before);
    return { ms: performance.now() - start, cpu: (user + system) / 1_000 };
  };
}

/** Counts what one command of a member costs, whom the bot meets for the first and for the second time. */
async function countCalls(databaseUrl: string, report: Bench['report']): Promise<void> {
  const { discord, start, ask } = await openStage(1);
  const probe = new URL('./probe.mjs', import.meta.url).href;
  const bot = await start({ DATABASE_URL: databaseUrl }, undefined, ['--import', probe]);
  const counts: Record<'statements' | 'commits' | 'calls', number>[] = [];
  for (let command = 0; command <= 2; command++) {
    const callsBefore = discord.requests.length;
    if (command > 0) await ask(0);
    await pause(IDLE_MS);
    bot.send('count');
    const [counted] = await once(bot, 'message');
    counts.push({ ...counted, calls: discord.requests.length - callsBefore });
  }
  for (const [what, value, atMost] of [
    ['REST calls per !getcode of a new member', counts[1]?.calls, 3],
    ['REST calls per !getcode of a known member', counts[2]?.calls, 2],
    ['statements without BEGIN and COMMIT per !getcode of a known member', counts[2]?.statements, 12],
    ['commits per !getcode of a known member', counts[2]?.commits, 3],
  ] as const)
    report.add({ what, unit: '', values: [value ?? Number.NaN], atMost });
  await stop(bot);
  await discord.close();
}
