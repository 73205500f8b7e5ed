import { Status, type Client } from 'discord.js';

/** All in ms. */
export interface LivenessOptions {
  /** Discord's heartbeat interval; discord.js does not expose the actual one. */
  readonly heartbeatMs: number;
  /** How much later than one interval a heartbeat may be acknowledged before the bot counts as unresponsive. */
  readonly lateMs: number;
  /** How long the bot may be unresponsive, beyond 3 intervals, before the process ends. */
  readonly deadMs: number;
  readonly checkMs: number;
}

const DEFAULTS: LivenessOptions = { heartbeatMs: 41_250, lateMs: 10_000, deadMs: 40_000, checkMs: 1_000 };

/**
 * Watches whether heartbeats are acknowledged: `client.isReady()` stays true on a silent connection.
 *
 * Time is counted in checks: a clock that jumps, or a process that was suspended, is not silence.
 */
export class Liveness {
  readonly #client: Client;
  readonly #clock: () => number;
  readonly #options: LivenessOptions;
  #timer: NodeJS.Timeout | null = null;
  #lastPing = -1;
  #silentMs = 0;
  /** The last wait that Discord asked for: when it began, in Unix ms, and how long it lasts. */
  #wait = { at: 0, ms: 0 };

  constructor(client: Client, clock: () => number, options: Partial<LivenessOptions> = {}) {
    this.#client = client;
    this.#clock = clock;
    this.#options = { ...DEFAULTS, ...options };
  }

  /** @param onDead called when Discord was silent for too long; again at each check. */
  start(onDead: () => void): void {
    this.#timer ??= setInterval(() => this.#check(onDead), this.#options.checkMs);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  /** For this long Discord makes the bot wait: it is not connected, and silence does not count. */
  expectWait(ms: number): void {
    this.#wait = { at: this.#clock(), ms };
  }

  /** @param ms whether the bot waits for longer than this from now on. */
  isWaiting(ms = 0): boolean {
    // Math.abs: the clock may have been set back.
    return Math.abs(this.#clock() - this.#wait.at) + ms < this.#wait.ms;
  }

  /** Call for READY and RESUMED. */
  alive(): void {
    this.#silentMs = 0;
  }

  /** Whether messages on Discord reach the bot now. */
  isConnected(): boolean {
    const { heartbeatMs, lateMs } = this.#options;
    const { shards } = this.#client.ws;
    const isReady = shards.size > 0 && shards.every(({ status }) => status === Status.Ready);
    return isReady && !this.isWaiting() && this.#silentMs <= heartbeatMs + lateMs;
  }

  #check(onDead: () => void): void {
    const { heartbeatMs, deadMs, checkMs } = this.#options;
    const lastPing = Math.max(...this.#client.ws.shards.map((shard) => shard.lastPingTimestamp), -1);
    const isSilent = lastPing === this.#lastPing && !this.isWaiting();
    this.#silentMs = isSilent ? this.#silentMs + checkMs : 0;
    this.#lastPing = lastPing;
    if (this.#silentMs > 3 * heartbeatMs + deadMs) onDead();
  }
}
