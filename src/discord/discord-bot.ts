import { setTimeout as pause } from 'node:timers/promises';

import {
  DiscordAPIError,
  DiscordjsError,
  DiscordjsErrorCodes,
  Events,
  RESTEvents,
  Routes,
  type APIRequest,
  type Client,
  type Guild,
  type Interaction,
  type Message,
  type ResponseLike,
} from 'discord.js';

import type { Outbox } from '../bot/outbox.js';
import type { Router } from '../bot/router.js';
import type { Log } from '../log.js';
import type { Gateway } from './gateway.js';
import { toIncomingMessage } from './incoming.js';
import { inviteUrl, PORTAL } from './links.js';
import type { Sender } from './sender.js';
import type { ServedServers } from './served-servers.js';

/** How long {@link DiscordBot.stop} waits for what is under way. The whole process has 5 seconds to end. */
const STOP_PATIENCE_MS = 4_000;

/** Where Discord cannot be reached at the start, it is tried again after so long, and each time after twice as long. */
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;

/** Discord refuses the bot until somebody changes a setting. `message` says where to click. */
export class DiscordSetupError extends Error {
  override readonly name = 'DiscordSetupError';
}

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
  readonly #gateway: Gateway;
  readonly #router: Router;
  readonly #sender: Sender;
  readonly #outbox: Pick<Outbox, 'send' | 'sendFailure' | 'show' | 'idle' | 'stop'>;
  readonly #log: Log;
  readonly #onFatal: (error: Error) => void;
  readonly #servers: ServedServers;
  readonly #underWay = new Set<Promise<void>>();

  /** @param options.onFatal hears that the bot cannot go on, after it was ready; perhaps more than once. */
  constructor(options: {
    readonly client: Client;
    /** The client's. */
    readonly gateway: Gateway;
    readonly router: Router;
    readonly sender: Sender;
    readonly outbox: Pick<Outbox, 'send' | 'sendFailure' | 'show' | 'idle' | 'stop'>;
    readonly log: Log;
    readonly onFatal: (error: Error) => void;
    readonly servers: ServedServers;
  }) {
    this.#client = options.client;
    this.#gateway = options.gateway;
    this.#router = options.router;
    this.#log = options.log;
    this.#onFatal = options.onFatal;
    this.#servers = options.servers;
    this.#sender = options.sender;
    this.#outbox = options.outbox;
  }

  /**
   * Logs in and resolves when the bot hears its servers.
   *
   * @throws {DiscordSetupError} the token or the Message Content intent is missing, or no server can be served.
   * @throws {Error} Discord cannot be reached, or is not heard for too long.
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

    let fail = this.#onFatal;
    client.on(Events.ShardDisconnect, ({ code }) => fail(closedBy(code)));
    client.rest.on(RESTEvents.Response, (request, response) => {
      if (takesTokenBack(request, response)) fail(new DiscordSetupError(BAD_TOKEN));
    });
    this.#gateway.onDeaf = (error) => fail(error);
    try {
      await this.#reach();
      await this.#servers.load();
      await new Promise<void>((resolve, reject) => {
        fail = reject;
        client.once(Events.ClientReady, () => {
          // At once: the next event may be a message.
          const refusal = this.#servers.decide();
          if (refusal === null) resolve();
          else reject(new DiscordSetupError(refusal));
        });
        client.login(token).catch((error: unknown) => reject(explain(error)));
      });
    } catch (error) {
      await client.destroy();
      throw error;
    }
    fail = this.#onFatal;
    client.on(Events.GuildCreate, (guild) => {
      this.#log.info({ guildId: guild.id, name: guild.name }, 'Joined a server');
      this.#onServer(guild);
    });
    // Also of a server that the bot joined while it was not connected.
    client.on(Events.GuildAvailable, (guild) => this.#onServer(guild));
    client.on(Events.GuildDelete, (guild) => {
      this.#log.info({ guildId: guild.id, name: guild.name }, 'Left a server');
      this.#servers.onLeave(guild);
      this.#track(this.#servers.update());
    });
    this.#sayReady();
    await this.#servers.update();
    this.#track(this.#servers.warnIfPublic());
  }

  /** Waits until Discord answers at all: a bot that ended over an outage would take the websites' door with it. */
  async #reach(): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        await this.#client.rest.get(Routes.gateway(), { auth: false });
        return;
      } catch (error) {
        // A no is an answer: what it means is for the login to say.
        if (error instanceof DiscordAPIError) return;
        if (pauseMs === FIRST_PAUSE_MS)
          this.#log.warn({ err: error }, 'Discord cannot be reached: waiting for it');
        await pause(pauseMs);
      }
    }
  }

  /** Whether what is said in its servers reaches the bot at this moment. */
  hears(): boolean {
    return this.#gateway.hears();
  }

  /** Hears nothing more, finishes what is under way and leaves Discord, all within {@link STOP_PATIENCE_MS}. */
  async stop(): Promise<void> {
    this.#client.removeAllListeners();
    // Without one, an error that comes late would end the process.
    this.#client.on(Events.Error, (error) => this.#log.debug({ err: error }, 'An error while stopping'));
    this.#sender.stop();
    const patience = new AbortController();
    const impatience = pause(STOP_PATIENCE_MS, false, { signal: patience.signal }).catch(() => false);
    const finished = await Promise.race([this.idle().then(() => true), impatience]);
    if (!finished)
      this.#log.warn({ unfinished: this.#underWay.size }, 'Stopped without finishing everything');
    // A database that cannot be used must keep nobody from leaving: then the leases run out.
    const left = this.#outbox
      .stop()
      .catch((error: unknown) => this.#log.debug({ err: error }, 'Answers were not left to others'));
    await Promise.race([left, impatience]);
    // On a connection that fell silent discord.js would wait for half a minute.
    await Promise.race([this.#client.destroy(), impatience]);
    patience.abort();
  }

  /** Resolves when nothing that was heard is still being answered. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    await this.#outbox.idle();
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => this.#log.error({ err: error }, 'An event was not answered'))
      .finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }

  #onServer(guild: Guild): void {
    this.#servers.onJoin(guild);
    this.#track(this.#servers.update());
  }

  async #onMessage(message: Message): Promise<void> {
    const incoming = this.#servers.serves(message.guildId) ? toIncomingMessage(message) : null;
    const answered = incoming === null ? null : await this.#router.handle(incoming);
    if (incoming === null || answered === null) return;
    const { command, reply, isStored } = answered;
    if (isStored) await this.#outbox.send(incoming, command, reply);
    else await this.#outbox.sendFailure(incoming, reply.body);
  }

  async #onInteraction(interaction: Interaction): Promise<void> {
    if (!interaction.isButton() || !this.#servers.serves(interaction.guildId)) return;
    const { id, tag } = interaction.user;
    const { customId: buttonId, channelId, token } = interaction;
    const pressed = await this.#router.press({ buttonId, author: { id, tag }, channelId, token });
    if (pressed === null) return;
    const { command, reply } = pressed;
    const answer = async (): Promise<boolean | 'unfinished'> => this.#sender.toPress(interaction, reply);
    if (reply.shows === undefined) await answer();
    else await this.#outbox.show(command, reply.shows, answer);
  }

  #sayReady(): void {
    const { user, guilds } = this.#client;
    const servers = guilds.cache.map(({ id, name }) => ({ id, name }));
    this.#log.info({ servers }, `${user?.tag ?? 'The bot'} is ready in ${countServers(servers.length)}`);
    if (servers.length === 0)
      this.#log.info(`The bot is in no server yet. Invite it: ${inviteUrl(this.#client)}`);
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

/** After one 401 discord.js forgets the token: every later call would fail, while the gateway goes on. */
function takesTokenBack({ data }: APIRequest, { status }: ResponseLike): boolean {
  return status === 401 && data.auth !== false;
}

/** Turns what `login()` throws into a sentence where somebody has to act. */
function explain(error: unknown): unknown {
  if (!(error instanceof DiscordjsError)) return error;
  if (error.code === DiscordjsErrorCodes.TokenInvalid) return new DiscordSetupError(BAD_TOKEN);
  return error;
}
