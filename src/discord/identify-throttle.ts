import type { WebSocketOptions } from 'discord.js';

import type { Log } from '../log.js';
import type { Wait } from '../schedule.js';

type BuildThrottler = NonNullable<WebSocketOptions['buildIdentifyThrottler']>;
/** What Discord says about the logins that are left. */
interface SessionStartLimit {
  readonly total: number;
  readonly remaining: number;
  /** In ms. */
  readonly reset_after: number;
}

/** Discord accepts one IDENTIFY per 5 s. */
const MIN_INTERVAL_MS = 5_000;
const MAX_INTERVAL_MS = 120_000;
/** An IDENTIFY this long after the previous one does not belong to a loop. */
const CALM_MS = 30 * 60_000;
/** The first 3 in a row are not slowed down. */
const FREE_IN_A_ROW = 3;

/**
 * Paces IDENTIFYs: after 1,000 within 24 hours Discord resets the token.
 *
 * @param options.onWait called with `true` before a wait and with `false` after it.
 */
export function identifyThrottle(options: {
  readonly clock: () => number;
  readonly wait: Wait;
  readonly onWait: (isWaiting: boolean) => void;
  readonly log: Log;
}): BuildThrottler {
  const { clock, wait, onWait, log } = options;
  return (manager) => {
    let last = clock();
    let inARow = -1;
    return {
      async waitForIdentify(_shardId, signal) {
        // After the clock was set back, no time has passed.
        const sinceMs = Math.max(0, clock() - last);
        const next = sinceMs > CALM_MS ? 0 : inARow + 1;
        // Fetched again only in a loop: at the start, discord.js has just done it. Throwing would confuse discord.js.
        const information = await manager.fetchGatewayInformation(next >= FREE_IN_A_ROW).catch(() => null);
        const limit = information?.session_start_limit ?? null;
        const waitMs = identifyDelayMs(next, sinceMs, limit);
        if (waitMs > MIN_INTERVAL_MS) {
          log.warn(
            { loginsLeft: limit?.remaining, loginsPerDay: limit?.total },
            `Waiting ${formatWait(waitMs)} before the next login to Discord. Find out why the bot reconnects so often.`,
          );
        }
        onWait(true);
        try {
          if (waitMs > 0) await wait(waitMs, signal);
          signal.throwIfAborted();
        } finally {
          onWait(false);
        }
        // A connection that broke during the wait did not identify.
        last = clock();
        inARow = next;
      },
    };
  };
}

/**
 * Returns how long to wait before an IDENTIFY, in ms.
 *
 * @param inARow the number of IDENTIFYs before this one without a long pause between them.
 * @param sinceMs since the last one, or since the process started.
 * @param limit `null`: unknown.
 */
export function identifyDelayMs(inARow: number, sinceMs: number, limit: SessionStartLimit | null): number {
  const intervalMs = Math.max(
    inARow === 0 ? 0 : loopIntervalMs(inARow),
    limit === null ? 0 : spreadMs(limit),
  );
  return Math.max(0, intervalMs - sinceMs);
}

function loopIntervalMs(inARow: number): number {
  const excess = Math.max(0, inARow - FREE_IN_A_ROW + 1);
  return Math.min(MIN_INTERVAL_MS * 2 ** excess, MAX_INTERVAL_MS);
}

/** With less than half left, the rest is spread over the day: a supervisor may be restarting the bot in a loop. */
function spreadMs({ total, remaining, reset_after: resetMs }: SessionStartLimit): number {
  return remaining * 2 > total ? 0 : resetMs / Math.max(remaining, 1);
}

/** In words: `90 seconds`, `60 minutes`. */
export function formatWait(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes < 2 ? `${Math.ceil(ms / 1_000)} seconds` : `${minutes.toLocaleString('en')} minutes`;
}
