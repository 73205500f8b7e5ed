import fc from 'fast-check';
import { expect, it } from 'vitest';

import { afterFailure, guessingOdds, NO_FAILURES, throttledMs } from '../../src/codes/throttle.js';

const NOW = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;

it('throttledMs and afterFailure never let more than 10 failures into any hour, nor more than 100 in all', () => {
  const anyPause = fc.oneof({ weight: 4, arbitrary: fc.nat(60_000) }, fc.nat(4_000_000));
  const pauses = fc.array(anyPause, { maxLength: 600, size: 'max' });
  fc.assert(
    fc.property(pauses, (script) => {
      const evaluated: number[] = [];
      let failures = NO_FAILURES;
      let now = NOW;
      for (const pause of script) {
        now += pause;
        if (throttledMs(failures, now) > 0) continue;
        evaluated.push(now);
        failures = afterFailure(failures, now);
      }
      expect(evaluated.length).toBeLessThanOrEqual(100);
      expect(failures.total).toBe(evaluated.length);
      for (const [index, time] of evaluated.entries()) {
        expect((evaluated[index + 10] ?? Infinity) - time).toBeGreaterThanOrEqual(HOUR);
      }
    }),
    // Shrinking a script of 600 pauses takes minutes.
    { endOnFailure: true },
  );
});

it('throttledMs returns the exact time until the next attempt', () => {
  const times = fc.array(fc.nat(HOUR - 1), { minLength: 10, maxLength: 10 });
  fc.assert(
    fc.property(times, (offsets) => {
      const sorted = offsets.toSorted((a, b) => a - b).map((offset) => NOW + offset);
      const failures = { times: sorted, total: 10 };
      const now = NOW + HOUR - 1;
      const ms = throttledMs(failures, now);
      expect(throttledMs(failures, now + ms - 1)).toBe(1);
      expect(throttledMs(failures, now + ms)).toBe(0);
      // The clock was set back.
      expect(throttledMs(failures, NOW - HOUR)).toBe(HOUR);
    }),
  );
});

it('guessingOdds are those of 10 guesses per hour and username for a year', () => {
  expect(guessingOdds(6, 1)).toBe(87_600 / 32 ** 6);
  expect(guessingOdds(7, 1_000)).toBe((1_000 * 87_600) / 32 ** 7);
});
