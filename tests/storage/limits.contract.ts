import { expect, it } from 'vitest';

import { byAdmin } from '../support/codes.js';
import {
  byText,
  codeOf,
  hand,
  issue,
  LIMITS,
  named,
  newCode,
  NOW,
  RESERVED_SINCE,
  twenty,
  type OpenStore,
} from './contract-support.js';

const LOOK_ALIKES = [
  ['a one for an l', 'Alice', 'A1ice'],
  ['a capital I for an l', 'Alice', 'AIice'],
  ['a small l for a capital I', 'Ivan', 'lvan'],
  ['another case of a look-alike', 'Alice', 'aIICE'],
  ['a naught for an O', 'Bob', 'B0b'],
  ['r and n for an m', 'Tom', 'Torn'],
  ['Cyrillic letters for Latin ones', 'CAXAPOK', 'САХАРОК'],
  ['Greek letters for Latin ones', 'NIKO', 'ΝΙΚΟ'],
] as const;

/** Which usernames somebody holds, and what one member may have. */
export function describeLimits(open: OpenStore): void {
  it.each(LOOK_ALIKES)('counts as held what looks like a held username: %s', async (_what, held, asked) => {
    for (const [first, second] of [
      [held, asked],
      [asked, held],
    ] as const) {
      const store = await open();
      await hand(store, named(first));
      const code = newCode({ holderId: '2', guildId: '2', ...named(second) });
      expect(await store.issue(code, LIMITS)).toBe('taken');
      expect(await store.find(code.id)).toBeNull();
    }
  });

  it('counts as taken what looks like a username that is reserved, until the reservation lapses', async () => {
    const store = await open();
    await issue(store, { issuedAt: RESERVED_SINCE });
    const ask = async (reservedSince: number) =>
      store.issue(newCode({ holderId: '2', ...named('A1ice') }), { ...LIMITS, reservedSince });
    expect(await ask(RESERVED_SINCE)).toBe('taken');
    expect(await ask(RESERVED_SINCE + 1)).toBe('issued');
  });

  it.each(LOOK_ALIKES)('gives one member both: %s', async (_what, held, asked) => {
    const store = await open();
    const first = await hand(store, named(held));
    await hand(store, { guildId: '2', ...named(asked) });
    expect(await codeOf(store, first)).toHaveProperty('replacedAt', null);
    expect(await store.countHeld('1', NOW)).toBe(1);
  });

  it('frees the look-alikes of a username with it', async () => {
    const store = await open();
    const { textHash } = await hand(store);
    await store.revoke('1', [{ by: 'text', textHash }], byAdmin(), NOW);
    await hand(store, { holderId: '2', ...named('A1ice') });
    expect(await store.issue(newCode(), LIMITS)).toBe('taken');
  });

  it('frees the look-alikes of a username in the millisecond of its expiry', async () => {
    const store = await open();
    await hand(store, { expiresAt: NOW + 100 });
    const ask = async (issuedAt: number) =>
      store.issue(newCode({ holderId: '2', issuedAt, ...named('A1ice') }), LIMITS);
    expect(await ask(NOW + 99)).toBe('taken');
    expect(await ask(NOW + 100)).toBe('issued');
  });

  it('keeps for its holder what somebody else asked for in vain', async () => {
    const store = await open();
    await hand(store);
    expect(await store.issue(newCode({ holderId: '2', ...named('A1ice') }), LIMITS)).toBe('taken');
    await hand(store, named('A1ice'));
  });

  it('does not take for alike what only somewhat is', async () => {
    const store = await open();
    await hand(store);
    for (const other of ['Alic', 'Alices', 'Alive', 'A-lice', 'A lice']) {
      await hand(store, { holderId: `holder of ${other}`, ...named(other) });
    }
    expect(await store.countHeld('1', NOW)).toBe(6);
  });

  it('lets one of 20 members at once have one of a username and its look-alikes', async () => {
    const store = await open();
    const spellings = ['Alice', 'A1ice', 'AIice', 'aIICE'];
    const outcomes = await twenty(async (index) =>
      store.issue(newCode({ holderId: `holder ${index}`, ...named(spellings[index % 4] ?? '') }), LIMITS),
    );
    expect(outcomes.toSorted(byText)).toEqual(['issued', ...Array.from({ length: 19 }, () => 'taken')]);
  });

  it('lets one of two who wait for look-alikes have theirs delivered', async () => {
    const store = await open();
    const slow = await issue(store, { issuedAt: RESERVED_SINCE - 1 });
    const quick = await issue(store, { holderId: '2', ...named('A1ice') });
    const delivered = await Promise.all(
      [slow, quick].map(async ({ id }) => store.deliver(id, 'delivered', NOW)),
    );
    expect(delivered).toEqual([true, false]);
    expect(await codeOf(store, quick)).toHaveProperty('deliveredAt', null);
    expect(await store.countHeld('1', NOW)).toBe(1);
  });

  it('gives a member so many codes within the span, and says when there is another', async () => {
    const store = await open();
    const limits = { ...LIMITS, codes: 3, spanMs: 60_000 };
    const ask = async (issuedAt: number, holderId = '1', username = 'Alice') =>
      store.issue(newCode({ issuedAt, holderId, ...named(username) }), limits);

    for (const at of [NOW, NOW + 10, NOW + 20]) expect(await ask(at)).toBe('issued');
    expect(await ask(NOW + 30)).toEqual({ limitedUntil: NOW + 60_000 });
    expect(await ask(NOW + 30, '2', 'Bob')).toBe('issued');
    expect(await ask(NOW + 59_999)).toEqual({ limitedUntil: NOW + 60_000 });
    expect(await ask(NOW + 60_000)).toBe('issued');
    expect(await ask(NOW + 60_000)).toEqual({ limitedUntil: NOW + 60_010 });
  });

  it('counts for the limit whatever became of a code, in whichever server', async () => {
    const store = await open();
    const limits = { ...LIMITS, codes: 3, spanMs: 60_000 };
    const { textHash } = await hand(store);
    await store.revoke('1', [{ by: 'text', textHash }], byAdmin(), NOW);
    const { id } = await issue(store, { guildId: '2', ...named('Bob') });
    await store.withdraw(id, 'closed', NOW);
    await hand(store, { expiresAt: NOW + 1, ...named('Carol') });
    const asked = newCode({ issuedAt: NOW + 30, guildId: '3', ...named('Dora') });
    expect(await store.issue(asked, limits)).toEqual({ limitedUntil: NOW + 60_000 });
  });

  it('stores nothing of a request past the limit, but that it was answered', async () => {
    const store = await open();
    const limits = { ...LIMITS, codes: 1 };
    await hand(store);
    const asked = newCode();
    expect(await store.issue(asked, limits)).toHaveProperty('limitedUntil');
    expect(await store.find(asked.id)).toBeNull();
    expect(await store.issue(asked, LIMITS)).toBe('repeated');
  });

  it('lets exactly 3 of 20 requests of one member at once through', async () => {
    const store = await open();
    const outcomes = await twenty(async (index) =>
      store.issue(newCode(named(`name ${index}`)), { ...LIMITS, codes: 3, spanMs: 60_000 }),
    );
    expect(outcomes.filter((outcome) => outcome === 'issued')).toHaveLength(3);
    expect(outcomes.filter((outcome) => typeof outcome === 'object')).toEqual(
      Array.from({ length: 17 }, () => ({ limitedUntil: NOW + 60_000 })),
    );
  });

  it('names the usernames held when a member may have no more, as typed and oldest first', async () => {
    const store = await open();
    await hand(store, { issuedAt: NOW - 1, ...named('bOB') });
    await hand(store, { issuedAt: NOW - 3, guildId: '2', ...named('Zoë') });
    await issue(store, { issuedAt: NOW - 2, ...named('ALINA') });
    await hand(store, { holderId: '2', ...named('Carol') });
    const limits = { ...LIMITS, usernames: 3 };
    const asked = newCode(named('Dora'));
    expect(await store.issue(asked, limits)).toEqual({ usernamesHeld: ['Zoë', 'ALINA', 'bOB'] });
    expect(await store.find(asked.id)).toBeNull();
    expect(await store.issue(newCode(named('Dora')), { ...limits, usernames: 4 })).toBe('issued');
  });

  it('gives a member another code for a username held, however many they hold', async () => {
    const store = await open();
    await hand(store, named('Alice'));
    await hand(store, named('Bob'));
    const limits = { ...LIMITS, usernames: 2 };
    expect(await store.issue(newCode(named('aLICE')), limits)).toBe('issued');
    expect(await store.issue(newCode(named('A1ice')), limits)).toEqual({ usernamesHeld: ['Alice', 'Bob'] });
  });

  it('counts a username that is not delivered until its reservation lapses', async () => {
    const store = await open();
    await issue(store, { issuedAt: RESERVED_SINCE, ...named('Alice') });
    const ask = async (reservedSince: number) =>
      store.issue(newCode(named('Bob')), { ...LIMITS, usernames: 1, reservedSince });
    expect(await ask(RESERVED_SINCE)).toEqual({ usernamesHeld: ['Alice'] });
    expect(await ask(RESERVED_SINCE + 1)).toBe('issued');
  });

  it('counts a username until it is free again', async () => {
    const store = await open();
    const alice = await hand(store, named('Alice'));
    await hand(store, { expiresAt: NOW + 10, ...named('Bob') });
    const { id } = await issue(store, named('Carol'));
    const ask = async (issuedAt: number) =>
      store.issue(newCode({ issuedAt, ...named('Dora') }), { ...LIMITS, usernames: 1 });
    expect(await ask(NOW + 9)).toEqual({ usernamesHeld: ['Alice', 'Bob', 'Carol'] });
    expect(await ask(NOW + 10)).toEqual({ usernamesHeld: ['Alice', 'Carol'] });
    await store.withdraw(id, 'closed', NOW);
    await store.revoke('1', [{ by: 'text', textHash: alice.textHash }], byAdmin(), NOW);
    expect(await ask(NOW + 10)).toBe('issued');
  });

  it('lets a member who asks for 20 usernames at once have as many as they may', async () => {
    const store = await open();
    const outcomes = await twenty(async (index) =>
      store.issue(newCode(named(`name ${index}`)), { ...LIMITS, usernames: 3 }),
    );
    expect(outcomes.filter((outcome) => outcome === 'issued')).toHaveLength(3);
  });

  it('answers a repeated request as such, whatever limit there is', async () => {
    const store = await open();
    const { id } = await hand(store);
    const strict = { ...LIMITS, codes: 1, usernames: 1 };
    const again = { textHash: 'another text', pairHash: 'another pair' };
    expect(await store.issue(newCode({ id, ...again, ...named('Bob') }), strict)).toBe('repeated');
    expect(await store.issue(newCode({ id, ...again, holderId: '2' }), strict)).toBe('repeated');
    await store.prune(NOW, NOW + 10 * 86_400_000);
    expect(await store.issue(newCode({ id, ...again, holderId: '2' }), strict)).toBe('repeated');
  });

  it('says that a username is taken before it speaks of limits', async () => {
    const store = await open();
    await hand(store);
    await hand(store, { holderId: '2', ...named('Bob') });
    expect(await store.issue(newCode(named('Bob')), { ...LIMITS, codes: 1, usernames: 1 })).toBe('taken');
  });
}
