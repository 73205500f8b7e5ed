import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { CodeSelector, CodeStore, ListRange, NewCode } from '../../src/codes/code-store.js';
import { statusOf, type Code } from '../../src/codes/code.js';
import { nextRequestId, usernameOf } from '../support/codes.js';
import { ModelStore } from './model-store.js';

const NOW = Date.UTC(2026, 0, 1);
const DAY_MS = 86_400_000;
/** Whatever was issued since then, and is not delivered, reserves its username. */
const RESERVED_SINCE = NOW - 1_000;

/** A code of holder 1 in guild 1 for Alice, without end. */
function newCode(given: Partial<NewCode> = {}): NewCode {
  const id = given.id ?? nextRequestId();
  return {
    id,
    guildId: '1',
    holderId: '1',
    holderTag: 'alice',
    username: usernameOf('Alice'),
    textHash: `text of ${id}`,
    pairHash: `pair of ${id}`,
    sealedText: `sealed text of ${id}`,
    issuedAt: NOW,
    expiresAt: null,
    maxUses: null,
    ...given,
  };
}

async function issue(store: CodeStore, given: Partial<NewCode> = {}): Promise<NewCode> {
  const code = newCode(given);
  expect(await store.issue(code, RESERVED_SINCE)).toBe('issued');
  return code;
}

async function hand(store: CodeStore, given: Partial<NewCode> = {}): Promise<NewCode> {
  const code = await issue(store, given);
  expect(await store.deliver(code.id, code.issuedAt)).toBe(true);
  return code;
}

/** Twenty calls at once. */
async function twenty<T>(call: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: 20 }, async (_, index) => call(index)));
}

function idsIn(codes: readonly { readonly id: string }[]): string[] {
  return codes.map(({ id }) => id);
}

/** How a code of holder 1 came to its end, or not, before somebody asks at NOW. */
const LIVES: readonly {
  readonly what: string;
  readonly status: ReturnType<typeof statusOf>;
  readonly live: (store: CodeStore) => Promise<NewCode>;
}[] = [
  { what: 'pending', status: 'pending', live: async (store) => issue(store) },
  { what: 'active', status: 'active', live: async (store) => hand(store) },
  {
    what: 'used up',
    status: 'used_up',
    async live(store) {
      const code = await hand(store, { maxUses: 1 });
      await store.redeem(code.pairHash, NOW);
      return code;
    },
  },
  {
    what: 'expired',
    status: 'expired',
    live: async (store) => hand(store, { issuedAt: NOW - 5, expiresAt: NOW }),
  },
  {
    what: 'expired without having been delivered',
    status: 'expired',
    live: async (store) => issue(store, { expiresAt: NOW }),
  },
  {
    what: 'replaced',
    status: 'replaced',
    async live(store) {
      const code = await hand(store);
      await hand(store);
      return code;
    },
  },
  {
    what: 'revoked',
    status: 'revoked',
    async live(store) {
      const code = await hand(store);
      await store.revoke('1', [{ by: 'text', textHash: code.textHash }], nextRequestId(), NOW);
      return code;
    },
  },
  {
    what: 'revoked before it was delivered',
    status: 'revoked',
    async live(store) {
      const code = await issue(store);
      await store.revoke('1', [{ by: 'text', textHash: code.textHash }], nextRequestId(), NOW);
      return code;
    },
  },
  {
    what: 'withdrawn',
    status: 'withdrawn',
    async live(store) {
      const code = await issue(store);
      await store.withdraw(code.id, NOW);
      return code;
    },
  },
];

/** What every code store does, whichever engine keeps it. `open` gives an empty store that closes with the test. */
export function describeCodeStore(name: string, open: () => Promise<CodeStore>): void {
  describe(`the code store on ${name}`, () => {
    describeRequests(open);
    describeIssue(open);
    describeDeliver(open);
    describeWithdraw(open);
    describeHeld(open);
    describeRevoke(open);
    describeRedeem(open);
    describeModel(open);
  });
}

