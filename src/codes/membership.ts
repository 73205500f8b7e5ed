import type { CodeStore } from './code-store.js';

/** Holders are looked up this many at a time: as many as Discord takes in one request. */
const BATCH = 100;

/** Tells who is in a server. */
export interface Members {
  /** The servers that can be asked at this moment. */
  guildIds(): readonly string[];
  /**
   * Those of `userIds` (at most 100) who are certainly not members of the server. Of whom it is not certain is
   * not among them, with `error` saying why.
   *
   * @throws when nothing is certain: an outage, the bot's own removal.
   */
  findLeavers(
    guildId: string,
    userIds: readonly string[],
  ): Promise<{ readonly leavers: readonly string[]; readonly error: unknown }>;
}

/** What one look at one server found. */
export interface MembershipReport {
  readonly guildId: string;
  readonly revoked: number;
  /** Why it was not certain of somebody, or at all; nothing was revoked on the strength of it. */
  readonly error: unknown;
}

/**
 * A code works while its holder is a member: ends the codes of those who left.
 *
 * What is not certain revokes nothing and is looked at the next time.
 */
export async function checkMembership(
  store: Pick<CodeStore, 'listHolders' | 'revokeLeaver'>,
  members: Members,
  clock: () => number,
): Promise<readonly MembershipReport[]> {
  const reports: MembershipReport[] = [];
  for (const guildId of members.guildIds()) {
    let revoked = 0;
    let error: unknown = null;
    try {
      let after = '';
      for (;;) {
        const holders = await store.listHolders(guildId, clock(), after, BATCH);
        const last = holders.at(-1);
        if (last === undefined) break;
        after = last;
        const found = await members.findLeavers(guildId, holders);
        error ??= found.error;
        for (const leaver of found.leavers) {
          revoked += (await store.revokeLeaver(guildId, leaver, clock())).length;
        }
      }
    } catch (failure) {
      error = failure;
    }
    reports.push({ guildId, revoked, error });
  }
  return reports;
}
