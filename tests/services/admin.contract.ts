import { describe, expect, it } from 'vitest';

import type { CodeTarget } from '../../src/services/code-service.js';
import {
  checkMembership,
  endCodes,
  prune,
  suspendUnserved,
  type FindLeft,
} from '../../src/services/maintenance.js';
import { admin, atOnce, DAY, HOUR, openWorld, type Engine, type World } from './support.js';

const TAKEN = { refusal: 'taken' };
const NONE = { by: null, texts: [], codes: [], reason: null, isFree: false };
const ALICE = { typed: 'Alice' } as const;
/** Member 1 left every server. */
const FIND_LEFT: FindLeft = async (_guildId, userIds) => userIds.filter((id) => id === '1');

export function describeAdministration(engine: Engine): void {
  describe('listing codes', () => {
    it("lists a server's codes with their texts, oldest first, without those that ended or expired", async () => {
      const { clock, codes, store, validator, issue, deliver } = await openWorld(engine, {
        codeTtlMs: HOUR,
        codeMaxUses: 1,
      });
      await deliver({ username: 'Gone' });
      clock.advance(HOUR);
      await deliver({ username: 'Ended' });
      await codes.revoke(admin(), { typed: 'Ended' }, null);
      const second = await deliver({ id: '22', username: 'Bob' });
      const first = await deliver({ id: '21', username: 'Alice' });
      clock.advance(1);
      const third = await deliver({ id: '20', username: 'Cat', holderId: '2' });
      await deliver({ username: 'Eve', guildId: '2' });
      await validator.redeem('Cat', third.text);
      await store.codes.suspend('1', clock.now);
      const page = await codes.list(admin(), 1);
      expect(page).toMatchObject({ total: 3, page: 1, pages: 1 });
      expect(page?.codes.map(({ id, text }) => ({ id, text }))).toEqual([first, second, third]);

      clock.advance(1);
      const pending = await issue({ username: 'Dan' });
      const listed = await codes.list(admin(), 1);
      expect(listed?.codes.at(-1)).toMatchObject({ id: pending.id, deliveredAt: null });
      clock.advance(30 * 60_000 + 1);
      await endCodes(store, clock.now);
      expect(await codes.list(admin(), 1)).toMatchObject({ total: 3 });
    });

    it('lists the codes that a code, a username, a member or the id of a member names, of this server only', async () => {
      const { codes, deliver } = await openWorld(engine);
      const member = '123456789012345678';
      const alice = await deliver({ username: 'Alice', holderId: member });
      const second = await deliver({ username: "O'Brien", holderId: member });
      const named = await deliver({ username: '234567890123456789', holderId: '2' });
      const elsewhere = await deliver({ username: 'Eve', holderId: '3', guildId: '2' });
      const idsOf = async (target: CodeTarget) =>
        (await codes.list(admin(), 1, target))?.codes.map(({ id }) => id);
      for (const [target, found] of [
        [{ typed: 'aLICE.' }, [alice]],
        [{ typed: 'o’brien' }, [second]],
        [{ typed: `${alice.text.slice(0, 3)}-${alice.text.slice(3)}` }, [alice]],
        [{ memberId: member, typed: member }, [alice, second]],
        [{ memberId: '234567890123456789', typed: '234567890123456789' }, [named]],
        [{ typed: 'Alic' }, []],
        [{ typed: '@' }, []],
        [{ typed: 'Eve' }, []],
        [{ memberId: '3' }, []],
        [{ typed: elsewhere.text }, []],
      ] as const) {
        expect([target, await idsOf(target)]).toEqual([target, found.map(({ id }) => id)]);
      }
    });

    it('returns one empty page for a server without codes, and whether any server has some', async () => {
      const { codes, issue } = await openWorld(engine);
      const empty = { total: 0, page: 1, pages: 1, codes: [] };
      expect(await codes.list(admin(), 3)).toEqual({ ...empty, isUnused: true });
      await issue({ guildId: '2' });
      expect(await codes.list(admin(), 1)).toEqual({ ...empty, isUnused: false });
    });
  });

  describe('revoking codes', () => {
    it('revokes every code that is a word of the reason, and no username or code of another server', async () => {
      const { codes, store, validator, issue, deliver } = await openWorld(engine);
      const alice = await deliver();
      const bob = await deliver({ holderId: '2', username: 'Bob' });
      await issue({ holderId: '2', username: 'Bob' });
      const cat = await deliver({ holderId: '3', username: 'Cat' });
      // Not for a username or a member.
      await deliver({ holderId: '5', username: 'Eve' });
      expect(await codes.revoke(admin(), { memberId: '5' }, cat.text)).toMatchObject({ reason: cat.text });
      const dan = await deliver({ holderId: '4', username: 'Dan', guildId: '2' });
      const reason = `${bob.text.toLowerCase()}, Cat left ${alice.text} ${dan.text}`;
      expect(await codes.revoke(admin(), { typed: alice.text }, reason)).toMatchObject({
        by: 'code',
        texts: [alice.text, bob.text],
        reason: `Cat left ${dan.text}`,
        isFree: true,
      });
      const verdicts = [];
      for (const [username, { text }] of [
        ['Alice', alice],
        ['Bob', bob],
        ['Cat', cat],
        ['Dan', dan],
      ] as const)
        verdicts.push((await validator.validate(username, text)).valid);
      expect(verdicts).toEqual([false, false, true, true]);
      const ofBob = await store.audit.read({ memberId: '2' });
      expect(ofBob.slice(-2)).toMatchObject([{ event: 'revoked' }, { event: 'revoked' }]);
    });

    it('revokes a code rather than a username that reads the same, and nothing of another server', async () => {
      const { codes, deliver } = await openWorld(engine);
      const { id, text } = await deliver();
      const named = await deliver({ holderId: '2', username: text });
      for (const target of [{ typed: text }, ALICE, { memberId: '1' }])
        expect(await codes.revoke(admin('2'), target, null)).toEqual(NONE);
      for (const revoked of [
        { by: 'code', codes: [{ id, endReason: 'revoked' }] },
        { by: 'username', codes: [{ id: named.id }] },
      ])
        expect(await codes.revoke(admin(), { typed: text }, null)).toMatchObject(revoked);
    });

    it('frees a username that is reserved after its code expired, also when a later one is pending', async () => {
      const { clock, codes, store, request, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      const { id } = await deliver();
      clock.advance(2 * HOUR);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      expect(await codes.revoke(admin(), ALICE, null)).toMatchObject({ by: 'username', codes: [{ id }] });
      await deliver({ holderId: '2' });
      clock.advance(2 * HOUR);
      await endCodes(store, clock.now);
      const { text } = await deliver({ holderId: '2' });
      await issue({ holderId: '2' });
      await codes.revoke(admin(), { typed: text }, null);
      await issue({ holderId: '3' });
    });

    it('does not report a username as free while a code of another server reserves it', async () => {
      const { clock, codes, store, request, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      await deliver({ guildId: '2', username: 'A1ice' });
      clock.advance(2 * HOUR);
      await endCodes(store, clock.now);
      const { text } = await deliver();
      const free = await deliver({ username: 'Bob' });
      const revoked = await codes.revoke(admin(), { typed: text }, free.text);
      expect(revoked).toMatchObject({ by: 'code', isFree: false });
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
    });

    it('does not change codes that reserve nothing', async () => {
      const { clock, codes, store, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      const { id } = await deliver();
      clock.advance(2 * HOUR);
      await endCodes(store, clock.now);
      clock.advance(30 * DAY - HOUR);
      await issue();
      // Nobody received it, so it reserves nothing.
      await checkMembership(store, FIND_LEFT, '1', clock.read);
      expect(await codes.revoke(admin(), ALICE, null)).toEqual(NONE);
      expect(await store.codes.find(id)).toMatchObject({ endReason: 'expired' });
    });
  });

  describe('maintenance', () => {
    it('ends the codes of members who left, in that server only, and keeps their usernames for 30 days', async () => {
      const { clock, store, logIn, request, issue, deliver, events } = await openWorld(engine);
      const left = await deliver();
      const pending = await issue({ username: 'Bob' });
      const others = [
        await deliver({ username: 'Cat', guildId: '2' }),
        await deliver({ username: 'Dan', holderId: '2' }),
      ];
      expect(await checkMembership(store, FIND_LEFT, '1', clock.read)).toBe(2);
      const ended = [`left ${left.id}`, `left ${pending.id}`];
      expect((await events()).slice(-2).toSorted()).toEqual(ended.toSorted());
      expect(await logIn(left.text)).toBe('revoked');
      for (const { id } of others) expect(await store.codes.find(id)).toHaveProperty('endReason', null);
      await issue({ holderId: '3', username: 'Bob' });
      clock.advance(30 * DAY - 1);
      await prune(store, clock.now, clock.now);
      expect(await request({ holderId: '3' })).toEqual(TAKEN);
      clock.advance(1);
      await issue({ holderId: '3' });
    });

    it('asks about each holder once, at most 100 at a time', async () => {
      const { clock, store, issue } = await openWorld(engine);
      for (let n = 0; n < 205; n++) await issue({ holderId: String(n), username: `name ${n}` });
      await issue({ holderId: '7', username: 'another' });
      await issue({ holderId: '999', username: 'elsewhere', guildId: '2' });
      const asked: (readonly string[])[] = [];
      const findLeft: FindLeft = async (_guildId, userIds) => (asked.push(userIds), []);
      await checkMembership(store, findLeft, '1', clock.read);
      expect(asked.map((ids) => ids.length)).toEqual([100, 100, 5]);
      expect(new Set(asked.flat()).size).toBe(205);
    });

    it('suspends and resumes codes without ending them', async () => {
      const { clock, codes, store, logIn, request, deliver, events } = await openWorld(engine);
      await deliver();
      const ended = await deliver({ username: 'Cat' });
      const { id, text } = await deliver();
      await deliver({ guildId: '2', username: 'Bob' });
      const serve = async (...guildIds: string[]) => suspendUnserved(store, new Set(guildIds), clock.now);
      expect(await serve('2')).toEqual([{ guildId: '1', event: 'suspended', codes: 2 }]);
      expect(await serve('2')).toEqual([]);
      expect(await logIn(text)).toBe('suspended');
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      await codes.revoke(admin(), { typed: 'Cat' }, null);
      expect(await serve('1', '2')).toEqual([{ guildId: '1', event: 'resumed', codes: 1 }]);
      expect(await logIn(text)).toBe('valid');
      expect(await events()).toContain(`suspended ${id}`);
      expect((await events()).slice(-2)).toEqual([`revoked ${ended.id}`, `resumed ${id}`]);
    });

    it('ends expired codes for ever, and codes that nobody received within 30 minutes', async () => {
      const { clock, store, logIn, issue, deliver, events } = await openWorld(engine, { codeTtlMs: HOUR });
      const { id, text } = await deliver();
      const pending = await issue({ username: 'Bob' });
      clock.advance(HOUR - 1);
      await endCodes(store, clock.now);
      expect(await logIn(text)).toBe('valid');
      clock.advance(1);
      await endCodes(store, clock.now);
      await endCodes(store, clock.now);
      clock.advance(-DAY);
      expect(await logIn(text)).toBe('expired');
      expect((await events()).slice(3)).toEqual([`withdrawn ${pending.id}`, `expired ${id}`]);
    });

    it('deletes claims older than a day, and audit rows and ended codes from before the given time', async () => {
      const { clock, codes, store, request, deliver, events } = await openWorld(engine);
      const kept = await deliver({ username: 'Bob' });
      const { id } = await deliver();
      await codes.revoke(admin(), ALICE, null);
      const since = clock.now;
      clock.advance(40 * DAY);
      await deliver();
      await codes.claim('7');
      clock.advance(DAY);
      await prune(store, since, clock.now);
      expect(await store.codes.find(id)).not.toBeNull();
      expect(await events()).toHaveLength(7);
      expect(await codes.claim('7')).toBe(false);
      await prune(store, since + 1, clock.now + 1);
      expect(await store.codes.find(id)).toBeNull();
      expect(await events()).toHaveLength(2);
      expect(await codes.claim('7')).toBe(true);
      expect(await store.codes.find(kept.id)).not.toBeNull();
      expect(await request({ holderId: '2', username: 'B0b' })).toEqual(TAKEN);
      expect(await request({ holderId: '2', username: 'A1ice' })).toEqual(TAKEN);
    });

    it('remembers the latest DM channel of a user until it is deleted', async () => {
      const { store } = await openWorld(engine);
      await atOnce(5, async () => store.dmChannels.remember('1', '10'));
      await store.dmChannels.remember('1', '11');
      expect(await store.dmChannels.find('1')).toBe('11');
      await store.dmChannels.forget('1');
      expect(await store.dmChannels.find('1')).toBeNull();
    });
  });

  it('reads the audit by time, username, member and code, and counts codes and their servers', async () => {
    const { clock, keys, codes, store, issue, deliver } = await openWorld(engine);
    const alice = await deliver();
    const since = clock.now + 1;
    clock.advance(1);
    const bob = await deliver({ holderId: '2', username: 'Bob' });
    await codes.revoke(admin(), ALICE, null);
    await codes.list(admin(), 1);
    const read = async (filter: Parameters<World['store']['audit']['read']>[0]) =>
      (await store.audit.read(filter)).map(({ event }) => event);
    expect(await read({})).toEqual(['issued', 'delivered', 'issued', 'delivered', 'revoked', 'listed']);
    expect(await read({ since })).toEqual(['issued', 'delivered', 'revoked', 'listed']);
    expect(await read({ nameHash: keys.hashName('alice') })).toEqual(['issued', 'delivered', 'revoked']);
    expect(await read({ memberId: '2' })).toEqual(['issued', 'delivered']);
    expect(await read({ memberId: 'admin' })).toEqual(['revoked', 'listed']);
    expect(await read({ codeId: alice.id })).toEqual(['issued', 'delivered', 'revoked']);
    expect(await read({ codeId: bob.id, since: clock.now + 1 })).toEqual([]);

    await issue({ holderId: '2', username: 'Bob', guildId: '2' });
    await deliver({ username: 'Cat' });
    expect(await store.codes.countAll()).toBe(3);
    expect(await store.codes.listGuilds()).toEqual(['1', '2']);
  });
}
