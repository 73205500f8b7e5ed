import {
  DiscordAPIError,
  Events,
  HTTPError,
  RESTEvents,
  Routes,
  type APIGatewayBotInfo,
  type Client,
  type Interaction,
  type Message,
} from 'discord.js';

import { StoppedError, type Delivery } from '../bot/delivery.js';
import type { IncomingMessage } from '../bot/message.js';
import type { Router } from '../bot/router.js';
import type { Log } from '../log.js';
import type { Wait } from '../schedule.js';
import { StorageError } from '../storage/storage-error.js';
import { inviteUrl, portalUrl } from './links.js';
import { probeGateway } from './gateway-probe.js';
import { formatWait } from './identify-throttle.js';
import type { Liveness } from './liveness.js';
import { isAdministrator, mayGetCodes, type RoleIds } from './members.js';
import type { Sender } from './sender.js';
import type { Servers } from './servers.js';
import { DiscordOutageError, DiscordSetupError, UNREACHABLE } from './errors.js';

/** While Discord cannot be reached at the start; doubled each time. */
const FIRST_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

/** More sessions than this within the interval are a loop. */
const MAX_SESSIONS = 20;
const SESSIONS_INTERVAL_MS = 10 * 60_000;

/** Waits for a limit are logged from here on. */
const LONG_WAIT_MS = 5_000;

const PORTAL = portalUrl();
export const BAD_TOKEN = `Discord does not accept DISCORD_TOKEN. Open your application on ${PORTAL}, page Bot, click Reset Token, and put the new token into .env.`;
export const INTENT_MISSING = `Discord does not let the bot read messages. Open your application on ${PORTAL}, page Bot, switch on Message Content Intent under Privileged Gateway Intents, save, and start the bot again.`;

const OUTAGE = 'Leave the bot running; https://discordstatus.com shows outages.';

export interface DiscordBotOptions {
  readonly client: Client;
  readonly roleIds: RoleIds;
  readonly servers: Servers;
  readonly router: Router;
  readonly delivery: Delivery;
  readonly sender: Sender;
  readonly liveness: Liveness;
  /** Called when the bot cannot continue, after it was ready; more than once if several things show it. */
  readonly onFatal: (error: Error) => void;
  readonly clock: () => number;
  readonly wait: Wait;
  readonly log: Log;
}

/** Connects discord.js to the router and the delivery. */
export class DiscordBot {
  readonly #options: DiscordBotOptions;
  readonly #client: Client;
  readonly #log: Log;
  readonly #inProgress = new Set<Promise<void>>();
  /** When sessions began or were resumed, in Unix ms. */
  #sessions: number[] = [];
  #isConnected = false;
  /** Resolves when the servers are chosen: messages that arrive before wait for it. */
  #chosen: Promise<void> = Promise.resolve();

  constructor(options: DiscordBotOptions) {
    this.#options = options;
    this.#client = options.client;
    this.#log = options.log;
  }

