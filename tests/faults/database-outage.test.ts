import { randomInt } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { expect, it, onTestFinished } from 'vitest';

import { openValidator, StorageError } from '../../src/validator/validator.js';
import { SECRET } from '../services/support.js';
import { TestServer } from '../support/bot.js';
import { runOn, startServer } from '../support/postgres.js';
import type { Running } from '../support/process.js';
import { TOKEN } from '../validation/bot.js';
import { startBotProcess } from './bots.js';
import { NO_FAULTS, Scene, startSuccessor, type Faults, type Request } from './scene.js';
import { sized } from './size.js';

const DURABLE = ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on'];
/** A commit is written seconds after it was reported. */
const LAX = ['wal_writer_delay=10s', 'wal_writer_flush_after=1GB'];

/** For each kill. */
const REQUESTS = 40;
const LATE_REQUESTS = 5;

interface Pair {
  readonly username: string;
  readonly code: string;
}

/** How often each answer came: `valid`, the reason of a refusal, `outage`, or an unexpected error. */
type Answers = Readonly<Record<string, number>>;
type LogIn = (pair: Pair) => Promise<string>;

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

async function openModule(databaseUrl: string): Promise<LogIn> {
  const validator = await openValidator({ databaseUrl, codeSecret: SECRET });
  onTestFinished(async () => validator.close());
  return async ({ username, code }) => {
    try {
      const verdict = await validator.validate(username, code);
      return verdict.valid ? 'valid' : verdict.reason;
    } catch (error) {
      return error instanceof StorageError && error.isTransient ? 'outage' : String(error);
    }
  };
}

function openHttp(port: string): LogIn {
  return async (pair) => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/validate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(pair),
    });
    const { valid, reason, error } = Object(await response.json());
    if (response.status === 503) return 'outage';
    return valid === true ? 'valid' : String(reason ?? error);
  };
}

/** Logs in again and again, with the newest pairs more often, until there are none. */
async function keepLoggingIn(logIn: LogIn, next: () => Pair | null | undefined): Promise<Answers> {
  const answers: Record<string, number> = {};
  for (;;) {
    const pair = next();
    if (pair === null) return answers;
    if (pair !== undefined) {
      const answer = await logIn(pair);
      answers[answer] = (answers[answer] ?? 0) + 1;
    }
    await nextTurn();
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
  const module = await openModule(postgres.url);
  const http = openHttp(/"port":(\d+)/.exec(bot.stdout())?.[1] ?? '');
  let isOver = false;
  const latest = (): Pair | null | undefined =>
    isOver ? null : acknowledged[acknowledged.length - 1 - randomInt(Math.min(acknowledged.length, 50) || 1)];
  let guesses = 0;
  const wrong = (): Pair | null => (isOver ? null : { username: `nobody ${guesses++}`, code: 'ZZZZZZ' });
  const logins = [keepLoggingIn(module, latest), keepLoggingIn(http, latest)];
  const guessing = keepLoggingIn(module, wrong);

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
    for (const logIn of [module, http]) {
      await expect.poll(async () => logIn({ username: 'nobody', code: 'ZZZZZZ' })).toBe('outage');
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
  for (const each of answers) expect(Object.keys(each).toSorted()).toEqual(['outage', 'valid']);
  expect(Object.keys(refusals).toSorted()).toEqual(['outage', 'unknown']);
  const lines = ['DATABASE_UNREACHABLE', 'The database works again'];
  expect(log).toEqual(Array.from({ length: kills }, () => lines).flat());
});

it('loses codes when PostgreSQL reports commits before they are written (control)', async () => {
  const { faults, answers } = await loseDatabase(LAX, 1);
  expect(faults.lost).not.toEqual([]);
  for (const each of answers) expect(Object.keys(each)).toContain('unknown');
});
