import { Events, type Client, type Guild } from 'discord.js';

import type { Log } from '../log.js';
import type { Suspension } from '../services/maintenance.js';
import type { Store } from '../storage/store.js';
import { inviteUrl, makePrivate } from './links.js';
import { DiscordSetupError } from './errors.js';
import { findMuted } from './permissions.js';

/** What the choice of servers depends on. */
export interface ServerChoice {
  /** The servers that the bot is in. */
  readonly present: readonly string[];
  readonly allowed: ReadonlySet<string> | null;
  readonly before: string | null;
  readonly nameOf: (guildId: string) => string;
  readonly invite: string;
}

/** @throws {DiscordSetupError} when it is not clear which servers to serve. */
export function chooseServers({
  present,
  allowed,
  before,
  nameOf,
  invite,
}: ServerChoice): ReadonlySet<string> {
  const names = present.map(nameOf).join(', ');
  if (allowed !== null) {
    if (present.length === 0 || present.some((id) => allowed.has(id))) return allowed;
    throw new DiscordSetupError(
      `ALLOWED_GUILD_IDS lists no server that the bot is in. It is in ${names}. No code was changed. Correct ALLOWED_GUILD_IDS in .env, or invite the bot to a server that it lists: ${invite}`,
    );
  }
  if (before === null && present.length > 1) {
    throw new DiscordSetupError(
      `The bot is in ${present.length} servers: ${names}. Members of a server that it serves get codes for your website. Set ALLOWED_GUILD_IDS in .env to the ids of yours, with commas between them, and start the bot again.`,
    );
  }
  if (before !== null && present.length > 0 && !present.includes(before)) {
    throw new DiscordSetupError(
      `The bot serves only the server ${before} and is not in it any more. It is in ${names}. Invite it to ${before} again: ${invite} To serve another server instead, set ALLOWED_GUILD_IDS${present.length === 1 ? `=${present.join('')}` : ''} in .env.`,
    );
  }
  const served = before ?? present[0];
  return new Set(served === undefined ? [] : [served]);
}

/** Returns the server that the bot served without ALLOWED_GUILD_IDS, or the only one with codes. */
export async function servedBefore(store: Store): Promise<string | null> {
  const [first, ...others] = await store.codes.listGuilds();
  const onlyWithCodes = first !== undefined && others.length === 0 ? first : null;
  return (await store.readServedGuild()) ?? onlyWithCodes;
}

/**
 * The servers that the bot serves: those of ALLOWED_GUILD_IDS, otherwise the one that it served before, otherwise the
 * only one it is in. Discord applications are public by default: strangers can invite the bot to a server of their own,
 * where it must not issue codes.
 */
export class Servers {
  readonly #client: Client;
  readonly #store: Store;
  readonly #allowed: ReadonlySet<string> | null;
  readonly #log: Log;
  #served: ReadonlySet<string> = new Set();
  /** By id; served servers that the bot has left included. */
  readonly #names = new Map<string, string>();
  /** Called when the bot joins or leaves a server. */
  onChange: () => void = () => undefined;
  /** Called when the bot joins a server that it serves. */
  onWelcome: (guild: Guild) => Promise<void> = async () => undefined;

  /** @param allowed `null`: the one server that the bot is in. */
  constructor(client: Client, store: Store, allowed: ReadonlySet<string> | null, log: Log) {
    this.#client = client;
    this.#store = store;
    this.#allowed = allowed;
    this.#log = log;
  }

