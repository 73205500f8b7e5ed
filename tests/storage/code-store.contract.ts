import { describe, expect, it } from 'vitest';

import type { CodeSelector, CodeStore, ListRange, NewCode } from '../../src/codes/code-store.js';
import { statusOf } from '../../src/codes/code.js';
import { byAdmin } from '../support/codes.js';
import { describeAudit } from './audit.contract.js';
import { describeClockJumps } from './clock-jumps.contract.js';
import {
  byText,
  codeOf,
  DAY_MS,
  eventsIn,
  hand,
  HOUR_MS,
  idsIn,
  issue,
  LIMITS,
  login,
  nameHashOf,
  named,
  newCode,
  NOW,
  redeem,
  RESERVED_SINCE,
  twenty,
  type OpenStore,
} from './contract-support.js';
import { describeLimits } from './limits.contract.js';
import { describeAnswers } from './answers.contract.js';
import { describeLogin } from './login.contract.js';
import { describeModel } from './model.contract.js';
import { describeUpkeep } from './upkeep.contract.js';

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
      await redeem(store, code);
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
      await store.revoke('1', [{ by: 'text', textHash: code.textHash }], byAdmin(), NOW);
      return code;
    },
  },
  {
    what: 'revoked before it was delivered',
    status: 'revoked',
    async live(store) {
      const code = await issue(store);
      await store.revoke('1', [{ by: 'text', textHash: code.textHash }], byAdmin(), NOW);
      return code;
    },
  },
  {
    what: 'withdrawn',
    status: 'withdrawn',
    async live(store) {
      const code = await issue(store);
      await store.withdraw(code.id, 'closed', NOW);
      return code;
    },
  },
];

/** What every code store does, whichever engine keeps it. `open` gives an empty store that closes with the test. */
export function describeCodeStore(name: string, open: OpenStore): void {
  describe(`the code store on ${name}`, () => {
    describeRequests(open);
    describeIssue(open);
    describeDeliver(open);
    describeWithdraw(open);
    describeWithdrawUnclaimed(open);
    describeHeld(open);
    describeRevoke(open);
    describeRedeem(open);
    describeLimits(open);
    describeAnswers(open);
    describeLogin(open);
    describeAudit(open);
    describeUpkeep(open);
    describeClockJumps(open);
    describeModel(open);
  });
}

function describeRequests(open: OpenStore): void {
  it('lets a request be claimed once', async () => {
    const store = await open();
    expect(await store.claim('5', NOW)).toBe(true);
    expect(await store.claim('5', NOW)).toBe(false);
    expect(await store.claim('6', NOW)).toBe(true);
  });

  it.each([
    ['remembers a claimed request for a day', DAY_MS, false],
    ['forgets it after that', DAY_MS + 1, true],
  ])('%s', async (_what, age, claimed) => {
    const store = await open();
    await store.claim('5', NOW);
    await store.prune(NOW, NOW + age);
    expect(await store.claim('5', NOW + age)).toBe(claimed);
  });

  it('lets one of 20 claims at once win', async () => {
    const store = await open();
    const claims = await twenty(async () => store.claim('5', NOW));
    expect(claims.filter((claimed) => claimed)).toHaveLength(1);
  });
}