  /**
   * Connects; resolves when the bot receives messages.
   *
   * @throws {DiscordSetupError} the token is refused, an intent is off, or it is not clear which server to serve.
   */
  async start(token: string): Promise<void> {
    const client = this.#client;
    client.on(Events.Error, (error) => this.#log.error({ err: error }, 'discord.js reported an error'));
    client.on(Events.ShardError, (error) => this.#log.debug({ err: error }, 'discord.js reported an error'));
    client.on(Events.ShardReconnecting, () => this.#onDisconnected());
    client.on(Events.MessageCreate, (message) => this.#track(this.#onMessage(message)));
    client.on(Events.InteractionCreate, (interaction) => this.#track(this.#onInteraction(interaction)));
    client.rest.on(RESTEvents.Response, ({ route }, { status, headers }) => {
      if (status !== 429) return;
      const isOneRoute = /^(?:user|shared)$/.test(headers.get('x-ratelimit-scope') ?? '');
      this.#onRateLimit(isOneRoute ? route : null, Number(headers.get('retry-after')) * 1_000);
    });
    client.rest.on(RESTEvents.InvalidRequestWarning, ({ count }) =>
      this.#log.warn(
        { count },
        `Discord rejected ${count.toLocaleString('en')} requests within 10 minutes. At 10,000 it blocks this machine's address. Check the bot's permissions in its channels.`,
      ),
    );
    await this.#waitForDiscord(token);
    this.#chosen = this.#logIn(token).then(async () => this.#options.servers.choose());
    await this.#chosen;
  }

  /** @param route what is limited; `null`: every request of the bot, or of this machine's address. */
  #onRateLimit(route: string | null, waitMs: number): void {
    const { liveness } = this.#options;
    // discord.js waits by itself; DmChannels does not wait.
    if (!(waitMs >= LONG_WAIT_MS) || route === Routes.userChannels()) return;
    if (route === null || route === Routes.gatewayBot()) {
      // Each request under way reports the limit.
      if (liveness.isWaiting(waitMs - LONG_WAIT_MS)) return;
      liveness.expectWait(waitMs);
    }
    const what = route === null ? 'all requests of the bot' : `requests to ${route}`;
    this.#log.warn(
      { waitMs },
      `Discord limits ${what} for ${formatWait(waitMs)}. Leave the bot running: a restart does not end the limit.`,
    );
  }

  /** Resolves when everything received is handled. */
  async idle(): Promise<void> {
    while (this.#inProgress.size > 0) await Promise.all(this.#inProgress);
  }

  /** Receives nothing more and finishes what is in progress. On a silent connection it takes half a minute. */
  async stop(): Promise<void> {
    this.#client.removeAllListeners();
    // Without a listener, a late error would end the process.
    this.#client.on(Events.Error, (error) => this.#log.debug({ err: error }, 'discord.js reported an error'));
    this.#options.liveness.stop();
    await this.idle();
    await this.#client.destroy();
  }

  /**
   * Resolves when Discord can be reached and allows a login. A bot that ended here would take the HTTP API with it.
   *
   * @throws {DiscordSetupError} the token is refused.
   */
  async #waitForDiscord(token: string): Promise<void> {
    const { client, clock, wait } = this.#options;
    const { rest } = client;
    rest.setToken(token);
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
      try {
        const gateway: APIGatewayBotInfo = Object(await rest.get(Routes.gatewayBot()));
        const { remaining, reset_after: resetMs } = gateway.session_start_limit;
        if (remaining > 0) return await probeGateway(gateway.url);
        this.#log.warn(
          `Discord allows no more logins today. The bot tries again at ${utcTime(clock() + resetMs)}; leave it running.`,
        );
        await wait(resetMs);
      } catch (error) {
        if (error instanceof DiscordAPIError && error.status === 401) throw new DiscordSetupError(BAD_TOKEN);
        // Discord answers: the login shows what is wrong.
        if (error instanceof DiscordAPIError) return;
        const failure = error instanceof HTTPError ? new DiscordOutageError(`HTTP ${error.status}`) : error;
        const isRefused = failure instanceof DiscordOutageError;
        const waitMs = Math.max(pauseMs, isRefused ? failure.retryAfterMs : 0);
        if (pauseMs === FIRST_PAUSE_MS || waitMs > MAX_PAUSE_MS) {
          const reason = failure instanceof Error ? failure.message : 'unknown';
          const why = isRefused
            ? `Discord does not accept connections now (${reason}). ${OUTAGE}`
            : UNREACHABLE;
          const again = waitMs > MAX_PAUSE_MS ? `at ${utcTime(clock() + waitMs)}` : 'every minute';
          this.#log.warn({ reason }, `${why} Trying again ${again}.`);
        }
        await wait(waitMs);
      }
    }
  }

