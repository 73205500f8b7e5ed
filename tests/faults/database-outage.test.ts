import { randomInt } from 'node:crypto';

import { expect, it, onTestFinished } from 'vitest';

import { SECRET } from '../services/support.js';
import { TestServer } from '../support/bot.js';
import { runOn, startServer } from '../support/postgres.js';
import type { Guess } from '../support/guesser.js';
import type { Running } from '../support/process.js';
import { TOKEN } from '../validation/bot.js';
import { startWebsite, type Website } from '../validation/websites.js';
import { startBotProcess } from './bots.js';
import { NO_FAULTS, Scene, startSuccessor, type Faults, type Request } from './scene.js';
import { sized } from './size.js';

const DURABLE = ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on'];
/** A commit is written seconds after it was reported. */
const LAX = ['wal_writer_delay=10s', 'wal_writer_flush_after=1GB'];

/** What a website gets in an outage. */
const OUTAGES = [
  ['module', 'DATABASE_UNREACHABLE'],
  ['HTTP', 'unavailable'],
] as const;

/** For each kill. */
const REQUESTS = 40;
const LATE_REQUESTS = 5;

type Pair = Pick<Guess, 'username' | 'code'>;
/** How often each answer came: `valid`, the reason of a refusal, or the code of an error. */
type Answers = Readonly<Record<string, number>>;

interface Outcome {
  readonly faults: Faults;
  /** Requests that left no trace, and whose member was not asked to try again. */
  readonly ignored: readonly string[];
  /** To codes that the bot had acknowledged. */
  readonly answers: readonly Answers[];
  /** To wrong codes. */
  readonly refusals: Answers;
  /** Warnings, errors, and the end of each outage. */
  readonly log: readonly string[];
  readonly figures: string;
}

/** Logs in again and again, with the newest pairs more often, until there are none. */
async function keepLoggingIn(
  website: Website,
  by: Guess['by'],
  next: () => Pair | null | undefined,
): Promise<Answers> {
  const answers: Record<string, number> = {};
  for (;;) {
    const pair = next();
    if (pair === null) return answers;
    const guesses = pair === undefined ? [] : [{ ...pair, by, method: 'validate' as const }];
    for (const answer of await website(guesses)) answers[answer] = (answers[answer] ?? 0) + 1;
  }
}

/** Returns the codes of the warnings and errors, and the sentence at the end of each outage. */
function readLog(bot: Running, from: number): string[] {
  const lines = bot.stdout().slice(from).split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const { level, code, msg } = Object(JSON.parse(line));
    return level >= 40 || msg === 'The database works again' ? [String(code ?? msg)] : [];
  });
}

