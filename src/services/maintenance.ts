import { PENDING_MS, RESERVATION_MS } from '../codes/code.js';
import type { Store } from '../storage/store.js';

/** Discord repeats an event within minutes. */
const REQUEST_MEMORY_MS = 24 * 3_600_000;
/** Keeps each transaction short. */
const CODES_PER_PRUNE = 1_000;
/** Discord accepts at most 100 members per request. */
const MEMBERS_PER_LOOKUP = 100;

/** Records the end of codes that expired, and of codes that were not delivered in time. */
export async function endCodes(store: Store, now: number): Promise<void> {
  await store.changeCodes(async ({ codes, audit }) => {
    for (const codeId of await codes.withdrawOverdue(now - PENDING_MS, now))
      await audit.write({ at: now, event: 'withdrawn', codeId });
    for (const codeId of await codes.expire(now)) await audit.write({ at: now, event: 'expired', codeId });
  });
}

/**
 * Deletes audit rows and ended codes from before `auditSince`, and claims of messages that are more than a day old.
 * Keeps an ended code for as long as it may reserve its username.
 */
export async function prune(store: Store, auditSince: number, now: number): Promise<void> {
  await store.requests.prune(now - REQUEST_MEMORY_MS);
  await store.audit.prune(auditSince);
  const endedBefore = Math.min(auditSince, now - RESERVATION_MS);
  let deleted: number;
  do {
    deleted = await store.changeCodes(async ({ codes }) => {
      const nameHashes = await codes.prune(endedBefore, CODES_PER_PRUNE);
      for (const nameHash of new Set(nameHashes)) await codes.pruneLookAlikes(nameHash);
      return nameHashes.length;
    });
  } while (deleted === CODES_PER_PRUNE);
}

/** Returns those of at most 100 users who left a server. Members whose lookup failed are omitted. */
export type FindLeft = (guildId: string, userIds: readonly string[]) => Promise<readonly string[]>;

/** Ends the codes of members who left a server. Returns the number of codes. */
export async function checkMembership(
  store: Store,
  findLeft: FindLeft,
  guildId: string,
  clock: () => number,
): Promise<number> {
  let ended = 0;
  let after = '';
  for (;;) {
    const holders = await store.codes.listHolders(guildId, after, MEMBERS_PER_LOOKUP);
    const last = holders.at(-1);
    if (last === undefined) return ended;
    after = last;
    for (const holderId of await findLeft(guildId, holders))
      ended += await endLeft(store, guildId, holderId, clock());
  }
}

async function endLeft(store: Store, guildId: string, holderId: string, now: number): Promise<number> {
  return store.changeCodes(async ({ codes, audit }) => {
    const ended = await codes.endLeft(guildId, holderId, now);
    for (const { id } of ended) await audit.write({ at: now, event: 'left', codeId: id });
    return ended.length;
  });
}

/** What changed for a server's codes. */
export interface Suspension {
  readonly guildId: string;
  readonly event: 'suspended' | 'resumed';
  readonly codes: number;
}

/**
 * Suspends the codes of servers that are not among `servedGuildIds`, and resumes those of servers that are. Nothing is
 * revoked: a wrong id in a setting, or a bot that is removed and invited again, loses no code.
 *
 * @returns the servers for which something changed.
 */
export async function suspendUnserved(
  store: Store,
  servedGuildIds: ReadonlySet<string>,
  now: number,
): Promise<Suspension[]> {
  return store.changeCodes(async ({ codes, audit }) => {
    const changes: Suspension[] = [];
    for (const guildId of await codes.listGuilds()) {
      const event = servedGuildIds.has(guildId) ? 'resumed' : 'suspended';
      const ids = event === 'resumed' ? await codes.resume(guildId) : await codes.suspend(guildId, now);
      for (const codeId of ids) await audit.write({ at: now, event, codeId });
      if (ids.length > 0) changes.push({ guildId, event, codes: ids.length });
    }
    return changes;
  });
}
