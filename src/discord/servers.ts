import { Events, type Client, type Guild } from 'discord.js';

import type { Log } from '../log.js';
import { decideServed, type Server, type Suspension } from '../services/servers.js';
import type { Store } from '../storage/store.js';
import { inviteUrl, plain, portalUrl } from './links.js';
import { DiscordSetupError } from './errors.js';

/**
 * The servers that the bot serves. Discord applications are public by default: strangers can invite the bot to a server
 * of their own, where it must not issue codes.
 */
export class Servers {
  readonly #client: Client;
  readonly #store: Pick<Store, 'codes' | 'readServedGuild' | 'writeServedGuild'>;
  readonly #allowed: ReadonlySet<string> | null;
  readonly #log: Log;
  #served: ReadonlySet<string> = new Set();
  /** By id; servers that the bot has left included. */
  readonly #names = new Map<string, string>();
  /** Called when the bot joins or leaves a server. */
  onChange: () => void = () => undefined;

  constructor(options: {
    readonly client: Client;
    readonly store: Pick<Store, 'codes' | 'readServedGuild' | 'writeServedGuild'>;
    /** `null`: the one server that the bot is in. */
    readonly allowedGuildIds: ReadonlySet<string> | null;
    readonly log: Log;
  }) {
    this.#client = options.client;
    this.#store = options.store;
    this.#allowed = options.allowedGuildIds;
    this.#log = options.log;
  }

