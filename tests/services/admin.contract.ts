import { describe, expect, it } from 'vitest';

import {
  checkMembership,
  endCodes,
  prune,
  suspendUnserved,
  type FindLeft,
} from '../../src/services/maintenance.js';
import type { CodeTarget } from '../../src/services/code-service.js';
import { admin, atOnce, DAY, HOUR, MINUTE, openWorld, type Engine, type World } from './support.js';

const TAKEN = { refusal: 'taken' };
const NONE = { by: null, texts: [], codes: [], reason: null, isFree: false };
const ALICE = { typed: 'Alice' } as const;
/** Member 1 left every server. */
const FIND_LEFT: FindLeft = async (_guildId, userIds) => userIds.filter((id) => id === '1');

export function describeAdministration(engine: Engine): void {
  describe('listing codes', () => {
    it("lists a server's codes with their texts, oldest first", async () => {
      const { clock, codes, store, issue, deliver } = await openWorld(engine);
      const second = await deliver({ id: '22', username: 'Bob' });
      const first = await deliver({ id: '21', username: 'Alice' });
      clock.advance(1);
      const third = await deliver({ id: '20', username: 'Cat', holderId: '2' });
      await deliver({ username: 'Eve', guildId: '2' });
      const page = await codes.list(admin(), 1);
      expect(page).toMatchObject({ total: 3, page: 1, pages: 1 });
      expect(page?.codes.map(({ id, text }) => ({ id, text }))).toEqual([first, second, third]);

      clock.advance(1);
      const pending = await issue({ username: 'Dan' });
      expect((await codes.list(admin(), 1))?.codes.at(-1)).toMatchObject({
        id: pending.id,
        deliveredAt: null,
      });
      clock.advance(30 * MINUTE + 1);
      await endCodes(store, clock.now);
      expect(await codes.list(admin(), 1)).toMatchObject({ total: 3 });
      expect(await codes.revoke(admin(), { typed: 'Dan' }, null)).toEqual(NONE);
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

    it('leaves out codes that ended or expired and keeps used-up and suspended ones', async () => {
      const { clock, codes, store, validator, deliver } = await openWorld(engine, {
        codeTtlMs: HOUR,
        codeMaxUses: 1,
      });
      await deliver({ username: 'Alice' });
      clock.advance(HOUR);
      await deliver({ username: 'Bob' });
      await codes.revoke(admin(), { typed: 'Bob' }, null);
      const used = await deliver({ username: 'Cat' });
      await validator.redeem('Cat', used.text);
      await store.codes.suspend('1', clock.now);
      expect(await codes.list(admin(), 1)).toMatchObject({ total: 1, codes: [{ id: used.id, uses: 1 }] });
    });

    it('lists 10 codes per page and returns the last page for one past the end', async () => {
      const { codes, deliver } = await openWorld(engine);
      const ids: string[] = [];
      for (let n = 0; n < 21; n++) {
        ids.push((await deliver({ username: `name ${n}` })).id);
        await deliver({ username: `other ${n}`, holderId: '2' });
      }
      for (const [page, shown] of [
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 3],
      ] as const) {
        const listed = await codes.list(admin(), page, { memberId: '1' });
        expect(listed).toMatchObject({ total: 21, page: shown, pages: 3 });
        expect(listed?.codes.map(({ id }) => id)).toEqual(ids.slice(10 * shown - 10, 10 * shown));
      }
      expect(await codes.list(admin(), 5)).toMatchObject({ total: 42, page: 5, pages: 5 });
    });

    it('returns one empty page for a server without codes, and whether any server has some', async () => {
      const { codes, issue } = await openWorld(engine);
      const empty = { total: 0, page: 1, pages: 1, codes: [] };
      expect(await codes.list(admin(), 3)).toEqual({ ...empty, isUnused: true });
      await issue({ guildId: '2' });
      expect(await codes.list(admin(), 1)).toEqual({ ...empty, isUnused: false });
    });

    it('lists once per message and records who read which server', async () => {
      const { codes, store } = await openWorld(engine);
      const lists = await atOnce(5, async () => codes.list(admin('1', '7'), 1));
      expect(lists.filter((page) => page !== null)).toHaveLength(1);
      expect(await store.audit.read({})).toMatchObject([{ event: 'listed', guildId: '1', actorId: 'admin' }]);
    });
  });

  describe('revoking codes', () => {
    it.each([
      ['a code', (text: string) => text.toLowerCase(), 'code'],
      ['a username', () => 'ALICE', 'username'],
    ])('revokes by %s in any case, frees the username and records no code', async (_what, typedOf, by) => {
      const { codes, store, validator, issue, deliver } = await openWorld(engine);
      const { id, text } = await deliver();
      const target = { typed: typedOf(text) } as const;
      expect(await codes.revoke(admin(), target, null)).toMatchObject({
        by,
        codes: [{ id, endReason: 'revoked' }],
      });
      expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'revoked' });
      expect(JSON.stringify(await store.audit.read({}))).not.toContain(text);
      expect(await issue({ holderId: '2' })).toHaveProperty('holderId', '2');
    });

    it('revokes every code of a member, pending ones included', async () => {
      const { codes, issue, deliver } = await openWorld(engine);
      const ids = [(await deliver()).id, (await issue({ username: 'Bob' })).id];
      await deliver({ holderId: '2', username: 'Cat' });
      const revoked = await codes.revoke(admin(), { memberId: '1' }, null);
      expect(revoked?.by).toBe('member');
      expect(revoked?.codes.map(({ id }) => id).toSorted()).toEqual(ids);
    });

    it('revokes every code that is a word of the reason, and no username or code of another server', async () => {
      const { codes, store, validator, issue, deliver } = await openWorld(engine);
      const alice = await deliver();
      const bob = await deliver({ holderId: '2', username: 'Bob' });
      await issue({ holderId: '2', username: 'Bob' });
      const cat = await deliver({ holderId: '3', username: 'Cat' });
      const elsewhere = await deliver({ holderId: '4', username: 'Dan', guildId: '2' });
      const reason = `${bob.text.toLowerCase()}, Cat left ${alice.text} ${elsewhere.text}`;
      expect(await codes.revoke(admin(), { typed: alice.text }, reason)).toMatchObject({
        by: 'code',
        texts: [alice.text, bob.text],
        reason: `Cat left ${elsewhere.text}`,
        isFree: true,
      });
      const valid = [];
      for (const [username, { text }] of Object.entries({ Alice: alice, Bob: bob, Cat: cat, Dan: elsewhere }))
        valid.push((await validator.validate(username, text)).valid);
      expect(valid).toEqual([false, false, true, true]);
      expect((await store.audit.read({})).filter(({ event }) => event === 'revoked')).toHaveLength(3);
    });

    it.each([
      ['a username', { typed: 'Alice' }],
      ['a member', { memberId: '1' }],
    ])('revokes no code that is a word of the reason for %s', async (_what, target) => {
      const { codes, validator, deliver } = await openWorld(engine);
      await deliver();
      const { text } = await deliver({ holderId: '2', username: 'Bob' });
      expect(await codes.revoke(admin(), target, `not ${text}`)).toMatchObject({ reason: `not ${text}` });
      expect(await validator.validate('Bob', text)).toHaveProperty('valid', true);
    });

    it('revokes a code rather than a username that reads the same', async () => {
      const { codes, deliver } = await openWorld(engine);
      const { id, text } = await deliver();
      const named = await deliver({ holderId: '2', username: text });
      const target = { typed: text } as const;
      expect(await codes.revoke(admin(), target, null)).toMatchObject({ by: 'code', codes: [{ id }] });
      expect(await codes.revoke(admin(), target, null)).toMatchObject({
        by: 'username',
        codes: [{ id: named.id }],
      });
    });

    it('revokes nothing of another server', async () => {
      const { codes, validator, deliver } = await openWorld(engine);
      const { text } = await deliver();
      for (const target of [ALICE, { ...ALICE, typed: text }, { memberId: '1' } as const]) {
        expect(await codes.revoke(admin('2'), target, null)).toEqual(NONE);
      }
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
    });

    it('frees a username that is reserved after its code expired', async () => {
      const { clock, codes, request, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      const { id } = await deliver();
      clock.advance(2 * HOUR);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      expect(await codes.revoke(admin(), ALICE, null)).toMatchObject({ by: 'username', codes: [{ id }] });
      expect(await issue({ holderId: '2' })).toHaveProperty('holderId', '2');
    });

    it('frees a username by its code although an earlier code of it expired and a later one is pending', async () => {
      const { clock, codes, request, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      await deliver();
      clock.advance(2 * HOUR);
      const { text } = await deliver();
      await issue();
      await codes.revoke(admin(), { typed: text }, null);
      expect(await request({ holderId: '2' })).toHaveProperty('holderId', '2');
    });

    it.each([
      ['of a look-alike', { username: 'A1ice' }, true],
      ['of another server', { guildId: '2' }, false],
    ])(
      'does not report a username as free while a code %s reserves it',
      async (_what, other, freedByMember) => {
        const { clock, codes, store, request, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
        await deliver(other);
        clock.advance(2 * HOUR);
        await endCodes(store, clock.now);
        const { text } = await deliver();
        expect(await codes.revoke(admin(), { typed: text }, null)).toMatchObject({
          by: 'code',
          isFree: false,
        });
        expect(await request({ holderId: '2' })).toEqual(TAKEN);
        await deliver();
        expect(await codes.revoke(admin(), { memberId: '1' }, null)).toHaveProperty('isFree', freedByMember);
      },
    );

    it('does not change codes that reserve nothing', async () => {
      const { clock, codes, store, issue, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      const { id } = await deliver();
      clock.advance(HOUR);
      await endCodes(store, clock.now);
      clock.advance(30 * DAY);
      await issue();
      // Nobody received it, so it reserves nothing.
      await checkMembership(store, FIND_LEFT, '1', clock.read);
      expect(await codes.revoke(admin(), ALICE, null)).toEqual(NONE);
      expect(await store.codes.find(id)).toMatchObject({ endReason: 'expired' });
    });

    it('revokes once per message and records who did it and why', async () => {
      const { codes, store, deliver } = await openWorld(engine);
      const { id } = await deliver();
      const by = admin();
      expect(await codes.revoke(by, ALICE, 'spam')).not.toBeNull();
      expect(await codes.revoke(by, ALICE, 'spam')).toBeNull();
      expect((await store.audit.read({})).at(-1)).toMatchObject({
        event: 'revoked',
        codeId: id,
        actorId: 'admin',
        reason: 'spam',
        guildId: '1',
        username: 'Alice',
        holderId: '1',
      });
    });
  });

  describe('checking membership', () => {
    it('ends the codes of members who left, in that server only', async () => {
      const { clock, store, validator, request, issue, deliver, events } = await openWorld(engine);
      const left = await deliver();
      const pending = await issue({ username: 'Bob' });
      const elsewhere = await deliver({ username: 'Cat', guildId: '2' });
      const member = await deliver({ username: 'Dan', holderId: '2' });
      expect(await checkMembership(store, FIND_LEFT, '1', clock.read)).toBe(2);
      expect((await events()).slice(-2).toSorted()).toEqual(
        [`left ${left.id}`, `left ${pending.id}`].toSorted(),
      );
      expect(await validator.validate('Alice', left.text)).toEqual({ valid: false, reason: 'revoked' });
      expect(await validator.validate('Cat', elsewhere.text)).toHaveProperty('valid', true);
      expect(await validator.validate('Dan', member.text)).toHaveProperty('valid', true);
      clock.advance(30 * DAY - 1);
      expect(await request({ holderId: '3' })).toEqual(TAKEN);
      expect(await issue({ holderId: '3', username: 'Bob' })).toHaveProperty('holderId', '3');
      clock.advance(1);
      expect(await issue({ holderId: '3' })).toHaveProperty('holderId', '3');
    });

    it('asks about each holder once, at most 100 at a time', async () => {
      const { clock, store, issue } = await openWorld(engine);
      for (let n = 0; n < 205; n++) await issue({ holderId: String(n), username: `name ${n}` });
      await issue({ holderId: '7', username: 'another' });
      const asked: (readonly string[])[] = [];
      const findLeft: FindLeft = async (_guildId, userIds) => (asked.push(userIds), []);
      await checkMembership(store, findLeft, '1', clock.read);
      expect(asked.map((ids) => ids.length)).toEqual([100, 100, 5]);
      expect(new Set(asked.flat()).size).toBe(205);
    });
  });

  describe('serving servers', () => {
    it('suspends and resumes codes without ending them', async () => {
      const { clock, store, validator, request, deliver, events } = await openWorld(engine);
      const one = await deliver();
      const two = await deliver({ guildId: '2', username: 'Bob' });
      expect(await suspendUnserved(store, new Set(['2']), clock.now)).toEqual([
        { guildId: '1', event: 'suspended', codes: 1 },
      ]);
      expect(await suspendUnserved(store, new Set(['2']), clock.now)).toEqual([]);
      expect(await validator.validate('Alice', one.text)).toEqual({ valid: false, reason: 'suspended' });
      expect(await validator.validate('Bob', two.text)).toHaveProperty('valid', true);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      expect(await suspendUnserved(store, new Set(['1', '2']), clock.now)).toEqual([
        { guildId: '1', event: 'resumed', codes: 1 },
      ]);
      expect(await validator.validate('Alice', one.text)).toHaveProperty('valid', true);
      expect((await events()).slice(-2)).toEqual([`suspended ${one.id}`, `resumed ${one.id}`]);
    });
  });

  describe('maintenance', () => {
    it('ends expired codes for ever, even when the clock is set back', async () => {
      const { clock, store, validator, deliver, events } = await openWorld(engine, { codeTtlMs: HOUR });
      const { id, text } = await deliver();
      clock.advance(HOUR - 1);
      await endCodes(store, clock.now);
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
      clock.advance(1);
      await endCodes(store, clock.now);
      await endCodes(store, clock.now);
      clock.advance(-DAY);
      expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'expired' });
      expect((await events()).filter((event) => event.startsWith('expired'))).toEqual([`expired ${id}`]);
    });

    it('withdraws codes that nobody received within 30 minutes', async () => {
      const { clock, store, issue, deliver, events } = await openWorld(engine);
      const { id } = await issue();
      await deliver({ username: 'Bob' });
      clock.advance(30 * MINUTE);
      await endCodes(store, clock.now);
      expect(await events()).toHaveLength(3);
      clock.advance(1);
      await endCodes(store, clock.now);
      await endCodes(store, clock.now);
      expect((await events()).slice(3)).toEqual([`withdrawn ${id}`]);
    });

    it('deletes audit rows before the given time and claims older than a day', async () => {
      const { clock, codes, store, deliver, events } = await openWorld(engine);
      await codes.claim('7');
      await deliver();
      clock.advance(DAY);
      const { id } = await deliver();
      await prune(store, clock.now, clock.now);
      expect(await events()).toHaveLength(3);
      expect(await events()).toContain(`issued ${id}`);
      expect(await codes.claim('7')).toBe(false);
      await prune(store, clock.now, clock.now + 1);
      expect(await codes.claim('7')).toBe(true);
    });

    it('deletes codes that ended before the audit begins, and no others', async () => {
      const { clock, codes, store, request, deliver } = await openWorld(engine);
      const kept = await deliver({ username: 'Bob' });
      const { id } = await deliver();
      await codes.revoke(admin(), ALICE, null);
      await deliver();
      const endedAt = clock.now;
      clock.advance(40 * DAY);
      await prune(store, endedAt, clock.now);
      expect(await store.codes.find(id)).not.toBeNull();
      await prune(store, endedAt + 1, clock.now);
      expect(await store.codes.find(id)).toBeNull();
      expect(await store.codes.find(kept.id)).not.toBeNull();
      expect(await request({ holderId: '2', username: 'B0b' })).toEqual(TAKEN);
      expect(await request({ holderId: '2', username: 'A1ice' })).toEqual(TAKEN);
    });

    it('keeps a code that reserves its username, however short the audit is', async () => {
      const { clock, store, request, issue, deliver } = await openWorld(engine);
      await deliver();
      await checkMembership(store, FIND_LEFT, '1', clock.read);
      clock.advance(30 * DAY - 1);
      await prune(store, clock.now, clock.now);
      expect(await request({ holderId: '2' })).toEqual(TAKEN);
      clock.advance(2);
      await prune(store, clock.now, clock.now);
      expect(await issue({ holderId: '2' })).toHaveProperty('holderId', '2');
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

  describe('the audit', () => {
    it('is read by time, username, member and code', async () => {
      const { clock, keys, codes, store, deliver } = await openWorld(engine);
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
    });
  });

  it('counts the codes that have not ended, and lists their servers', async () => {
    const { codes, store, issue, deliver } = await openWorld(engine);
    await deliver();
    await issue();
    await issue({ username: 'Bob', guildId: '2' });
    await deliver({ username: 'Cat' });
    await codes.revoke(admin(), { typed: 'Cat' }, null);
    expect(await store.codes.countAll()).toBe(3);
    expect(await store.codes.listGuilds()).toEqual(['1', '2']);
  });
}
