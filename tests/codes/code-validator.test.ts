import { describe, expect, it } from 'vitest';

import { openCodes, type Codes } from '../support/codes.js';

const UNKNOWN = { valid: false, reason: 'unknown' };

describe('CodeValidator', () => {
  it('knows no code before it is delivered, nor one that was withdrawn', async () => {
    const { service, validator, issue } = await openCodes();
    const { id, text } = await issue();
    expect(await validator.validate('Alice', text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', text)).toEqual(UNKNOWN);
    await service.withdraw(id, 'closed');
    expect(await validator.validate('Alice', text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', text)).toEqual(UNKNOWN);
  });

  it('keeps the old code good until the new one is delivered', async () => {
    const { service, validator, hand, issue } = await openCodes();
    const old = await hand();
    const fresh = await issue();
    expect(await validator.validate('Alice', old.text)).toHaveProperty('valid', true);
    await service.deliver(fresh.id);
    expect(await validator.validate('Alice', old.text)).toEqual({ valid: false, reason: 'replaced' });
    expect(await validator.validate('Alice', fresh.text)).toHaveProperty('valid', true);
  });

  it.each<[string, number, boolean]>([
    ['a millisecond before its expiry', 59_999, true],
    ['in the millisecond of its expiry', 60_000, false],
  ])('judges a code %s', async (_when, age, valid) => {
    const { validator, clock, hand } = await openCodes({ codeTtlMs: 60_000 });
    const { text } = await hand();
    clock.advance(age);
    const verdict = valid ? { valid, expiresAt: clock.now + 1 } : { valid, reason: 'expired' };
    expect(await validator.validate('Alice', text)).toMatchObject(verdict);
    expect(await validator.redeem('Alice', text)).toMatchObject(verdict);
  });

  it('wants the code of this very username', async () => {
    const { validator, hand } = await openCodes();
    const alice = await hand({ holderId: '1', username: 'Alice' });
    const bob = await hand({ holderId: '2', username: 'Bob' });
    expect(await validator.validate('Bob', alice.text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', bob.text)).toEqual(UNKNOWN);
    expect(await validator.validate('Bob', bob.text)).toHaveProperty('discordUserId', '2');
  });

  /** `count` wrong codes for `username`; what the last one was answered with. */
  async function fail({ validator }: Codes, count: number, username: string, client?: string) {
    let verdict = await validator.validate(username, 'AAAAAA', { client });
    for (let n = 1; n < count; n++) verdict = await validator.redeem(username, 'AAAAAA', { client });
    return verdict;
  }

  it.each([
    ['held', 'Alice'],
    ['that nobody has', 'Mallory'],
  ])(
    'answers throttled after ten wrong codes for a username %s, and says for how long',
    async (_what, name) => {
      const codes = await openCodes();
      await codes.hand({ username: 'Alice' });
      expect(await fail(codes, 10, name)).toEqual(UNKNOWN);
      codes.clock.advance(600_000);
      const throttled = { valid: false, reason: 'throttled', retryAfterMs: 3_000_000 };
      expect(await codes.validator.validate(name.toUpperCase(), 'BBBBBB')).toEqual(throttled);
      expect(await codes.validator.redeem(name.toLowerCase(), 'CCCCCC')).toEqual(throttled);
      codes.clock.advance(3_000_000);
      expect(await codes.validator.validate(name, 'BBBBBB')).toEqual(UNKNOWN);
    },
  );

  it('has no time to name after a hundred in a row, until the holder gets a new code', async () => {
    const codes = await openCodes();
    const { text } = await codes.hand();
    for (let hour = 0; hour < 10; hour++) {
      expect(await fail(codes, 10, 'Alice')).toEqual(UNKNOWN);
      codes.clock.advance(3_600_000);
    }
    expect(await codes.validator.validate('Alice', text)).toEqual({
      valid: false,
      reason: 'throttled',
      retryAfterMs: null,
    });
    const fresh = await codes.hand();
    expect(await codes.validator.validate('Alice', fresh.text)).toHaveProperty('valid', true);
  });

  it('lets in who got in before, whatever strangers do, and knows nobody by an empty name', async () => {
    const codes = await openCodes();
    const { text } = await codes.hand();
    const { validator } = codes;
    for (const client of ['home', '']) await validator.validate('Alice', text, { client });
    await fail(codes, 10, 'Alice', 'stranger');
    expect(await validator.validate('ALICE', text, { client: 'home' })).toHaveProperty('valid', true);
    for (const client of ['Home', 'stranger', '', undefined]) {
      expect(await validator.validate('Alice', text, { client })).toHaveProperty('reason', 'throttled');
    }
  });

  it('counts nothing that no username or no code looks like', async () => {
    const codes = await openCodes();
    const { text } = await codes.hand();
    for (let n = 0; n < 20; n++) {
      expect(await codes.validator.validate('Alice', 'ABC10')).toEqual(UNKNOWN);
      expect(await codes.validator.validate('<@1>', text)).toEqual(UNKNOWN);
    }
    expect(await codes.validator.validate('Alice', text)).toHaveProperty('valid', true);
  });

  it('redeems once what is named by one key, and says so where the key belongs to another', async () => {
    const { validator, hand, clock } = await openCodes({ codeMaxUses: 2 });
    const { text } = await hand();
    const options = { idempotencyKey: 'form 1' };
    const first = await validator.redeem('Alice', text, options);
    expect(first).toHaveProperty('usesLeft', 1);
    expect(await validator.redeem('ALICE', text.toLowerCase(), options)).toEqual(first);
    expect(await validator.redeem('Alice', 'AAAAAA', options)).toEqual({
      valid: false,
      reason: 'key_reused',
    });
    // A look needs no name, and an empty one is none.
    expect(await validator.validate('Alice', 'AAAAAA', { client: '', ...options })).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', text, { idempotencyKey: '' })).toHaveProperty('usesLeft', 0);
    expect(await validator.redeem('Alice', text, { idempotencyKey: '' })).toHaveProperty('reason', 'used_up');
    clock.advance(600_000);
    expect(await validator.redeem('Alice', text, options)).toHaveProperty('reason', 'used_up');
  });

  it('leaves no code, no typed name and no client in the audit', async () => {
    const codes = await openCodes();
    const { text } = await codes.hand();
    await codes.validator.redeem('Alice', text, { client: '192.0.2.1' });
    await codes.validator.validate('Mallory', 'QQQQQQ', { client: '192.0.2.1' });
    await fail(codes, 10, 'Alice', '192.0.2.1');
    const rows = await codes.storage.store.readAudit({});
    expect(new Set(rows.map(({ event }) => event))).toEqual(
      new Set(['issued', 'delivered', 'redeemed', 'refused', 'throttled']),
    );
    const written = JSON.stringify(rows);
    for (const secret of [text, 'QQQQQQ', 'AAAAAA', 'Mallory', 'mallory', '192.0.2.1']) {
      expect(written).not.toContain(secret);
    }
  });

  it.each<[string, (codes: Codes, text: string) => Promise<unknown>]>([
    ['the bot marked it', async ({ storage, clock }) => storage.store.expire(clock.now)],
    ['somebody validated it', async ({ validator }, text) => validator.validate('Alice', text)],
    ['somebody redeemed it', async ({ validator }, text) => validator.redeem('Alice', text)],
  ])('never revives a code, however the clock jumps, once %s when it had expired', async (_what, see) => {
    const codes = await openCodes({ codeTtlMs: 3 * 86_400_000 });
    const { id, text } = await codes.hand();
    const start = codes.clock.now;
    codes.clock.advance(86_400_000);
    expect(await codes.validator.validate('Alice', text)).toHaveProperty('valid', true);
    codes.clock.advance(2 * 86_400_000);
    await see(codes, text);
    for (const now of [start, start - 86_400_000, start + 86_400_000, start + 4 * 86_400_000]) {
      codes.clock.now = now;
      expect(await codes.validator.validate('Alice', text)).toEqual({ valid: false, reason: 'expired' });
      expect(await codes.validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'expired' });
      expect(await codes.service.list('1', 1, 'admin')).toMatchObject({ total: 0, codes: [] });
      expect(await codes.service.deliver(id)).toBe(false);
      expect(await codes.service.findToShow(id, '1')).toBe('gone');
    }
    await codes.hand({ holderId: '2' });
  });

  it('has one owner for a username whatever the clock does when its code expires', async () => {
    const codes = await openCodes({ codeTtlMs: 60_000 });
    const old = await codes.hand({ holderId: '1' });
    codes.clock.advance(60_000);
    const fresh = await codes.hand({ holderId: '2' });
    codes.clock.advance(-1);
    expect(await codes.validator.validate('Alice', fresh.text)).toMatchObject({ discordUserId: '2' });
    expect(await codes.validator.validate('Alice', old.text)).toEqual({ valid: false, reason: 'expired' });
    expect(await codes.service.list('1', 1, 'admin')).toMatchObject({ total: 1, codes: [{ holderId: '2' }] });
  });
});
