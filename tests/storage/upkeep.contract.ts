import { expect, it } from 'vitest';

import type { CodeStore } from '../../src/codes/code-store.js';
import { statusOf } from '../../src/codes/code.js';
import {
  codeOf,
  DAY_MS,
  eventsIn,
  failTimes,
  guess,
  hand,
  HOUR_MS,
  idsIn,
  issue,
  login,
  nameHashOf,
  named,
  NOW,
  type OpenStore,
  twenty,
  WRONG,
} from './contract-support.js';

async function pagesOf(store: CodeStore, guildId: string, limit: number): Promise<string[][]> {
  const pages: string[][] = [];
  let after = '';
  for (;;) {
    const page = await store.listHolders(guildId, NOW, after, limit);
    const last = page.at(-1);
    if (last === undefined) return pages;
    pages.push(page);
    after = last;
  }
}

/** What the bot does from time to time. */
export function describeUpkeep(open: OpenStore): void {
  it('lists the holders of a server page by page, each once', async () => {
    const store = await open();
    for (const holderId of ['30', '10', '20', '50', '40']) {
      await hand(store, { holderId, ...named(`name ${holderId}`) });
      await hand(store, { holderId, ...named(`other ${holderId}`) });
    }
    expect(await pagesOf(store, '1', 2)).toEqual([['10', '20'], ['30', '40'], ['50']]);
    expect(await pagesOf(store, '1', 5)).toEqual([['10', '20', '30', '40', '50']]);
  });

  it('lists as holders those who hold a code of this server, or wait for one', async () => {
    const store = await open();
    await hand(store, { holderId: '1', maxUses: 1, ...named('Active') });
    await issue(store, { holderId: '2', ...named('Waiting') });
    const withdrawn = await issue(store, { holderId: '3', ...named('Withdrawn') });
    await store.withdraw(withdrawn.id, 'closed', NOW);
    await hand(store, { holderId: '4', ...named('Revoked') });
    await store.revokeLeaver('1', '4', NOW);
    await hand(store, { holderId: '5', guildId: '2', ...named('Elsewhere') });
    await hand(store, { holderId: '6', issuedAt: NOW - 1, expiresAt: NOW, ...named('Expired') });
    await hand(store, { holderId: '7', expiresAt: NOW + 1, ...named('Expiring') });
    expect(await pagesOf(store, '1', 100)).toEqual([['1', '2', '7']]);
    await store.expire(NOW + 1);
    expect(await pagesOf(store, '1', 100)).toEqual([['1', '2']]);
  });

  it('suspends every code of servers that are not served, resumes them, and writes both to the audit', async () => {
    const store = await open();
    const served = await hand(store);
    const other = await hand(store, { guildId: '2', holderId: '2', ...named('Other') });
    const waiting = await issue(store, { guildId: '3', holderId: '3', ...named('Waiting') });
    const statuses = async (): Promise<unknown[]> =>
      Promise.all(
        [served, other, waiting].map(async ({ id }) => {
          const code = await store.find(id);
          return code && statusOf(code, NOW + 1);
        }),
      );
    const suspended = await store.suspendElsewhere(new Set(['1']), NOW + 1);
    expect(suspended.toSorted((a, b) => a.guildId.localeCompare(b.guildId))).toEqual([
      { guildId: '1', suspended: false, held: 1, changed: 0 },
      { guildId: '2', suspended: true, held: 1, changed: 1 },
      { guildId: '3', suspended: true, held: 0, changed: 1 },
    ]);
    expect(await statuses()).toEqual(['active', 'suspended', 'suspended']);
    const again = await store.suspendElsewhere(new Set(['1']), NOW + 2);
    expect(again.every(({ changed }) => changed === 0)).toBe(true);

    await store.suspendElsewhere(new Set(['1', '2', '3']), NOW + 3);
    expect(await statuses()).toEqual(['active', 'active', 'pending']);
    const rows = (await store.readAudit({})).filter(({ event }) => /suspended|resumed/.test(event));
    expect(rows.map(({ at, event, guildId }) => `${at - NOW} ${event} ${guildId}`).toSorted()).toEqual([
      '1 suspended 2',
      '1 suspended 3',
      '3 resumed 2',
      '3 resumed 3',
    ]);
  });

  it('ends every code that a leaver has from this server, and only those', async () => {
    const store = await open();
    const alice = await hand(store);
    const waiting = await issue(store, { issuedAt: NOW + 1, ...named('Alina') });
    const elsewhere = await hand(store, { guildId: '2', ...named('Anna') });
    const other = await hand(store, { holderId: '2', ...named('Bob') });
    const ended = await store.revokeLeaver('1', '1', NOW + 5);
    expect(ended).toEqual([await codeOf(store, alice), await codeOf(store, waiting)]);
    expect(ended.map(({ revokedAt }) => revokedAt)).toEqual([NOW + 5, NOW + 5]);
    expect(await codeOf(store, elsewhere)).toHaveProperty('revokedAt', null);
    expect(await codeOf(store, other)).toHaveProperty('revokedAt', null);
    expect(await store.revokeLeaver('1', '1', NOW + 6)).toEqual([]);
    await issue(store, { holderId: '3' });
  });

  it('marks what has expired, in the millisecond of its expiry, and nothing else', async () => {
    const store = await open();
    const due = await hand(store, { expiresAt: NOW + 10 });
    const waiting = await issue(store, { expiresAt: NOW + 10, ...named('Alina') });
    const later = await hand(store, { expiresAt: NOW + 11, ...named('Bob') });
    const never = await hand(store, named('Carol'));
    const revoked = await hand(store, { expiresAt: NOW + 10, guildId: '2', ...named('Dora') });
    await store.revokeLeaver('2', '1', NOW);
    await store.expire(NOW + 9);
    expect(await codeOf(store, due)).toHaveProperty('expiredAt', null);
    await store.expire(NOW + 10);
    for (const { code, expiredAt } of [
      { code: due, expiredAt: NOW + 10 },
      { code: waiting, expiredAt: NOW + 10 },
      { code: later, expiredAt: null },
      { code: never, expiredAt: null },
      { code: revoked, expiredAt: null },
    ]) {
      expect(await codeOf(store, code)).toHaveProperty('expiredAt', expiredAt);
    }
    await store.expire(NOW + 20);
    expect(await codeOf(store, due)).toHaveProperty('expiredAt', NOW + 10);
  });

  it('remembers the direct-message channel of each user, the latest, until it is told to forget', async () => {
    const store = await open();
    expect(await store.findChannel('1')).toBeNull();
    await store.rememberChannel('1', '901');
    await store.rememberChannel('2', '902');
    await store.rememberChannel('1', '903');
    expect(await store.findChannel('1')).toBe('903');
    await store.forgetChannel('1');
    await store.forgetChannel('3');
    expect(await store.findChannel('1')).toBeNull();
    expect(await store.findChannel('2')).toBe('902');
  });

  it('remembers a channel that 20 calls at once bring', async () => {
    const store = await open();
    await twenty(async () => store.rememberChannel('1', '901'));
    expect(await store.findChannel('1')).toBe('901');
  });

  it('forgets what the audit says of before some time', async () => {
    const store = await open();
    await hand(store, { id: '11', issuedAt: NOW });
    await hand(store, { id: '12', issuedAt: NOW + 1, ...named('Bob') });
    await store.prune(NOW, NOW + 400 * DAY_MS);
    expect(eventsIn(await store.readAudit({}))).toEqual([
      'issued 11',
      'delivered 11',
      'issued 12',
      'delivered 12',
    ]);
    await store.prune(NOW + 1, NOW + 400 * DAY_MS);
    expect(eventsIn(await store.readAudit({}))).toEqual(['issued 12', 'delivered 12']);
  });

  it('forgets no code, no failure of the hour and no channel', async () => {
    const store = await open();
    const alice = await hand(store);
    const bob = await hand(store, named('Bob'));
    await store.revokeLeaver('1', '1', NOW);
    await failTimes(store, 10, 'Alice');
    await failTimes(store, 10, 'Nobody');
    await store.rememberChannel('1', '901');
    await store.prune(NOW + 1, NOW + HOUR_MS - 1);
    expect(await guess(store, 'Alice', { now: NOW + HOUR_MS - 1 })).toEqual({ throttledMs: 1 });
    expect(await guess(store, 'Nobody', { now: NOW + HOUR_MS - 1 })).toEqual({ throttledMs: 1 });
    expect(await guess(store, 'Nobody', { now: NOW + HOUR_MS })).toEqual(WRONG);
    for (const code of [alice, bob]) expect(await codeOf(store, code)).toHaveProperty('revokedAt', NOW);
    expect(await store.findChannel('1')).toBe('901');
  });

  it('goes on as before when everything was pruned', async () => {
    const store = await open();
    const code = await hand(store);
    await store.prune(NOW + DAY_MS, NOW + 1_000 * DAY_MS);
    expect(await store.readAudit({ nameHash: nameHashOf('Alice') })).toEqual([]);
    expect(await login(store, code, { now: NOW + 1_000 * DAY_MS })).toHaveProperty('accepted', true);
    const held = await store.listHeld('1', NOW, { offset: 0, limit: 10 });
    expect(idsIn(held)).toEqual([code.id]);
  });
}
