import { describe, expect, it } from 'vitest';

import type { Code } from '../../src/codes/code.js';
import { endCodes, suspendUnserved } from '../../src/services/maintenance.js';
import { admin, atOnce, MINUTE, openWorld, type Engine } from './support.js';

export function describeDeliveries(engine: Engine): void {
  describe('delivering codes', () => {
    it('accepts a code only after it was delivered, and confirms that once', async () => {
      const { clock, codes, deliveries, store, validator, logIn, issue, events } = await openWorld(engine);
      const code = await issue();
      const text = codes.textOf(code);
      expect(await logIn(text)).toBe('unknown');
      expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'unknown' });
      const deliveredAt = clock.now;
      const statuses = await atOnce(20, async () => deliveries.markDelivered(code.id));
      expect(statuses).toEqual(Array(20).fill('active'));
      clock.advance(1);
      expect(await deliveries.markDelivered(code.id)).toBe('active');
      expect(await store.codes.find(code.id)).toMatchObject({ deliveredAt });
      expect(await logIn(text)).toBe('valid');
      expect(await events()).toEqual([`issued ${code.id}`, `delivered ${code.id}`]);
    });

    it.each([
      ['100', '101'],
      ['99', '100'],
    ])('ends code %s as replaced that is confirmed after code %s, and no others', async (first, later) => {
      const { deliveries, store, issue, deliver, events } = await openWorld(engine);
      const others = [await deliver({ username: 'Bob' }), await deliver({ holderId: '2', username: 'Cat' })];
      await issue({ id: first, username: 'ALICE' });
      await issue({ id: later, guildId: '2' });
      expect(await deliveries.markDelivered(later)).toBe('active');
      expect(await deliveries.markDelivered(first)).toBe('replaced');
      expect((await events()).slice(-2)).toEqual([`delivered ${first}`, `replaced ${first}`]);
      for (const id of [later, ...others.map((other) => other.id)])
        expect(await store.codes.find(id)).toMatchObject({ endReason: null });
    });

    it('does not activate a code when it was revoked, or a later one was', async () => {
      const { codes, deliveries, issue, deliver } = await openWorld(engine);
      const first = await issue();
      await deliver();
      await codes.revoke(admin(), { typed: 'Alice' }, null);
      expect(await deliveries.markDelivered(first.id)).toBe('revoked');
    });

    it('keeps a code active while a later one is pending', async () => {
      const { deliveries, issue } = await openWorld(engine);
      const { id } = await issue();
      await issue();
      expect(await deliveries.markDelivered(id)).toBe('active');
    });

    it('leaves one active code of 20 that are confirmed at once', async () => {
      const { codes, deliveries, issue } = await openWorld(engine);
      const pending: Code[] = [];
      for (let n = 0; n < 20; n++) pending.push(await issue());
      await atOnce(20, async (n) => deliveries.markDelivered(pending[(n * 7) % 20]?.id ?? ''));
      const listed = await codes.list(admin(), 1);
      expect(listed?.codes.map(({ id }) => id)).toEqual([pending.at(-1)?.id]);
    });

    it('ends a code whose DM was refused, once, unless it was delivered', async () => {
      const { deliveries, logIn, issue, deliver, events } = await openWorld(engine);
      const { id } = await issue();
      await atOnce(3, async () => deliveries.withdraw(id));
      expect(await deliveries.markDelivered(id)).toBe('withdrawn');
      expect(await events()).toEqual([`issued ${id}`, `withdrawn ${id}`]);
      const delivered = await deliver();
      await deliveries.withdraw(delivered.id);
      expect(await logIn(delivered.text)).toBe('valid');
    });

    it('delivers a code for at most 30 minutes', async () => {
      const { clock, deliveries, store, issue } = await openWorld(engine);
      const inTime = await issue();
      const late = await issue({ username: 'Bob' });
      clock.advance(30 * MINUTE);
      await endCodes(store, clock.now);
      expect(await deliveries.markDelivered(inTime.id)).toBe('active');
      clock.advance(1);
      expect(await deliveries.markDelivered(late.id)).toBe('withdrawn');
      expect(await store.codes.find(late.id)).toHaveProperty('deliveredAt', null);
    });
  });

  it('activates and shows a code by its button, to its holder only and while it is served', async () => {
    const { clock, deliveries, store, issue, deliver, events } = await openWorld(engine);
    const first = await deliver();
    const { id } = await issue();
    expect(await deliveries.show(id, '2')).toBe('notYours');
    const shown = await deliveries.show(id, '1');
    expect(shown).toMatchObject({ id, deliveredAt: clock.now });
    expect(await deliveries.show(id, '1')).toEqual(shown);
    expect((await events()).slice(-2)).toEqual([`shown ${id}`, `replaced ${first.id}`]);
    expect(await deliveries.show(first.id, '1')).toBe('gone');
    expect(await deliveries.show('7', '1')).toBe('gone');
    const other = await deliver({ username: 'Bob' });
    clock.advance(30 * MINUTE);
    expect(await deliveries.show(id, '1')).toEqual(shown);
    await store.codes.suspend('1', clock.now);
    expect(await deliveries.show(other.id, '1')).toBe('gone');
    await store.codes.resume('1');
    clock.advance(1);
    expect(await deliveries.show(other.id, '1')).toBe('gone');
  });

  it("shows the presser of another's button their own code of that server: the latest that is pending", async () => {
    const { clock, deliveries, issue, deliver } = await openWorld(engine);
    const { id } = await issue();
    await issue({ holderId: '2', username: 'Bob' });
    await issue({ holderId: '2', username: 'Cat' });
    await deliver({ holderId: '2', username: 'Dan' });
    await issue({ holderId: '2', username: 'Eve', guildId: '2' });
    const press = async () => {
      const shown = await deliveries.show(id, '2');
      return typeof shown === 'string' ? shown : shown.username;
    };
    expect([await press(), await press(), await press()]).toEqual(['Cat', 'Bob', 'Dan']);
    clock.advance(30 * MINUTE + 1);
    expect(await press()).toBe('notYours');
  });

  describe('recovering deliveries', () => {
    it('claims deliveries that nobody has renewed for 40 seconds, until the channel was told', async () => {
      const { clock, deliveries, issue, deliver } = await openWorld(engine);
      const renewed = await issue({ id: '100' });
      const other = await issue({ id: '99', username: 'Cat' });
      const { id } = await deliver({ username: 'Bob' });
      const claim = async () => (await deliveries.claimUnfinished()).map((code) => code.id);
      clock.advance(15_000);
      await deliveries.renew([renewed.id, other.id]);
      clock.advance(25_000);
      expect(await claim()).toEqual([]);
      clock.advance(1);
      expect([await claim(), await claim()]).toEqual([[id], []]);
      clock.advance(15_000);
      expect(await claim()).toEqual([other.id, renewed.id]);
      clock.advance(25_001);
      expect(await claim()).toEqual([id]);
      await Promise.all([id, other.id].map(async (each) => deliveries.markAcknowledged(each)));
      clock.advance(40_001);
      expect(await claim()).toEqual([renewed.id]);
      await deliveries.markAcknowledged(renewed.id);
      clock.advance(40_001);
      expect(await claim()).toEqual([]);
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
