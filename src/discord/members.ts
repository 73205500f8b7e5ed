import { DiscordAPIError, RESTJSONErrorCodes, Routes, type Client } from 'discord.js';

import type { Members } from '../services/membership.js';

/** How long the gateway may take to answer for 100 members. */
const LOOKUP_TIMEOUT_MS = 30_000;

/** The member left, or the account was deleted. */
export const NOT_A_MEMBER: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.UnknownMember,
  RESTJSONErrorCodes.UnknownUser,
]);

/** Looks members up by id over the gateway, which needs no privileged intent. */
export class GuildMembers implements Members {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  async findLeft(
    guildId: string,
    userIds: readonly string[],
  ): Promise<{ readonly left: readonly string[]; readonly error: unknown }> {
    const left: string[] = [];
    let error: unknown = null;
    try {
      const guild = await this.#client.guilds.fetch(guildId);
      const found = await guild.members.fetch({ user: [...userIds], time: LOOKUP_TIMEOUT_MS });
      // The gateway omits members that it did not find and members that it could not look up: ask REST which.
      for (const id of userIds.filter((userId) => !found.has(userId))) {
        try {
          if (await this.#hasLeft(guildId, id)) left.push(id);
        } catch (failure) {
          error ??= failure;
        }
      }
    } catch (failure) {
      error = failure;
    }
    return { left, error };
  }

  async #hasLeft(guildId: string, userId: string): Promise<boolean> {
    try {
      await this.#client.rest.get(Routes.guildMember(guildId, userId));
      return false;
    } catch (error) {
      if (error instanceof DiscordAPIError && NOT_A_MEMBER.has(error.code)) return true;
      throw error;
    }
  }
}
