import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  afterFailure,
  chanceOfGuessing,
  GUESS_WINDOW_MS,
  type Guard,
  MAX_GUESSES,
  MAX_GUESSES_IN_A_ROW,
  NO_FAILURES,
  throttledMs,
} from '../../src/codes/guessing.js';

const NOW = Date.UTC(2026, 0, 1);
const TEN_AT_NOW = Array.from({ length: 10 }, () => NOW);

it('allows ten guesses an hour, and a hundred in a row', () => {
  expect([MAX_GUESSES, GUESS_WINDOW_MS, MAX_GUESSES_IN_A_ROW]).toEqual([10, 3_600_000, 100]);
});

describe('throttledMs', () => {
  it.each<[string, Guard, number, number]>([
    ['nothing failed', NO_FAILURES, 0, 0],
    ['nine failed just now', { failures: TEN_AT_NOW.slice(1), inARow: 9 }, 0, 0],
    ['ten failed just now', { failures: TEN_AT_NOW, inARow: 10 }, 0, 3_600_000],
    ['ten failed a millisecond ago', { failures: TEN_AT_NOW, inARow: 10 }, 1, 3_599_999],
    ['a millisecond is missing to the hour', { failures: TEN_AT_NOW, inARow: 10 }, 3_599_999, 1],
    ['the hour is over', { failures: TEN_AT_NOW, inARow: 10 }, 3_600_000, 0],
    ['the hour is long over', { failures: TEN_AT_NOW, inARow: 10 }, 10 ** 12, 0],
    [
      'the oldest of ten goes first',
      { failures: [NOW - 3_599_000, ...TEN_AT_NOW.slice(1)], inARow: 10 },
      0,
      1_000,
    ],
    [
      'the oldest of ten is an hour old',
      { failures: [NOW - 3_600_000, ...TEN_AT_NOW.slice(1)], inARow: 10 },
      0,
      0,
    ],
    ['the clock was set back', { failures: TEN_AT_NOW, inARow: 10 }, -86_400_000, 3_600_000],
    ['ten failed and somebody got in', { failures: TEN_AT_NOW, inARow: 0 }, 0, 3_600_000],
    ['99 failed in a row', { failures: TEN_AT_NOW, inARow: 99 }, 3_600_000, 0],
    ['100 failed in a row', { failures: TEN_AT_NOW, inARow: 100 }, 10 ** 12, Number.POSITIVE_INFINITY],
    ['101 failed in a row', { failures: [], inARow: 101 }, 0, Number.POSITIVE_INFINITY],
  ])('when %s', (_when, guard, age, expected) => {
    expect(throttledMs(guard, NOW + age)).toBe(expected);
  });

  it('never lets more than ten failures into any hour, nor 100 in a row', () => {
    const pauses = fc.array(fc.oneof(fc.nat(1_000), fc.nat(600_000), fc.nat(4_000_000)), { maxLength: 300 });
    fc.assert(
      fc.property(pauses, (script) => {
        const judged: number[] = [];
        let guard = NO_FAILURES;
        let now = NOW;
        for (const pause of script) {
          now += pause;
          if (throttledMs(guard, now) > 0) continue;
          judged.push(now);
          guard = afterFailure(guard, now);
        }
        expect(judged.length).toBeLessThanOrEqual(100);
        for (const [index, time] of judged.entries()) {
          expect((judged[index + 10] ?? Number.POSITIVE_INFINITY) - time).toBeGreaterThanOrEqual(3_600_000);
        }
      }),
    );
  });

  it('says how long to wait, neither a millisecond more nor less', () => {
    const times = fc.array(fc.nat(3_599_999), { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(times, (offsets) => {
        const failures = offsets.toSorted((a, b) => a - b).map((offset) => NOW + offset);
        const guard = { failures, inARow: 10 };
        const now = NOW + 3_599_999;
        const wait = throttledMs(guard, now);
        expect(wait).toBeGreaterThan(0);
        expect(throttledMs(guard, now + wait - 1)).toBe(1);
        expect(throttledMs(guard, now + wait)).toBe(0);
      }),
    );
  });
});

describe('afterFailure', () => {
  it('remembers the latest ten, oldest first, and counts all in a row', () => {
    let guard = NO_FAILURES;
    for (let n = 1; n <= 12; n++) guard = afterFailure(guard, NOW + n);
    expect(guard).toEqual({ failures: Array.from({ length: 10 }, (_, n) => NOW + n + 3), inARow: 12 });
    expect(NO_FAILURES).toEqual({ failures: [], inARow: 0 });
  });
});

describe('chanceOfGuessing', () => {
  it('is that of ten guesses an hour for a year among all codes of that length', () => {
    expect(chanceOfGuessing(6)).toBe(87_600 / 32 ** 6);
    expect(chanceOfGuessing(7)).toBe(87_600 / 32 ** 7);
    expect(chanceOfGuessing(6)).toBeLessThan(1 / 1_000);
  });
});
