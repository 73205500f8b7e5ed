import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';

import type {
  FetchingStrategyOptions,
  IShardingStrategy,
  SessionInfo,
  WebSocketManager,
  WebSocketShardDestroyOptions,
} from '@discordjs/ws';
import type * as Ws from '@discordjs/ws';
import type { GatewaySendPayload } from 'discord.js';

import type { Log } from '../log.js';
import { Pace, type Start, type StartsLeft } from './pace.js';
import { PATIENCE, Watchdog, type Patience } from './watchdog.js';

/** The very copy that discord.js has loaded: an import would load another one, which costs 30 ms and 3 MB. */
const ws: typeof Ws = createRequire(import.meta.url)('@discordjs/ws');
const {
  CloseCodes,
  managerToFetchingStrategyOptions,
  SimpleContextFetchingStrategy,
  WebSocketShard,
  WebSocketShardDestroyRecovery,
  WebSocketShardEvents,
  WebSocketShardStatus,
} = ws;

/** Discord closed nothing: the network broke the connection. */
const BROKEN_OFF = 1006;

/** How long Discord may take to answer that a connection is closed; the library `ws` would wait for 30 seconds. */
const CLOSE_PATIENCE_MS = 1_000;

/** `readyState` of a WebSocket whose handshake is not finished. */
const CONNECTING = 0;

/** Until the next connection; longer where the last ones brought no HELLO. */
const RETRY_MS = 500;
const LONGEST_RETRY_MS = 1_000;

/** After so many failures in a row the address for resuming may be what fails. */
const TRIES_TO_RESUME = 5;

/** A wait that somebody who reads the log should hear of. */
const WORTH_A_WARNING_MS = 5_000;

/** The connections to Discord's gateway, in place of discord.js's own strategy: watched, and paced. */
export class Gateway implements IShardingStrategy {
  readonly #log: Log;
  readonly #patience: Patience;
  readonly #clock: () => number;
  readonly #shards = new Map<number, Shard>();
  #manager: WebSocketManager | null = null;
  #watching: NodeJS.Timeout | null = null;
  /** Hears, once, that nothing was heard for too long. */
  onDeaf: (error: Error) => void = () => undefined;

  /** @param options.clock ms that never go back. */
  constructor(options: {
    readonly log: Log;
    readonly patience?: Partial<Patience>;
    readonly clock?: () => number;
  }) {
    this.#log = options.log;
    this.#patience = { ...PATIENCE, ...options.patience };
    this.#clock = options.clock ?? (() => performance.now());
  }

  /** Whether all that Discord says reaches the bot, as far as can be known. discord.js's `isReady()` does not tell. */
  hears(): boolean {
    return this.#shards.size > 0 && [...this.#shards.values()].every(({ watchdog }) => watchdog.hears);
  }

  /** For discord.js's `buildStrategy`. */
  strategyOf(manager: WebSocketManager): this {
    this.#manager = manager;
    return this;
  }

