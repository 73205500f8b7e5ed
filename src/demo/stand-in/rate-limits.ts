import { refusal } from './api-error.js';
import { type Answer, toAnswer } from './faults.js';
import { RATE_LIMITS } from './limits.js';

interface Window {
  readonly limit: number;
  /** Unix time in ms. */
  readonly resetAt: number;
  used: number;
}

/** Counts calls as Discord does, in windows that begin with their first call. */
export class RateLimits {
  readonly #now: () => number;
  /** By what is limited. */
  readonly #windows = new Map<string, Window>();
  /** Ids of users whose direct message channel was opened. */
  readonly #opened = new Set<string>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a call. Returns the answer in its place, a 429, or the headers of its own answer. */
  count(
    method: string,
    path: string,
  ): Answer | { readonly status: null; readonly headers?: Answer['headers'] } {
    // Interaction routes do not count towards the global limit.
    if (path.startsWith('/interactions/')) return { status: null };
    const all = this.#use('global', RATE_LIMITS.global);
    if (all.used > all.limit) return this.#refuse(all, 'global');
    const [, channelId] = /^\/channels\/(\d+)\/messages$/.exec(path) ?? [];
    if (channelId === undefined) return { status: null };
    const window = this.#use(channelId, RATE_LIMITS.messages);
    const headers = {
      'x-ratelimit-limit': String(window.limit),
      'x-ratelimit-remaining': String(Math.max(0, window.limit - window.used)),
      'x-ratelimit-reset': String(window.resetAt / 1_000),
      'x-ratelimit-reset-after': String((window.resetAt - this.#now()) / 1_000),
      'x-ratelimit-bucket': `messages-${method}`,
    };
    if (window.used <= window.limit) return { status: null, headers };
    const refused = this.#refuse(window, 'user');
    return { ...refused, headers: { ...headers, ...refused.headers } };
  }

  /** @throws {ApiError} 40003 if too many new direct message channels are opened. */
  countOpening(userId: string): void {
    if (this.#opened.has(userId)) return;
    const window = this.#use('opening', RATE_LIMITS.newDirectChannels);
    if (window.used > window.limit) throw refusal('openingTooFast');
    this.#opened.add(userId);
  }

  #use(what: string, { calls, withinMs }: { readonly calls: number; readonly withinMs: number }): Window {
    const known = this.#windows.get(what);
    const isOpen = known !== undefined && this.#now() < known.resetAt;
    const window = isOpen ? known : { limit: calls, resetAt: this.#now() + withinMs, used: 0 };
    window.used += 1;
    this.#windows.set(what, window);
    return window;
  }

  #refuse({ resetAt }: Window, scope: 'user' | 'global'): Answer {
    return toAnswer({ status: 429, retryAfter: (resetAt - this.#now()) / 1_000, scope });
  }
}
