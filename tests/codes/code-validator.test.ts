import { describe, expect, it } from 'vitest';

import { CodeValidator } from '../../src/codes/code-validator.js';
import { openCodes } from '../support/codes.js';

const UNKNOWN = { valid: false, reason: 'unknown' };

describe('CodeValidator', () => {
  it('knows no code before it is delivered, nor one that was withdrawn', async () => {
    const { service, validator, issue } = await openCodes();
    const { id, text } = await issue();
    expect(await validator.validate('Alice', text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', text)).toEqual(UNKNOWN);
    await service.withdraw(id);
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

  it('lets nobody in uncounted when the code is delivered between its two looks', async () => {
    const { service, storage, clock, issue } = await openCodes({ codeMaxUses: 1 });
    const { id, text } = await issue();
    const store = {
      findByPair: async (pairHash: string) => storage.store.findByPair(pairHash),
      redeem: async (pairHash: string, now: number) => {
        const redeemed = await storage.store.redeem(pairHash, now);
        await service.deliver(id);
        return redeemed;
      },
    };
    const validator = new CodeValidator({ store, keys: storage.keys, clock: clock.read });
    expect(await validator.redeem('Alice', text)).toEqual(UNKNOWN);
    expect(await validator.redeem('Alice', text)).toMatchObject({ valid: true, usesLeft: 0 });
  });
});