function describeIssue(open: OpenStore): void {
  it('keeps an issued code as it was given, not yet delivered', async () => {
    const store = await open();
    const code = await issue(store, {
      id: '900719925474099312',
      guildId: '900719925474099313',
      holderId: '900719925474099314',
      holderTag: 'Ålice 😀 "quoted"',
      ...named('Ålice'),
      expiresAt: NOW + 100 * 365 * DAY_MS,
      maxUses: 1_000_000_000,
    });
    expect(await codeOf(store, code)).toEqual({
      id: '900719925474099312',
      guildId: '900719925474099313',
      holderId: '900719925474099314',
      holderTag: 'Ålice 😀 "quoted"',
      username: 'Ålice',
      issuedAt: NOW,
      deliveredAt: null,
      expiresAt: NOW + 100 * 365 * DAY_MS,
      expiredAt: null,
      replacedAt: null,
      revokedAt: null,
      withdrawnAt: null,
      suspendedAt: null,
      uses: 0,
      maxUses: 1_000_000_000,
    });
  });

  it('finds no code that was never issued', async () => {
    const store = await open();
    const code = await hand(store);
    expect(await store.find(`${code.id}0`)).toBeNull();
    expect(await store.findIdByText(code.pairHash)).toBeNull();
  });

  it('finds the id of a code by its text, dead or alive', async () => {
    const store = await open();
    const held = await hand(store);
    const dead = await issue(store);
    await store.withdraw(dead.id, 'closed', NOW);
    expect(await store.findIdByText(held.textHash)).toBe(held.id);
    expect(await store.findIdByText(dead.textHash)).toBe(dead.id);
  });

  it('answers a request that is repeated after its memory is gone with no second code', async () => {
    const store = await open();
    await issue(store, { id: '5' });
    await store.prune(NOW, NOW + 2 * DAY_MS);
    const late = newCode({
      id: '5',
      textHash: 'another text',
      pairHash: 'another pair',
      issuedAt: NOW + 2 * DAY_MS,
    });
    expect(await store.issue(late, LIMITS)).toBe('repeated');
  });

  it('answers a repeated request with no second code', async () => {
    const store = await open();
    const { id } = await issue(store);
    const again = newCode({ id, textHash: 'another text', pairHash: 'another pair' });
    expect(await store.issue(again, LIMITS)).toBe('repeated');
    expect(await store.findIdByText('another text')).toBeNull();
  });

  it('makes no code of a request that was claimed', async () => {
    const store = await open();
    await store.claim('5', NOW);
    expect(await store.issue(newCode({ id: '5' }), LIMITS)).toBe('repeated');
  });

  it('makes one code of 20 equal requests at once', async () => {
    const store = await open();
    const outcomes = await twenty(async (index) =>
      store.issue(newCode({ id: '5', textHash: `text ${index}`, pairHash: `pair ${index}` }), LIMITS),
    );
    expect(outcomes.toSorted(byText)).toEqual(['issued', ...Array.from({ length: 19 }, () => 'repeated')]);
  });

  it('gives a username to one of 20 members at once', async () => {
    const store = await open();
    const outcomes = await twenty(async (index) =>
      store.issue(newCode({ holderId: `holder ${index}` }), LIMITS),
    );
    expect(outcomes.toSorted(byText)).toEqual(['issued', ...Array.from({ length: 19 }, () => 'taken')]);
  });

  it.each(LIVES)('says whether the username of a code that is $what is taken', async ({ live, status }) => {
    const store = await open();
    await live(store);
    // What replaced a code holds its username.
    const isTaken = ['pending', 'active', 'used_up', 'replaced'].includes(status);
    const asked = newCode({ holderId: '2', guildId: '2' });
    expect(await store.issue(asked, LIMITS)).toBe(isTaken ? 'taken' : 'issued');
  });

  it('compares usernames by their key', async () => {
    const store = await open();
    await hand(store, { ...named('STRASSE') });
    const asked = newCode({ holderId: '2', ...named('Straße') });
    expect(await store.issue(asked, LIMITS)).toBe('taken');
  });

  it.each([
    ['keeps its username when issued in the first millisecond that reserves', 0, 'taken'],
    ['leaves its username to others when issued before that', -1, 'issued'],
  ])('a code that is not delivered %s', async (_when, offset, outcome) => {
    const store = await open();
    await issue(store, { issuedAt: RESERVED_SINCE + offset });
    expect(await store.issue(newCode({ holderId: '2' }), LIMITS)).toBe(outcome);
  });

  it.each([
    ['keeps its username a millisecond before its expiry', -1, 'taken'],
    ['leaves its username to others in the millisecond of its expiry', 0, 'issued'],
  ])('a code that was delivered %s', async (_when, offset, outcome) => {
    const store = await open();
    await hand(store, { expiresAt: NOW + 100 });
    const asked = newCode({ holderId: '2', issuedAt: NOW + 100 + offset });
    expect(await store.issue(asked, LIMITS)).toBe(outcome);
  });

  it('leaves a request claimed whose username is taken', async () => {
    const store = await open();
    await hand(store);
    const asked = newCode({ holderId: '2' });
    expect(await store.issue(asked, LIMITS)).toBe('taken');
    expect(await store.issue(asked, LIMITS)).toBe('repeated');
    expect(await store.find(asked.id)).toBeNull();
  });

  it('stores nothing, not even the claim, when a code with this text exists', async () => {
    const store = await open();
    const { textHash } = await hand(store);
    const asked = newCode({ holderId: '2', ...named('Bob') });
    expect(await store.issue({ ...asked, textHash }, LIMITS)).toBe('collision');
    expect(await store.find(asked.id)).toBeNull();
    expect(await store.issue(asked, LIMITS)).toBe('issued');
  });

  it('gives no text twice, not even that of a code that has ended', async () => {
    const store = await open();
    const { id, textHash } = await issue(store);
    await store.withdraw(id, 'closed', NOW);
    expect(await store.issue(newCode({ textHash }), LIMITS)).toBe('collision');
  });
}

