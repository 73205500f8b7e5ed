import { setTimeout as pause } from 'node:timers/promises';

import {
  DiscordjsError,
  DiscordjsErrorCodes,
  Events,
  OAuth2Scopes,
  PermissionFlagsBits,
  type Client,
  type Interaction,
  type Message,
} from 'discord.js';

import type { Router } from '../bot/router.js';
import type { Log } from '../log.js';
import { toIncomingMessage } from './incoming.js';
import { Sender } from './sender.js';

/** How long {@link DiscordBot.stop} waits for what is under way. The whole process has 5 seconds to end. */
const STOP_PATIENCE_MS = 4_000;

/** Discord refuses the bot until somebody changes a setting. `message` says where to click. */
export class DiscordSetupError extends Error {
  override readonly name = 'DiscordSetupError';
}

const PORTAL = 'https://discord.com/developers/applications';

const BAD_TOKEN = `Discord does not accept DISCORD_TOKEN: open your application on ${PORTAL}, page Bot, click Reset Token, and put the new token into .env.`;

const INTENT_MISSING = `Discord does not let the bot read messages: open your application on ${PORTAL}, page Bot, switch on Message Content Intent under Privileged Gateway Intents, save, and start the bot again.`;

/** Close codes of the gateway after which no reconnecting helps (Discord's documentation, "Opcodes and Status Codes"). */
const FATAL_CLOSE_CODES: ReadonlyMap<number, string> = new Map([
  [4004, BAD_TOKEN],
  [4010, 'Discord refuses the shard that the bot asked for: update the bot.'],
  [4011, 'Discord asks for more shards than the bot opened: start it again.'],
  [4012, 'Discord no longer speaks the version of its gateway that the bot uses: update the bot.'],
  [4013, 'Discord does not know an intent that the bot asked for: update the bot.'],
  [4014, INTENT_MISSING],
]);

/** The bot on Discord: events go to the router, its replies to the sender. */
export class DiscordBot {
  readonly #client: Client;
  readonly #router: Router;
  readonly #sender: Sender;
  readonly #log: Log;
  readonly #onFatal: (error: Error) => void;
  readonly #underWay = new Set<Promise<void>>();

  /** @param options.onFatal hears that Discord closed the connection for good, after the bot was ready. */
  constructor(options: {
    readonly client: Client;
    readonly router: Router;
    readonly log: Log;
    readonly onFatal: (error: Error) => void;
  }) {
    this.#client = options.client;
    this.#router = options.router;
    this.#log = options.log;
    this.#onFatal = options.onFatal;
    this.#sender = new Sender(options.client, options.log);
  }

  /**
   * Logs in and resolves when the bot hears its servers.
   *
   * @throws {DiscordSetupError} the token or the Message Content intent is missing.
   */
  async start(token: string): Promise<void> {
    const client = this.#client;
    client.on(Events.Error, (error) => this.#log.error({ err: error }, 'The connection to Discord failed'));
    client.on(Events.ShardError, (error) =>
      this.#log.warn({ err: error }, 'The connection to Discord broke'),
    );
    client.on(Events.ShardReconnecting, () => this.#log.info('Connecting to Discord again'));
    client.on(Events.MessageCreate, (message) => this.#track(this.#onMessage(message)));
    client.on(Events.InteractionCreate, (interaction) => this.#track(this.#onInteraction(interaction)));

    try {
      await new Promise<void>((resolve, reject) => {
        client.once(Events.ClientReady, () => resolve());
        client.once(Events.ShardDisconnect, ({ code }) => reject(closedBy(code)));
        client.login(token).catch((error: unknown) => reject(explain(error)));
      });
    } catch (error) {
      await client.destroy();
      throw error;
    }
    client.on(Events.ShardDisconnect, ({ code }) => this.#onFatal(closedBy(code)));
    client.on(Events.GuildCreate, ({ id, name }) => this.#log.info({ guildId: id, name }, 'Joined a server'));
    client.on(Events.GuildDelete, ({ id, name }) => this.#log.info({ guildId: id, name }, 'Left a server'));
    this.#sayReady();
  }

  /** Hears nothing more, finishes what is under way and leaves Discord, all within {@link STOP_PATIENCE_MS}. */
  async stop(): Promise<void> {
    this.#client.removeAllListeners();
    // Without one, an error that comes late would end the process.
    this.#client.on(Events.Error, (error) => this.#log.debug({ err: error }, 'An error while stopping'));
    const patience = new AbortController();
    const impatience = pause(STOP_PATIENCE_MS, false, { signal: patience.signal }).catch(() => false);
    const finished = await Promise.race([this.idle().then(() => true), impatience]);
    if (!finished)
      this.#log.warn({ unfinished: this.#underWay.size }, 'Stopped without finishing everything');
    // On a connection that fell silent discord.js would wait for half a minute.
    await Promise.race([this.#client.destroy(), impatience]);
    patience.abort();
  }

  /** Resolves when nothing that was heard is still being answered. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#log.error({ err: error }, 'An event was not answered'))
      .finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }

  async #onMessage(message: Message): Promise<void> {
    const incoming = toIncomingMessage(message);
    const reply = incoming === null ? null : await this.#router.handle(incoming);
    if (incoming === null || reply === null) return;
    const { id, channelId, author } = incoming;
    if (reply.to === 'channel') {
      await this.#sender.toChannel(channelId, reply.body, id);
      return;
    }
    const delivery = await this.#sender.toUser(author.id, reply.body, id);
    await this.#sender.toChannel(channelId, await reply.afterwards(delivery), id);
  }

  async #onInteraction(interaction: Interaction): Promise<void> {
    if (!interaction.isButton()) return;
    const { id, tag } = interaction.user;
    const reply = await this.#router.press({ buttonId: interaction.customId, author: { id, tag } });
    if (reply !== null) await this.#sender.toPress(interaction, reply);
  }

  #sayReady(): void {
    const { user, guilds } = this.#client;
    const servers = guilds.cache.map(({ id, name }) => ({ id, name }));
    this.#log.info({ servers }, `${user?.tag ?? 'The bot'} is ready in ${countServers(servers.length)}`);
    if (servers.length > 0) return;
    // Not discord.js's generateInvite: it leads to the REST base, which may be a proxy's.
    const invite = new URLSearchParams({
      client_id: user?.id ?? '',
      scope: OAuth2Scopes.Bot,
      permissions: String(
        PermissionFlagsBits.ViewChannel | PermissionFlagsBits.SendMessages | PermissionFlagsBits.EmbedLinks,
      ),
    });
    this.#log.info(
      `The bot is in no server yet. Invite it: https://discord.com/oauth2/authorize?${invite.toString()}`,
    );
  }
}

function countServers(count: number): string {
  return count === 1 ? '1 server' : `${count} servers`;
}

function closedBy(code: number): Error {
  const reason = FATAL_CLOSE_CODES.get(code);
  return reason === undefined
    ? new Error(`Discord closed the connection with code ${code}`)
    : new DiscordSetupError(reason);
}

/** Turns what `login()` throws into a sentence where somebody has to act. */
function explain(error: unknown): unknown {
  if (!(error instanceof DiscordjsError)) return error;
  if (error.code === DiscordjsErrorCodes.TokenInvalid) return new DiscordSetupError(BAD_TOKEN);
  return error;
}
