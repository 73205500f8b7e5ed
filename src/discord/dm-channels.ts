import { RateLimitError, RESTJSONErrorCodes, Routes, type Client } from 'discord.js';

import type { Log } from '../log.js';
import type { Wait } from '../schedule.js';
import type { DmChannelRows } from '../storage/dm-channels.js';
import { hasCode } from './errors.js';
import { formatWait } from './identify-throttle.js';

/**
 * Discord publishes no limit for opening DM channels; reports of quarantine begin at 20 to 50 in a short time. At
 * most {@link BURST} at once, then one per {@link INTERVAL_MS}.
 */
const BURST = 10;
const INTERVAL_MS = 2_000;
/** A DM that would wait longer is not sent. */
const MAX_WAIT_MS = 10_000;
/** When Discord asks for a pause without saying how long. */
const PAUSE_MS = 120_000;

/** Nothing was sent: a new DM channel cannot be opened within {@link MAX_WAIT_MS}. */
export class DelayedError extends Error {
  override readonly name = 'DelayedError';
}

/** What sending works with. */
export interface SendingParts {
  readonly client: Client;
  readonly clock: () => number;
  readonly wait: Wait;
  /** Aborted when the bot stops: messages whose result is unknown then reject with a `StoppedError`. */
  readonly stopping: AbortSignal;
  readonly log: Log;
}

/** The DM channels: known ones at once, new ones at a pace that Discord tolerates. */
export class DmChannels {
  readonly #parts: SendingParts;
  readonly #rows: DmChannelRows;
  /** A token bucket: below 0, the next channel has to wait. */
  #tokens = BURST;
  #refilledAt: number;

  constructor(parts: SendingParts, rows: DmChannelRows) {
    this.#parts = parts;
    this.#rows = rows;
    this.#refilledAt = parts.clock();
  }

  /** @throws {DelayedError} */
  async channelOf(userId: string): Promise<string> {
    return (await this.#rows.find(userId)) ?? this.#open(userId);
  }

  /** For a channel that Discord no longer knows. */
  async forget(userId: string): Promise<void> {
    await this.#rows.forget(userId);
  }

  async #open(userId: string): Promise<string> {
    await this.#acquireToken();
    try {
      const body = { recipient_id: userId };
      const channel = await this.#parts.client.rest.post(Routes.userChannels(), { body });
      const id: unknown = Reflect.get(Object(channel), 'id');
      if (typeof id !== 'string') throw new TypeError('Discord opened a DM channel without an id');
      await this.#rows.remember(userId, id);
      return id;
    } catch (error) {
      if (error instanceof RateLimitError) this.#pause(Math.ceil(error.retryAfter));
      else if (hasCode(error, RESTJSONErrorCodes.OpeningDirectMessagesTooFast)) this.#pause(PAUSE_MS);
      else throw error;
      return this.#open(userId);
    }
  }

  async #acquireToken(): Promise<void> {
    this.#refill();
    const waitMs = Math.ceil((1 - this.#tokens) * INTERVAL_MS);
    if (waitMs > MAX_WAIT_MS) throw new DelayedError('New DM channels are opened one per 2 seconds');
    this.#tokens -= 1;
    if (waitMs <= 0) return;
    const { wait, stopping } = this.#parts;
    await wait(waitMs, stopping);
    stopping.throwIfAborted();
    if (this.#isPaused()) throw new DelayedError('Discord asked for a pause meanwhile');
  }

  #refill(): void {
    const now = this.#parts.clock();
    // After the clock was set back, no time has passed.
    const elapsedMs = Math.max(0, now - this.#refilledAt);
    this.#tokens = Math.min(BURST, this.#tokens + elapsedMs / INTERVAL_MS);
    this.#refilledAt = now;
  }

  #pause(pauseMs: number): void {
    this.#refill();
    if (this.#isPaused()) return;
    this.#tokens = Math.min(this.#tokens, 1 - pauseMs / INTERVAL_MS);
    this.#parts.log.warn(
      { pauseMs },
      `Discord limits new DM channels for ${formatWait(pauseMs)}: members get a button instead of a DM`,
    );
  }

  /** Without a pause, nobody waits this long. */
  #isPaused(): boolean {
    return this.#tokens < -MAX_WAIT_MS / INTERVAL_MS;
  }
}