function describeDeliver(open: OpenStore): void {
  it('makes a code active with its delivery', async () => {
    const store = await open();
    const code = await issue(store);
    expect(await store.deliver(code.id, 'delivered', NOW + 5)).toBe(true);
    expect(await codeOf(store, code)).toMatchObject({ deliveredAt: NOW + 5, revokedAt: null });
  });

  it('keeps the time of the first delivery', async () => {
    const store = await open();
    const code = await hand(store);
    expect(await store.deliver(code.id, 'delivered', NOW + 5)).toBe(true);
    expect(await codeOf(store, code)).toHaveProperty('deliveredAt', NOW);
  });

  it('lets the holder keep the old code until the new one is delivered', async () => {
    const store = await open();
    const old = await hand(store);
    const fresh = await issue(store);
    expect(await codeOf(store, old)).toHaveProperty('replacedAt', null);
    expect(await redeem(store, old)).toBe(1);
    expect(await store.deliver(fresh.id, 'delivered', NOW + 5)).toBe(true);
    expect(await codeOf(store, old)).toHaveProperty('replacedAt', NOW + 5);
    expect(await codeOf(store, fresh)).toHaveProperty('replacedAt', null);
  });

  it("replaces the holder's code from another server: a username has one active code", async () => {
    const store = await open();
    const old = await hand(store, { guildId: '1' });
    await hand(store, { guildId: '2' });
    expect(await codeOf(store, old)).toHaveProperty('replacedAt', NOW);
  });

  it("leaves the holder's codes for other usernames alone, and ended ones as they were", async () => {
    const store = await open();
    const bob = await hand(store, { ...named('Bob') });
    const expired = await hand(store, { expiresAt: NOW + 1 });
    const fresh = await issue(store);
    await store.deliver(fresh.id, 'delivered', NOW + 5);
    expect(await codeOf(store, bob)).toHaveProperty('replacedAt', null);
    expect(await codeOf(store, expired)).toHaveProperty('replacedAt', null);
  });

  const ended = LIVES.filter(({ status }) => !['pending', 'active', 'used_up'].includes(status));

  it.each(ended)('refuses to deliver a code that is $what', async ({ live, status }) => {
    const store = await open();
    const code = await live(store);
    const before = await codeOf(store, code);
    expect(await store.deliver(code.id, 'delivered', NOW)).toBe(false);
    const after = await codeOf(store, code);
    // That it has expired may be noted at any time.
    expect(after).toEqual({ ...before, expiredAt: after.expiredAt });
    expect(statusOf(after, NOW)).toBe(status);
  });

  it('refuses to deliver what was never issued', async () => {
    const store = await open();
    expect(await store.deliver('5', 'delivered', NOW)).toBe(false);
  });

  it('refuses to deliver when somebody else got the username meanwhile', async () => {
    const store = await open();
    const slow = await issue(store, { issuedAt: RESERVED_SINCE - 1 });
    const quick = await hand(store, { holderId: '2' });
    expect(await store.deliver(slow.id, 'delivered', NOW)).toBe(false);
    expect(await codeOf(store, slow)).toHaveProperty('deliveredAt', null);
    expect(await codeOf(store, quick)).toHaveProperty('replacedAt', null);
  });

  it('delivers a code whose reservation lapsed when nobody else got the username', async () => {
    const store = await open();
    const slow = await issue(store, { issuedAt: RESERVED_SINCE - 1 });
    const pending = await issue(store, { holderId: '2' });
    expect(await store.deliver(slow.id, 'delivered', NOW)).toBe(true);
    expect(await store.deliver(pending.id, 'delivered', NOW)).toBe(false);
  });

  it.each(ended.filter(({ status }) => status !== 'replaced'))(
    'delivers a code for the username of one that is $what',
    async ({ live }) => {
      const store = await open();
      await live(store);
      const code = await issue(store, { holderId: '2' });
      expect(await store.deliver(code.id, 'delivered', NOW)).toBe(true);
    },
  );

  it('delivers a code for a username whose codes were replaced and revoked', async () => {
    const store = await open();
    await hand(store);
    const { textHash } = await hand(store);
    await store.revoke('1', [{ by: 'text', textHash }], byAdmin('5'), NOW);
    const code = await issue(store, { holderId: '2' });
    expect(await store.deliver(code.id, 'delivered', NOW)).toBe(true);
  });

  it('makes a code active also when it was shown instead', async () => {
    const store = await open();
    const old = await hand(store);
    const code = await issue(store);
    await store.noteUndeliverable(code.id, NOW + 1);
    expect(await codeOf(store, code)).toHaveProperty('deliveredAt', null);
    expect(await store.deliver(code.id, 'shown', NOW + 5)).toBe(true);
    expect(await codeOf(store, code)).toHaveProperty('deliveredAt', NOW + 5);
    expect(await codeOf(store, old)).toHaveProperty('replacedAt', NOW + 5);
  });

  it.each(LIVES)('finds a code that had arrived before one was asked for that is $what', async ({ live }) => {
    const store = await open();
    const found = await issue(store, { issuedAt: NOW - HOUR_MS });
    const later = await codeOf(store, await live(store));
    expect(await store.deliver(found.id, 'found', NOW)).toBe(true);
    const isLast = later.deliveredAt === null;
    expect(statusOf(await codeOf(store, found), NOW)).toBe(isLast ? 'active' : 'replaced');
    expect(statusOf(await codeOf(store, later), NOW)).toBe(statusOf(later, NOW));
    const audit = await store.readAudit({ codeId: found.id });
    const events = ['issued', 'delivered', ...(isLast ? [] : ['replaced'])];
    expect(eventsIn(audit)).toEqual(events.map((event) => `${event} ${found.id}`));
  });

  it('leaves one held code of 20 delivered at once', async () => {
    const store = await open();
    const codes = await twenty(async () => issue(store));
    await twenty(async (index) => store.deliver(codes[index]?.id ?? '', 'delivered', NOW));
    expect(await store.countHeld('1', NOW)).toBe(1);
  });
}