/** Kills the PostgreSQL server and starts it again, while members ask for codes and websites log in. */
async function loseDatabase(settings: readonly string[], kills: number): Promise<Outcome> {
  const postgres = await startServer(settings);
  onTestFinished(postgres.stop);
  const server = await TestServer.start();
  const { discord, guild } = server;
  const scene = new Scene(server, postgres.url);
  const env = { ...scene.env, HTTP_PORT: '0', HTTP_TOKEN: TOKEN };
  const bot = startBotProcess(server, scene.cwd, env);
  await bot.printed('is ready');
  const from = bot.stdout().length;

  const replied = new Set<string>();
  const acknowledged: Pair[] = [];
  let refused = 0;
  discord.onMessage(({ author, nonce, content }) => {
    const id = nonce?.endsWith('-ack') === true ? nonce.slice(0, -'-ack'.length) : null;
    if (author !== discord.botUser || id === null) return;
    replied.add(id);
    const asked = scene.asked.find(({ message }) => message.id === id);
    const [code] = asked === undefined ? [] : scene.codesOf(asked);
    if (content.startsWith('❌ I cannot reach my database.')) refused += 1;
    else acknowledged.push({ username: asked?.member.username ?? '', code: code ?? '' });
  });
  const url = `http://127.0.0.1:${/"port":(\d+)/.exec(bot.stdout())?.[1]}`;
  const options = { clock: Date.now, http: { url, token: TOKEN }, env: { CODE_SECRET: SECRET } };
  const open = async (): Promise<Website> => startWebsite(postgres.url, options);
  let isOver = false;
  const latest = (): Pair | null | undefined =>
    isOver ? null : acknowledged[acknowledged.length - 1 - randomInt(Math.min(acknowledged.length, 50) || 1)];
  let guesses = 0;
  const wrong = (): Pair | null => (isOver ? null : { username: `nobody ${guesses++}`, code: 'ZZZZZZ' });
  const logins = [keepLoggingIn(await open(), 'module', latest), keepLoggingIn(await open(), 'HTTP', latest)];
  const guessing = keepLoggingIn(await open(), 'module', wrong);
  const watch = await open();

  const prepare = async (count: number): Promise<Request[]> => {
    // One channel each: replies that wait for the same channel are joined.
    const requests = Array.from({ length: count }, () =>
      scene.prepare('!getcode NAME', discord.addChannel(guild, 'room')),
    );
    await scene.introduce(requests);
    return requests;
  };
  const ended = (): number => readLog(bot, from).filter((line) => line === 'The database works again').length;
  await runOn(postgres.url, 'CHECKPOINT');
  for (let kill = 0; kill < kills; kill++) {
    const [late, requests] = [await prepare(LATE_REQUESTS), await prepare(REQUESTS)];
    const enough = acknowledged.length + randomInt(5, REQUESTS);
    for (const request of requests) scene.ask(request);
    await expect.poll(() => acknowledged.length, { interval: 1 }).toBeGreaterThanOrEqual(enough);
    await postgres.kill();
    for (const [by, error] of OUTAGES) {
      const guess = { by, method: 'validate', username: 'nobody', code: 'ZZZZZZ' } as const;
      await expect.poll(async () => watch([guess])).toEqual([error]);
    }
    const lateIds = late.map((request) => scene.ask(request).message.id);
    await expect.poll(() => lateIds.filter((id) => !replied.has(id))).toEqual([]);
    await postgres.start();
    await expect.poll(ended).toBe(kill + 1);
    const [last] = (await prepare(1)).map((request) => scene.ask(request));
    await expect.poll(() => acknowledged.map(({ username }) => username)).toContain(last?.member.username);
  }
  isOver = true;
  const answers = await Promise.all(logins);
  const refusals = await guessing;
  bot.child.kill('SIGTERM');
  expect(await bot.ended).toBe(0);

  const heard = await scene.heard();
  const ignored = scene.asked.filter(({ message: { id } }) => !heard.has(id) && !replied.has(id));
  const unfinished = (await scene.unfinished()).length;
  const figures = `${kills} kills, ${scene.asked.length} requests, ${acknowledged.length} acknowledged, ${refused} refused, ${unfinished} unfinished, logins ${JSON.stringify([...answers, refusals])}`;
  const log = readLog(bot, from);
  const successor = await startSuccessor(scene);
  await expect.poll(async () => scene.unfinished()).toEqual([]);
  await successor.settled();
  const faults = await scene.faults(successor);
  return { faults, ignored: ignored.map(({ text }) => text), answers, refusals, log, figures };
}

it('loses nothing that was acknowledged when PostgreSQL is killed, and recovers without a restart', async () => {
  const kills = sized(2, 10);
  const { faults, ignored, answers, refusals, log, figures } = await loseDatabase(DURABLE, kills);
  process.stdout.write(`${figures}\n`);
  expect(faults).toEqual(NO_FAULTS);
  expect(ignored).toEqual([]);
  expect(answers.map((each) => Object.keys(each).toSorted())).toEqual(
    OUTAGES.map(([, error]) => [error, 'valid'].toSorted()),
  );
  expect(Object.keys(refusals).toSorted()).toEqual(['DATABASE_UNREACHABLE', 'unknown']);
  const lines = ['DATABASE_UNREACHABLE', 'The database works again'];
  expect(log).toEqual(Array.from({ length: kills }, () => lines).flat());
});

it('loses codes when PostgreSQL reports commits before they are written (control)', async () => {
  const { faults, answers } = await loseDatabase(LAX, 1);
  expect(faults.lost).not.toEqual([]);
  for (const each of answers) expect(Object.keys(each)).toContain('unknown');
});