  /**
   * Decides which servers to serve, when the client is ready.
   *
   * @throws {DiscordSetupError} when that is not clear.
   */
  async choose(): Promise<void> {
    let latest = this.#decide(this.#present());
    const decided = latest;
    const queue = (change: () => Promise<void>): void => {
      latest = latest.then(change, () => undefined);
    };
    this.#client.on(Events.GuildCreate, (guild) => queue(async () => this.#onJoin(guild)));
    this.#client.on(Events.GuildDelete, (guild) => queue(async () => this.#onLeave(guild)));
    await decided;
    this.#warnIgnored(this.#present());
    if (this.#allowed === null) void this.#warnPublic();
  }

  serves(guildId: string): boolean {
    return this.#served.has(guildId);
  }

  /** The servers whose codes work: those that are served and that the bot is in, during an outage too. */
  served(): ReadonlySet<string> {
    return new Set(
      this.#present()
        .map(({ id }) => id)
        .filter((id) => this.serves(id)),
    );
  }

  /** The served servers that Discord can answer for now. */
  available(): readonly string[] {
    const { cache } = this.#client.guilds;
    return [...this.served()].filter((id) => cache.get(id)?.available === true);
  }

  logSuspensions(changes: readonly Suspension[]): void {
    for (const { guildId: id, event, codes } of changes) {
      const name = this.#nameOf(id);
      if (event === 'resumed') {
        this.#log.info({ guildId: id, codes }, `The codes of ${name} work again`);
        continue;
      }
      const holds =
        codes === 1
          ? 'holds 1 code. It is paused.'
          : `holds ${codes.toLocaleString('en')} codes. They are paused.`;
      const what = this.#allowed?.has(id) === false ? 'ALLOWED_GUILD_IDS does not list' : 'The bot is not in';
      const next =
        this.#allowed?.has(id) === false
          ? `Add ${id} to serve it again.`
          : `Invite the bot again: ${inviteUrl(this.#client)}`;
      this.#log.warn({ guildId: id, codes }, `${what} ${name}, which ${holds} ${next}`);
    }
  }

  async #decide(present: readonly Server[]): Promise<void> {
    const remembered = this.#allowed === null ? await this.#store.readServedGuild() : null;
    const decision = decideServed(present, this.#allowed, remembered ?? (await this.#onlyWithCodes()));
    if (decision.kind !== 'served')
      throw new DiscordSetupError(this.#explain(decision.kind, present, decision.ids));
    this.#served = decision.ids;
    const [first] = decision.ids;
    if (this.#allowed !== null || remembered !== null || first === undefined) return;
    await this.#store.writeServedGuild(first);
    this.#log.info(`The bot serves ${this.#nameOf(first)} and ignores servers that it joins later`);
  }

  /** The bot served it before, listed in ALLOWED_GUILD_IDS. */
  async #onlyWithCodes(): Promise<string | null> {
    const [first, ...others] = await this.#store.codes.listGuilds();
    return first !== undefined && others.length === 0 ? first : null;
  }

  #explain(kind: 'several' | 'absent', present: readonly Server[], wanted: ReadonlySet<string>): string {
    const names = this.#namesOf(present);
    const invite = inviteUrl(this.#client);
    if (kind === 'several') {
      return `The bot is in ${present.length} servers: ${names}. Members of a server that it serves get codes for your website. Set ALLOWED_GUILD_IDS in .env to the ids of yours, with commas between them, and start the bot again.`;
    }
    if (this.#allowed !== null) {
      return `ALLOWED_GUILD_IDS lists no server that the bot is in. It is in ${names}. No code was changed. Correct ALLOWED_GUILD_IDS in .env, or invite the bot to a server that it lists: ${invite}`;
    }
    const [before = ''] = wanted;
    const ids = present.map(({ id }) => id);
    return `The bot serves only the server ${before} and is not in it any more. It is in ${names}. Invite it to ${before} again: ${invite} To serve another server instead, set ALLOWED_GUILD_IDS${ids.length === 1 ? `=${ids.join('')}` : ''} in .env.`;
  }

  async #onJoin(guild: Guild): Promise<void> {
    const joined = this.#present().filter(({ id }) => id === guild.id);
    this.#log.info({ guildId: guild.id }, `Joined ${this.#nameOf(guild.id)}`);
    try {
      // The first server of a bot that was in none.
      if (this.#served.size === 0) await this.#decide(joined);
    } catch (error) {
      this.#log.error({ err: error }, 'Could not decide which server to serve');
    }
    this.#warnIgnored(joined);
    this.onChange();
  }

  async #onLeave({ id }: Guild): Promise<void> {
    this.#log.warn({ guildId: id }, `The bot is no longer in ${this.#nameOf(id)}`);
    this.onChange();
  }

  #warnIgnored(present: readonly Server[]): void {
    const ignored = present.filter(({ id }) => !this.serves(id));
    if (ignored.length === 0 || this.#served.size === 0) return;
    const served = [...this.#served];
    const all = [...served, ...ignored.map(({ id }) => id)].join(',');
    this.#log.warn(
      `Ignoring ${this.#namesOf(ignored)}: the bot serves only ${served.map((id) => this.#nameOf(id)).join(', ')}. If members there should get codes for your website too, set ALLOWED_GUILD_IDS=${all} in .env and start the bot again.`,
    );
  }

  async #warnPublic(): Promise<void> {
    try {
      const application = await this.#client.application?.fetch();
      if (application?.botPublic !== true) return;
      this.#log.warn(
        `Anybody can invite the bot to a server of their own, because its application is public. To make it private, open ${portalUrl(this.#client)}, page Installation, set Install Link to None and save. Then switch off Public Bot on page Bot and save.`,
      );
    } catch (error) {
      this.#log.debug({ err: error }, 'Could not read whether the application is public');
    }
  }

  /** Of a server in an outage, Discord gives the id alone. */
  #present(): Server[] {
    return this.#client.guilds.cache.map(({ id, name, available }) => {
      if (available) this.#names.set(id, plain(name));
      return { id };
    });
  }

  #namesOf(servers: readonly Server[]): string {
    return servers.map(({ id }) => this.#nameOf(id)).join(', ');
  }

  #nameOf(id: string): string {
    const name = this.#names.get(id);
    return name === undefined ? `server ${id}` : `${name} (${id})`;
  }
}