function describeWithdraw(open: OpenStore): void {
  it('ends a code that was not delivered, once', async () => {
    const store = await open();
    const code = await issue(store);
    await store.withdraw(code.id, 'closed', NOW + 5);
    await store.withdraw(code.id, 'closed', NOW + 6);
    expect(await codeOf(store, code)).toHaveProperty('withdrawnAt', NOW + 5);
  });

  it('does nothing to a code that was delivered, nor to others', async () => {
    const store = await open();
    const held = await hand(store);
    const pending = await issue(store);
    await store.withdraw(held.id, 'closed', NOW);
    await store.withdraw('5', 'closed', NOW);
    expect(await codeOf(store, held)).toHaveProperty('withdrawnAt', null);
    expect(await codeOf(store, pending)).toHaveProperty('withdrawnAt', null);
  });
}

function describeWithdrawUnclaimed(open: OpenStore): void {
  it('ends every code that was issued before some time and never delivered, in every server', async () => {
    const store = await open();
    const old = await issue(store, { issuedAt: NOW - 1 });
    const elsewhere = await issue(store, { issuedAt: NOW - 1, guildId: '2', ...named('Bob') });
    const recent = await issue(store, { issuedAt: NOW, ...named('Carol') });
    const held = await hand(store, { issuedAt: NOW - 1, ...named('Dora') });
    await store.withdrawUnclaimed(NOW, NOW + 5);
    expect(await codeOf(store, old)).toHaveProperty('withdrawnAt', NOW + 5);
    expect(await codeOf(store, elsewhere)).toHaveProperty('withdrawnAt', NOW + 5);
    expect(await codeOf(store, recent)).toHaveProperty('withdrawnAt', null);
    expect(await codeOf(store, held)).toHaveProperty('withdrawnAt', null);
    expect(await store.deliver(old.id, 'shown', NOW + 5)).toBe(false);
  });

  const ended = LIVES.filter(({ status }) => !['pending', 'active', 'used_up'].includes(status));

  it.each(ended)('leaves a code that is $what as it is', async ({ live, status }) => {
    const store = await open();
    const code = await live(store);
    await store.expire(NOW);
    await store.withdrawUnclaimed(NOW + 1, NOW + 5);
    expect(statusOf(await codeOf(store, code), NOW)).toBe(status);
  });
}

