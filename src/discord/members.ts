import { PermissionFlagsBits, RESTJSONErrorCodes, Routes, type Client, type GuildMember } from 'discord.js';

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
      try {
        await client.rest.get(Routes.guildMember(guildId, id));
      } catch (error) {
        if (isNotMember(error)) left.push(id);
        else failure ??= error;
      }
    }
  } catch (error) {
    failure = error;
  }
  if (failure !== null) log.warn({ guildId, err: failure }, 'Could not check all members');
  return left;
}

/** Roles of all servers. `null`: the setting is not set. */
export interface RoleIds {
  readonly adminRoleIds: ReadonlySet<string> | null;
  readonly getcodeRoleIds: ReadonlySet<string> | null;
}

export function isAdministrator(member: GuildMember, { adminRoleIds }: RoleIds): boolean {
  return member.permissions.has(PermissionFlagsBits.Administrator) || hasRole(member, adminRoleIds);
}

export function mayGetCodes(member: GuildMember | null, { getcodeRoleIds }: RoleIds): boolean {
  return getcodeRoleIds === null || (member !== null && hasRole(member, getcodeRoleIds));
}

/** @everyone, whose id is the server's, does not count. */
function hasRole({ roles, guild }: GuildMember, roleIds: ReadonlySet<string> | null): boolean {
  return roles.cache.some(({ id }) => id !== guild.id && roleIds?.has(id));
}

/** Asks Discord, not the cache. */
export async function isAdministratorNow(
  client: Client,
  roleIds: RoleIds,
  guildId: string,
  userId: string,
): Promise<boolean> {
  const guild = client.guilds.cache.get(guildId);
  if (guild === undefined) return false;
  try {
    const member = await guild.members.fetch({ user: userId, force: true });
    return isAdministrator(member, roleIds);
  } catch (error) {
    if (isNotMember(error)) return false;
    throw error;
  }
}

/** The member left, or the account was deleted. */
function isNotMember(error: unknown): boolean {
  return hasCode(error, RESTJSONErrorCodes.UnknownMember, RESTJSONErrorCodes.UnknownUser);
}
