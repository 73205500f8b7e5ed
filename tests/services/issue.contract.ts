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

    it('issues no code for a message that another command claimed', async () => {
      const { codes, request } = await openWorld(engine);
      expect(await codes.claim('7')).toBe(true);
      expect(await codes.claim('7')).toBe(false);
      expect(await request({ id: '7' })).toBeNull();
    });

    it('issues nothing for a message twice, not even when it was refused', async () => {
      const { request, issue } = await openWorld(engine);
      await issue();
      expect(await request({ id: '7', holderId: '2' })).toEqual(TAKEN);
      expect(await request({ id: '7', holderId: '2' })).toBeNull();
    });

    it('issues no second code for a message whose claim was deleted', async () => {
      const { store, request, issue, events } = await openWorld(engine);
      await issue({ id: '7' });
      await store.requests.prune(Number.MAX_SAFE_INTEGER);
      expect(await request({ id: '7' })).toBeNull();
      expect(await events()).toEqual(['issued 7']);
    });

    it('generates another text when one is in use', async () => {
      const texts = ['AAAAAA', 'AAAAAA', 'BBBBBB'].join('');
      let position = 0;
      const random = () => 'AB'.indexOf(texts.charAt(position++));
      const { codes, issue } = await openWorld(engine, { random });
      expect(codes.textOf(await issue())).toBe('AAAAAA');
      expect(codes.textOf(await issue({ username: 'Bob' }))).toBe('BBBBBB');
    });

    it('fails and leaves the message unclaimed when the random source does not work', async () => {
      const { codes, request, issue } = await openWorld(engine, { random: () => 0 });
      await issue();
      await expect(request({ id: '7', username: 'Bob' })).rejects.toThrow('No unused code');
      expect(await codes.claim('7')).toBe(true);
    });
  });

  describe('ownership of usernames', () => {
    it.each(['Alice', 'ALICE', 'AIice', 'A1ice', 'аӏісе'])(
      'refuses %j to others while a member has a code for Alice',
      async (username) => {
        const { request, issue, deliver } = await openWorld(engine);
        await issue();
        expect(await request({ holderId: '2', username })).toEqual(TAKEN);
        await deliver();
        expect(await request({ holderId: '2', username })).toEqual(TAKEN);
        expect(await request({ holderId: '2', username, guildId: '2' })).toEqual(TAKEN);
      },
    );

    it('gives the holder look-alikes of their own username, and others what merely resembles it', async () => {
      const { issue, deliver } = await openWorld(engine);
      await deliver();
      expect(await issue({ username: 'AIice' })).toHaveProperty('username', 'AIice');
      expect(await issue({ holderId: '2', username: 'Alicia' })).toHaveProperty('holderId', '2');
    });

    it('keeps nothing for a member whose request was refused', async () => {
      const { codes, request, issue, deliver } = await openWorld(engine);
      await deliver();
      await request({ holderId: '2', username: 'AIice' });
      await codes.revoke(admin(), { typed: 'Alice' }, null);
      expect(await issue({ holderId: '3', username: 'AIice' })).toHaveProperty('holderId', '3');
    });

    it('keeps the username of a used-up code', async () => {
      const { validator, request, deliver } = await openWorld(engine, { codeMaxUses: 1 });
      const { text } = await deliver();
      await validator.redeem('Alice', text);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
    });

    it('keeps an undelivered username for 30 minutes', async () => {
      const { clock, store, request, issue, events } = await openWorld(engine);
      const pending = await issue();
      clock.advance(30 * MINUTE);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      clock.advance(1);
      const next = await issue({ holderId: '2' });
      await endCodes(store, clock.now);
      expect(await events()).toEqual([
        `issued ${pending.id}`,
        `issued ${next.id}`,
        `withdrawn ${pending.id}`,
      ]);
    });

    it('keeps the username of an expired code for 30 days', async () => {
      const { clock, request, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      await deliver();
      clock.advance(HOUR + 30 * DAY - 1);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      expect(await request({ holderId: '2', username: 'AIice' })).toEqual(TAKEN);
      clock.advance(1);
      expect(await issue({ holderId: '2' })).toHaveProperty('holderId', '2');
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

  describe('limits', () => {
    it('refuses more codes than the limit and names the time of the next', async () => {
      const { clock, request, deliver } = await openWorld(engine, { limits: { codes: 2 } });
      const until = clock.now + 10 * MINUTE;
      await deliver();
      clock.advance(1);
      await deliver({ guildId: '2', username: 'Bob' });
      expect(await request()).toEqual({ refusal: 'tooManyCodes', until });
      clock.now = until - 1;
      expect(await request()).toEqual({ refusal: 'tooManyCodes', until });
      clock.now = until;
      await deliver();
    });

    it('counts a code that was revoked, but none that was withdrawn', async () => {
      const { codes, deliveries, request, issue, deliver } = await openWorld(engine, {
        limits: { codes: 1 },
      });
      await deliveries.withdraw((await issue()).id);
      await deliver();
      await codes.revoke(admin(), { memberId: '1' }, null);
      expect(await request()).toMatchObject({ refusal: 'tooManyCodes' });
    });

    it('refuses more usernames than the limit, lists them as typed, and does not count revoked ones', async () => {
      const { codes, request, issue, deliver } = await openWorld(engine, { limits: { usernames: 2 } });
      await deliver({ username: 'Bob' });
      await issue({ username: 'Cat' });
      const refused = await request({ username: 'Dan' });
      expect(refused).toMatchObject({ refusal: 'tooManyUsernames' });
      const isBoth = expect.toSatisfy((names) => String(names.toSorted()) === 'Bob,Cat');
      expect(refused).toHaveProperty('usernames', isBoth);
      expect(await issue({ username: 'BOB' })).toHaveProperty('username', 'BOB');
      await codes.revoke(admin(), { typed: 'Cat' }, null);
      expect(await issue({ username: 'Dan' })).toHaveProperty('username', 'Dan');
    });

    it.each([{ codes: 3 }, { usernames: 3 }])(
      'issues exactly 3 of 20 codes at once with %j',
      async (limits) => {
        const { request } = await openWorld(engine, { limits });
        const results = await atOnce(20, async (n) => request({ username: `name ${n}` }));
        expect(results.filter((result) => result !== null && 'id' in result)).toHaveLength(3);
      },
    );
  });
}
