import { setImmediate as nextTurn } from 'node:timers/promises';

import { expect, it, onTestFinished } from 'vitest';

import { SECRET } from '../services/support.js';
import { openCodes } from '../support/codes.js';
import { openDriver } from '../support/engines.js';
import { temporaryFolder } from '../support/folder.js';
import { startServer } from '../support/postgres.js';
import { run } from '../support/process.js';
import { sized } from './size.js';

const ROUNDS = 4;
/** At Alice, in each round. */
const GUESSES = 3;

it('evaluates at most 10 guesses of many websites that open and close validators, and leaves no connection open', async () => {
  const websites = sized(6, 30);
  const postgres = await startServer(['max_connections=100']);
  onTestFinished(postgres.stop);
  const { issueCode } = await openCodes({ databasePath: postgres.url, codeSecret: SECRET });
  await issueCode({ username: 'Alice' });
  const codes: string[] = [];
  for (let n = 0; n < websites; n++) codes.push((await issueCode({ username: `user${n}` })).text);

  const url = new URL(postgres.url);
  url.searchParams.set('application_name', 'website');
  const env = { DATABASE_URL: url.href, CODE_SECRET: SECRET };
  const cwd = temporaryFolder();
  const poolSizes = codes.map((_, n) => 1 + (n % 3));
  const started = codes.map((code, n) => {
    const args = [poolSizes[n], ROUNDS, GUESSES, `user${n}`, code].map(String);
    return run('tests/faults/serverless.mjs', { args, env, cwd });
  });
  const driver = openDriver(postgres.url);
  onTestFinished(async () => driver.close());
  const count = async (): Promise<number> =>
    (await driver.query(`SELECT pid FROM pg_stat_activity WHERE application_name = 'website'`)).length;
  const ending = Promise.all(started.map(async ({ ended }) => ended));
  let peak = 0;
  do peak = Math.max(peak, await count());
  while ((await Promise.race([ending, nextTurn()])) === undefined);

  const ends = await ending;
  expect(started.map(({ stderr }) => stderr()).join('')).toBe('');
  expect(ends).toEqual(ends.map(() => 0));
  const answers: Record<string, number> = {};
  for (const line of started.flatMap(({ stdout }) => stdout().split('\n').slice(0, -1))) {
    answers[line] = (answers[line] ?? 0) + 1;
  }
  const times = websites * ROUNDS;
  process.stdout.write(`${times} validators in ${websites} processes, at most ${peak} connections\n`);
  expect(answers).toEqual({
    'right valid': times,
    'wrong throttled': times * GUESSES - 10,
    'wrong unknown': 10,
  });
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThanOrEqual(poolSizes.reduce((sum, size) => sum + size, 0));
  await expect.poll(count).toBe(0);
});
