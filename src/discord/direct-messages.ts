import { DiscordAPIError, RateLimitError, RESTJSONErrorCodes } from 'discord.js';

import type { Log } from '../log.js';

/**
 * How many new channels may be opened at once, and how long until one more may be. Discord publishes no
 * limit; reports of quarantine begin at 20 to 50 new ones in a short time.
 */
const BURST = 10;
const REFILL_MS = 2_000; // 30 a minute

/** How many may wait. The last of them waits for about three minutes, if Discord takes all of them. */
const MAX_WAITING = 100;

/** How often a request that Discord found too fast is tried again. */
const MAX_RETRIES = 3;

/** Where Discord does not say for how long to pause: this long, then twice as long each time, up to the longest. */
const FIRST_PAUSE_MS = 30_000;
const LONGEST_PAUSE_MS = 10 * 60_000;

/** Which direct-message channel the bot has with whom, kept for good. */
export interface ChannelMemory {
  /** @returns `null`: the bot has none with this user yet. */
  find(userId: string): Promise<string | null>;
  /** Replaces what was remembered of this user. */
  remember(userId: string, channelId: string): Promise<void>;
  forget(userId: string): Promise<void>;
}

/** Hears, once, that a channel takes longer, and about how long in ms. Must not throw. */
export type OnDelay = (expectedMs: number) => void;

/** Nothing was sent: so many wait for a new channel that no more may. */
export class TooManyWaitingError extends Error {
  override readonly name = 'TooManyWaitingError';
}

/** Nothing was sent: the bot stopped while the channel waited for its turn. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

/** All who ask for one user's channel at a time. */
interface Request {
  readonly channelId: Promise<string>;
  /** Those who have not heard that it takes longer. */
  readonly untold: OnDelay[];
}

/** A new channel that waits for its turn. */
interface Opening {
  readonly userId: string;
  readonly untold: OnDelay[];
  readonly resolve: (channelId: string) => void;
  readonly reject: (error: unknown) => void;
  retries: number;
}

/**
 * The channels of direct messages: those remembered at once, new ones at a pace that Discord tolerates, in the
 * order in which they were asked for, one after the other.
 */
export class DirectMessages {
  readonly #open: (userId: string) => Promise<string>;
  readonly #memory: ChannelMemory;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #log: Pick<Log, 'warn'>;
  readonly #bucket: TokenBucket;
  /** By user id, from the question to the memory until the memory has the answer. */
  readonly #requests = new Map<string, Request>();
  readonly #waiting: Opening[] = [];
  /** Users whose channel is gone although the memory could not forget it. */
  readonly #gone = new Set<string>();
  #working = false;
  #opening = false;
  /** How often in a row Discord asked for a pause without saying for how long. */
  #pauses = 0;
  #stopped = false;

  /**
   * @param options.open asks Discord for the channel with a user; rejects with discord.js's errors.
   * @param options.clock Unix ms; may be set back.
   * @param options.wait resolves after so many ms; never rejects.
   */
  constructor(options: {
    readonly open: (userId: string) => Promise<string>;
    readonly memory: ChannelMemory;
    readonly clock: () => number;
    readonly wait: (ms: number) => Promise<void>;
    readonly log: Pick<Log, 'warn'>;
  }) {
    this.#open = options.open;
    this.#memory = options.memory;
    this.#wait = options.wait;
    this.#log = options.log;
    this.#bucket = new TokenBucket(options.clock);
  }

  /**
   * The channel with a user, opened if there is none.
   *
   * @throws {TooManyWaitingError}
   * @throws {StoppedError}
   * @throws what `open` rejects with; if that says "too fast", only after {@link MAX_RETRIES} more tries.
   * @throws what `memory.remember` rejects with.
   */
  async channelOf(userId: string, onDelay: OnDelay): Promise<string> {
    const request = this.#requests.get(userId) ?? this.#request(userId);
    request.untold.push(onDelay);
    const ahead = this.#waiting.findIndex((opening) => opening.userId === userId);
    if (ahead !== -1) this.#tell(request.untold, ahead);
    return request.channelId;
  }

  /**
   * The channel with a user that there is already; `null`: there is none, and nothing was ever sent in one.
   *
   * @throws what `memory.find` rejects with.
   */
  async knownChannel(userId: string): Promise<string | null> {
    return this.#gone.has(userId) ? null : this.#memory.find(userId);
  }

  /** For a channel that Discord no longer knows: the next request opens another one. */
  async forget(userId: string): Promise<void> {
    try {
      await this.#memory.forget(userId);
    } catch (error) {
      this.#gone.add(userId);
      this.#log.warn({ err: error, userId }, 'A direct-message channel was not forgotten');
    }
  }

  /** Whoever waits for a new channel, now or later, gets a {@link StoppedError}. Known channels stay known. */
  stop(): void {
    this.#stopped = true;
    for (const { reject } of this.#waiting.splice(0)) reject(stopped());
  }

  #request(userId: string): Request {
    const untold: OnDelay[] = [];
    const channelId = this.#findOrOpen(userId, untold).finally(() => this.#requests.delete(userId));
    const request = { channelId, untold };
    this.#requests.set(userId, request);
    return request;
  }

