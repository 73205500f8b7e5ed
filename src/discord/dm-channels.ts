import { DiscordAPIError, RateLimitError, RESTJSONErrorCodes, Routes, type Client } from 'discord.js';

import type { Log } from '../log.js';
import type { DmChannelRows } from '../storage/dm-channels.js';
import type { Waits } from './waits.js';

/**
 * Discord publishes no limit for opening DM channels; reports of quarantine begin at 20 to 50 in a short time. At
 * most {@link BURST} at once, then one per {@link INTERVAL_MS}.
 */
const BURST = 10;
const INTERVAL_MS = 2_000;
/** A DM that would wait longer is not sent. */
const MAX_WAIT_MS = 10_000;
/** When Discord asks for a pause without saying how long; doubled each time. */
const PAUSE_MS = 30_000;
const MAX_PAUSE_MS = 10 * 60_000;

/** Nothing was sent: a new DM channel cannot be opened within {@link MAX_WAIT_MS}. */
export class DelayedError extends Error {
  override readonly name = 'DelayedError';
}

/** The DM channels: known ones at once, new ones at a pace that Discord tolerates. */
export class DmChannels {
  readonly #client: Client;
  readonly #store: DmChannelRows;
  readonly #clock: () => number;
  readonly #waits: Waits;
  readonly #log: Log;
  /** A token bucket: below 0, the next channel has to wait. */
  #tokens = BURST;
  #refilledAt: number;
  /** Pauses in a row, and when the last one ends. */
  #pauses = 0;
  #pausedUntil = -Infinity;

  constructor(options: {
    readonly client: Client;
    readonly store: DmChannelRows;
    readonly clock: () => number;
    readonly waits: Waits;
    readonly log: Log;
  }) {
    this.#client = options.client;
    this.#store = options.store;
    this.#clock = options.clock;
    this.#waits = options.waits;
    this.#log = options.log;
    this.#refilledAt = options.clock();
  }

  /**
   * @throws {DelayedError}
   * @throws {StoppedError}
   */
  async channelOf(userId: string): Promise<string> {
    return (await this.#store.find(userId)) ?? this.#open(userId);
  }

  /** For a channel that Discord no longer knows. */
  async forget(userId: string): Promise<void> {
    await this.#store.forget(userId);
  }

  async #open(userId: string): Promise<string> {
    await this.#acquireToken();
    try {
      const body = { recipient_id: userId };
      const channel = await this.#client.rest.post(Routes.userChannels(), { body });
      const id: unknown = Reflect.get(Object(channel), 'id');
      if (typeof id !== 'string') throw new TypeError('Discord opened a DM channel without an id');
      this.#pauses = 0;
      await this.#store.remember(userId, id);
      return id;
    } catch (error) {
      if (!isTooFast(error)) throw error;
      this.#pause(error);
      return this.#open(userId);
    }
  }

  async #acquireToken(): Promise<void> {
    const now = this.#clock();
    // After the clock was set back, no time has passed.
    const elapsedMs = Math.max(0, now - this.#refilledAt);
    this.#tokens = Math.min(BURST, this.#tokens + elapsedMs / INTERVAL_MS);
    this.#refilledAt = now;
    const waitMs = Math.ceil((1 - this.#tokens) * INTERVAL_MS);
    if (waitMs > MAX_WAIT_MS) throw new DelayedError('New DM channels are opened one per 2 seconds');
    this.#tokens -= 1;
    if (waitMs <= 0) return;
    const pausedUntil = this.#pausedUntil;
    await this.#waits.wait(waitMs);
    if (this.#pausedUntil !== pausedUntil) throw new DelayedError('Discord asked for a pause meanwhile');
  }

  #pause(error: DiscordAPIError | RateLimitError): void {
    const now = this.#clock();
    const namedMs = error instanceof RateLimitError ? Math.ceil(error.retryAfter) : 0;
    // Requests that were under way when the pause began do not make it longer.
    if (namedMs === 0 && now < this.#pausedUntil) return;
    const pauseMs = namedMs > 0 ? namedMs : Math.min(PAUSE_MS * 2 ** this.#pauses++, MAX_PAUSE_MS);
    this.#pausedUntil = now + pauseMs;
    this.#tokens = Math.min(this.#tokens, 1 - pauseMs / INTERVAL_MS);
    this.#log.warn({ pauseMs }, 'Discord limits new DM channels: members get a button instead of a DM');
  }
}

function isTooFast(error: unknown): error is DiscordAPIError | RateLimitError {
  if (error instanceof RateLimitError) return true;
  return error instanceof DiscordAPIError && error.code === RESTJSONErrorCodes.OpeningDirectMessagesTooFast;
}