  async #logIn(token: string): Promise<void> {
    const { client, liveness, onFatal } = this.#options;
    await new Promise<void>((resolve, reject) => {
      let isReady = false;
      const fail = (error: Error): void => (isReady ? onFatal(error) : reject(error));
      client.on(Events.ShardDisconnect, ({ code }) => fail(closedBy(code)));
      client.on(Events.ShardReady, () => this.#onConnected(fail));
      client.on(Events.ShardResume, () => this.#onConnected(fail));
      // After one 401, discord.js drops the token: later calls fail although the gateway works.
      client.rest.on(RESTEvents.Response, ({ data }, { status }) => {
        if (status === 401 && data.auth !== false) fail(new DiscordSetupError(BAD_TOKEN));
      });
      liveness.start(() =>
        fail(new DiscordOutageError('Discord did not respond for minutes. Starting again may help.')),
      );
      client.once(Events.ClientReady, () => {
        isReady = true;
        resolve();
      });
      client.login(token).catch(reject);
    });
  }

  #onConnected(fail: (error: Error) => void): void {
    this.#options.liveness.alive();
    if (this.#sessions.length > 0 && !this.#isConnected) this.#log.info('Reconnected to Discord');
    this.#isConnected = true;
    const now = this.#options.clock();
    this.#sessions = [...this.#sessions.filter((at) => at > now - SESSIONS_INTERVAL_MS), now];
    if (this.#sessions.length <= MAX_SESSIONS) return;
    fail(
      new DiscordOutageError(`Lost the connection to Discord more than ${MAX_SESSIONS} times in 10 minutes.`),
    );
  }

  /** discord.js reports each attempt; the log has one line per outage. */
  #onDisconnected(): void {
    if (this.#isConnected) this.#log.warn('Lost the connection to Discord, reconnecting');
    else this.#log.debug('Reconnecting to Discord');
    this.#isConnected = false;
  }

  #track(work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        // An outage of the database is logged once, by the storage.
        if (error instanceof StorageError || error instanceof StoppedError) return;
        this.#log.error({ err: error }, 'Could not handle an event');
      })
      .finally(() => this.#inProgress.delete(tracked));
    this.#inProgress.add(tracked);
  }

  async #onMessage(message: Message): Promise<void> {
    const { roleIds, servers, router, delivery } = this.#options;
    // Read before anything is awaited: an edit changes the same object.
    const incoming = toIncomingMessage(message, roleIds);
    // discord.js keeps the DM channel of everybody who ever wrote to the bot, and has no option that limits them.
    if (message.guildId === null) this.#client.channels.cache.sweep((channel) => channel.isDMBased());
    await this.#chosen;
    if (incoming === null || (incoming.guildId !== null && !servers.serves(incoming.guildId))) return;
    const reply = await router.handle(incoming);
    if (reply !== null) await delivery.send(incoming, reply);
  }

  async #onInteraction(interaction: Interaction): Promise<void> {
    const { servers, router, sender } = this.#options;
    await this.#chosen;
    if (!interaction.isButton()) return;
    if (interaction.guildId !== null && !servers.serves(interaction.guildId)) return;
    const { id, customId: buttonId, user } = interaction;
    const reply = await router.press({ id, buttonId, author: { id: user.id, tag: user.tag } });
    if (reply !== null) await sender.toPress(interaction, reply);
  }

  logReady(): void {
    const { user, guilds } = this.#client;
    const servers = guilds.cache.map(({ id, name }) => `${name} (${id})`);
    const where = servers.length === 0 ? '' : `, in ${servers.join(', ')}`;
    this.#log.info(`${user?.tag ?? 'The bot'} is ready${where}`);
    if (servers.length > 0) return;
    this.#log.info(`The bot is in no server yet. Invite it: ${inviteUrl(this.#client)}`);
  }
}

/** Returns `null` for messages of bots, webhooks and Discord itself. */
function toIncomingMessage(message: Message, roleIds: RoleIds): IncomingMessage | null {
  const { id, content, channelId, guildId, author, member, webhookId, system } = message;
  if (author.bot || webhookId !== null || system) return null;
  return {
    id,
    text: content,
    channelId,
    guildId,
    author: { id: author.id, tag: author.tag },
    authorIsAdministrator: member !== null && isAdministrator(member, roleIds),
    authorMayGetCodes: mayGetCodes(member, roleIds),
  };
}

function utcTime(unixMs: number): string {
  return `${new Date(unixMs).toISOString().slice(11, 16)} UTC`;
}

/** The error for a code after which discord.js does not reconnect (Discord, "Gateway Close Event Codes"). */
function closedBy(code: number): Error {
  switch (code) {
    case 4004:
      return new DiscordSetupError(BAD_TOKEN);
    case 4011:
      return new DiscordOutageError('Discord asks for more shards. Starting again may help.');
    case 4014:
      return new DiscordSetupError(INTENT_MISSING);
    default:
      return new DiscordSetupError(`Discord closed the connection with code ${code}. Update the bot.`);
  }
}
