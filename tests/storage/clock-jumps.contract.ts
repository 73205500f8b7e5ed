import { expect, it } from 'vitest';

import type { CodeStore, NewCode } from '../../src/codes/code-store.js';
import { statusOf } from '../../src/codes/code.js';
import {
  codeOf,
  DAY_MS,
  hand,
  issue,
  LIMITS,
  login,
  newCode,
  NOW,
  redeem,
  type OpenStore,
} from './contract-support.js';

const EXPIRY = NOW + DAY_MS;

/** How somebody came to know, a day ahead or in the very millisecond, that the code had expired. */
const SEEN: readonly {
  readonly what: string;
  readonly see: (store: CodeStore, code: NewCode) => Promise<unknown>;
}[] = [
  { what: 'the bot marked it', see: async (store) => store.expire(EXPIRY) },
  { what: 'the bot marked it by a clock a day ahead', see: async (store) => store.expire(EXPIRY + DAY_MS) },
  { what: 'somebody tried it', see: async (store, code) => login(store, code, { now: EXPIRY }) },
  { what: 'somebody tried to use it', see: async (store, code) => redeem(store, code, EXPIRY) },
  {
    what: 'its holder got another for the username',
    see: async (store) => hand(store, { issuedAt: EXPIRY }),
  },
  {
    what: 'its holder was sent one that was made before',
    async see(store) {
      const code = await issue(store, { issuedAt: EXPIRY - 1 });
      expect(await store.deliver(code.id, 'delivered', EXPIRY)).toBe(true);
    },
  },
  {
    what: 'somebody else got the username',
    see: async (store) => hand(store, { holderId: '2', issuedAt: EXPIRY }),
  },
];

/** A clock that was wrong and is set right again revives nothing. */
export function describeClockJumps(open: OpenStore): void {
  it.each(SEEN)('a code stays expired when the clock goes back after $what', async ({ see }) => {
    const store = await open();
    const code = await hand(store, { expiresAt: EXPIRY });
    await see(store, code);
    const held = await store.listHeld('1', NOW, { offset: 0, limit: 100 });
    expect(held.map(({ id }) => id)).not.toContain(code.id);
    expect(await store.countHeld('1', NOW)).toBe(held.length);
    expect(await login(store, code)).toEqual({ accepted: false, status: 'expired' });
    expect(await redeem(store, code)).toBeNull();
    expect(await store.deliver(code.id, 'delivered', NOW)).toBe(false);
    expect(statusOf(await codeOf(store, code), NOW)).not.toBe('active');
    expect(await codeOf(store, code)).toHaveProperty('uses', 0);
  });

  it('a username stays free when the clock goes back after its code was seen to be expired', async () => {
    const store = await open();
    await hand(store, { expiresAt: EXPIRY });
    await store.expire(EXPIRY);
    expect(await store.issue(newCode({ holderId: '2' }), LIMITS)).toBe('issued');
  });

  it('a code that was not delivered stays expired as well', async () => {
    const store = await open();
    const code = await issue(store, { expiresAt: EXPIRY });
    await store.expire(EXPIRY);
    expect(await store.deliver(code.id, 'delivered', NOW)).toBe(false);
    expect(await login(store, code)).toMatchObject({ accepted: false });
  });

  it('a code without an end lives through every jump', async () => {
    const store = await open();
    const code = await hand(store);
    for (const now of [NOW + 10_000 * DAY_MS, NOW - 10_000 * DAY_MS, NOW]) {
      await store.expire(now);
      expect(await login(store, code, { now })).toHaveProperty('accepted', true);
    }
  });

  it('what was revoked, replaced or withdrawn stays that', async () => {
    const store = await open();
    const replaced = await hand(store);
    const revoked = await hand(store);
    const withdrawn = await issue(store);
    await store.withdraw(withdrawn.id, 'closed', NOW);
    await store.revokeLeaver('1', '1', NOW);
    for (const code of [replaced, revoked, withdrawn]) {
      expect(await login(store, code, { now: NOW - DAY_MS })).toMatchObject({ accepted: false });
      expect(await store.deliver(code.id, 'delivered', NOW - DAY_MS)).toBe(false);
    }
  });
}
