import { describe, expect, it } from 'vitest';

import { healthCheck } from '../../src/http/health.js';
import { ManualClock } from '../support/clock.js';

describe('healthCheck', () => {
  it('writes to the database at most once in 5 seconds, and again after the clock was set back', async () => {
    const clock = new ManualClock();
    let writes = 0;
    let works = true;
    const check = healthCheck({
      probe: async () => {
        writes += 1;
        if (!works) throw new Error('read-only');
      },
      isConnected: () => true,
      guessedUsernames: () => 7,
      clock: clock.read,
    });
    const healthy = { database: true, gateway: true, guessedUsernames: 7 };
    expect(await Promise.all([check(), check()])).toEqual([healthy, healthy]);
    works = false;
    clock.advance(4_999);
    expect(await check()).toEqual(healthy);
    expect(writes).toBe(1);
    clock.advance(1);
    expect(await check()).toEqual({ database: false, gateway: true, guessedUsernames: 7 });
    works = true;
    clock.advance(-60_000);
    expect(await check()).toEqual(healthy);
    expect(writes).toBe(3);
  });
});
