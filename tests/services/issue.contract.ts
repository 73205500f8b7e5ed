import { describe, expect, it } from 'vitest';

import { endCodes } from '../../src/services/maintenance.js';
import { admin, atOnce, DAY, HOUR, MINUTE, openWorld, type Engine } from './support.js';

const TAKEN = { refusal: 'taken' };

export function describeIssuing(engine: Engine): void {
  describe('issuing codes', () => {
    it('issues a pending code with the length, expiry and uses of the settings', async () => {
      const options = { codeLength: 8, codeTtlMs: 1_000, codeMaxUses: 3 };
      const { clock, codes, store, issue } = await openWorld(engine, options);
      const code = await issue({ id: '7', username: 'Alice Smith' });
      const holder = { guildId: '1', channelId: '5', holderId: '1', holderTag: 'tag of 1' };
      const state = { uses: 0, maxUses: 3, deliveredAt: null, acknowledgedAt: null, endReason: null };
      const times = { issuedAt: clock.now, expiresAt: clock.now + 1_000 };
      expect(code).toMatchObject({ id: '7', username: 'Alice Smith', ...holder, ...state, ...times });
      expect(codes.textOf(code)).toHaveLength(8);
      expect(await store.codes.find('7')).toEqual(code);
    });

    it('issues one code for a message, and none for one that was claimed or refused', async () => {
      const { codes, store, request, issue, events } = await openWorld(engine);
      await issue({ id: '7' });
      expect(await request({ id: '8', holderId: '2' })).toEqual(TAKEN);
      expect([await codes.claim('9'), await codes.claim('9')]).toEqual([true, false]);
      for (const id of ['7', '8', '9']) expect(await request({ id, username: 'Bob' })).toBeNull();
      await store.requests.prune(Number.MAX_SAFE_INTEGER);
      expect(await request({ id: '7' })).toBeNull();
      expect(await events()).toEqual(['issued 7']);
    });

    it('generates another text when one is in use, and leaves the message unclaimed when it cannot', async () => {
      const texts = ['AAAAAA', 'AAAAAA', 'BBBBBB'].join('');
      let position = 0;
      const random = () => Math.max(0, 'AB'.indexOf(texts.charAt(position++)));
      const { codes, request, issue } = await openWorld(engine, { random });
      expect(codes.textOf(await issue())).toBe('AAAAAA');
      expect(codes.textOf(await issue({ username: 'Bob' }))).toBe('BBBBBB');
      await expect(request({ id: '7', username: 'Cat' })).rejects.toThrow('No unused code');
      expect(await codes.claim('7')).toBe(true);
    });
  });

  describe('ownership of usernames', () => {
    it('refuses look-alikes to others in every server, and gives the holder their own', async () => {
      const { codes, request, issue, deliver } = await openWorld(engine);
      await issue();
      expect(await request({ holderId: '2', username: 'A1ice' })).toEqual(TAKEN);
      await deliver();
      expect(await request({ holderId: '2', username: 'аӏісе', guildId: '2' })).toEqual(TAKEN);
      await issue({ holderId: '2', username: 'Alicia' });
      await issue({ username: 'AIice' });
      await codes.revoke(admin(), { memberId: '1' }, null);
      // A request that was refused keeps nothing.
      await issue({ holderId: '3', username: 'A1ice' });
    });

    it('keeps an undelivered username for 30 minutes', async () => {
      const { clock, codes, store, request, issue, events } = await openWorld(engine);
      const pending = await issue();
      clock.advance(30 * MINUTE);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      clock.advance(1);
      const { id } = await issue({ holderId: '2' });
      expect(await codes.revoke(admin(), { memberId: '2' }, null)).toHaveProperty('isFree', true);
      await endCodes(store, clock.now);
      expect((await events()).slice(1)).toEqual([`issued ${id}`, `revoked ${id}`, `withdrawn ${pending.id}`]);
    });

    it('keeps the username of an expired code for 30 days', async () => {
      const options = { codeTtlMs: HOUR, limits: { usernames: 1 } };
      const { clock, request, issue, deliver } = await openWorld(engine, options);
      await deliver();
      clock.advance(HOUR + 30 * DAY - 1);
      expect(await request({ username: 'Bob' })).toMatchObject({ refusal: 'tooManyUsernames' });
      expect(await request({ holderId: '2', username: 'AIice' })).toEqual(TAKEN);
      clock.advance(1);
      await issue({ holderId: '2' });
    });

    it('keeps nothing for a code that expired before it was delivered', async () => {
      const { clock, deliveries, store, issue } = await openWorld(engine, { codeTtlMs: MINUTE });
      const late = await issue();
      clock.advance(MINUTE);
      const { id } = await issue({ holderId: '2', username: 'AIice' });
      expect(await deliveries.markDelivered(late.id)).toBe('expired');
      expect(await deliveries.markDelivered(id)).toBe('active');
      expect(await store.codes.find(late.id)).toHaveProperty('deliveredAt', null);
    });
  });

  it('counts a code that was revoked towards the limit, but none that was withdrawn', async () => {
    const limits = { codes: 1, withinMs: HOUR };
    const { clock, codes, deliveries, request, issue, deliver } = await openWorld(engine, { limits });
    await deliveries.withdraw((await issue()).id);
    await issue();
    clock.advance(30 * MINUTE + 1);
    await deliver();
    await codes.revoke(admin(), { memberId: '1' }, null);
    expect(await request()).toMatchObject({ refusal: 'tooManyCodes' });
  });

  it.each([{ codes: 3 }, { usernames: 3 }])(
    'issues exactly 3 of 20 codes at once with %j',
    async (limits) => {
      const { request } = await openWorld(engine, { limits });
      const results = await atOnce(20, async (n) => request({ username: `name ${n}` }));
      expect(results.filter((result) => result !== null && 'id' in result)).toHaveLength(3);
    },
  );
}
