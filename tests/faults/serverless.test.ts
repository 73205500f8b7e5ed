import { expect, it, onTestFinished } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { SECRET } from '../services/support.js';
import { openCodes } from '../support/codes.js';
import { openDriver } from '../support/engines.js';
import { postgresDatabase } from '../support/postgres.js';
import { sized } from './size.js';

const ROUNDS = 4;
/** At Alice, in each round. */
const GUESSES = 3;

it('evaluates at most 10 guesses of many websites that open and close validators, and leaves no connection open', async () => {
  const databasePath = await postgresDatabase();
  const { issueCode } = await openCodes({ databasePath, codeSecret: SECRET });
  await issueCode({ username: 'Alice' });
  const url = new URL(databasePath);
  const name = `website of ${url.searchParams.get('options')}`;
  url.searchParams.set('application_name', name);
  const driver = openDriver(databasePath);
  onTestFinished(async () => driver.close());
  const find = 'SELECT pid FROM pg_stat_activity WHERE application_name = $1';
  const count = async (): Promise<number> => (await driver.query(find, [name])).length;

  const answers: Record<string, number> = {};
  let peak = 0;
  /** Opens a validator, logs in with guesses beside it, and closes it, again and again. */
  async function runWebsite(username: string, code: string, poolSize: number): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const validator = await openValidator({ databaseUrl: url.href, codeSecret: SECRET, poolSize });
      const verdicts = await Promise.all([
        validator.redeem(username, code),
        ...Array.from({ length: GUESSES }, async () => validator.validate('Alice', 'ZZZZZZ')),
      ]);
      peak = Math.max(peak, await count());
      await validator.close();
      for (const verdict of verdicts) {
        const answer = verdict.valid ? 'valid' : verdict.reason;
        answers[answer] = (answers[answer] ?? 0) + 1;
      }
    }
  }
  const websites = sized(6, 30);
  const poolSizes = Array.from({ length: websites }, (_, n) => 1 + (n % 3));
  const codes: string[] = [];
  for (let n = 0; n < websites; n++) codes.push((await issueCode({ username: `user${n}` })).text);
  await Promise.all(codes.map(async (code, n) => runWebsite(`user${n}`, code, poolSizes[n] ?? 1)));

  const times = websites * ROUNDS;
  expect(answers).toEqual({ valid: times, throttled: times * GUESSES - 10, unknown: 10 });
  expect(peak).toBeGreaterThan(0);
  expect(peak).toBeLessThanOrEqual(poolSizes.reduce((sum, size) => sum + size, 0));
  await expect.poll(count).toBe(0);
});
