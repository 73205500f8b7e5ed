import { expect, it } from 'vitest';

import { PATIENCE, Watchdog, type Finding } from '../../src/discord/watchdog.js';

/** Discord's own. */
const HEARTBEAT_MS = 41_250;

function start(): Watchdog {
  const watchdog = new Watchdog(PATIENCE);
  watchdog.beatsEvery(HEARTBEAT_MS);
  return watchdog;
}

/** What it finds first that is not fine, and after how many seconds. */
function wait(watchdog: Watchdog, seconds = 1_000, waits = false): [finding: Finding, seconds: number] {
  for (let second = 1; second <= seconds; second++) {
    const finding = watchdog.look(waits);
    if (finding !== 'fine') return [finding, second];
  }
  return ['fine', seconds];
}

it('hears from READY on, as long as heartbeats are acknowledged', () => {
  const watchdog = start();
  expect(watchdog.hears).toBe(false);
  watchdog.connecting();
  watchdog.greeted();
  watchdog.acknowledged();
  expect(watchdog.hears).toBe(false);
  watchdog.alive();
  for (let beat = 0; beat < 10; beat++) {
    expect(wait(watchdog, 42)).toEqual(['fine', 42]);
    watchdog.acknowledged();
    expect(watchdog.hears).toBe(true);
  }
  watchdog.gone();
  expect(watchdog.hears).toBe(false);
});

it.each([
  ['no HELLO', (watchdog: Watchdog) => watchdog.connecting(), 11],
  ['neither READY nor RESUMED', (watchdog: Watchdog) => watchdog.greeted(), 21],
  ['no acknowledgement', (watchdog: Watchdog) => watchdog.alive(), 52],
])('calls a connection broken that brings %s', (_, bring, seconds) => {
  const watchdog = start();
  bring(watchdog);
  expect(wait(watchdog)).toEqual(['broken', seconds]);
});

it('takes 45 seconds for the interval until it knows better', () => {
  const watchdog = new Watchdog(PATIENCE);
  watchdog.alive();
  expect(wait(watchdog)).toEqual(['broken', 56]);
});

it('is deaf after 3 intervals and 40 seconds without a sign of life, however many connections there were', () => {
  const watchdog = start();
  watchdog.alive();
  for (const seconds of [52, 50, 50]) {
    wait(watchdog, seconds);
    watchdog.gone();
  }
  expect(wait(watchdog)).toEqual(['deaf', Math.floor((3 * HEARTBEAT_MS) / 1_000) + 40 + 1 - 152]);
});

it('counts no time that passes on purpose', () => {
  const watchdog = start();
  expect(wait(watchdog, 10_000, true)).toEqual(['fine', 10_000]);
  expect(wait(watchdog)).toEqual(['deaf', 164]);
});
