import type { Store } from '../storage/store.js';

/** Discord accepts at most 100 members per request. */
const BATCH = 100;

/** Looks up members of servers. */
export interface Members {
  /**
   * Returns those of `userIds` (at most 100) who are not members of the server. Members whose lookup failed are
   * omitted; `error` is the first failure.
   */
  findLeft(
    guildId: string,
    userIds: readonly string[],
  ): Promise<{ readonly left: readonly string[]; readonly error: unknown }>;
}

/**
 * Ends the codes of members who left a server.
 *
 * @returns the number of codes, and the first lookup that failed; its member is checked again next time.
 */
export async function checkMembership(
  store: Store,
  members: Members,
  guildId: string,
  clock: () => number,
): Promise<{ readonly ended: number; readonly error: unknown }> {
  let ended = 0;
  let error: unknown = null;
  let after = '';
  for (;;) {
    const holders = await store.codes.listHolders(guildId, after, BATCH);
    const last = holders.at(-1);
    if (last === undefined) return { ended, error };
    after = last;
    const found = await members.findLeft(guildId, holders);
    error ??= found.error;
    for (const holderId of found.left) ended += await endLeft(store, guildId, holderId, clock());
  }
}

async function endLeft(store: Store, guildId: string, holderId: string, now: number): Promise<number> {
  return store.changeCodes(async ({ codes, audit }) => {
    const ended = await codes.endLeft(guildId, holderId, now);
    for (const { id } of ended) await audit.write({ at: now, event: 'left', codeId: id });
    return ended.length;
  });
}
