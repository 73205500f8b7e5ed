import { describe, expect, it } from 'vitest';

import type { CodeStore, NewCode } from '../../src/codes/code-store.js';
import { byAdmin } from '../support/codes.js';
import {
  codeOf,
  failTimes,
  guess,
  hand,
  HOUR_MS,
  issue,
  login,
  nameHashOf,
  named,
  NOW,
  redeem,
  type OpenStore,
  WRONG,
} from './contract-support.js';

const TEN_MINUTES_MS = 600_000;

const FOREVER = { throttledMs: Number.POSITIVE_INFINITY };

/** Alice has a code, and nobody Bob's name. What is true of guesses at the one is true of the other. */
const NAMES = [
  ['a username that somebody holds', 'Alice'],
  ['a username that nobody has', 'Bob'],
] as const;

/** A hundred wrong codes, ten an hour. @returns the time of the last. */
async function fail100Times(store: CodeStore, username: string, client?: string): Promise<number> {
  for (let hour = 0; hour < 10; hour++) {
    const now = NOW + hour * HOUR_MS;
    await failTimes(store, 10, username, client === undefined ? { now } : { now, client });
  }
  return NOW + 9 * HOUR_MS;
}

/** What happens to guesses at a website's door. */
export function describeLogin(open: OpenStore): void {
  describe.each(NAMES)('guesses at %s', (_what, username) => {
    const openHeld = async (): Promise<CodeStore> => {
      const store = await open();
      await hand(store);
      return store;
    };

    it('are judged ten times an hour, sliding by the millisecond', async () => {
      const store = await openHeld();
      for (let n = 0; n < 10; n++)
        expect(await guess(store, username, { now: NOW + n * 100 })).toEqual(WRONG);
      expect(await guess(store, username, { now: NOW + 901 })).toEqual({ throttledMs: HOUR_MS - 901 });
      expect(await guess(store, username, { now: NOW + HOUR_MS - 1 })).toEqual({ throttledMs: 1 });
      expect(await guess(store, username, { now: NOW + HOUR_MS })).toEqual(WRONG);
      expect(await guess(store, username, { now: NOW + HOUR_MS })).toEqual({ throttledMs: 100 });
      expect(await guess(store, username, { now: NOW + HOUR_MS + 99 })).toEqual({ throttledMs: 1 });
      expect(await guess(store, username, { now: NOW + HOUR_MS + 100 })).toEqual(WRONG);
    });

    it('are not counted while they are throttled', async () => {
      const store = await openHeld();
      await failTimes(store, 10, username);
      for (let n = 1; n <= 100; n++) await guess(store, username, { now: NOW + n });
      await failTimes(store, 10, username, { now: NOW + HOUR_MS });
      expect(await guess(store, username, { now: NOW + HOUR_MS })).toEqual({ throttledMs: HOUR_MS });
    });

    it('are judged ten times when 50 come at once', async () => {
      const store = await openHeld();
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, async () => guess(store, username, { client: 'stranger' })),
      );
      expect(outcomes.filter((outcome) => 'accepted' in outcome)).toHaveLength(10);
      expect(outcomes.filter((outcome) => 'throttledMs' in outcome)).toEqual(
        Array.from({ length: 40 }, () => ({ throttledMs: HOUR_MS })),
      );
    });

    it('are never judged again after 100 in a row', async () => {
      const store = await openHeld();
      const last = await fail100Times(store, username);
      expect(await guess(store, username, { now: last })).toEqual(FOREVER);
      expect(await guess(store, username, { now: last + 10_000 * HOUR_MS })).toEqual(FOREVER);
    });

    it('share one budget, from whomever they come', async () => {
      const store = await openHeld();
      for (let n = 0; n < 10; n++) {
        expect(await guess(store, username, { client: `stranger ${n}`, redeem: n % 2 === 0 })).toEqual(WRONG);
      }
      expect(await guess(store, username, { client: 'another' })).toEqual({ throttledMs: HOUR_MS });
      expect(await guess(store, username)).toEqual({ throttledMs: HOUR_MS });
      expect(await guess(store, 'Carol')).toEqual(WRONG);
    });

    it('wait no longer than an hour by a clock that was set back', async () => {
      const store = await openHeld();
      await failTimes(store, 10, username);
      expect(await guess(store, username, { now: NOW - 24 * HOUR_MS })).toEqual({ throttledMs: HOUR_MS });
    });

    it('are judged again when its holder has got a new code', async () => {
      const store = await openHeld();
      const last = await fail100Times(store, username);
      const code = await issue(store, { issuedAt: last, ...named(username) });
      expect(await guess(store, username, { now: last })).toEqual(FOREVER);
      await store.deliver(code.id, 'shown', last);
      await failTimes(store, 10, username, { now: last });
      expect(await guess(store, username, { now: last })).toEqual({ throttledMs: HOUR_MS });
    });
  });

  it('counts a code that is known but opens nothing like one that was made up', async () => {
    const store = await open();
    const used = await hand(store, { maxUses: 1 });
    await redeem(store, used);
    const waiting = await issue(store);
    for (let n = 0; n < 5; n++) {
      expect(await login(store, used, { redeem: true })).toEqual({ accepted: false, status: 'used_up' });
      expect(await login(store, waiting)).toEqual({ accepted: false, status: 'pending' });
    }
    expect(await login(store, used)).toEqual({ throttledMs: HOUR_MS });
  });

  it('counts no look at a code that is used up: a website looks again while somebody is in', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 1 });
    await redeem(store, code);
    const before = await store.readAudit({});
    for (let n = 0; n < 30; n++) {
      expect(await login(store, code, { client: 'home' })).toEqual({ accepted: false, status: 'used_up' });
    }
    expect(await store.readAudit({})).toEqual(before);
    await failTimes(store, 10, 'Alice');
    expect(await login(store, code)).toEqual({ throttledMs: HOUR_MS });
  });

  describe('a redemption with a key', () => {
    const ONCE = { redeem: true, key: 'form 1' };

    it('counts one use, however often it is asked for, also at once', async () => {
      const store = await open();
      const code = await hand(store, { maxUses: 3 });
      const outcomes = await Promise.all(Array.from({ length: 20 }, async () => login(store, code, ONCE)));
      const first = { accepted: true, code: await codeOf(store, code) };
      expect(first.code.uses).toBe(1);
      expect(outcomes).toEqual(Array.from({ length: 20 }, () => first));
      expect((await store.readAudit({})).filter(({ event }) => event === 'redeemed')).toHaveLength(1);
    });

    it('says for ten minutes what it said first, unless the code was ended since', async () => {
      const store = await open();
      const code = await hand(store, { maxUses: 2 });
      const first = await login(store, code, ONCE);
      await login(store, code, { redeem: true });
      expect(await login(store, code, { ...ONCE, now: NOW + TEN_MINUTES_MS - 1 })).toEqual(first);
      expect(await login(store, code, { ...ONCE, now: NOW + TEN_MINUTES_MS })).toEqual({
        accepted: false,
        status: 'used_up',
      });
      const other = await hand(store, { holderId: '2', ...named('Bob') });
      const again = { redeem: true, key: 'form 2' };
      expect(await login(store, other, again)).toHaveProperty('accepted', true);
      await store.revoke('1', [{ by: 'text', textHash: other.textHash }], byAdmin(), NOW);
      expect(await login(store, other, again)).toEqual({ accepted: false, status: 'revoked' });
    });

    it('counts one failure, and repeats why', async () => {
      const store = await open();
      const used = await hand(store, { maxUses: 1 });
      await redeem(store, used);
      for (let n = 0; n < 30; n++) {
        expect(await login(store, used, ONCE)).toEqual({ accepted: false, status: 'used_up' });
        expect(await guess(store, 'Bob', { redeem: true, key: 'form 2' })).toEqual(WRONG);
      }
      await store.revoke('1', [{ by: 'text', textHash: used.textHash }], byAdmin(), NOW);
      expect(await login(store, used, ONCE)).toEqual({ accepted: false, status: 'used_up' });
      await failTimes(store, 9, 'Bob');
      expect(await guess(store, 'Bob')).toEqual({ throttledMs: HOUR_MS });
      // Nor does a repeat need a look at what is throttled meanwhile.
      expect(await guess(store, 'Bob', { redeem: true, key: 'form 2' })).toEqual(WRONG);
    });

    it('keeps its key free while it is throttled', async () => {
      const store = await open();
      const code = await hand(store, { maxUses: 1 });
      await failTimes(store, 10, 'Alice');
      expect(await login(store, code, ONCE)).toEqual({ throttledMs: HOUR_MS });
      expect(await login(store, code, { ...ONCE, now: NOW + HOUR_MS })).toHaveProperty('accepted', true);
    });

    it('is refused, and counts nothing, where its key belongs to another pair', async () => {
      const store = await open();
      const alice = await hand(store, { maxUses: 1 });
      const bob = await hand(store, { holderId: '2', maxUses: 1, ...named('Bob') });
      await login(store, alice, ONCE);
      for (let n = 0; n < 30; n++) expect(await login(store, bob, ONCE)).toEqual({ keyReused: true });
      expect(await redeem(store, bob)).toBe(1);
    });

    it('is another one with another key', async () => {
      const store = await open();
      const code = await hand(store, { maxUses: 2 });
      for (const key of ['form 1', 'form 2']) {
        expect(await login(store, code, { redeem: true, key })).toHaveProperty('accepted', true);
      }
      expect(await login(store, code, { redeem: true, key: 'form 3' })).toEqual({
        accepted: false,
        status: 'used_up',
      });
    });
  });

  it('neither lets in nor judges what is throttled, although it is right', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 1 });
    await failTimes(store, 10, 'Alice');
    expect(await login(store, code, { client: 'stranger' })).toEqual({ throttledMs: HOUR_MS });
    expect(await login(store, code, { redeem: true })).toEqual({ throttledMs: HOUR_MS });
    expect(await codeOf(store, code)).toHaveProperty('uses', 0);
    expect(await redeem(store, code, NOW + HOUR_MS)).toBe(1);
  });

  it('lets nobody in after 100 in a row, with the right code either', async () => {
    const store = await open();
    const code = await hand(store);
    const last = await fail100Times(store, 'Alice');
    expect(await login(store, code, { now: last + HOUR_MS, client: 'stranger' })).toEqual(FOREVER);
  });

  it('forgets the row of failures when somebody gets in, and not those of the hour', async () => {
    const store = await open();
    const code = await hand(store);
    await failTimes(store, 9, 'Alice');
    expect(await login(store, code)).toHaveProperty('accepted', true);
    await failTimes(store, 1, 'Alice');
    expect(await guess(store, 'Alice')).toEqual({ throttledMs: HOUR_MS });
  });

  it('begins to count anew towards 100 when somebody gets in', async () => {
    const store = await open();
    const code = await hand(store);
    // 99 failures, a visit, and 99 more: nobody is shut out. One more is the hundredth.
    const hours = Array.from({ length: 20 }, (_, hour) => NOW + hour * HOUR_MS);
    for (const [hour, now] of hours.entries()) {
      if (hour === 10) expect(await login(store, code, { now })).toHaveProperty('accepted', true);
      await failTimes(store, hour % 10 === 9 ? 9 : 10, 'Alice', { now });
    }
    const after = NOW + 20 * HOUR_MS;
    await failTimes(store, 1, 'Alice', { now: after });
    expect(await login(store, code, { now: after })).toEqual(FOREVER);
  });

  describe('a client that got in with this username before', () => {
    const HOME = 'home';

    async function openKnown(given: Partial<NewCode> = {}): Promise<{ store: CodeStore; code: NewCode }> {
      const store = await open();
      const code = await hand(store, given);
      expect(await login(store, code, { client: HOME })).toHaveProperty('accepted', true);
      return { store, code };
    }

    it('gets in whatever others do', async () => {
      const { store, code } = await openKnown();
      const last = await fail100Times(store, 'Alice');
      expect(await login(store, code, { now: last, client: HOME })).toHaveProperty('accepted', true);
      expect(await login(store, code, { now: last, client: 'stranger' })).toEqual(FOREVER);
    });

    it('has ten failures an hour of its own, which others do not feel', async () => {
      const { store, code } = await openKnown();
      await failTimes(store, 10, 'Alice', { client: HOME });
      expect(await login(store, code, { client: HOME })).toEqual({ throttledMs: HOUR_MS });
      expect(await login(store, code, { client: 'stranger' })).toHaveProperty('accepted', true);
      await failTimes(store, 10, 'Alice');
      expect(await login(store, code, { now: NOW + HOUR_MS, client: HOME })).toHaveProperty('accepted', true);
    });

    it('is shut out by 100 of its own in a row, until the next code', async () => {
      const { store, code } = await openKnown();
      const last = await fail100Times(store, 'Alice', HOME);
      const later = last + HOUR_MS;
      expect(await login(store, code, { now: later, client: HOME })).toEqual(FOREVER);
      expect(await login(store, code, { now: later })).toHaveProperty('accepted', true);
      const fresh = await hand(store, { issuedAt: later });
      expect(await login(store, fresh, { now: later, client: HOME })).toHaveProperty('accepted', true);
    });

    it('takes nothing from the count of others when it gets in', async () => {
      const { store, code } = await openKnown();
      const last = await fail100Times(store, 'Alice');
      await login(store, code, { now: last, client: HOME });
      expect(await guess(store, 'Alice', { now: last + HOUR_MS })).toEqual(FOREVER);
    });

    it('was let in, not only judged: a failure makes nobody known', async () => {
      const store = await open();
      const code = await hand(store);
      await failTimes(store, 10, 'Alice', { client: HOME });
      expect(await login(store, code, { client: HOME })).toEqual({ throttledMs: HOUR_MS });
    });

    it('is a stranger to every other username', async () => {
      const { store } = await openKnown();
      const bob = await hand(store, { holderId: '2', ...named('Bob') });
      await failTimes(store, 10, 'Bob');
      expect(await login(store, bob, { client: HOME })).toEqual({ throttledMs: HOUR_MS });
    });

    it('stays known when the holder gets a new code', async () => {
      const { store } = await openKnown();
      const fresh = await hand(store);
      await failTimes(store, 10, 'Alice');
      expect(await login(store, fresh, { client: HOME })).toHaveProperty('accepted', true);
    });

    it('is a stranger to the next holder of the username', async () => {
      const { store, code } = await openKnown();
      await store.revoke('1', [{ by: 'text', textHash: code.textHash }], byAdmin(), NOW);
      const next = await hand(store, { holderId: '2' });
      await failTimes(store, 10, 'Alice');
      expect(await login(store, next, { client: HOME })).toEqual({ throttledMs: HOUR_MS });
    });

    it('is a stranger to the next holder also when the code before had expired, unnoticed', async () => {
      const { store } = await openKnown({ expiresAt: NOW + 10 });
      const now = NOW + 10;
      const next = await hand(store, { holderId: '2', issuedAt: now });
      await failTimes(store, 10, 'Alice', { now });
      expect(await login(store, next, { now, client: HOME })).toEqual({ throttledMs: HOUR_MS });
    });

    it('is known again to a next holder with whom it gets in', async () => {
      const { store, code } = await openKnown();
      await store.revoke('1', [{ by: 'text', textHash: code.textHash }], byAdmin(), NOW);
      const next = await hand(store, { holderId: '2' });
      await login(store, next, { client: HOME });
      await failTimes(store, 10, 'Alice');
      expect(await login(store, next, { client: HOME })).toHaveProperty('accepted', true);
    });

    it.each([
      ['is forgotten when it did not come for 90 days', 90 * 24 * HOUR_MS + 1, false],
      ['is remembered for 90 days', 90 * 24 * HOUR_MS, true],
    ])('%s', async (_what, age, known) => {
      const { store, code } = await openKnown();
      const now = NOW + age;
      await store.prune(NOW, now);
      await failTimes(store, 10, 'Alice', { now });
      const outcome = await login(store, code, { now, client: HOME });
      expect(outcome).toHaveProperty(known ? 'accepted' : 'throttledMs');
    });

    it('is remembered from its latest visit on', async () => {
      const { store, code } = await openKnown();
      const day = 24 * HOUR_MS;
      for (const now of [NOW + 60 * day, NOW + 120 * day]) await login(store, code, { now, client: HOME });
      const now = NOW + 200 * day;
      await store.prune(NOW, now);
      await failTimes(store, 10, 'Alice', { now });
      expect(await login(store, code, { now, client: HOME })).toHaveProperty('accepted', true);
    });
  });

  it('keeps a guess at one username apart from one at another with the same code', async () => {
    const store = await open();
    const code = await hand(store);
    await failTimes(store, 10, 'Bob');
    expect(await login(store, code)).toHaveProperty('accepted', true);
    expect(await login(store, { ...code, nameHash: nameHashOf('Bob') })).toEqual({ throttledMs: HOUR_MS });
  });
}