function describeHeld(open: OpenStore): void {
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
    for (const [id, issuedAt] of times) await hand(store, { id, issuedAt, ...named(`name ${id}`) });
    const listed = await store.listHeld('1', NOW + 1, ALL);
    expect(idsIn(listed)).toEqual(['4', '2', '3', '1']);
    expect(listed[0]).toEqual({
      ...(await codeOf(store, { id: '4' })),
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
      await hand(store, { id, issuedAt: NOW - (id < '3' ? 1 : 0), ...named(`name ${id}`) });
    }
    expect(idsIn(await store.listHeld('1', NOW, range))).toEqual(expected);
    expect(await store.countHeld('1', NOW)).toBe(5);
  });

  it('shows no server the codes of another', async () => {
    const store = await open();
    const here = await hand(store, { guildId: '1' });
    await hand(store, { guildId: '2', holderId: '2', ...named('Bob') });
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

function describeRevoke(open: OpenStore): void {
  /** In guild 1 holder 1 has Alice and Alina, holder 2 has Bob; in guild 2 holder 1 has Anna. */
  async function openTown() {
    const store = await open();
    const alice = await hand(store);
    const alina = await hand(store, { ...named('Alina') });
    const bob = await hand(store, { holderId: '2', ...named('Bob') });
    const anna = await hand(store, { guildId: '2', ...named('Anna') });
    const revoked = async () => {
      const found = await Promise.all([alice, alina, bob, anna].map(async (code) => codeOf(store, code)));
      return found.filter(({ revokedAt }) => revokedAt === NOW + 5).map(({ username }) => username);
    };
    return { store, alice, alina, bob, anna, revoked };
  }

  it('ends a code by its text', async () => {
    const { store, alice, revoked } = await openTown();
    const revocation = await store.revoke(
      '1',
      [{ by: 'text', textHash: alice.textHash }],
      byAdmin('5'),
      NOW + 5,
    );
    expect(revocation).toEqual({ by: 'text', codes: [await codeOf(store, alice)] });
    expect(await revoked()).toEqual(['Alice']);
  });

  it('ends the codes of a username, held or not yet delivered', async () => {
    const { store, alice, revoked } = await openTown();
    const pending = await issue(store);
    const revocation = await store.revoke(
      '1',
      [{ by: 'username', nameHash: nameHashOf('alice') }],
      byAdmin('5'),
      NOW + 5,
    );
    expect(revocation).toMatchObject({ by: 'username', codes: [{ id: alice.id }, { id: pending.id }] });
    expect(await revoked()).toEqual(['Alice']);
    expect(await store.deliver(pending.id, 'delivered', NOW + 5)).toBe(false);
  });

  it('ends the codes of a holder in this server, oldest first', async () => {
    const { store, alice, alina, revoked } = await openTown();
    const older = await hand(store, { ...named('Abel'), issuedAt: NOW - 1 });
    const revocation = await store.revoke('1', [{ by: 'holder', holderId: '1' }], byAdmin('5'), NOW + 5);
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
      { by: 'username', nameHash: nameHashOf('alina') },
      { by: 'holder', holderId: '2' },
    ];
    const revocation = await store.revoke('1', selectors, byAdmin('5'), NOW + 5);
    expect(revocation).toMatchObject({ by: 'username', codes: [{ id: alina.id }] });
    expect(await revoked()).toEqual(['Alina']);
  });

  it('touches no other server', async () => {
    const { store, anna, revoked } = await openTown();
    const selectors: CodeSelector[] = [
      { by: 'text', textHash: anna.textHash },
      { by: 'username', nameHash: nameHashOf('anna') },
      { by: 'holder', holderId: '1' },
    ];
    for (const [index, selector] of selectors.entries()) {
      const revocation = await store.revoke('3', [selector], byAdmin(`request ${index}`), NOW + 5);
      expect(revocation).toEqual({ by: null, codes: [] });
    }
    await store.revoke('1', selectors, byAdmin('5'), NOW + 5);
    expect(await revoked()).toEqual(['Alice', 'Alina']);
  });

  it.each<[string, CodeSelector[]]>([
    ['nothing that exists is meant', [{ by: 'text', textHash: 'no such text' }]],
    ['nothing is meant', []],
  ])('ends nothing when %s', async (_why, selectors) => {
    const { store, revoked } = await openTown();
    expect(await store.revoke('1', selectors, byAdmin('5'), NOW + 5)).toEqual({ by: null, codes: [] });
    expect(await revoked()).toEqual([]);
  });

  const ended = LIVES.filter(({ status }) => !['pending', 'active', 'used_up', 'replaced'].includes(status));

  it.each(ended)('has nothing to end where the code is $what', async ({ live }) => {
    const store = await open();
    const code = await live(store);
    const before = await codeOf(store, code);
    const selectors: CodeSelector[] = [
      { by: 'text', textHash: code.textHash },
      { by: 'username', nameHash: nameHashOf('alice') },
      { by: 'holder', holderId: '1' },
    ];
    expect(await store.revoke('1', selectors, byAdmin('5'), NOW)).toEqual({ by: null, codes: [] });
    const after = await codeOf(store, code);
    expect(after).toEqual({ ...before, expiredAt: after.expiredAt });
  });

  it('ends a code that is used up, and its username is free', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 1 });
    await redeem(store, code);
    const revocation = await store.revoke('1', [{ by: 'text', textHash: code.textHash }], byAdmin('5'), NOW);
    expect(revocation).toMatchObject({ by: 'text', codes: [{ id: code.id, uses: 1 }] });
    await issue(store, { holderId: '2' });
  });

  it('answers a repeated request with nothing ended', async () => {
    const { store, revoked } = await openTown();
    await store.revoke('1', [{ by: 'username', nameHash: nameHashOf('alice') }], byAdmin('5'), NOW + 5);
    expect(
      await store.revoke('1', [{ by: 'username', nameHash: nameHashOf('bob') }], byAdmin('5'), NOW + 5),
    ).toBe('repeated');
    expect(await store.claim('5', NOW)).toBe(false);
    expect(await revoked()).toEqual(['Alice']);
  });

  it('claims the request also when it ends nothing', async () => {
    const store = await open();
    await store.revoke('1', [], byAdmin('5'), NOW);
    expect(await store.revoke('1', [], byAdmin('5'), NOW)).toBe('repeated');
  });
}

