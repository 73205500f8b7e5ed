import { refusal } from './api-error.js';
import type { FaultAnswer } from './faults.js';
import { RATE_LIMITS } from './limits.js';

type Headers = FaultAnswer['headers'];

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

  /** Counts a call. Returns the headers of its answer, or an answer in its place: a 429. */
  count(method: string, path: string): FaultAnswer | { readonly status: null; readonly headers: Headers } {
    // Interaction routes do not count towards the global limit.
    if (/^\/(interactions|webhooks)\//.test(path)) return { status: null, headers: {} };
    const all = this.#use('global', RATE_LIMITS.global);
    if (all.used > all.limit) return this.#refuse(all, 'global');
    const [, channelId] = /^\/channels\/(\d+)\/messages/.exec(path) ?? [];
    if (channelId === undefined) return { status: null, headers: {} };
    const kind = method === 'POST' || method === 'DELETE' ? method : 'other';
    const window = this.#use(`${kind} ${channelId}`, RATE_LIMITS.messages);
    if (window.used > window.limit) return this.#refuse(window, 'user', kind);
    return { status: null, headers: this.#headersOf(window, kind) };
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

  #refuse(window: Window, scope: 'user' | 'global', kind?: string): FaultAnswer {
    const retryAfter = (window.resetAt - this.#now()) / 1_000;
    return {
      status: 429,
      body: { message: 'You are being rate limited.', retry_after: retryAfter, global: scope === 'global' },
      headers: {
        'retry-after': String(retryAfter),
        'x-ratelimit-scope': scope,
        ...(scope === 'global' && { 'x-ratelimit-global': 'true' }),
        ...(kind !== undefined && this.#headersOf(window, kind)),
      },
    };
  }

  #headersOf({ limit, resetAt, used }: Window, kind: string): Headers {
    return {
      'x-ratelimit-limit': String(limit),
      'x-ratelimit-remaining': String(Math.max(0, limit - used)),
      'x-ratelimit-reset': String(resetAt / 1_000),
      'x-ratelimit-reset-after': String((resetAt - this.#now()) / 1_000),
      'x-ratelimit-bucket': `messages-${kind}`,
    };
  }
}
