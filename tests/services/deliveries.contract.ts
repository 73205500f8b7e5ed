import { describe, expect, it } from 'vitest';

import type { Code } from '../../src/codes/code.js';
import { endCodes, suspendUnserved } from '../../src/services/maintenance.js';
import { admin, atOnce, HOUR, MINUTE, openWorld, type Engine } from './support.js';

const UNKNOWN = { valid: false, reason: 'unknown' };

export function describeDeliveries(engine: Engine): void {
  describe('delivering codes', () => {
    it('accepts a code only after it was delivered', async () => {
      const { codes, deliveries, validator, issue, events } = await openWorld(engine);
      const code = await issue();
      const text = codes.textOf(code);
      expect(await validator.validate('Alice', text)).toEqual(UNKNOWN);
      expect(await validator.redeem('Alice', text)).toEqual(UNKNOWN);
      expect(await deliveries.markDelivered(code.id)).toBe('active');
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
      expect(await events()).toEqual([`issued ${code.id}`, `delivered ${code.id}`]);
    });

    it('confirms a delivery once', async () => {
      const { clock, deliveries, store, issue, events } = await openWorld(engine);
      const { id } = await issue();
      const deliveredAt = clock.now;
      expect(await atOnce(20, async () => deliveries.markDelivered(id))).toEqual(Array(20).fill('active'));
      clock.advance(1);
      expect(await deliveries.markDelivered(id)).toBe('active');
      expect(await store.codes.find(id)).toMatchObject({ deliveredAt });
      expect(await events()).toEqual([`issued ${id}`, `delivered ${id}`]);
    });

    it('returns null for a code that does not exist', async () => {
      const { deliveries } = await openWorld(engine);
      expect(await deliveries.markDelivered('7')).toBeNull();
      expect(await deliveries.show('7', '1')).toBe('gone');
      await deliveries.withdraw('7');
    });

    it('keeps the earlier code working until the later one is delivered', async () => {
      const { deliveries, validator, issue, deliver, events } = await openWorld(engine);
      const first = await deliver();
      const second = await issue({ guildId: '2', username: 'ALICE' });
      expect(await validator.validate('Alice', first.text)).toHaveProperty('valid', true);
      await deliveries.markDelivered(second.id);
      expect(await validator.validate('Alice', first.text)).toEqual({ valid: false, reason: 'replaced' });
      expect((await events()).slice(-2)).toEqual([`delivered ${second.id}`, `replaced ${first.id}`]);
    });

    it('replaces no code of another username or member', async () => {
      const { validator, deliver } = await openWorld(engine);
      const own = await deliver({ username: 'Bob' });
      const other = await deliver({ holderId: '2', username: 'Cat' });
      await deliver();
      expect(await validator.validate('Bob', own.text)).toHaveProperty('valid', true);
      expect(await validator.validate('Cat', other.text)).toHaveProperty('valid', true);
    });

    it.each([
      ['100', '101'],
      ['99', '100'],
    ])('ends code %s as replaced that is confirmed after code %s', async (first, later) => {
      const { deliveries, store, issue, events } = await openWorld(engine);
      await issue({ id: first });
      await issue({ id: later });
      expect(await deliveries.markDelivered(later)).toBe('active');
      expect(await deliveries.markDelivered(first)).toBe('replaced');
      expect(await store.codes.find(later)).toMatchObject({ endReason: null });
      expect((await events()).slice(-2)).toEqual([`delivered ${first}`, `replaced ${first}`]);
    });

    it('does not activate a code when it was revoked, or a later one was', async () => {
      const { codes, deliveries, issue, deliver } = await openWorld(engine);
      const first = await issue();
      await deliver();
      await codes.revoke(admin(), { typed: 'Alice' }, null);
      expect(await deliveries.markDelivered(first.id)).toBe('revoked');
      const { id } = await issue();
      await codes.revoke(admin(), { memberId: '1' }, null);
      expect(await deliveries.markDelivered(id)).toBe('revoked');
    });

    it('leaves one active code of 20 that are confirmed at once', async () => {
      const { codes, deliveries, issue } = await openWorld(engine);
      const pending: Code[] = [];
      for (let n = 0; n < 20; n++) pending.push(await issue());
      const shuffled = pending.map((_, n) => pending[(n * 7) % 20]);
      await Promise.all(shuffled.map(async (code) => deliveries.markDelivered(code?.id ?? '')));
      const listed = await codes.list(admin(), 1);
      expect(listed?.codes.map(({ id }) => id)).toEqual([pending.at(-1)?.id]);
    });

    it('ends a code whose DM was refused, once, unless it was delivered', async () => {
      const { codes, deliveries, logIn, issue, deliver, events } = await openWorld(engine);
      const code = await issue();
      await atOnce(3, async () => deliveries.withdraw(code.id));
      expect(await deliveries.markDelivered(code.id)).toBe('withdrawn');
      expect(await logIn(codes.textOf(code))).toBe('unknown');
      expect(await events()).toEqual([`issued ${code.id}`, `withdrawn ${code.id}`]);
      const { id, text } = await deliver();
      await deliveries.withdraw(id);
      expect(await logIn(text)).toBe('valid');
    });

    it('delivers a code for at most 30 minutes', async () => {
      const { clock, deliveries, store, issue } = await openWorld(engine);
      const inTime = await issue();
      const late = await issue({ username: 'Bob' });
      clock.advance(30 * MINUTE);
      expect(await deliveries.markDelivered(inTime.id)).toBe('active');
      clock.advance(1);
      expect(await deliveries.markDelivered(late.id)).toBe('withdrawn');
      expect(await store.codes.find(late.id)).toHaveProperty('deliveredAt', null);
    });

    it('does not replace a code by one that expired before it was confirmed', async () => {
      const { clock, deliveries, validator, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      const { text } = await deliver();
      clock.advance(HOUR - 1);
      const code = await issue();
      clock.now = (code.expiresAt ?? 0) - 29 * MINUTE;
      expect(await validator.validate('Alice', text)).toMatchObject({ reason: 'expired' });
      expect(await deliveries.markDelivered(code.id)).not.toBe('active');
    });
  });

  describe('showing a code by its button', () => {
    it('activates and returns the code', async () => {
      const { codes, deliveries, validator, issue, deliver, events } = await openWorld(engine);
      const first = await deliver();
      const code = await issue();
      const shown = await deliveries.show(code.id, '1');
      expect(shown).toMatchObject({ id: code.id });
      expect(await deliveries.show(code.id, '1')).toEqual(shown);
      expect(await validator.validate('Alice', codes.textOf(code))).toHaveProperty('valid', true);
      expect((await events()).slice(-2)).toEqual([`shown ${code.id}`, `replaced ${first.id}`]);
    });

    it('refuses everybody but the holder', async () => {
      const { deliveries, store, issue } = await openWorld(engine);
      const { id } = await issue();
      expect(await deliveries.show(id, '2')).toBe('notYours');
      expect(await store.codes.find(id)).toHaveProperty('deliveredAt', null);
    });

    it('shows a code for 30 minutes, delivered or not', async () => {
      const { clock, deliveries, issue, deliver } = await openWorld(engine);
      const pending = await issue();
      const delivered = await deliver({ username: 'Bob' });
      clock.advance(30 * MINUTE);
      expect(await deliveries.show(delivered.id, '1')).toMatchObject({ id: delivered.id });
      clock.advance(1);
      expect(await deliveries.show(delivered.id, '1')).toBe('gone');
      expect(await deliveries.show(pending.id, '1')).toBe('gone');
    });

    it('shows no code that ended, was replaced or is suspended', async () => {
      const { clock, deliveries, store, issue, deliver } = await openWorld(engine);
      const replaced = await issue();
      await deliver();
      expect(await deliveries.show(replaced.id, '1')).toBe('gone');
      const withdrawn = await issue({ username: 'Bob' });
      await deliveries.withdraw(withdrawn.id);
      expect(await deliveries.show(withdrawn.id, '1')).toBe('gone');
      const suspended = await deliver({ username: 'Cat' });
      await store.codes.suspend('1', clock.now);
      expect(await deliveries.show(suspended.id, '1')).toBe('gone');
    });
  });

  describe('recovering deliveries', () => {
    it('claims deliveries that nobody has renewed for 40 seconds, and no others', async () => {
      const { clock, deliveries, issue } = await openWorld(engine);
      const renewed = await issue();
      const { id } = await issue({ username: 'Bob' });
      const claim = async () => (await deliveries.claimUnfinished()).map((code) => code.id);
      clock.advance(15_000);
      await deliveries.renew([renewed.id]);
      clock.advance(25_000);
      expect(await claim()).toEqual([]);
      clock.advance(1);
      expect([await claim(), await claim()]).toEqual([[id], []]);
      clock.advance(15_000);
      expect(await claim()).toEqual([renewed.id]);
      clock.advance(25_001);
      expect(await claim()).toEqual([id]);
    });

    it('claims a delivered code until the channel was told', async () => {
      const { clock, deliveries, deliver } = await openWorld(engine);
      const { id } = await deliver();
      clock.advance(40_001);
      expect(await deliveries.claimUnfinished()).toMatchObject([{ id, deliveredAt: expect.any(Number) }]);
      await deliveries.markAcknowledged(id);
      clock.advance(40_001);
      expect(await deliveries.claimUnfinished()).toEqual([]);
    });

    it('claims a suspended code when its server is served again, or when it is too old to be sent', async () => {
      const { clock, deliveries, store, issue } = await openWorld(engine);
      const served = await issue();
      const unserved = await issue({ username: 'Bob', guildId: '2' });
      await suspendUnserved(store, new Set(), clock.now);
      clock.advance(10 * MINUTE);
      expect(await deliveries.claimUnfinished()).toEqual([]);
      await suspendUnserved(store, new Set(['1']), clock.now);
      expect(await deliveries.claimUnfinished()).toMatchObject([{ id: served.id, endReason: null }]);
      await deliveries.markAcknowledged(served.id);
      clock.advance(20 * MINUTE + 1);
      await endCodes(store, clock.now);
      expect(await deliveries.claimUnfinished()).toMatchObject([{ id: unserved.id, endReason: 'withdrawn' }]);
    });

    it('gives each delivery to one of two processes', async () => {
      const one = await openWorld(engine);
      const other = await one.second();
      for (let n = 0; n < 20; n++) await one.issue({ username: `name ${n}` });
      one.clock.advance(40_001);
      const claimed = await atOnce(6, async (n) => (n % 2 === 0 ? one : other).deliveries.claimUnfinished());
      expect(claimed.flat()).toHaveLength(20);
      expect(new Set(claimed.flat().map(({ id }) => id)).size).toBe(20);
    });
  });
}
