import { readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it, onTestFinished } from 'vitest';

import { PostgresDriver } from '../../src/storage/postgres-driver.js';
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

/** Returns `value` typed as a string: JavaScript may pass anything. */
function asText(value: unknown): string {
  return Object.assign({ text: '' }, { text: value }).text;
}

/** The bot's services, and a validator on the same database with the same clock. */
async function openBoth(options: CodesOptions = {}) {
  const bot = await openCodes(options);
  const validator = await openTestValidator({ databaseUrl: bot.databasePath, clock: bot.clock.read });
  return { bot, validator };
}

describe('openValidator', () => {
  it('validates a code any number of times', async () => {
    const { bot, validator } = await openBoth({ codeTtlMs: 60_000, codeMaxUses: 2 });
    const { text } = await bot.issueCode({ holderId: '42' });
    const verdict = {
      valid: true,
      username: 'Alice',
      discordUserId: '42',
      expiresAt: bot.clock.now + 60_000,
      usesLeft: 2,
    };
    for (let n = 0; n < 3; n++) expect(await validator.validate('Alice', text)).toEqual(verdict);
  });

  it('redeems a code as often as CODE_MAX_USES allows', async () => {
    const { bot, validator } = await openBoth({ codeMaxUses: 2 });
    const { text } = await bot.issueCode();
    const valid = { valid: true, username: 'Alice', discordUserId: '1', expiresAt: null };
    expect(await validator.redeem('Alice', text)).toEqual({ ...valid, usesLeft: 1 });
    expect(await validator.redeem('Alice', text)).toEqual({ ...valid, usesLeft: 0 });
    expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
    expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
  });

  it('counts one use for a redemption that is repeated with its idempotency key within 10 minutes', async () => {
    const { bot, validator } = await openBoth({ codeMaxUses: 2 });
    const { text } = await bot.issueCode();
    const redeem = async (idempotencyKey: string) => validator.redeem('Alice', text, { idempotencyKey });
    for (let n = 0; n < 2; n++) expect(await redeem('first')).toHaveProperty('usesLeft', 1);
    for (let n = 0; n < 2; n++) expect(await redeem('second')).toHaveProperty('usesLeft', 0);
    expect(await redeem('first')).toEqual({ valid: false, reason: 'used_up' });
    bot.clock.advance(600_000);
    expect(await redeem('second')).toEqual({ valid: false, reason: 'used_up' });
  });

  it.each<[string, (text: string) => readonly [string, string]]>([
    ['a code that was never issued', (text) => ['Alice', text === 'ABC234' ? 'ABC235' : 'ABC234']],
    ["another member's username", (text) => ['Bob', text]],
    ['a look-alike of the username', (text) => ['AIice', text]],
    ['username and code exchanged', (text) => [text, 'Alice']],
    ['an empty username', (text) => ['', text]],
    ['an empty code', () => ['Alice', '']],
    ['a code of 1,000,000 letters', () => ['Alice', 'A'.repeat(1_000_000)]],
    ['a username of 1,000,000 letters', (text) => ['A'.repeat(1_000_000), text]],
    ['a username with NUL', (text) => ['Alice\0', text]],
    ['half a surrogate pair', (text) => ['Alice\ud83d', text]],
  ])('rejects %s as unknown', async (_what, type) => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.issueCode();
    const [username, code] = type(text);
    expect(await validator.validate(username, code)).toEqual(UNKNOWN);
    expect(await validator.redeem(username, code)).toEqual(UNKNOWN);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a number', 234_567],
    ['a boolean', true],
    ['an object', { $ne: null }],
    ['an object that converts to a string', { toString: () => 'Alice', trim: () => 'ABC234' }],
    ['an array', ['Alice']],
    ['a symbol', Symbol('Alice')],
  ])('rejects %s instead of a string as unknown, and ignores it as options', async (_what, value) => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.issueCode();
    const wrong = asText(value);
    expect(await validator.validate(wrong, text)).toEqual(UNKNOWN);
    expect(await validator.validate('Alice', wrong)).toEqual(UNKNOWN);
    expect(await validator.redeem(wrong, text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', wrong)).toEqual(UNKNOWN);
    for (const options of [value, { client: value, idempotencyKey: value }]) {
      const verdict: unknown = await Reflect.apply(validator.redeem, validator, ['Alice', text, options]);
      expect(verdict).toHaveProperty('valid', true);
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

  it('rejects with DATABASE_REPLACED after the database file was replaced', async () => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.issueCode();
    const other = await openCodes();
    renameSync(other.databasePath, bot.databasePath);
    const validation = validator.validate('Alice', text);
    await expect(validation).rejects.toMatchObject({ code: 'DATABASE_REPLACED', isTransient: true });
  });

  it.each([
    'postgres://bot:hunter2hunter2@local host/codes',
    'https://example.org/hunter2hunter2',
    '',
    '~/codes.db',
    ':memory:',
  ])('throws a TypeError for %j without quoting it', async (databaseUrl) => {
    const opening = openValidator({ databaseUrl });
    await expect(opening).rejects.toThrow(TypeError);
    await expect(opening).rejects.toThrow(/^databaseUrl must be the path of a SQLite file without ~ [^']*$/);
  });

  it.each([
    [3, {}],
    [2, { poolSize: 2 }],
  ])('opens a postgres: URL with %i connections for %j', async (connections, options) => {
    const url = new URL(await postgresDatabase());
    const driver = new PostgresDriver(url.href);
    onTestFinished(async () => driver.close());
    const bot = await openWorld({
      newDatabase: async () => ({ engine: 'postgres', url: url.href }),
      openDriver: async () => driver,
    });
    const { text } = await bot.deliver();
    const name = `website ${url.searchParams.get('options')}`;
    url.searchParams.set('application_name', name);
    const validator = await openTestValidator({ databaseUrl: url.href, codeSecret: SECRET, ...options });
    expect(await validator.redeem('alice', text)).toMatchObject({ valid: true, username: 'Alice' });
    await Promise.all(Array.from({ length: 20 }, async (_, n) => validator.validate(`user${n}`, text)));
    const sessions = await driver.query('SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [name]);
    expect(sessions).toHaveLength(connections);
    await validator.close();
    await expect(validator.validate('Alice', text)).rejects.toThrow(StorageError);
  });

  it('throws SECRET_MISSING for a postgres: URL without a secret', async () => {
    const opening = openValidator({ databaseUrl: 'postgres://bot:hunter2hunter2@127.0.0.1:9/codes' });
    await expect(opening).rejects.toMatchObject({ code: 'SECRET_MISSING' });
  });

  it('throws DATABASE_UNREACHABLE, which is transient, for a PostgreSQL server that does not answer', async () => {
    const databaseUrl = 'postgres://bot:hunter2hunter2@127.0.0.1:9/codes';
    const opening = openValidator({ databaseUrl, codeSecret: 'x'.repeat(32) });
    await expect(opening).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE', isTransient: true });
    await expect(opening).rejects.not.toThrow('hunter2');
  });
});
