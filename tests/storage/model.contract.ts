import fc from 'fast-check';
import { expect, it } from 'vitest';

import type { AuditRow, CodeSelector } from '../../src/codes/code-store.js';
import { HOUR_MS, nameHashOf, named, newCode, NOW, type OpenStore } from './contract-support.js';
import { type ModelledStore, ModelStore } from './model-store.js';

type Step = (store: ModelledStore, now: number) => Promise<unknown>;

const IDS = Array.from({ length: 30 }, (_, index) => String(10 + index));
const ids = fc.constantFrom(...IDS);
const guilds = fc.constantFrom('1', '2', '3');
const holders = fc.constantFrom('1', '2', '3', '4');
const usernames = fc.constantFrom('Alice', 'ALICE', 'A1ice', 'Bob', 'Carol', 'Dora');
/** Few enough that two codes collide now and then. */
const textHashes = fc.constantFrom(...IDS).map((id) => `text ${id}`);
const clients = fc.constantFrom(null, 'home', 'work');

function pairOf(username: string, textHash: string): string {
  return `${nameHashOf(username)} with ${textHash}`;
}

const selectors: fc.Arbitrary<CodeSelector> = fc.oneof(
  fc.record({ by: fc.constant('text'), textHash: textHashes }),
  fc.record({ by: fc.constant('username'), nameHash: usernames.map(nameHashOf) }),
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
  .map(({ ttlMs, username, ...given }): Step => {
    const pairHash = pairOf(username, given.textHash);
    return async (store, now) => {
      const expiresAt = ttlMs === null ? null : now + ttlMs;
      const code = newCode({ ...given, ...named(username), pairHash, issuedAt: now, expiresAt });
      const limits = { reservedSince: now - 120_000, codes: 4, spanMs: 600_000, usernames: 2 };
      return store.issue(code, limits);
    };
  });

const revocations = fc.tuple(guilds, fc.array(selectors, { maxLength: 2 }), ids).map(
  ([guildId, chosen, id]): Step =>
    async (store, now) =>
      store.revoke(guildId, chosen, { requestId: `r${id}`, actorId: '9' }, now),
);

const logins = fc
  .record({
    username: usernames,
    textHash: textHashes,
    client: clients,
    redeem: fc.boolean(),
    key: fc.constantFrom(null, null, 'form 1', 'form 2'),
  })
  .map(({ username, textHash, client, redeem, key }): Step => async (store, now) => {
    const nameHash = nameHashOf(username);
    const clientHash = client === null ? null : `${client} at ${nameHash}`;
    const keyHash = redeem ? key : null;
    return store.login({ nameHash, pairHash: pairOf(username, textHash), clientHash, redeem, keyHash }, now);
  });

/** A step that goes by a code's id. */
function byId(act: (store: ModelledStore, id: string, now: number) => Promise<unknown>): fc.Arbitrary<Step> {
  return ids.map((id) => async (store, now) => act(store, id, now));
}

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: issues },
  { weight: 8, arbitrary: byId(async (store, id, now) => store.deliver(id, 'delivered', now)) },
  { weight: 1, arbitrary: byId(async (store, id, now) => store.deliver(id, 'shown', now)) },
  { weight: 2, arbitrary: byId(async (store, id, now) => store.deliver(id, 'found', now)) },
  { weight: 1, arbitrary: byId(async (store, id, now) => store.noteUndeliverable(id, now)) },
  { weight: 1, arbitrary: byId(async (store, id, now) => store.withdraw(id, 'closed', now)) },
  { weight: 1, arbitrary: byId(async (store, _id, now) => store.withdrawUnclaimed(now - 120_000, now)) },
  { weight: 1, arbitrary: byId(async (store, id, now) => store.claim(id, now)) },
  {
    weight: 1,
    arbitrary: fc.tuple(guilds, holders).map(
      ([guildId, holderId]): Step =>
        async (store, now) =>
          store.revokeLeaver(guildId, holderId, now),
    ),
  },
  { weight: 1, arbitrary: revocations },
  { weight: 10, arbitrary: logins },
);

const pauses = fc.constantFrom(0, 0, 0, 1, 59_999, 60_000, 120_001, HOUR_MS);

export function describeModel(open: OpenStore): void {
  it('answers 2,000 steps at random as a list in memory does, and holds the same codes after each', async () => {
    const script = fc.array(fc.tuple(steps, pauses), { minLength: 100, maxLength: 100 });
    await fc.assert(
      fc.asyncProperty(script, async (scripted) => {
        const store = await open();
        const model = new ModelStore();
        let now = NOW;
        for (const [step, pauseMs] of scripted) {
          now += pauseMs;
          // As often as the bot does it, or oftener: what expires unnoticed has tests of its own.
          for (const each of [store, model]) await each.expire(now);
          expect(await step(store, now)).toEqual(await step(model, now));
          expect(await viewOf(store, now)).toEqual(await viewOf(model, now));
        }
        for (const id of IDS) expect(await store.find(id)).toEqual(await model.find(id));
        expect(sorted(await store.readAudit({}))).toEqual(sorted(await model.readAudit()));
      }),
      { numRuns: 20 },
    );
  });
}

async function viewOf(store: ModelledStore, now: number): Promise<unknown[]> {
  const answers = ['1', '2', '3'].flatMap((guildId) => [
    store.countHeld(guildId, now),
    store.listHeld(guildId, now, { offset: 0, limit: 100 }),
    store.listHeld(guildId, now, { first: 'newest', offset: 1, limit: 2 }),
    store.listHolders(guildId, now, '1', 2),
  ]);
  return Promise.all<unknown>(answers);
}

/** Rows of one millisecond in an order of their own. */
function sorted(rows: readonly AuditRow[]): string[] {
  return rows
    .map(({ at, event, codeId, nameHash, guildId, holderId, actorId, reason, username }) =>
      [at, event, codeId, nameHash, guildId, holderId, actorId, reason, username].join(' '),
    )
    .toSorted();
}
