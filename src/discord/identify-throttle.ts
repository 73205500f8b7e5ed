import { SimpleIdentifyThrottler, type WebSocketOptions } from 'discord.js';

import type { Log } from '../log.js';
import type { Wait } from '../schedule.js';

type BuildThrottler = NonNullable<WebSocketOptions['buildIdentifyThrottler']>;

/**
 * Paces IDENTIFYs: one per 5 seconds, as discord.js does by itself. After 1,000 within 24 hours Discord resets the token:
 * with less than half left, the rest is spread over the time until the limit resets.
 *
 * @param options.onWait called before that wait.
 */
export function identifyThrottle(options: {
  readonly wait: Wait;
  readonly onWait: (ms: number) => void;
  readonly log: Log;
}): BuildThrottler {
  const { wait, onWait, log } = options;
  return (manager) => {
    const throttler = new SimpleIdentifyThrottler(1);
    let isFirst = true;
    return {
      async waitForIdentify(shardId, signal) {
        await throttler.waitForIdentify(shardId, signal);
        // discord.js has fetched it just before the first IDENTIFY. Throwing would confuse discord.js.
        const information = await manager.fetchGatewayInformation(!isFirst).catch(() => null);
        isFirst = false;
        const { total = 0, remaining = 0, reset_after: resetMs = 0 } = information?.session_start_limit ?? {};
        const waitMs = remaining * 2 > total ? 0 : resetMs / Math.max(remaining, 1);
        if (waitMs > 0) {
          log.warn(
            { loginsLeft: remaining, loginsPerDay: total },
            `Waiting ${formatWait(waitMs)} before the next login to Discord. Find out why the bot reconnects so often.`,
          );
          onWait(waitMs);
          await wait(waitMs, signal);
        }
        signal.throwIfAborted();
      },
    };
  };
}

/** In words: `90 seconds`, `60 minutes`. */
export function formatWait(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  return minutes < 2 ? `${Math.ceil(ms / 1_000)} seconds` : `${minutes.toLocaleString('en')} minutes`;
}
