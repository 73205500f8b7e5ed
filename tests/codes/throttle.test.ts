import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  afterFailure,
  guessingOdds,
  NO_FAILURES,
  throttledMs,
  type Failures,
} from '../../src/codes/throttle.js';

const NOW = Date.UTC(2026, 0, 1);
const HOUR = 3_600_000;
const TEN = Array.from({ length: 10 }, () => NOW);

describe('throttledMs', () => {
  it.each<[string, Failures, number, number]>([
    ['without failures', NO_FAILURES, 0, 0],
    ['after 9 failures', { times: TEN.slice(1), total: 9 }, 0, 0],
    ['at the 10th failure', { times: TEN, total: 10 }, 0, HOUR],
    ['1 ms after the 10th failure', { times: TEN, total: 10 }, 1, HOUR - 1],
    ['1 ms before the hour has passed', { times: TEN, total: 10 }, HOUR - 1, 1],
    ['after an hour', { times: TEN, total: 10 }, HOUR, 0],
    [
      'when the oldest of 10 is nearly an hour old',
      { times: [NOW - HOUR + 1, ...TEN.slice(1)], total: 10 },
      0,
      1,
    ],
    ['when the oldest of 10 is an hour old', { times: [NOW - HOUR, ...TEN.slice(1)], total: 10 }, 0, 0],
    ['after the clock was set back', { times: TEN, total: 10 }, -24 * HOUR, HOUR],
    ['after 99 failures', { times: TEN, total: 99 }, HOUR, 0],
    ['after 100 failures', { times: TEN, total: 100 }, 1_000 * HOUR, Infinity],
    ['after 101 failures', { times: [], total: 101 }, 0, Infinity],
  ])('%s', (_when, failures, afterMs, expected) => {
    expect(throttledMs(failures, NOW + afterMs)).toBe(expected);
  });

  it('never lets more than 10 failures into any hour, nor more than 100 in all', () => {
    const pauses = fc.array(fc.oneof(fc.nat(1_000), fc.nat(600_000), fc.nat(4_000_000)), { maxLength: 300 });
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
        for (const [index, time] of evaluated.entries()) {
          expect((evaluated[index + 10] ?? Infinity) - time).toBeGreaterThanOrEqual(HOUR);
        }
      }),
    );
  });

  it('returns the exact time until the next attempt', () => {
    const times = fc.array(fc.nat(HOUR - 1), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(times, (offsets) => {
        const failures = {
          times: offsets.toSorted((a, b) => a - b).map((offset) => NOW + offset),
          total: 10,
        };
        const now = NOW + HOUR - 1;
        const ms = throttledMs(failures, now);
        expect(throttledMs(failures, now + ms - 1)).toBe(1);
        expect(throttledMs(failures, now + ms)).toBe(0);
      }),
    );
  });
});

it('afterFailure keeps the latest 10 times, oldest first, and counts all', () => {
  let failures = NO_FAILURES;
  for (let n = 1; n <= 12; n++) failures = afterFailure(failures, NOW + n);
  expect(failures).toEqual({ times: Array.from({ length: 10 }, (_, n) => NOW + n + 3), total: 12 });
  expect(NO_FAILURES).toEqual({ times: [], total: 0 });
});

it('guessingOdds are those of 10 guesses per hour and username for a year', () => {
  expect(guessingOdds(6, 1)).toBe(87_600 / 32 ** 6);
  expect(guessingOdds(7, 1_000)).toBe((1_000 * 87_600) / 32 ** 7);
});
