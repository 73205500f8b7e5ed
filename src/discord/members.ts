import { DiscordAPIError, RESTJSONErrorCodes, Routes, type Client } from 'discord.js';

import type { Members } from '../codes/membership.js';
import type { ServedServers } from './served-servers.js';

/** How long the gateway may take to answer about 100 members. */
const ANSWER_PATIENCE_MS = 30_000;

/** Looks members up without a privileged intent: by their ids, over the gateway. */
export class GuildMembers implements Members {
  readonly #client: Client;
  readonly #servers: Pick<ServedServers, 'serves'>;

  constructor(client: Client, servers: Pick<ServedServers, 'serves'>) {
    this.#client = client;
    this.#servers = servers;
  }

  guildIds(): readonly string[] {
    const available = this.#client.guilds.cache.filter((guild) => guild.available);
    return [...available.keys()].filter((id) => this.#servers.serves(id));
  }

  async findLeavers(
    guildId: string,
    userIds: readonly string[],
  ): Promise<{ readonly leavers: readonly string[]; readonly error: unknown }> {
    const guild = this.#client.guilds.cache.get(guildId);
    if (guild === undefined || !guild.available) throw new Error(`Server ${guildId} cannot be asked now`);
    const found = await guild.members.fetch({ user: [...userIds], time: ANSWER_PATIENCE_MS });
    const missing = userIds.filter((id) => !found.has(id));
    const leavers: string[] = [];
    let error: unknown = null;
    // The gateway leaves out whom it did not find and whom it could not look up: only REST says which.
    for (const id of missing) {
      try {
        if (await this.#isUnknownMember(guildId, id)) leavers.push(id);
      } catch (failure) {
        error ??= failure;
      }
    }
    return { leavers, error };
  }

  async #isUnknownMember(guildId: string, userId: string): Promise<boolean> {
    try {
      await this.#client.rest.get(Routes.guildMember(guildId, userId));
      return false;
    } catch (error) {
      if (error instanceof DiscordAPIError && error.code === RESTJSONErrorCodes.UnknownMember) return true;
      throw error;
    }
  }
}