function describeRedeem(open: OpenStore): void {
  it('counts each use, without limit', async () => {
    const store = await open();
    const code = await hand(store);
    expect(await redeem(store, code)).toBe(1);
    expect(await redeem(store, code)).toBe(2);
    expect(await codeOf(store, code)).toHaveProperty('uses', 2);
  });

  it('counts no use where somebody only looks', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 1 });
    const look = { accepted: true, code: await codeOf(store, code) };
    expect(await login(store, code)).toEqual(look);
    expect(await login(store, code)).toEqual(look);
    expect(await codeOf(store, code)).toHaveProperty('uses', 0);
  });

  it('lets exactly 12 of 20 uses at once count where 12 are allowed', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 12 });
    const counts = await twenty(async () => redeem(store, code));
    const counted = counts.flatMap((uses) => uses ?? []);
    expect(counted.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, n) => n + 1));
    expect(await codeOf(store, code)).toHaveProperty('uses', 12);
  });

  const useless = LIVES.filter(({ status }) => status !== 'active');

  it.each(useless)('refuses a code that is $what, and counts nothing', async ({ live, status }) => {
    const store = await open();
    const code = await live(store);
    const { uses } = await codeOf(store, code);
    for (const redeeming of [false, true]) {
      const outcome = await login(store, code, { redeem: redeeming });
      expect(outcome).toEqual({ accepted: false, status });
    }
    const after = await codeOf(store, code);
    expect(after.uses).toBe(uses);
    expect(statusOf(after, NOW)).toBe(status);
  });

  it('refuses a pair that was never issued', async () => {
    const store = await open();
    const code = await hand(store);
    expect(await login(store, { ...code, pairHash: 'no such pair' }, { redeem: true })).toEqual({
      accepted: false,
      status: null,
    });
  });

  it.each([
    ['can be used a millisecond before its expiry', -1, 1],
    ['cannot be used in the millisecond of its expiry', 0, 0],
  ])('a code %s', async (_when, offset, uses) => {
    const store = await open();
    const code = await hand(store, { expiresAt: NOW + 100 });
    await redeem(store, code, NOW + 100 + offset);
    expect(await codeOf(store, code)).toHaveProperty('uses', uses);
  });
}
