import { expect, it } from 'vitest';

import type { AuditFilter, AuditRow, CodeStore } from '../../src/codes/code-store.js';
import { byAdmin } from '../support/codes.js';
import {
  eventsIn,
  failTimes,
  guess,
  hand,
  HOUR_MS,
  issue,
  LIMITS,
  login,
  nameHashOf,
  named,
  newCode,
  NOW,
  redeem,
  type OpenStore,
} from './contract-support.js';

/** A row about a code of holder 1 in guild 1 for Alice. */
const ABOUT_ALICE = {
  nameHash: nameHashOf('Alice'),
  guildId: '1',
  holderId: '1',
  actorId: null,
  reason: null,
  username: 'Alice',
};

/** A row about nobody's code. */
const ABOUT_NOBODY: Omit<AuditRow, 'at' | 'event'> = {
  codeId: null,
  nameHash: null,
  guildId: null,
  holderId: null,
  actorId: null,
  reason: null,
  username: null,
};

/** What `act` adds to the audit. */
async function added(store: CodeStore, act: () => Promise<unknown>): Promise<readonly AuditRow[]> {
  const before = await store.readAudit({});
  await act();
  return (await store.readAudit({})).slice(before.length);
}

/** Every step in the life of a code is written down, with ids and never with codes. */
export function describeAudit(open: OpenStore): void {
  it('notes what was issued, and nothing of what was refused', async () => {
    const store = await open();
    const { id, textHash } = await issue(store);
    expect(await store.readAudit({})).toEqual([{ ...ABOUT_ALICE, at: NOW, event: 'issued', codeId: id }]);
    const refused = await added(store, async () => {
      await store.issue(newCode({ id }), LIMITS);
      await store.issue(newCode({ holderId: '2' }), LIMITS);
      await store.issue(newCode({ textHash }), LIMITS);
      await store.issue(newCode(), { ...LIMITS, codes: 1 });
      await store.issue(newCode(named('Bob')), { ...LIMITS, usernames: 1 });
    });
    expect(refused).toEqual([]);
  });

  it('notes what was delivered, and what it replaced', async () => {
    const store = await open();
    const old = await hand(store);
    const code = await issue(store, { guildId: '2' });
    const rows = await added(store, async () => store.deliver(code.id, 'delivered', NOW + 5));
    expect(rows).toEqual([
      { ...ABOUT_ALICE, at: NOW + 5, event: 'delivered', codeId: code.id, guildId: '2' },
      { ...ABOUT_ALICE, at: NOW + 5, event: 'replaced', codeId: old.id, reason: code.id },
    ]);
  });

  it('notes that a code could not be delivered, and that it was shown instead', async () => {
    const store = await open();
    const { id } = await issue(store);
    const rows = await added(store, async () => {
      await store.noteUndeliverable(id, NOW + 1);
      await store.deliver(id, 'shown', NOW + 2);
    });
    expect(rows).toEqual([
      { ...ABOUT_ALICE, at: NOW + 1, event: 'undeliverable', codeId: id },
      { ...ABOUT_ALICE, at: NOW + 2, event: 'shown', codeId: id },
    ]);
  });

  it('notes nothing where nothing was to be delivered', async () => {
    const store = await open();
    const { id } = await issue(store);
    await store.withdraw(id, 'closed', NOW);
    const rows = await added(store, async () => {
      await store.deliver(id, 'delivered', NOW);
      await store.deliver('no such code', 'delivered', NOW);
      await store.noteUndeliverable('no such code', NOW);
    });
    expect(rows).toEqual([]);
  });

  it('notes what was withdrawn, once and with the reason', async () => {
    const store = await open();
    const { id } = await issue(store);
    const unclaimed = await issue(store, { issuedAt: NOW - 1, ...named('Bob') });
    const held = await hand(store, named('Carol'));
    const rows = await added(store, async () => {
      await store.withdraw(id, 'closed', NOW + 5);
      await store.withdraw(id, 'closed', NOW + 6);
      await store.withdraw(held.id, 'closed', NOW + 6);
      await store.withdrawUnclaimed(NOW, NOW + 7);
      await store.withdrawUnclaimed(NOW + 1, NOW + 8);
    });
    expect(rows).toEqual([
      { ...ABOUT_ALICE, at: NOW + 5, event: 'withdrawn', codeId: id, reason: 'closed' },
      {
        ...ABOUT_ALICE,
        at: NOW + 7,
        event: 'withdrawn',
        codeId: unclaimed.id,
        nameHash: nameHashOf('Bob'),
        username: 'Bob',
        reason: 'unclaimed',
      },
    ]);
  });

  it('notes each code that an administrator revoked, and who it was', async () => {
    const store = await open();
    const alice = await hand(store);
    const pending = await issue(store);
    const rows = await added(store, async () => {
      await store.revoke('1', [{ by: 'username', nameHash: nameHashOf('Alice') }], byAdmin('5'), NOW + 5);
      await store.revoke('1', [{ by: 'holder', holderId: '1' }], byAdmin('5'), NOW + 5);
      await store.revoke('1', [{ by: 'holder', holderId: '1' }], byAdmin('6'), NOW + 5);
    });
    const revoked = { ...ABOUT_ALICE, at: NOW + 5, event: 'revoked', actorId: 'admin' };
    expect(rows).toHaveLength(2);
    expect(rows).toEqual(
      expect.arrayContaining([
        { ...revoked, codeId: alice.id },
        { ...revoked, codeId: pending.id },
      ]),
    );
  });

  it('notes that somebody left the server', async () => {
    const store = await open();
    const { id } = await hand(store);
    expect(await added(store, async () => store.revokeLeaver('1', '1', NOW + 5))).toEqual([
      { ...ABOUT_ALICE, at: NOW + 5, event: 'revoked', codeId: id, reason: 'left the server' },
    ]);
  });

  it('notes that an administrator looked at the list', async () => {
    const store = await open();
    await store.noteListing('1', 'admin', NOW);
    expect(await store.readAudit({})).toEqual([
      { ...ABOUT_NOBODY, at: NOW, event: 'listed', guildId: '1', actorId: 'admin' },
    ]);
  });

  it('notes each use, and no look', async () => {
    const store = await open();
    const code = await hand(store);
    const rows = await added(store, async () => {
      await login(store, code, { now: NOW + 1, client: 'home' });
      await redeem(store, code, NOW + 2);
      await redeem(store, code, NOW + 3);
    });
    expect(rows).toEqual([
      { ...ABOUT_ALICE, at: NOW + 2, event: 'redeemed', codeId: code.id },
      { ...ABOUT_ALICE, at: NOW + 3, event: 'redeemed', codeId: code.id },
    ]);
  });

  it('notes each refusal with its reason, and of which code where one is known', async () => {
    const store = await open();
    const pending = await issue(store);
    const used = await hand(store, { maxUses: 1, ...named('Bob') });
    await redeem(store, used);
    const rows = await added(store, async () => {
      await guess(store, 'Alice', { now: NOW + 1 });
      await guess(store, 'Nobody', { now: NOW + 2, redeem: true });
      await login(store, pending, { now: NOW + 3 });
      await redeem(store, used, NOW + 4);
    });
    const refused = { ...ABOUT_NOBODY, event: 'refused', reason: 'unknown' };
    expect(rows).toEqual([
      { ...refused, at: NOW + 1, nameHash: nameHashOf('Alice') },
      { ...refused, at: NOW + 2, nameHash: nameHashOf('Nobody') },
      { ...ABOUT_ALICE, at: NOW + 3, event: 'refused', codeId: pending.id, reason: 'pending' },
      {
        ...ABOUT_ALICE,
        at: NOW + 4,
        event: 'refused',
        codeId: used.id,
        nameHash: nameHashOf('Bob'),
        username: 'Bob',
        reason: 'used_up',
      },
    ]);
  });

  it('notes once that the next guess will not be judged', async () => {
    const store = await open();
    await failTimes(store, 9, 'Nobody');
    const rows = await added(store, async () => {
      await failTimes(store, 1, 'Nobody');
      for (let n = 0; n < 5; n++) await guess(store, 'Nobody');
      await guess(store, 'Nobody', { now: NOW + HOUR_MS - 1 });
    });
    const about = { ...ABOUT_NOBODY, at: NOW, nameHash: nameHashOf('Nobody') };
    expect(rows).toEqual([
      { ...about, event: 'refused', reason: 'unknown' },
      { ...about, event: 'throttled' },
    ]);
  });

  it('holds no code, no username that was typed at a door, no client, and nothing sealed', async () => {
    const store = await open();
    const code = await hand(store, { maxUses: 1 });
    await redeem(store, code);
    await redeem(store, code);
    await guess(store, 'Mallory', { client: 'device 7' });
    await login(store, code, { client: 'device 7' });
    await store.revoke('1', [{ by: 'text', textHash: code.textHash }], byAdmin(), NOW);
    const rows = await store.readAudit({});
    expect(rows.length).toBeGreaterThan(5);
    // What the store was given in place of codes, names and clients; the name hash is what the audit goes by.
    for (const secret of [code.textHash, code.pairHash, code.sealedText, 'no such pair', 'device 7']) {
      expect(JSON.stringify(rows)).not.toContain(secret);
    }
    const keys = [
      'at',
      'event',
      'codeId',
      'nameHash',
      'guildId',
      'holderId',
      'actorId',
      'reason',
      'username',
    ];
    for (const row of rows) expect(Object.keys(row).toSorted()).toEqual(keys.toSorted());
  });

  it('gives the rows that fit every property asked for, oldest first', async () => {
    const store = await open();
    const alice = await hand(store, { id: '11', issuedAt: NOW + 30 });
    await hand(store, { id: '12', holderId: '2', guildId: '2', issuedAt: NOW + 10, ...named('Bob') });
    await store.noteListing('2', '1', NOW + 20);
    await store.revoke('2', [{ by: 'holder', holderId: '2' }], { requestId: '5', actorId: '1' }, NOW + 40);
    await guess(store, 'Bob', { now: NOW + 50 });

    const read = async (filter: AuditFilter) => eventsIn(await store.readAudit(filter));
    const everything = [
      'issued 12',
      'delivered 12',
      'listed',
      'issued 11',
      'delivered 11',
      'revoked 12',
      'refused',
    ];
    expect(await read({})).toEqual(everything);
    expect(await read({ since: NOW + 30 })).toEqual(everything.slice(3));
    expect(await read({ since: NOW + 31 })).toEqual(everything.slice(5));
    expect(await read({ nameHash: nameHashOf('Bob') })).toEqual([
      'issued 12',
      'delivered 12',
      'revoked 12',
      'refused',
    ]);
    expect(await read({ memberId: '1' })).toEqual(['listed', 'issued 11', 'delivered 11', 'revoked 12']);
    expect(await read({ memberId: '2' })).toEqual(['issued 12', 'delivered 12', 'revoked 12']);
    expect(await read({ codeId: alice.id })).toEqual(['issued 11', 'delivered 11']);
    expect(await read({ memberId: '1', nameHash: nameHashOf('Bob'), since: NOW + 1 })).toEqual([
      'revoked 12',
    ]);
    expect(await read({ codeId: '11', memberId: '2' })).toEqual([]);
    expect(await read({ memberId: '3' })).toEqual([]);
  });
}