function describeRequests(open: () => Promise<CodeStore>): void {
  it('lets a request be claimed once', async () => {
    const store = await open();
    expect(await store.claim('5', NOW)).toBe(true);
    expect(await store.claim('5', NOW)).toBe(false);
    expect(await store.claim('6', NOW)).toBe(true);
  });

  it('remembers a claimed request for a day', async () => {
    const store = await open();
    await store.claim('5', NOW);
    await store.claim('6', NOW + DAY_MS);
    expect(await store.claim('5', NOW + DAY_MS)).toBe(false);
  });

  it('lets one of 20 claims at once win', async () => {
    const store = await open();
    const claims = await twenty(async () => store.claim('5', NOW));
    expect(claims.filter((claimed) => claimed)).toHaveLength(1);
  });
}

function describeIssue(open: () => Promise<CodeStore>): void {
  it('keeps an issued code as it was given, not yet delivered', async () => {
    const store = await open();
    const code = await issue(store, {
      id: '900719925474099312',
      guildId: '900719925474099313',
      holderId: '900719925474099314',
      holderTag: 'Ålice 😀 "quoted"',
      username: usernameOf('Ålice'),
      expiresAt: NOW + 100 * 365 * DAY_MS,
      maxUses: 1_000_000_000,
    });
    expect(await store.findByPair(code.pairHash)).toEqual({
      id: '900719925474099312',
      guildId: '900719925474099313',
      holderId: '900719925474099314',
      holderTag: 'Ålice 😀 "quoted"',
      username: 'Ålice',
      issuedAt: NOW,
      deliveredAt: null,
      expiresAt: NOW + 100 * 365 * DAY_MS,
      replacedAt: null,
      revokedAt: null,
      withdrawnAt: null,
      uses: 0,
      maxUses: 1_000_000_000,
    });
  });

  it('finds no code by a pair that was never issued', async () => {
    const store = await open();
    const code = await hand(store);
    expect(await store.findByPair(code.textHash)).toBeNull();
  });

  it('answers a request that is repeated after its memory is gone with no second code', async () => {
    const store = await open();
    const day = 24 * 3_600_000;
    expect(await store.issue(newCode({ id: '5' }), RESERVED_SINCE)).toBe('issued');
    const late = { ...newCode({ id: '5' }), issuedAt: NOW + 2 * day };
    expect(await store.issue(late, RESERVED_SINCE)).toBe('repeated');
  });

  it('answers a repeated request with no second code', async () => {
    const store = await open();
    const { id } = await issue(store);
    const again = newCode({ id, textHash: 'another text', pairHash: 'another pair' });
    expect(await store.issue(again, RESERVED_SINCE)).toBe('repeated');
    expect(await store.findByPair('another pair')).toBeNull();
  });

  it('makes no code of a request that was claimed', async () => {
    const store = await open();
    await store.claim('5', NOW);
    expect(await store.issue(newCode({ id: '5' }), RESERVED_SINCE)).toBe('repeated');
  });

  it('makes one code of 20 equal requests at once', async () => {
    const store = await open();
    const outcomes = await twenty(async (index) =>
      store.issue(newCode({ id: '5', textHash: `text ${index}`, pairHash: `pair ${index}` }), RESERVED_SINCE),
    );
    expect(outcomes.toSorted()).toEqual(['issued', ...Array.from({ length: 19 }, () => 'repeated')]);
  });

  it('gives a username to one of 20 members at once', async () => {
    const store = await open();
    const outcomes = await twenty(async (index) =>
      store.issue(newCode({ holderId: `holder ${index}` }), RESERVED_SINCE),
    );
    expect(outcomes.toSorted()).toEqual(['issued', ...Array.from({ length: 19 }, () => 'taken')]);
  });

  it.each(LIVES)('says whether the username of a code that is $what is taken', async ({ live, status }) => {
    const store = await open();
    await live(store);
    // What replaced a code holds its username.
    const isTaken = ['pending', 'active', 'used_up', 'replaced'].includes(status);
    const asked = newCode({ holderId: '2', guildId: '2' });
    expect(await store.issue(asked, RESERVED_SINCE)).toBe(isTaken ? 'taken' : 'issued');
  });

  it('compares usernames by their key', async () => {
    const store = await open();
    await hand(store, { username: usernameOf('STRASSE') });
    const asked = newCode({ holderId: '2', username: usernameOf('Straße') });
    expect(await store.issue(asked, RESERVED_SINCE)).toBe('taken');
  });

  it.each([
    ['keeps its username when issued in the first millisecond that reserves', 0, 'taken'],
    ['leaves its username to others when issued before that', -1, 'issued'],
  ])('a code that is not delivered %s', async (_when, offset, outcome) => {
    const store = await open();
    await issue(store, { issuedAt: RESERVED_SINCE + offset });
    expect(await store.issue(newCode({ holderId: '2' }), RESERVED_SINCE)).toBe(outcome);
  });

  it.each([
    ['keeps its username a millisecond before its expiry', -1, 'taken'],
    ['leaves its username to others in the millisecond of its expiry', 0, 'issued'],
  ])('a code that was delivered %s', async (_when, offset, outcome) => {
    const store = await open();
    await hand(store, { expiresAt: NOW + 100 });
    const asked = newCode({ holderId: '2', issuedAt: NOW + 100 + offset });
    expect(await store.issue(asked, RESERVED_SINCE)).toBe(outcome);
  });

  it('leaves a request claimed whose username is taken', async () => {
    const store = await open();
    await hand(store);
    const asked = newCode({ holderId: '2' });
    expect(await store.issue(asked, RESERVED_SINCE)).toBe('taken');
    expect(await store.issue(asked, RESERVED_SINCE)).toBe('repeated');
    expect(await store.findByPair(asked.pairHash)).toBeNull();
  });

  it('stores nothing, not even the claim, when a code with this text exists', async () => {
    const store = await open();
    const { textHash } = await hand(store);
    const asked = newCode({ holderId: '2', username: usernameOf('Bob') });
    expect(await store.issue({ ...asked, textHash }, RESERVED_SINCE)).toBe('collision');
    expect(await store.findByPair(asked.pairHash)).toBeNull();
    expect(await store.issue(asked, RESERVED_SINCE)).toBe('issued');
  });

  it('gives no text twice, not even that of a code that has ended', async () => {
    const store = await open();
    const { id, textHash } = await issue(store);
    await store.withdraw(id, NOW);
    expect(await store.issue(newCode({ textHash }), RESERVED_SINCE)).toBe('collision');
  });
}

