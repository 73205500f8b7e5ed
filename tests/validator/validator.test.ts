import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openValidator, StorageError, type ValidatorOptions } from '../../src/validator/validator.js';
import { byAdmin, openCodes, type Codes, type CodesOptions } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';

const UNKNOWN = { valid: false, reason: 'unknown' };

async function openTestValidator(options: ValidatorOptions) {
  const validator = await openValidator(options);
  onTestFinished(async () => validator.close());
  return validator;
}

/** `value` unchanged: to the compiler a text, which is more than JavaScript promises. */
function asText(value: unknown): string {
  return Object.assign({ text: '' }, { text: value }).text;
}

/** The bot's side, and a validator on its database, under one clock. */
async function openBoth(options: CodesOptions = {}) {
  const bot = await openCodes(options);
  const validator = await openTestValidator({ databaseUrl: bot.databasePath, clock: bot.clock.read });
  return { bot, validator };
}

describe('openValidator', () => {
  it('validates a code that the bot issued, again and again', async () => {
    const { bot, validator } = await openBoth({ codeTtlMs: 60_000, codeMaxUses: 2 });
    const { text } = await bot.hand({ holderId: '42' });
    const verdict = {
      valid: true,
      username: 'Alice',
      discordUserId: '42',
      expiresAt: bot.clock.now + 60_000,
      usesLeft: 2,
    };
    for (let n = 0; n < 3; n++) expect(await validator.validate('Alice', text)).toEqual(verdict);
  });

  it('redeems a code as often as it may be used', async () => {
    const { bot, validator } = await openBoth({ codeMaxUses: 2 });
    const { text } = await bot.hand();
    const valid = { valid: true, username: 'Alice', discordUserId: '1', expiresAt: null };
    expect(await validator.redeem('Alice', text)).toEqual({ ...valid, usesLeft: 1 });
    expect(await validator.redeem('Alice', text)).toEqual({ ...valid, usesLeft: 0 });
    expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
    expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
  });

  it('redeems a code without limit for ever', async () => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.hand();
    for (let n = 0; n < 5; n++) {
      expect(await validator.redeem('Alice', text)).toMatchObject({ valid: true, usesLeft: null });
    }
  });

  it.each<[string, string, (bot: Codes) => Promise<string>]>([
    ['not yet delivered', 'unknown', async (bot) => (await bot.issue()).text],
    [
      'withdrawn',
      'unknown',
      async (bot) => {
        const { id, text } = await bot.issue();
        await bot.service.withdraw(id, 'closed');
        return text;
      },
    ],
    [
      'expired',
      'expired',
      async (bot) => {
        const { text } = await bot.hand();
        bot.clock.advance(60_000);
        return text;
      },
    ],
    [
      'revoked',
      'revoked',
      async (bot) => {
        const { text } = await bot.hand();
        await bot.service.revoke('1', text, byAdmin());
        return text;
      },
    ],
    [
      'replaced',
      'replaced',
      async (bot) => {
        const { text } = await bot.hand();
        await bot.hand();
        return text;
      },
    ],
    [
      'used up',
      'used_up',
      async (bot) => {
        const { text } = await bot.hand();
        await bot.validator.redeem('Alice', text);
        return text;
      },
    ],
  ])('answers for a code that is %s: %s', async (_what, reason, live) => {
    const { bot, validator } = await openBoth({ codeTtlMs: 60_000, codeMaxUses: 1 });
    const text = await live(bot);
    expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason });
    expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason });
  });

  it.each<[string, string, (text: string) => string]>([
    ['small letters', 'Alice', (text) => text.toLowerCase()],
    ['spaces around the code', 'Alice', (text) => `\t ${text} \n`],
    ['a username in capitals', 'ALICE', (text) => text],
    ['a username in small letters', 'alice', (text) => text],
  ])('reads %s, and answers with the username as it was issued', async (_what, username, spell) => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.hand();
    expect(await validator.validate(username, spell(text))).toMatchObject({ valid: true, username: 'Alice' });
    expect(await validator.redeem(username, spell(text))).toMatchObject({ valid: true, username: 'Alice' });
  });

  it.each<[string, (text: string) => readonly [string, string]]>([
    ['a code that was never issued', (text) => ['Alice', text === 'ABC234' ? 'ABC235' : 'ABC234']],
    ["somebody else's username", (text) => ['Bob', text]],
    ['a look-alike of the username', (text) => ['Ａlice', text]],
    ['username and code the wrong way round', (text) => [text, 'Alice']],
    ['an empty username', (text) => ['', text]],
    ['an empty code', () => ['Alice', '']],
    ['a code of 1,000,000 letters', () => ['Alice', 'A'.repeat(1_000_000)]],
    ['a username of 1,000,000 letters', (text) => ['A'.repeat(1_000_000), text]],
    ['a username with NUL in it', (text) => ['Alice\0', text]],
    ['half a surrogate pair', (text) => ['Alice\ud83d', text]],
  ])('answers unknown for %s', async (_what, spell) => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.hand();
    const [username, code] = spell(text);
    expect(await validator.validate(username, code)).toEqual(UNKNOWN);
    expect(await validator.redeem(username, code)).toEqual(UNKNOWN);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['a number', 234_567],
    ['a boolean', true],
    ['an object', { $ne: null }],
    ['an object that turns into a text', { toString: () => 'Alice', trim: () => 'ABC234' }],
    ['an array', ['Alice']],
    ['a symbol', Symbol('Alice')],
  ])('answers unknown for %s instead of a text', async (_what, value) => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.hand();
    const wrong = asText(value);
    expect(await validator.validate(wrong, text)).toEqual(UNKNOWN);
    expect(await validator.validate('Alice', wrong)).toEqual(UNKNOWN);
    expect(await validator.redeem(wrong, text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', wrong)).toEqual(UNKNOWN);
    // Nor do strange options change the answer.
    const options = [value, { client: value }];
    for (const option of options) {
      const verdict: unknown = await Reflect.apply(validator.validate, validator, ['Alice', text, option]);
      expect(verdict).toHaveProperty('valid', true);
    }
  });

  it('counts exactly the uses that are allowed, from two validators at once', async () => {
    const { bot, validator } = await openBoth({ codeMaxUses: 5 });
    const second = await openTestValidator({ databaseUrl: bot.databasePath, clock: bot.clock.read });
    const { text } = await bot.hand();
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, async (_, index) =>
        (index % 2 === 0 ? validator : second).redeem('Alice', text),
      ),
    );
    const left = verdicts.flatMap((verdict) => (verdict.valid ? [verdict.usesLeft] : []));
    expect(new Set(left)).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(left).toHaveLength(5);
    const reasons = verdicts.flatMap((verdict) => (verdict.valid ? [] : [verdict.reason]));
    expect(reasons.toSorted()).toEqual([
      ...Array.from({ length: 5 }, () => 'throttled'),
      ...Array.from({ length: 10 }, () => 'used_up'),
    ]);
  });

  it('goes by the clock of the system when it is given none', async () => {
    const bot = await openCodes({ codeTtlMs: 60_000 });
    const validator = await openTestValidator({ databaseUrl: bot.databasePath });
    // Issued on the first of January 2026, or an hour in the future.
    const { text } = await bot.hand({ username: 'Alice' });
    bot.clock.now = Date.now() + 3_600_000;
    const fresh = await bot.hand({ username: 'Bob' });
    expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'expired' });
    expect(await validator.validate('Bob', fresh.text)).toHaveProperty('valid', true);
  });

  it('opens a file: URL, with the secret given', async () => {
    const bot = await openCodes();
    const { text } = await bot.hand();
    const secretPath = join(bot.databasePath, '..', 'code-secret.key');
    const codeSecret = readFileSync(secretPath, 'utf8').trim();
    rmSync(secretPath);
    const validator = await openTestValidator({
      databaseUrl: pathToFileURL(bot.databasePath).href,
      codeSecret,
      clock: bot.clock.read,
    });
    expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
  });

  it('rejects every call after it was closed', async () => {
    const { bot, validator } = await openBoth();
    const { text } = await bot.hand();
    await validator.close();
    await expect(validator.validate('Alice', text)).rejects.toThrow('not open');
    await expect(validator.redeem('Alice', text)).rejects.toThrow('not open');
    await validator.close();
  });

  it.each(['postgres://bot:hunter2hunter2@localhost/codes', 'https://example.org/hunter2hunter2', ''])(
    'throws a TypeError for %j, and does not quote it',
    async (databaseUrl) => {
      const opening = openValidator({ databaseUrl });
      await expect(opening).rejects.toThrow(TypeError);
      await expect(opening).rejects.toThrow(/^databaseUrl [^:]+: URL$/);
    },
  );

  it('says that the database is missing rather than make one', async () => {
    const databaseUrl = join(temporaryFolder(), 'codes.db');
    const opening = openValidator({ databaseUrl, codeSecret: 'x'.repeat(32) });
    await expect(opening).rejects.toBeInstanceOf(StorageError);
    await expect(opening).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
    await expect(openValidator({ databaseUrl })).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
  });

  it.each([
    ['given', { codeSecret: 'x'.repeat(32) }],
    ['in the file', {}],
  ])('says that the secret %s is wrong', async (_where, options) => {
    const { databasePath } = await openCodes();
    writeFileSync(join(databasePath, '..', 'code-secret.key'), 'x'.repeat(32));
    const opening = openValidator({ databaseUrl: databasePath, ...options });
    await expect(opening).rejects.toMatchObject({ code: 'SECRET_WRONG' });
  });
});