  async spawn(shardIds: number[]): Promise<void> {
    const manager = this.#manager;
    if (manager === null) throw new Error('The gateway belongs to no client');
    const options = await managerToFetchingStrategyOptions(manager);
    for (const id of shardIds) {
      const context = new Context(manager, options);
      const shard = new Shard(context, id, {
        watchdog: new Watchdog(this.#patience),
        pace: new Pace(this.#clock),
        log: this.#log,
      });
      for (const event of Object.values(WebSocketShardEvents)) {
        shard.on(event, (payload?: object) => this.#forward(manager, event, { ...payload, shardId: id }));
      }
      this.#shards.set(id, shard);
    }
  }

  async connect(): Promise<void> {
    // It keeps the process alive: one that is deaf must not end as if nothing was.
    this.#watching ??= setInterval(() => this.#look(), this.#patience.checkMs);
    await Promise.all(Array.from(this.#shards.values(), async (shard) => shard.begin()));
  }

  async destroy(options?: Omit<WebSocketShardDestroyOptions, 'recover'>): Promise<void> {
    if (this.#watching !== null) clearInterval(this.#watching);
    this.#watching = null;
    await Promise.all(Array.from(this.#shards.values(), async (shard) => shard.destroy(options)));
    this.#shards.clear();
  }

  async send(shardId: number, payload: GatewaySendPayload): Promise<void> {
    const shard = this.#shards.get(shardId);
    if (shard === undefined) throw new RangeError(`Shard ${shardId} not found`);
    await shard.send(payload);
  }

  fetchStatus(): never {
    throw new Error('Not known here: hears() tells it');
  }

  /** What discord.js cannot read must not end the process: it would come again, and end it again. */
  #forward(manager: WebSocketManager, event: Ws.WebSocketShardEvents, payload: object): void {
    try {
      // The one type of each event is known to discord.js alone.
      Reflect.apply(Reflect.get(manager, 'emit'), manager, [event, payload]);
    } catch (error) {
      this.#log.error({ err: error }, 'An event from Discord could not be read');
    }
  }

  #look(): void {
    for (const shard of this.#shards.values()) {
      const finding = shard.watchdog.look(shard.waits);
      if (finding === 'broken') shard.breakOff();
      if (finding !== 'deaf') continue;
      if (this.#watching !== null) clearInterval(this.#watching);
      this.onDeaf(new Error('Nothing was heard from Discord for minutes, and connecting again did not help'));
      return;
    }
  }
}

/** Keeps a session where discord.js would give it up although Discord still has it. */
class Context extends SimpleContextFetchingStrategy {
  readonly #manager: WebSocketManager;
  keeps = false;
  /** Discord takes one IDENTIFY in 5 seconds: with many shards the last of them waits for minutes. */
  queues = false;

  constructor(manager: WebSocketManager, options: FetchingStrategyOptions) {
    super(manager, options);
    this.#manager = manager;
  }

  override async updateSessionInfo(shardId: number, session: SessionInfo | null): Promise<void> {
    if (session !== null || !this.keeps) await super.updateSessionInfo(shardId, session);
  }

  override async waitForIdentify(shardId: number, signal: AbortSignal): Promise<void> {
    this.queues = true;
    try {
      await super.waitForIdentify(shardId, signal);
    } finally {
      this.queues = false;
    }
  }

  async forget(shardId: number): Promise<void> {
    await super.updateSessionInfo(shardId, null);
  }

  async resumeElsewhere(session: SessionInfo): Promise<void> {
    const resumeURL = this.options.gatewayInformation.url;
    await this.updateSessionInfo(session.shardId, { ...session, resumeURL });
  }

  /** @param afresh not as Discord said at the start. */
  async startsLeft(afresh: boolean): Promise<StartsLeft> {
    return (await this.#manager.fetchGatewayInformation(afresh)).session_start_limit;
  }
}

/** The WebSocket of the library `ws`, as far as it is used here. */
interface Connection {
  readonly readyState?: number;
  readonly on?: (event: 'error', listener: () => void) => void;
  readonly terminate?: () => void;
}

/** One connection. Each way out of it, and back, leads through {@link destroy}. */
class Shard extends WebSocketShard {
  readonly watchdog: Watchdog;
  readonly #context: Context;
  readonly #pace: Pace;
  readonly #log: Log;
  #starts: Start = 'identify';
  /** Connections in a row that brought no HELLO. */
  #failures = 0;
  #reconnecting = false;
  readonly #stopped = new AbortController();
  #pauses = false;

  constructor(
    context: Context,
    id: number,
    parts: { readonly watchdog: Watchdog; readonly pace: Pace; readonly log: Log },
  ) {
    super(context, id);
    this.watchdog = parts.watchdog;
    this.#context = context;
    this.#pace = parts.pace;
    this.#log = parts.log;
    this.on(WebSocketShardEvents.Hello, () => {
      this.#failures = 0;
      this.#pace.note(this.#starts);
      this.watchdog.greeted();
    });
    this.on(WebSocketShardEvents.Ready, () => this.watchdog.alive());
    this.on(WebSocketShardEvents.Resumed, () => this.watchdog.alive());
    this.on(WebSocketShardEvents.HeartbeatComplete, () => this.watchdog.acknowledged());
    this.on(WebSocketShardEvents.Closed, () => this.watchdog.gone());
    this.on(WebSocketShardEvents.Debug, ({ message }) => {
      // discord.js tells the interval nowhere else. Without it, the one that Discord has always had is taken.
      const interval = /starting to beat every (\d+)ms/.exec(message)?.[1];
      if (interval !== undefined) this.watchdog.beatsEvery(Number(interval));
    });
  }

  /** Whether it is silent on purpose. */
  get waits(): boolean {
    return this.#pauses || this.#context.queues;
  }

  /** Connects for the first time; resolves when Discord is heard. */
  async begin(): Promise<void> {
    await this.#waitForTurn();
    if (this.#stopped.signal.aborted) throw new Error('The bot stopped before it connected to Discord');
    this.watchdog.connecting();
    await this.connect();
  }

  override async destroy(options: WebSocketShardDestroyOptions = {}): Promise<void> {
    const { recover, ...how } = options;
    if (recover === undefined) {
      this.#stopped.abort();
      return this.#end(how);
    }
    // discord.js gives reasons to connect again also while that, or the end, is under way.
    const isIdle = this.status === WebSocketShardStatus.Idle;
    if (isIdle || this.#reconnecting || this.#stopped.signal.aborted) return;
    this.#reconnecting = true;
    const resumes = recover === WebSocketShardDestroyRecovery.Resume;
    this.#context.keeps = resumes || how.code === BROKEN_OFF;
    await this.#end({ code: resumes ? CloseCodes.Resuming : CloseCodes.Normal, ...how });
    this.#context.keeps = false;
    this.watchdog.gone();
    this.#failures += 1;
    await this.#waitForTurn();
    this.#reconnecting = false;
    if (this.#stopped.signal.aborted) return;
    this.watchdog.connecting();
    // Before the first READY, begin() hears of errors too.
    await this.connect().catch(() => undefined);
  }

  /** Ends a connection from which nothing is heard, as if the network had broken it off: another one follows. */
  breakOff(): void {
    this.#log.warn('Nothing is heard on the connection to Discord: making another one');
    this.watchdog.gone();
    // Whoever does not answer a RESUME may answer an IDENTIFY.
    if (this.status === WebSocketShardStatus.Resuming) void this.#context.forget(this.id);
    this.#terminate();
  }

  async #end(options: WebSocketShardDestroyOptions): Promise<void> {
    // discord.js removes its error listener and leaves an unfinished handshake open: its failure would be uncaught.
    const connection = this.#connection();
    connection?.on?.('error', () => undefined);
    if (connection?.readyState === CONNECTING) this.#terminate();
    const impatience = setTimeout(() => this.#terminate(), CLOSE_PATIENCE_MS);
    await super.destroy(options);
    clearTimeout(impatience);
  }

  async #waitForTurn(): Promise<void> {
    const session = await this.#context.retrieveSessionInfo(this.id);
    this.#starts = session === null ? 'identify' : 'resume';
    if (session !== null && this.#failures > TRIES_TO_RESUME) await this.#context.resumeElsewhere(session);
    const left = session === null ? await this.#startsLeft() : null;
    const paceMs = this.#pace.delayMs(this.#starts, left);
    const ms = Math.max(paceMs, Math.min(this.#failures * RETRY_MS, LONGEST_RETRY_MS));
    this.#pauses = ms >= WORTH_A_WARNING_MS;
    if (this.#pauses) {
      const seconds = Math.ceil(ms / 1_000);
      this.#log.warn(
        { loginsLeft: left?.remaining },
        `Connects to Discord only in ${seconds} seconds: it did so too often lately`,
      );
    }
    await pause(ms, undefined, { signal: this.#stopped.signal }).catch(() => undefined);
    this.#pauses = false;
  }

  /** Asked anew only where there are many identifies: otherwise it would be one more thing that can fail. */
  async #startsLeft(): Promise<StartsLeft | null> {
    try {
      return await this.#context.startsLeft(this.#pace.identifies > 2);
    } catch (error) {
      this.#log.warn({ err: error }, 'Discord did not say how many logins are left today');
      return null;
    }
  }

  #terminate(): void {
    // discord.js has no way to end a connection without asking the other side. Without this it takes half a minute.
    this.#connection()?.terminate?.();
  }

  #connection(): Connection | null {
    return Reflect.get(this, 'connection');
  }
}