  async #findOrOpen(userId: string, untold: OnDelay[]): Promise<string> {
    const known = await this.#find(userId);
    if (known !== null) return known;
    const channelId = await new Promise<string>((resolve, reject) => {
      this.#enqueue({ userId, untold, resolve, reject, retries: 0 });
    });
    // Nothing is sent where whoever goes on with it would not look whether it arrived.
    await this.#memory.remember(userId, channelId);
    this.#gone.delete(userId);
    return channelId;
  }

  async #find(userId: string): Promise<string | null> {
    if (this.#gone.has(userId)) return null;
    try {
      return await this.#memory.find(userId);
    } catch (error) {
      this.#log.warn({ err: error, userId }, 'A direct-message channel was not looked up');
      return null;
    }
  }

  #enqueue(opening: Opening): void {
    if (this.#stopped) throw stopped();
    if (this.#waiting.length + (this.#opening ? 1 : 0) >= MAX_WAITING) {
      throw new TooManyWaitingError(`${MAX_WAITING} wait for a direct-message channel already`);
    }
    this.#waiting.push(opening);
    this.#tell(opening.untold, this.#waiting.length - 1);
    if (!this.#working) void this.#work();
  }

  /** Opens one channel after the other until nobody waits. */
  async #work(): Promise<void> {
    this.#working = true;
    while (this.#waiting.length > 0) {
      const delayMs = this.#bucket.delayMs(0);
      if (delayMs > 0) await this.#wait(delayMs);
      else await this.#openNext();
    }
    this.#working = false;
  }

  async #openNext(): Promise<void> {
    const opening = this.#waiting.shift();
    if (opening === undefined) return;
    this.#bucket.take();
    this.#opening = true;
    try {
      opening.resolve(await this.#open(opening.userId));
      this.#pauses = 0;
    } catch (error) {
      if (!isTooFast(error)) return opening.reject(error);
      this.#pause(error);
      if (this.#stopped || opening.retries++ >= MAX_RETRIES) opening.reject(error);
      else this.#waiting.unshift(opening);
      for (const [ahead, { untold }] of this.#waiting.entries()) this.#tell(untold, ahead);
    } finally {
      this.#opening = false;
    }
  }

  #pause(error: DiscordAPIError | RateLimitError): void {
    const named = error instanceof RateLimitError ? error.retryAfter : 0;
    const pauseMs = named > 0 ? named : Math.min(FIRST_PAUSE_MS * 2 ** this.#pauses++, LONGEST_PAUSE_MS);
    this.#bucket.pause(pauseMs);
    const waiting = this.#waiting.length;
    this.#log.warn({ err: error, pauseMs, waiting }, 'Discord wants direct messages opened more slowly');
  }

  #tell(untold: OnDelay[], ahead: number): void {
    const expectedMs = this.#bucket.delayMs(ahead);
    if (expectedMs > 0) for (const onDelay of untold.splice(0)) onDelay(expectedMs);
  }
}

/** {@link BURST} at once, then one every {@link REFILL_MS}. */
class TokenBucket {
  readonly #clock: () => number;
  /**
   * When all tokens are back, if nobody takes one, in ms since the start. There is one from `BURST - 1` times
   * {@link REFILL_MS} before on.
   */
  #fullAt = 0;
  /** What the clock said last, and the ms that have passed since the start. */
  #read: number;
  #elapsedMs = 0;

  constructor(clock: () => number) {
    this.#clock = clock;
    this.#read = clock();
  }

  /** Whole ms until there is a token for whoever has `ahead` others before them; 0: now. */
  delayMs(ahead: number): number {
    const fullInMs = Math.max(this.#fullAt - this.#now(), 0);
    return Math.max(Math.ceil(fullInMs - (BURST - 1 - ahead) * REFILL_MS), 0);
  }

  take(): void {
    this.#fullAt = Math.max(this.#fullAt, this.#now()) + REFILL_MS;
  }

  /** No token for `ms`; then one, not a burst. */
  pause(ms: number): void {
    this.#fullAt = Math.max(this.#fullAt, this.#now() + ms + (BURST - 1) * REFILL_MS);
  }

  /** Stands still where the clock is set back: otherwise everybody would wait until it has caught up. */
  #now(): number {
    const read = this.#clock();
    this.#elapsedMs += Math.max(read - this.#read, 0);
    this.#read = read;
    return this.#elapsedMs;
  }
}

function isTooFast(error: unknown): error is DiscordAPIError | RateLimitError {
  if (error instanceof RateLimitError) return true;
  return error instanceof DiscordAPIError && error.code === RESTJSONErrorCodes.OpeningDirectMessagesTooFast;
}

function stopped(): StoppedError {
  return new StoppedError('The bot is stopping');
}
