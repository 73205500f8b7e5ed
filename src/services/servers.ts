import type { Store } from '../storage/store.js';

/** A Discord server. */
export interface Server {
  readonly id: string;
}

/** Which servers the bot serves, or why that is not clear. */
export type ServedServers =
  | { readonly kind: 'served'; readonly ids: ReadonlySet<string> }
  /** The bot is in several servers, and none was chosen. */
  | { readonly kind: 'several'; readonly ids: ReadonlySet<string> }
  /** The bot is in servers, but in none of these. */
  | { readonly kind: 'absent'; readonly ids: ReadonlySet<string> };

/**
 * Decides which servers the bot serves: those of ALLOWED_GUILD_IDS, otherwise the one that it served before, otherwise
 * the only one it is in.
 *
 * @param remembered the server that it served before.
 */
export function decideServed(
  present: readonly Server[],
  allowedGuildIds: ReadonlySet<string> | null,
  remembered: string | null,
): ServedServers {
  const chosen = allowedGuildIds ?? (remembered === null ? null : new Set([remembered]));
  if (chosen === null) {
    const ids = new Set(present.map(({ id }) => id));
    return { kind: ids.size > 1 ? 'several' : 'served', ids };
  }
  const isAbsent = present.length > 0 && !present.some(({ id }) => chosen.has(id));
  return { kind: isAbsent ? 'absent' : 'served', ids: chosen };
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