function describeDeliver(open: () => Promise<CodeStore>): void {
  it('makes a code active with its delivery', async () => {
    const store = await open();
    const code = await issue(store);
    expect(await store.deliver(code.id, NOW + 5)).toBe(true);
    expect(await store.findByPair(code.pairHash)).toMatchObject({ deliveredAt: NOW + 5, revokedAt: null });
  });

  it('keeps the time of the first delivery', async () => {
    const store = await open();
    const code = await hand(store);
    expect(await store.deliver(code.id, NOW + 5)).toBe(true);
    expect(await store.findByPair(code.pairHash)).toHaveProperty('deliveredAt', NOW);
  });

  it('lets the holder keep the old code until the new one is delivered', async () => {
    const store = await open();
    const old = await hand(store);
    const fresh = await issue(store);
    expect(await store.findByPair(old.pairHash)).toHaveProperty('replacedAt', null);
    expect(await store.redeem(old.pairHash, NOW)).not.toBeNull();
    expect(await store.deliver(fresh.id, NOW + 5)).toBe(true);
    expect(await store.findByPair(old.pairHash)).toHaveProperty('replacedAt', NOW + 5);
    expect(await store.findByPair(fresh.pairHash)).toHaveProperty('replacedAt', null);
  });

  it("replaces the holder's code from another server: a username has one active code", async () => {
    const store = await open();
    const old = await hand(store, { guildId: '1' });
    await hand(store, { guildId: '2' });
    expect(await store.findByPair(old.pairHash)).toHaveProperty('replacedAt', NOW);
  });

  it("leaves the holder's codes for other usernames alone, and ended ones as they were", async () => {
    const store = await open();
    const bob = await hand(store, { username: usernameOf('Bob') });
    const expired = await hand(store, { expiresAt: NOW + 1 });
    const fresh = await issue(store);
    await store.deliver(fresh.id, NOW + 5);
    expect(await store.findByPair(bob.pairHash)).toHaveProperty('replacedAt', null);
    expect(await store.findByPair(expired.pairHash)).toHaveProperty('replacedAt', null);
  });

  const ended = LIVES.filter(({ status }) => !['pending', 'active', 'used_up'].includes(status));

  it.each(ended)('refuses to deliver a code that is $what', async ({ live, status }) => {
    const store = await open();
    const code = await live(store);
    const before = await store.findByPair(code.pairHash);
    expect(await store.deliver(code.id, NOW)).toBe(false);
    expect(await store.findByPair(code.pairHash)).toEqual(before);
    expect(before === null ? null : statusOf(before, NOW)).toBe(status);
  });

  it('refuses to deliver what was never issued', async () => {
    const store = await open();
    expect(await store.deliver('5', NOW)).toBe(false);
  });

  it('refuses to deliver when somebody else got the username meanwhile', async () => {
    const store = await open();
    const slow = await issue(store, { issuedAt: RESERVED_SINCE - 1 });
    const quick = await hand(store, { holderId: '2' });
    expect(await store.deliver(slow.id, NOW)).toBe(false);
    expect(await store.findByPair(slow.pairHash)).toHaveProperty('deliveredAt', null);
    expect(await store.findByPair(quick.pairHash)).toHaveProperty('replacedAt', null);
  });

  it('delivers a code whose reservation lapsed when nobody else got the username', async () => {
    const store = await open();
    const slow = await issue(store, { issuedAt: RESERVED_SINCE - 1 });
    const pending = await issue(store, { holderId: '2' });
    expect(await store.deliver(slow.id, NOW)).toBe(true);
    expect(await store.deliver(pending.id, NOW)).toBe(false);
  });

  it.each(ended.filter(({ status }) => status !== 'replaced'))(
    'delivers a code for the username of one that is $what',
    async ({ live }) => {
      const store = await open();
      await live(store);
      const code = await issue(store, { holderId: '2' });
      expect(await store.deliver(code.id, NOW)).toBe(true);
    },
  );

  it('delivers a code for a username whose codes were replaced and revoked', async () => {
    const store = await open();
    await hand(store);
    const { textHash } = await hand(store);
    await store.revoke('1', [{ by: 'text', textHash }], '5', NOW);
    const code = await issue(store, { holderId: '2' });
    expect(await store.deliver(code.id, NOW)).toBe(true);
  });

  it('leaves one held code of 20 delivered at once', async () => {
    const store = await open();
    const codes = await twenty(async () => issue(store));
    await twenty(async (index) => store.deliver(codes[index]?.id ?? '', NOW));
    expect(await store.countHeld('1', NOW)).toBe(1);
  });
}

