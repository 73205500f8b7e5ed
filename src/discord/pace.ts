const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** So many within the span are free; each one more waits twice as long, up to the longest. */
interface Limit {
  readonly free: number;
  readonly spanMs: number;
  readonly firstMs: number;
  readonly longestMs: number;
}

/** Discord allows 1,000 a day, then it takes the token away. One every two minutes is 720. */
const IDENTIFIES: Limit = {
  free: 3,
  spanMs: 60 * MINUTE_MS,
  firstMs: 10 * SECOND_MS,
  longestMs: 2 * MINUTE_MS,
};
const RESUMES: Limit = { free: 5, spanMs: 10 * MINUTE_MS, firstMs: SECOND_MS, longestMs: MINUTE_MS };

export type Start = 'identify' | 'resume';

/** What Discord says about the identifies that are left today. */
export interface StartsLeft {
  readonly total: number;
  readonly remaining: number;
  /** In ms. */
  readonly reset_after: number;
}

/**
 * When the next session may be started. discord.js goes on twice a second for ever when Discord closes
 * each connection.
 */
export class Pace {
  readonly #clock: () => number;
  readonly #startedAt: number;
  readonly #times: Readonly<Record<Start, number[]>> = { identify: [], resume: [] };

  /** @param clock ms that never go back. */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#startedAt = clock();
  }

  /** How many identifies there were lately. */
  get identifies(): number {
    return this.#times.identify.length;
  }

  note(start: Start): void {
    this.#times[start].push(this.#clock());
  }

  /**
   * Ms until the next may begin; 0: now.
   *
   * @param left more than half of them: no matter. With less, something burns them, perhaps a supervisor that
   *   starts the bot again and again: then they are spread over the time for which they have to do.
   */
  delayMs(start: Start, left: StartsLeft | null): number {
    const limit = start === 'identify' ? IDENTIFIES : RESUMES;
    const now = this.#clock();
    const times = this.#times[start];
    times.splice(0, times.filter((time) => time < now - limit.spanMs).length);
    const excess = times.length - limit.free;
    const pauseMs = excess < 0 ? 0 : Math.min(limit.firstMs * 2 ** excess, limit.longestMs);
    const spreadMs =
      left === null || left.remaining * 2 > left.total ? 0 : left.reset_after / Math.max(left.remaining, 1);
    const since = times.at(-1) ?? this.#startedAt;
    return Math.max(Math.ceil(since + Math.max(pauseMs, spreadMs) - now), 0);
  }
}
