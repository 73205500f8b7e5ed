import type { Client, Guild } from 'discord.js';

import type { CodeStore } from '../codes/code-store.js';
import { StoreOutage } from '../codes/code-store.js';
import type { Log } from '../log.js';
import { inviteUrl, PORTAL } from './links.js';

/**
 * Decides which of the bot's servers it serves: those that ALLOWED_GUILD_IDS lists or, while it is unset, the first
 * one, which the database remembers. A stranger who adds the bot to a server of their own gets no codes there.
 */
export class ServedServers {
  readonly #client: Client;
  readonly #store: Pick<CodeStore, 'findServedGuild' | 'rememberServedGuild'>;
  /** `null`: ALLOWED_GUILD_IDS is unset. */
  readonly #listed: ReadonlySet<string> | null;
  readonly #log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** The one that is served while none are listed; `null`: the bot was in no server yet. */
  #chosen: string | null = null;
  #isStored = false;
  readonly #warnedOf = new Set<string>();

  constructor(options: {
    readonly client: Client;
    readonly store: Pick<CodeStore, 'findServedGuild' | 'rememberServedGuild'>;
    /** `null`: ALLOWED_GUILD_IDS is unset. */
    readonly listed: ReadonlySet<string> | null;
    readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  }) {
    this.#client = options.client;
    this.#store = options.store;
    this.#listed = options.listed;
    this.#log = options.log;
  }

  /** Whether the bot serves this server; it answers direct messages of everybody. */
  serves(guildId: string | null): boolean {
    return guildId === null || (this.#listed?.has(guildId) ?? guildId === this.#chosen);
  }

  /** Reads which server the bot served before. */
  async load(): Promise<void> {
    if (this.#listed === null) this.#chosen = await this.#store.findServedGuild();
  }

  /**
   * Decides at the start, once the client knows its servers.
   *
   * @returns why the bot cannot go on, and what to do; `null`: it can.
   */
  decide(): string | null {
    const ids = [...this.#client.guilds.cache.keys()];
    if (this.#listed !== null || ids.length === 0 || ids.some((id) => this.serves(id))) return null;
    const [first = '', ...others] = ids;
    if (this.#chosen !== null) {
      const set = others.length === 0 ? `ALLOWED_GUILD_IDS=${first}` : 'ALLOWED_GUILD_IDS';
      return `The bot serves only the server ${this.#chosen} and is not in it any more. It is in ${this.#name(ids)}. Invite it to ${this.#chosen} again: ${inviteUrl(this.#client)} To serve another server instead, set ${set} in .env.`;
    }
    if (others.length > 0) {
      return `The bot is in ${ids.length} servers: ${this.#name(ids)}. Members of a server that it serves get codes for your website. Set ALLOWED_GUILD_IDS in .env to the ids of yours, with commas between them, and start the bot again.`;
    }
    this.#chosen = first;
    return null;
  }

  /** The first server that the bot joins is served. */
  onJoin({ id }: Guild): void {
    if (this.#listed === null) this.#chosen ??= id;
  }

  onLeave({ id }: Guild): void {
    this.#warnedOf.delete(id);
  }

  /** Stores what was decided, and warns of servers that are ignored, once of each. Waits for the next call in an outage. */
  async update(): Promise<void> {
    try {
      await this.#remember();
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error;
    }
    this.#warnOfIgnored();
  }

  /** Discord's applications are public until their owner changes it. */
  async warnIfPublic(): Promise<void> {
    const { application } = this.#client;
    if (this.#listed !== null || application === null) return;
    try {
      await application.fetch();
    } catch (err) {
      this.#log.debug({ err }, 'Could not read whether the application is public');
      return;
    }
    if (application.botPublic !== true) return;
    this.#log.warn(
      `Anybody can invite the bot to a server of their own, because its application is public. To make it private, open ${PORTAL}/${application.id}, page Installation, set Install Link to None and save. Then switch off Public Bot on page Bot and save.`,
    );
  }

  async #remember(): Promise<void> {
    if (this.#chosen === null || this.#isStored) return;
    if (await this.#store.rememberServedGuild(this.#chosen)) {
      this.#log.info(`The bot serves ${this.#name([this.#chosen])} and ignores servers that it joins later`);
    }
    this.#isStored = true;
  }

  #warnOfIgnored(): void {
    const { cache } = this.#client.guilds;
    const ignored = [...cache.keys()].filter((id) => !this.serves(id) && !this.#warnedOf.has(id));
    if (ignored.length === 0) return;
    for (const id of ignored) this.#warnedOf.add(id);
    const names = this.#name(ignored);
    if (this.#chosen === null) {
      this.#log.warn(`Ignoring ${names}: ALLOWED_GUILD_IDS does not list it`);
      return;
    }
    const all = [this.#chosen, ...ignored].join(',');
    this.#log.warn(
      `Ignoring ${names}: the bot serves only ${this.#name([this.#chosen])}. If members there should get codes for your website too, set ALLOWED_GUILD_IDS=${all} in .env and start the bot again.`,
    );
  }

  /** Names with ids beside them; of a server in an outage Discord gives the id alone. */
  #name(ids: readonly string[]): string {
    const nameOf = (id: string): string => {
      const guild = this.#client.guilds.cache.get(id);
      // A stranger's server has the name that they like: it must not forge a line of the log.
      return guild?.available === true ? `${guild.name.replaceAll(/\p{C}/gu, '')} (${id})` : `server ${id}`;
    };
    return ids.map(nameOf).join(', ');
  }
}