function describeWithdraw(open: () => Promise<CodeStore>): void {
  it('ends a code that was not delivered, once', async () => {
    const store = await open();
    const code = await issue(store);
    await store.withdraw(code.id, NOW + 5);
    await store.withdraw(code.id, NOW + 6);
    expect(await store.findByPair(code.pairHash)).toHaveProperty('withdrawnAt', NOW + 5);
  });

  it('does nothing to a code that was delivered, nor to others', async () => {
    const store = await open();
    const held = await hand(store);
    const pending = await issue(store);
    await store.withdraw(held.id, NOW);
    await store.withdraw('5', NOW);
    expect(await store.findByPair(held.pairHash)).toHaveProperty('withdrawnAt', null);
    expect(await store.findByPair(pending.pairHash)).toHaveProperty('withdrawnAt', null);
  });
}

function describeHeld(open: () => Promise<CodeStore>): void {
  const ALL = { offset: 0, limit: 100 };

  it.each(LIVES)(
    'of a code that is $what, held is whatever is active or used up',
    async ({ live, status }) => {
      const store = await open();
      const code = await live(store);
      const held = await store.listHeld('1', NOW, ALL);
      expect(idsIn(held).includes(code.id)).toBe(['active', 'used_up'].includes(status));
      expect(await store.countHeld('1', NOW)).toBe(held.length);
    },
  );

  it('lists held codes by time and then by id, whole, with their sealed texts', async () => {
    const store = await open();
    const times = [
      ['4', NOW - 1],
      ['3', NOW],
      ['2', NOW],
      ['1', NOW + 1],
    ] as const;
    for (const [id, issuedAt] of times)
      await hand(store, { id, issuedAt, username: usernameOf(`name ${id}`) });
    const listed = await store.listHeld('1', NOW + 1, ALL);
    expect(idsIn(listed)).toEqual(['4', '2', '3', '1']);
    expect(listed[0]).toEqual({
      ...(await store.findByPair('pair of 4')),
      sealedText: 'sealed text of 4',
    });
  });

  it.each<[string, ListRange, string[]]>([
    ['the first two', { offset: 0, limit: 2 }, ['1', '2']],
    ['the two after them', { offset: 2, limit: 2 }, ['3', '4']],
    ['the rest', { offset: 4, limit: 2 }, ['5']],
    ['nothing past the end', { offset: 5, limit: 2 }, []],
    ['nothing where none are wanted', { offset: 0, limit: 0 }, []],
    ['from the oldest when told so', { first: 'oldest', offset: 3, limit: 100 }, ['4', '5']],
    ['from the newest back', { first: 'newest', offset: 0, limit: 3 }, ['5', '4', '3']],
    ['from the newest back, further on', { first: 'newest', offset: 3, limit: 3 }, ['2', '1']],
  ])('of five codes lists %s', async (_what, range, expected) => {
    const store = await open();
    // The ids go by time and, within a millisecond, by themselves.
    for (const id of ['5', '4', '3', '2', '1']) {
      await hand(store, { id, issuedAt: NOW - (id < '3' ? 1 : 0), username: usernameOf(`name ${id}`) });
    }
    expect(idsIn(await store.listHeld('1', NOW, range))).toEqual(expected);
    expect(await store.countHeld('1', NOW)).toBe(5);
  });

  it('shows no server the codes of another', async () => {
    const store = await open();
    const here = await hand(store, { guildId: '1' });
    await hand(store, { guildId: '2', holderId: '2', username: usernameOf('Bob') });
    expect(idsIn(await store.listHeld('1', NOW, ALL))).toEqual([here.id]);
    expect(await store.countHeld('1', NOW)).toBe(1);
    expect(await store.listHeld('3', NOW, ALL)).toEqual([]);
    expect(await store.countHeld('3', NOW)).toBe(0);
  });

  it.each([
    ['is held a millisecond before its expiry', -1, 1],
    ['is not held in the millisecond of its expiry', 0, 0],
  ])('a code %s', async (_when, offset, count) => {
    const store = await open();
    await hand(store, { expiresAt: NOW + 100 });
    expect(await store.countHeld('1', NOW + 100 + offset)).toBe(count);
    expect(await store.listHeld('1', NOW + 100 + offset, ALL)).toHaveLength(count);
  });
}

