import { PermissionFlagsBits, RESTJSONErrorCodes, Routes, type Client } from 'discord.js';

import type { Log } from '../log.js';
import { hasCode } from './errors.js';

/** How long the gateway may take to answer for 100 members. */
const LOOKUP_TIMEOUT_MS = 30_000;

/** Returns who of at most 100 users left a server. Members whose lookup failed are omitted. */
export async function findLeft(
  client: Client,
  log: Log,
  guildId: string,
  userIds: readonly string[],
): Promise<string[]> {
  const left: string[] = [];
  let failure: unknown = null;
  try {
    const guild = await client.guilds.fetch(guildId);
    // Over the gateway, a lookup by id needs no privileged intent.
    const found = await guild.members.fetch({ user: [...userIds], time: LOOKUP_TIMEOUT_MS });
    // The gateway omits members that it did not find and members that it could not look up: ask REST which.
    for (const id of userIds.filter((userId) => !found.has(userId))) {
      const lookup = client.rest.get(Routes.guildMember(guildId, id));
      const error: unknown = await lookup.then(
        () => null,
        (reason: unknown) => reason,
      );
      if (isNotMember(error)) left.push(id);
      else failure ??= error;
    }
  } catch (error) {
    failure = error;
  }
  if (failure !== null) log.warn({ guildId, err: failure }, 'Could not check all members');
  return left;
}

/** Asks Discord, not the cache, whether a user has the Administrator permission in a server. */
export async function isAdministrator(client: Client, guildId: string, userId: string): Promise<boolean> {
  const guild = client.guilds.cache.get(guildId);
  if (guild === undefined) return false;
  try {
    const member = await guild.members.fetch({ user: userId, force: true });
    return member.permissions.has(PermissionFlagsBits.Administrator);
  } catch (error) {
    if (isNotMember(error)) return false;
    throw error;
  }
}

/** The member left, or the account was deleted. */
function isNotMember(error: unknown): boolean {
  return hasCode(error, RESTJSONErrorCodes.UnknownMember, RESTJSONErrorCodes.UnknownUser);
}
