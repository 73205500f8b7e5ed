import type { Client, Guild } from 'discord.js';

import { StoreOutage, type CodeStore, type GuildCodes } from '../codes/code-store.js';
import type { Log } from '../log.js';
import { inviteUrl, PORTAL } from './links.js';

type Store = Pick<CodeStore, 'findServedGuild' | 'rememberServedGuild' | 'suspendElsewhere'>;

/**
 * Decides which of the bot's servers it serves: those that ALLOWED_GUILD_IDS lists or, while it is unset, the first
 * one, which the database remembers. A stranger who adds the bot to a server of their own gets no codes there.
 *
 * Codes of servers that are not served are suspended, and work again when the server is served again: a wrong setting,
 * or the bot's removal, loses none.
 */
export class ServedServers {
  readonly #client: Client;
  readonly #store: Store;
  /** `null`: ALLOWED_GUILD_IDS is unset. */
  readonly #listed: ReadonlySet<string> | null;
  readonly #clock: () => number;
  readonly #log: Pick<Log, 'debug' | 'info' | 'warn'>;
  /** The one that is served while none are listed; `null`: the bot was in no server yet. */
  #chosen: string | null = null;
  #isStored = false;
  /** The servers for which codes were last suspended and resumed; `null`: not yet by this process. */
  #applied: string | null = null;
  #updating: Promise<void> = Promise.resolve();
  /** Names of servers that the bot has left, by id. */
  readonly #left = new Map<string, string>();
  readonly #warnedOf = new Set<string>();

  constructor(options: {
    readonly client: Client;
    readonly store: Store;
    /** `null`: ALLOWED_GUILD_IDS is unset. */
    readonly listed: ReadonlySet<string> | null;
    readonly clock: () => number;
    readonly log: Pick<Log, 'debug' | 'info' | 'warn'>;
  }) {
    this.#client = options.client;
    this.#store = options.store;
    this.#listed = options.listed;
    this.#clock = options.clock;
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
    if (ids.length === 0 || ids.some((id) => this.serves(id))) return null;
    if (this.#listed !== null) {
      return `ALLOWED_GUILD_IDS lists no server that the bot is in. It is in ${this.#name(ids)}. No code was changed. Correct ALLOWED_GUILD_IDS in .env, or invite the bot to a server that it lists: ${inviteUrl(this.#client)}`;
    }
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

  onLeave({ id, name }: Guild): void {
    this.#left.set(id, name);
    this.#warnedOf.delete(id);
  }

  /**
   * Stores what was decided, suspends and resumes codes accordingly, and warns of servers that are ignored. What an
   * outage prevents is left to the next call.
   */
  async update(): Promise<void> {
    const updating = this.#updating.then(async () => this.#update());
    this.#updating = updating.catch(() => undefined);
    return updating;
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

  async #update(): Promise<void> {
    try {
      await this.#remember();
      await this.#suspend();
    } catch (error) {
      if (!(error instanceof StoreOutage)) throw error;
    }
    this.#warnOfIgnored();
  }

  async #remember(): Promise<void> {
    if (this.#chosen === null || this.#isStored) return;
    if (await this.#store.rememberServedGuild(this.#chosen)) {
      this.#log.info(`The bot serves ${this.#name([this.#chosen])} and ignores servers that it joins later`);
    }
    this.#isStored = true;
  }

  async #suspend(): Promise<void> {
    // Those in an outage are among them: Discord keeps them in the client's list.
    const served = [...this.#client.guilds.cache.keys()].filter((id) => this.serves(id));
    const applying = served.toSorted().join(',');
    if (applying === this.#applied) return;
    const found = await this.#store.suspendElsewhere(new Set(served), this.#clock());
    const isFirst = this.#applied === null;
    this.#applied = applying;
    for (const codes of found) {
      if (codes.suspended && codes.held > 0 && (isFirst || codes.changed > 0)) this.#warnOfPaused(codes);
      if (!codes.suspended && codes.changed > 0) {
        this.#log.info(`The codes of ${this.#name([codes.guildId])} work again`);
      }
    }
  }

  #warnOfPaused({ guildId: id, held }: GuildCodes): void {
    const name = this.#name([id]);
    const holds =
      held === 1
        ? 'holds 1 code. It is paused.'
        : `holds ${held.toLocaleString('en')} codes. They are paused.`;
    this.#warnedOf.add(id);
    if (this.#listed?.has(id) === false) {
      this.#log.warn(`ALLOWED_GUILD_IDS does not list ${name}, which ${holds} Add ${id} to serve it again.`);
    } else if (this.#chosen === null || this.#chosen === id) {
      this.#log.warn(
        `The bot is not in ${name}, which ${holds} Invite the bot again: ${inviteUrl(this.#client)}`,
      );
    } else {
      this.#log.warn(
        `The bot serves only ${this.#name([this.#chosen])}. ${name} ${holds} To serve both, set ALLOWED_GUILD_IDS=${this.#chosen},${id} in .env and start the bot again.`,
      );
    }
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

  /** Names with ids beside them, where they are known: of a server in an outage Discord gives the id alone. */
  #name(ids: readonly string[]): string {
    const nameOf = (id: string): string => {
      const guild = this.#client.guilds.cache.get(id);
      const name = guild?.available === true ? guild.name : this.#left.get(id);
      // A stranger's server has the name that they like: it must not forge a line of the log.
      return name === undefined ? `server ${id}` : `${name.replaceAll(/\p{C}/gu, '')} (${id})`;
    };
    return ids.map(nameOf).join(', ');
  }
}