  /**
   * Decides which servers to serve, when the client is ready.
   *
   * @throws {DiscordSetupError} when that is not clear.
   */
  async choose(): Promise<void> {
    const decided = this.#decide(this.#present());
    let latest = decided;
    this.#client.on(Events.GuildCreate, ({ id }) => {
      latest = latest.then(
        async () => this.#onJoin(id),
        () => undefined,
      );
    });
    this.#client.on(Events.GuildDelete, ({ id }) => {
      this.#log.warn({ guildId: id }, `The bot is no longer in ${this.#nameOf(id)}`);
      if (!this.serves(id)) this.#names.delete(id);
      this.onChange();
    });
    await decided;
    this.#warnIgnored(this.#present());
    for (const guild of this.#client.guilds.cache.values()) this.#warnMuted(guild);
    if (this.#allowed === null) void this.#warnPublic();
  }

  serves(guildId: string): boolean {
    return this.#served.has(guildId);
  }

  /** The servers whose codes work: those that are served and that the bot is in, during an outage too. */
  served(): ReadonlySet<string> {
    return new Set(this.#present().filter((id) => this.serves(id)));
  }

  /** The served servers that Discord can answer for now. */
  available(): string[] {
    return [...this.served()].filter((id) => this.#client.guilds.cache.get(id)?.available === true);
  }

  logSuspensions(changes: readonly Suspension[]): void {
    for (const { guildId, event, codes } of changes) {
      const name = this.#nameOf(guildId);
      if (event === 'resumed') this.#log.info({ guildId, codes }, `The codes of ${name} work again`);
      else {
        const [why, next] =
          this.#allowed?.has(guildId) === false
            ? ['ALLOWED_GUILD_IDS does not list', `Add ${guildId} to serve it again.`]
            : ['The bot is not in', `Invite the bot again: ${inviteUrl(this.#client)}`];
        this.#log.warn({ guildId, codes }, `${why} ${name}. Its codes are suspended. ${next}`);
      }
    }
  }

  async #decide(present: readonly string[]): Promise<void> {
    const allowed = this.#allowed;
    const before = await servedBefore(this.#store);
    const nameOf = (id: string): string => this.#nameOf(id);
    this.#served = chooseServers({ present, allowed, before, nameOf, invite: inviteUrl(this.#client) });
    const [served] = this.#served;
    if (allowed !== null || served === undefined || served === (await this.#store.readServedGuild())) return;
    await this.#store.writeServedGuild(served);
    this.#log.info(`The bot serves ${this.#nameOf(served)} and ignores servers that it joins later`);
  }

  async #onJoin(id: string): Promise<void> {
    const joined = this.#present().filter((present) => present === id);
    this.#log.info({ guildId: id }, `Joined ${this.#nameOf(id)}`);
    try {
      // The first server of a bot that was in none.
      if (this.#served.size === 0) await this.#decide(joined);
    } catch (error) {
      this.#log.error({ err: error }, 'Could not decide which server to serve');
    }
    this.#warnIgnored(joined);
    this.onChange();
    const guild = this.#client.guilds.cache.get(id);
    if (guild === undefined || !this.serves(id)) return;
    this.#warnMuted(guild);
    await this.onWelcome(guild);
  }

  /** Names the channels in which members can type a command, but the bot lacks a permission. */
  #warnMuted(guild: Guild): void {
    const { me } = guild.members;
    const muted = me === null || !this.serves(guild.id) ? '' : findMuted(guild, me);
    if (muted === '') return;
    this.#log.warn(
      `The bot lacks permissions in ${this.#nameOf(guild.id)}: ${muted}. Set them in Channel settings > Permissions.`,
    );
  }

  #warnIgnored(present: readonly string[]): void {
    const ignored = present.filter((id) => !this.serves(id));
    if (ignored.length === 0 || this.#served.size === 0) return;
    const served = [...this.#served];
    this.#log.warn(
      `Ignoring ${this.#namesOf(ignored)}: the bot serves only ${this.#namesOf(served)}. If members there should get codes for your website too, set ALLOWED_GUILD_IDS=${[...served, ...ignored].join(',')} in .env and start the bot again.`,
    );
  }

  async #warnPublic(): Promise<void> {
    try {
      const application = await this.#client.application?.fetch();
      if (application?.botPublic !== true) return;
      this.#log.warn(makePrivate(this.#client));
    } catch (error) {
      this.#log.debug({ err: error }, 'Could not read whether the application is public');
    }
  }

  /** Returns the ids of the servers that the bot is in. Of a server in an outage, Discord gives the id alone. */
  #present(): string[] {
    return this.#client.guilds.cache.map(({ id, name, available }) => {
      if (available) this.#names.set(id, name);
      return id;
    });
  }

  #namesOf(ids: readonly string[]): string {
    return ids.map((id) => this.#nameOf(id)).join(', ');
  }

  #nameOf(id: string): string {
    const name = this.#names.get(id);
    return name === undefined ? `server ${id}` : `${name} (${id})`;
  }
}
