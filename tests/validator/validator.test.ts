import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openValidator, StorageError, type ValidatorOptions } from '../../src/validator/validator.js';
import { openWorld, SECRET } from '../services/support.js';
import { openCodes, type CodesOptions } from '../support/codes.js';
import { postgresDatabase } from '../support/postgres.js';

const UNKNOWN = { valid: false, reason: 'unknown' };

async function openTestValidator(options: ValidatorOptions) {
  const validator = await openValidator(options);
  onTestFinished(async () => validator.close());
  return validator;
}

/** The bot's services, and a validator on the same database with the same clock. */
async function openBoth(options: CodesOptions = {}) {
  const bot = await openCodes(options);
  const validator = await openTestValidator({ databaseUrl: bot.databasePath, clock: bot.clock.read });
  return { bot, validator };
}

describe('openValidator', () => {
  it('validates a code any number of times and redeems it as often as it has uses', async () => {
    const { bot, validator } = await openBoth({ codeTtlMs: 60_000, codeMaxUses: 2 });
    const { text } = await bot.issueCode({ holderId: '42' });
    const holder = { valid: true, username: 'Alice', discordUserId: '42', expiresAt: bot.clock.now + 60_000 };
    const redeem = async (idempotencyKey: string) => validator.redeem('Alice', text, { idempotencyKey });
    for (let n = 0; n < 3; n++)
      expect(await validator.validate('Alice', text)).toEqual({ ...holder, usesLeft: 2 });
    for (let n = 0; n < 2; n++) expect(await redeem('first')).toEqual({ ...holder, usesLeft: 1 });
    expect(await validator.redeem('Alice', text)).toEqual({ ...holder, usesLeft: 0 });
    expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
  });

  it('rejects whatever is no code of the username as unknown', async () => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.issueCode();
    const long = 'A'.repeat(1_000_000);
    for (const [username, code] of [
      ['Alice', text === 'ABC234' ? 'ABC235' : 'ABC234'],
      ['Bob', text],
      ['AIice', text],
      ['', text],
      ['Alice', ''],
      ['Alice', long],
      [long, text],
      ['Alice\0', text],
      ['Alice\ud83d', text],
    ] as const) {
      expect([username, await validator.validate(username, code)]).toEqual([username, UNKNOWN]);
      expect([username, await validator.redeem(username, code)]).toEqual([username, UNKNOWN]);
    }
  });

  it.each<unknown>([
    null,
    234_567,
    { $ne: null },
    { toString: () => 'Alice', trim: () => 'ABC234' },
    Symbol('Alice'),
  ])('rejects %o instead of a string as unknown, and ignores it as options', async (value) => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.issueCode();
    const call = async (method: 'validate' | 'redeem', ...words: unknown[]): Promise<unknown> =>
      Reflect.apply(validator[method], validator, words);
    for (const method of ['validate', 'redeem'] as const) {
      expect(await call(method, value, text)).toEqual(UNKNOWN);
      expect(await call(method, 'Alice', value)).toEqual(UNKNOWN);
      for (const options of [value, { client: value, idempotencyKey: value }])
        expect(await call(method, 'Alice', text, options)).toHaveProperty('valid', true);
    }
  });

  it("uses the system's clock by default", async () => {
    const bot = await openCodes({ codeTtlMs: 60_000 });
    const validator = await openTestValidator({ databaseUrl: bot.databasePath });
    bot.clock.now = Date.now() - 3_600_000;
    const old = await bot.issueCode({ username: 'Alice' });
    bot.clock.now = Date.now() + 3_600_000;
    const fresh = await bot.issueCode({ username: 'Bob' });
    expect(await validator.validate('Alice', old.text)).toEqual({ valid: false, reason: 'expired' });
    expect(await validator.validate('Bob', fresh.text)).toHaveProperty('valid', true);
  });

  it('opens a file: URL with a given secret', async () => {
    const bot = await openCodes();
    const { text } = await bot.issueCode();
    const secretPath = join(bot.databasePath, '..', 'code-secret.key');
    const codeSecret = readFileSync(secretPath, 'utf8');
    rmSync(secretPath);
    const databaseUrl = pathToFileURL(bot.databasePath).href;
    const validator = await openTestValidator({ databaseUrl, codeSecret, clock: bot.clock.read });
    expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
  });

  it('rejects every call after it was closed', async () => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.issueCode();
    await validator.close();
    await expect(validator.validate('Alice', text)).rejects.toThrow('not open');
    await expect(validator.redeem('Alice', text)).rejects.toThrow('not open');
    await validator.close();
  });

  it.each([
    'postgres://bot:hunter2hunter2@local host/codes',
    'https://example.org/hunter2hunter2',
    '~/codes.db',
  ])('throws a TypeError for %j without quoting it', async (databaseUrl) => {
    const opening = openValidator({ databaseUrl });
    await expect(opening).rejects.toThrow(TypeError);
    await expect(opening).rejects.toThrow(/^databaseUrl must be the path of a SQLite file without ~ [^']*$/);
  });

  it('opens a postgres: URL with poolSize connections', async () => {
    const url = new URL(await postgresDatabase());
    const bot = await openWorld(async () => url.href);
    const { text } = await bot.deliver();
    const name = `website ${url.searchParams.get('options')}`;
    url.searchParams.set('application_name', name);
    const validator = await openTestValidator({ databaseUrl: url.href, codeSecret: SECRET, poolSize: 2 });
    expect(await validator.redeem('alice', text)).toMatchObject({ valid: true, username: 'Alice' });
    await Promise.all(Array.from({ length: 20 }, async (_, n) => validator.validate(`user${n}`, text)));
    const sessions = await bot
      .openDriver()
      .query('SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [name]);
    expect(sessions).toHaveLength(2);
    await validator.close();
    await expect(validator.validate('Alice', text)).rejects.toThrow(StorageError);
  });

  it.each([
    ['without a secret', undefined, { code: 'SECRET_MISSING' }],
    ['of a server that does not answer', 'x'.repeat(32), { code: 'DATABASE_UNREACHABLE', isTransient: true }],
  ])('rejects a postgres: URL %s, without its password', async (_what, codeSecret, expected) => {
    const databaseUrl = 'postgres://bot:hunter2hunter2@127.0.0.1:9/codes';
    const opening = openValidator({ databaseUrl, codeSecret });
    await expect(opening).rejects.toMatchObject(expected);
    await expect(opening).rejects.not.toThrow('hunter2');
  });
});
