import { CODE_ALPHABET } from './code-text.js';

/** Failures per sliding {@link WINDOW_MS}; after them no code is evaluated. */
const MAX_FAILURES = 10;
const WINDOW_MS = 3_600_000;
/** Failures until the holder's next code is delivered: NIST SP 800-63B allows 100. */
const MAX_FAILURES_PER_CODE = 100;

/** Wrong codes of one client per clock hour, over all usernames where it is not known. */
const MAX_CLIENT_FAILURES = 100;

/** The failures counted under one throttle key: a username, or a username and a client. */
export interface Failures {
  /** Unix ms of the latest ones, oldest first, at most {@link MAX_FAILURES}. */
  readonly times: readonly number[];
  /** Since the holder's last code. */
  readonly total: number;
}

export const NO_FAILURES: Failures = { times: [], total: 0 };

export function afterFailure({ times, total }: Failures, now: number): Failures {
  return { times: [...times, now].slice(-MAX_FAILURES), total: total + 1 };
}

/** Returns for how many ms no code is evaluated: 0 for none, `Infinity` until the holder's next code. */
export function throttledMs({ times, total }: Failures, now: number): number {
  if (total >= MAX_FAILURES_PER_CODE) return Infinity;
  const [oldest] = times;
  if (oldest === undefined || times.length < MAX_FAILURES) return 0;
  // After the clock was set back, failures from later still count: the holder's next code ends the wait.
  return Math.min(WINDOW_MS, Math.max(0, oldest + WINDOW_MS - now));
}

/** The clock hour in which failures of a client count together. */
export function clientHour(now: number): number {
  return Math.floor(now / WINDOW_MS);
}

/** Returns for how many ms no code of a client is evaluated that has entered `total` wrong ones in this clock hour. */
export function clientThrottledMs(total: number, now: number): number {
  return total < MAX_CLIENT_FAILURES ? 0 : (clientHour(now) + 1) * WINDOW_MS - now;
}

/**
 * Usernames with a wrong code within a minute that are worth a warning: visitors mistype about one code in 20, so
 * without an attack it takes 400 logins in a minute.
 */
export const MANY_GUESSED_USERNAMES = 20;

/** Returns the odds of guessing the code of one of `usernames` within a year. */
export function guessingOdds(codeLength: number, usernames: number): number {
  const guesses = (MAX_FAILURES * 365 * 86_400_000) / WINDOW_MS;
  return (guesses * usernames) / CODE_ALPHABET.length ** codeLength;
}
