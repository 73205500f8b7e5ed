import { expect, it } from 'vitest';

import { identifyDelayMs } from '../../src/discord/identify-throttle.js';

const SECOND_MS = 1_000;
const DAY_MS = 86_400 * SECOND_MS;
/** Discord allows this many logins a day. */
const TOTAL = 1_000;
/** How long a bot runs that crashes after each login. */
const CRASH_MS = 5 * SECOND_MS;

it('doubles the interval from the fourth login in a row on, up to 2 minutes, and waits only for its rest', () => {
  const delays = [0, 1, 2, 3, 4, 5, 6, 7, 100].map((inARow) => identifyDelayMs(inARow, 0, null) / SECOND_MS);
  expect(delays).toEqual([0, 5, 5, 10, 20, 40, 80, 120, 120]);
  const rests = [4, 11].map((elapsed) => identifyDelayMs(3, elapsed * SECOND_MS, null) / SECOND_MS);
  expect(rests).toEqual([6, 0]);
});

it('spreads the logins that are left over the day when less than half are left', () => {
  const delays = [1_000, 501, 500, 100, 1, 0].map((remaining) =>
    identifyDelayMs(0, 0, { total: TOTAL, remaining, reset_after: 60_000 }),
  );
  expect(delays).toEqual([0, 0, 120, 600, 60_000, 60_000]);
});

it.each([
  ['leaves logins after', true],
  ['uses up all logins in (control)', false],
])('%s a day of crashes when it knows the limit that Discord reports: %s', (_, isLimitKnown) => {
  let now = 0;
  let remaining = TOTAL;
  while (now < DAY_MS && remaining > 0) {
    const limit = isLimitKnown ? { total: TOTAL, remaining, reset_after: DAY_MS - now } : null;
    now += identifyDelayMs(0, 0, limit);
    if (now < DAY_MS) remaining -= 1;
    now += CRASH_MS;
  }
  expect(remaining > 0).toBe(isLimitKnown);
});

it('leaves logins after a day on which Discord ends each session at once', () => {
  let now = 0;
  let logins = 0;
  for (; now < DAY_MS; logins++) now += identifyDelayMs(logins, 0, null);
  expect(logins).toBeLessThan(TOTAL);
});
