import { afterEach, describe, expect, it, vi } from 'vitest';

import { healthCheck } from '../../src/http/health.js';
import { ManualClock } from '../support/clock.js';

describe('whether the database can be written', () => {
  afterEach(() => void vi.useRealTimers());

  it('is tried at most once in five seconds, and anew when the clock was set back', async () => {
    const clock = new ManualClock();
    let writes = 0;
    let works = true;
    const check = healthCheck({
      touch: async () => {
        writes += 1;
        if (!works) throw new Error('read-only');
      },
      hears: () => true,
      clock: clock.read,
    });
    expect(await Promise.all([check(), check()])).toEqual([
      { database: true, gateway: true },
      { database: true, gateway: true },
    ]);
    works = false;
    clock.advance(4_999);
    expect(await check()).toHaveProperty('database', true);
    expect(writes).toBe(1);
    clock.advance(1);
    expect(await check()).toHaveProperty('database', false);
    works = true;
    clock.advance(-60_000);
    expect(await check()).toHaveProperty('database', true);
    expect(writes).toBe(3);
  });

  it('is no when it takes longer than two seconds, and leaves no timer when it does not', async () => {
    vi.useFakeTimers();
    const check = healthCheck({
      touch: async () => new Promise(() => undefined),
      hears: () => false,
      clock: new ManualClock().read,
    });
    const health = check();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(await health).toEqual({ database: false, gateway: false });
    await healthCheck({
      touch: async () => undefined,
      hears: () => true,
      clock: new ManualClock().read,
    })();
    expect(vi.getTimerCount()).toBe(0);
  });
});