function describeRevoke(open: () => Promise<CodeStore>): void {
  /** In guild 1 holder 1 has Alice and Alina, holder 2 has Bob; in guild 2 holder 1 has Anna. */
  async function openTown() {
    const store = await open();
    const alice = await hand(store);
    const alina = await hand(store, { username: usernameOf('Alina') });
    const bob = await hand(store, { holderId: '2', username: usernameOf('Bob') });
    const anna = await hand(store, { guildId: '2', username: usernameOf('Anna') });
    const revoked = async () => {
      const found = await Promise.all(
        [alice, alina, bob, anna].map(async ({ pairHash }) => store.findByPair(pairHash)),
      );
      return found.filter((code) => code?.revokedAt === NOW + 5).map((code) => code?.username);
    };
    return { store, alice, alina, bob, anna, revoked };
  }

  it('ends a code by its text', async () => {
    const { store, alice, revoked } = await openTown();
    const revocation = await store.revoke('1', [{ by: 'text', textHash: alice.textHash }], '5', NOW + 5);
    expect(revocation).toEqual({ by: 'text', codes: [await store.findByPair(alice.pairHash)] });
    expect(await revoked()).toEqual(['Alice']);
  });

  it('ends the codes of a username, held or not yet delivered', async () => {
    const { store, alice, revoked } = await openTown();
    const pending = await issue(store);
    const revocation = await store.revoke('1', [{ by: 'username', usernameKey: 'alice' }], '5', NOW + 5);
    expect(revocation).toMatchObject({ by: 'username', codes: [{ id: alice.id }, { id: pending.id }] });
    expect(await revoked()).toEqual(['Alice']);
    expect(await store.deliver(pending.id, NOW + 5)).toBe(false);
  });

  it('ends the codes of a holder in this server, oldest first', async () => {
    const { store, alice, alina, revoked } = await openTown();
    const older = await hand(store, { username: usernameOf('Abel'), issuedAt: NOW - 1 });
    const revocation = await store.revoke('1', [{ by: 'holder', holderId: '1' }], '5', NOW + 5);
    expect(revocation).toMatchObject({
      by: 'holder',
      codes: [{ id: older.id }, { id: alice.id }, { id: alina.id }],
    });
    expect(await revoked()).toEqual(['Alice', 'Alina']);
  });

  it('goes by the first selector that matches, and by no other', async () => {
    const { store, alina, revoked } = await openTown();
    const selectors: CodeSelector[] = [
      { by: 'text', textHash: 'no such text' },
      { by: 'username', usernameKey: 'alina' },
      { by: 'holder', holderId: '2' },
    ];
    const revocation = await store.revoke('1', selectors, '5', NOW + 5);
    expect(revocation).toMatchObject({ by: 'username', codes: [{ id: alina.id }] });
    expect(await revoked()).toEqual(['Alina']);
  });

  it('touches no other server', async () => {
    const { store, anna, revoked } = await openTown();
    const selectors: CodeSelector[] = [
      { by: 'text', textHash: anna.textHash },
      { by: 'username', usernameKey: 'anna' },
      { by: 'holder', holderId: '1' },
    ];
    for (const [index, selector] of selectors.entries()) {
      const revocation = await store.revoke('3', [selector], `request ${index}`, NOW + 5);
      expect(revocation).toEqual({ by: null, codes: [] });
    }
    await store.revoke('1', selectors, '5', NOW + 5);
    expect(await revoked()).toEqual(['Alice', 'Alina']);
  });

  it.each<[string, CodeSelector[]]>([
    ['nothing that exists is meant', [{ by: 'text', textHash: 'no such text' }]],
    ['nothing is meant', []],
  ])('ends nothing when %s', async (_why, selectors) => {
    const { store, revoked } = await openTown();
    expect(await store.revoke('1', selectors, '5', NOW + 5)).toEqual({ by: null, codes: [] });
    expect(await revoked()).toEqual([]);
  });

  const ended = LIVES.filter(({ status }) => !['pending', 'active', 'used_up', 'replaced'].includes(status));

  it.each(ended)('has nothing to end where the code is $what', async ({ live }) => {
    const store = await open();
    const code = await live(store);
    const before = await store.findByPair(code.pairHash);
    const selectors: CodeSelector[] = [
      { by: 'text', textHash: code.textHash },
      { by: 'username', usernameKey: 'alice' },
      { by: 'holder', holderId: '1' },
    ];
    expect(await store.revoke('1', selectors, '5', NOW)).toEqual({ by: null, codes: [] });
    expect(await store.findByPair(code.pairHash)).toEqual(before);
  });

  it('ends a code that is used up, and its username is free', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 1 });
    await store.redeem(code.pairHash, NOW);
    const revocation = await store.revoke('1', [{ by: 'text', textHash: code.textHash }], '5', NOW);
    expect(revocation).toMatchObject({ by: 'text', codes: [{ id: code.id, uses: 1 }] });
    await issue(store, { holderId: '2' });
  });

  it('answers a repeated request with nothing ended', async () => {
    const { store, revoked } = await openTown();
    await store.revoke('1', [{ by: 'username', usernameKey: 'alice' }], '5', NOW + 5);
    expect(await store.revoke('1', [{ by: 'username', usernameKey: 'bob' }], '5', NOW + 5)).toBe('repeated');
    expect(await store.claim('5', NOW)).toBe(false);
    expect(await revoked()).toEqual(['Alice']);
  });

  it('claims the request also when it ends nothing', async () => {
    const store = await open();
    await store.revoke('1', [], '5', NOW);
    expect(await store.revoke('1', [], '5', NOW)).toBe('repeated');
  });
}

