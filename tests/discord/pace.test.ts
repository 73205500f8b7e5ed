import { expect, it } from 'vitest';

import { Pace } from '../../src/discord/pace.js';
import { ManualClock } from '../support/clock.js';

const SECOND_MS = 1_000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;

/** Discord's own. */
const STARTS = 1_000;

it('lets a few go at once, then makes them wait, ever longer', () => {
  const clock = new ManualClock();
  const pace = new Pace(clock.read);
  const delays = (start: 'identify' | 'resume', count: number): number[] =>
    Array.from({ length: count }, () => {
      const ms = pace.delayMs(start, null);
      clock.advance(ms);
      pace.note(start);
      return ms / SECOND_MS;
    });
  expect(delays('identify', 9)).toEqual([0, 0, 0, 10, 20, 40, 80, 120, 120]);
  expect(delays('resume', 13)).toEqual([0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60]);
});

it('forgives after an hour', () => {
  const clock = new ManualClock();
  const pace = new Pace(clock.read);
  for (let identify = 0; identify < 5; identify++) pace.note('identify');
  expect(pace.delayMs('identify', null)).toBe(40 * SECOND_MS);
  clock.advance(30 * SECOND_MS);
  expect(pace.delayMs('identify', null)).toBe(10 * SECOND_MS);
  clock.advance(60 * 60 * SECOND_MS);
  expect(pace.delayMs('identify', null)).toBe(0);
  expect(pace.identifies).toBe(0);
});

it('burns less than a day’s identifies when Discord ends every session at once', () => {
  const clock = new ManualClock();
  const end = clock.now + DAY_MS;
  const pace = new Pace(clock.read);
  let identifies = 0;
  while (clock.now < end) {
    clock.advance(pace.delayMs('identify', null));
    pace.note('identify');
    identifies += 1;
  }
  expect(identifies).toBeLessThan(STARTS);
  expect(identifies).toBeGreaterThan(DAY_MS / (2 * 60 * SECOND_MS));
});

/** A process that crashes 5 seconds after each login and is started again, for a day. @returns what is left. */
function crash(listens: boolean): number {
  const clock = new ManualClock();
  const resetAt = clock.now + DAY_MS;
  let remaining = STARTS;
  while (clock.now < resetAt && remaining > 0) {
    const pace = new Pace(clock.read);
    const left = { total: STARTS, remaining, reset_after: resetAt - clock.now };
    clock.advance(pace.delayMs('identify', listens ? left : null));
    if (clock.now >= resetAt) break;
    remaining -= 1;
    clock.advance(5 * SECOND_MS);
  }
  return remaining;
}

it('burns less than a day’s identifies in a loop of crashes', () => {
  expect(crash(true)).toBeGreaterThan(0);
});

it('control: whoever does not listen to what Discord says is left burns all of them', () => {
  expect(crash(false)).toBe(0);
});

it('waits for no more than what spreads the identifies that are left', () => {
  const pace = new Pace(new ManualClock().read);
  const left = (remaining: number): number =>
    pace.delayMs('identify', { total: STARTS, remaining, reset_after: 60_000 });
  expect([1_000, 501, 500, 100, 1, 0].map(left)).toEqual([0, 0, 120, 600, 60_000, 60_000]);
});