function describeRedeem(open: () => Promise<CodeStore>): void {
  it('counts each use, without limit', async () => {
    const store = await open();
    const { pairHash } = await hand(store);
    expect(await store.redeem(pairHash, NOW)).toHaveProperty('uses', 1);
    expect(await store.redeem(pairHash, NOW)).toHaveProperty('uses', 2);
    expect(await store.findByPair(pairHash)).toHaveProperty('uses', 2);
  });

  it('lets exactly 7 of 20 uses at once count where 7 are allowed', async () => {
    const store = await open();
    const { pairHash } = await hand(store, { maxUses: 7 });
    const redeemed = await twenty(async () => store.redeem(pairHash, NOW));
    const counts = redeemed.flatMap((code) => (code === null ? [] : [code.uses]));
    expect(counts.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(await store.findByPair(pairHash)).toHaveProperty('uses', 7);
  });

  const useless = LIVES.filter(({ status }) => status !== 'active');

  it.each(useless)('refuses a code that is $what, and counts nothing', async ({ live }) => {
    const store = await open();
    const { pairHash } = await live(store);
    const before = await store.findByPair(pairHash);
    expect(await store.redeem(pairHash, NOW)).toBeNull();
    expect(await store.findByPair(pairHash)).toEqual(before);
  });

  it('refuses a pair that was never issued', async () => {
    const store = await open();
    await hand(store);
    expect(await store.redeem('no such pair', NOW)).toBeNull();
  });

  it.each([
    ['can be used a millisecond before its expiry', -1, 1],
    ['cannot be used in the millisecond of its expiry', 0, 0],
  ])('a code %s', async (_when, offset, uses) => {
    const store = await open();
    const { pairHash } = await hand(store, { expiresAt: NOW + 100 });
    await store.redeem(pairHash, NOW + 100 + offset);
    expect(await store.findByPair(pairHash)).toHaveProperty('uses', uses);
  });
}

type Step = (store: CodeStore, now: number) => Promise<unknown>;

const IDS = Array.from({ length: 30 }, (_, index) => String(10 + index));
const ids = fc.constantFrom(...IDS);
const guilds = fc.constantFrom('1', '2', '3');
const holders = fc.constantFrom('1', '2', '3', '4');
const usernames = fc.constantFrom('Alice', 'ALICE', 'Bob', 'Carol').map(usernameOf);
/** Few enough that two codes collide now and then. */
const textHashes = fc.constantFrom(...IDS).map((id) => `text ${id}`);
const pairHashes = fc
  .tuple(usernames, textHashes)
  .map(([username, textHash]) => pairOf(username.key, textHash));

const ALL_PAIRS = ['alice', 'bob', 'carol'].flatMap((key) => IDS.map((id) => pairOf(key, `text ${id}`)));

function pairOf(usernameKey: string, textHash: string): string {
  return `${usernameKey} with ${textHash}`;
}

const selectors: fc.Arbitrary<CodeSelector> = fc.oneof(
  fc.record({ by: fc.constant('text'), textHash: textHashes }),
  fc.record({ by: fc.constant('username'), usernameKey: usernames.map(({ key }) => key) }),
  fc.record({ by: fc.constant('holder'), holderId: holders }),
);

const issues = fc
  .record({
    id: ids,
    guildId: guilds,
    holderId: holders,
    username: usernames,
    textHash: textHashes,
    ttlMs: fc.constantFrom(null, 60_000, 600_000),
    maxUses: fc.constantFrom(null, 1, 2),
  })
  .map(({ ttlMs, ...given }): Step => {
    const pairHash = pairOf(given.username.key, given.textHash);
    return async (store, now) => {
      const expiresAt = ttlMs === null ? null : now + ttlMs;
      return store.issue(newCode({ ...given, pairHash, issuedAt: now, expiresAt }), now - 120_000);
    };
  });

const revocations = fc.tuple(guilds, fc.array(selectors, { maxLength: 2 }), ids).map(
  ([guildId, chosen, id]): Step =>
    async (store, now) =>
      store.revoke(guildId, chosen, `r${id}`, now),
);

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: issues },
  {
    weight: 6,
    arbitrary: ids.map(
      (id): Step =>
        async (store, now) =>
          store.deliver(id, now),
    ),
  },
  {
    weight: 1,
    arbitrary: ids.map(
      (id): Step =>
        async (store, now) =>
          store.withdraw(id, now),
    ),
  },
  {
    weight: 1,
    arbitrary: ids.map(
      (id): Step =>
        async (store, now) =>
          store.claim(id, now),
    ),
  },
  { weight: 1, arbitrary: revocations },
  {
    weight: 3,
    arbitrary: pairHashes.map(
      (pair): Step =>
        async (store, now) =>
          store.redeem(pair, now),
    ),
  },
);

function describeModel(open: () => Promise<CodeStore>): void {
  it('answers 1,000 steps at random as a list in memory does, and holds the same codes after each', async () => {
    const script = fc.array(fc.tuple(steps, fc.constantFrom(0, 0, 1, 59_999, 60_000, 120_001)), {
      minLength: 100,
      maxLength: 100,
    });
    await fc.assert(
      fc.asyncProperty(script, async (scripted) => {
        const store = await open();
        const model = new ModelStore();
        let now = NOW;
        for (const [step, pauseMs] of scripted) {
          now += pauseMs;
          expect(await step(store, now)).toEqual(await step(model, now));
          expect(await heldIn(store, now)).toEqual(await heldIn(model, now));
        }
        for (const pair of ALL_PAIRS) {
          expect(await store.findByPair(pair)).toEqual(await model.findByPair(pair));
        }
      }),
      { numRuns: 10 },
    );
  });
}

async function heldIn(store: CodeStore, now: number): Promise<(number | Code[])[]> {
  const answers = ['1', '2', '3'].flatMap((guildId) => [
    store.countHeld(guildId, now),
    store.listHeld(guildId, now, { offset: 0, limit: 100 }),
    store.listHeld(guildId, now, { first: 'newest', offset: 1, limit: 2 }),
  ]);
  return Promise.all(answers);
}
