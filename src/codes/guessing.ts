import { CODE_ALPHABET } from './code-text.js';

/** Wrong codes for one username within {@link GUESS_WINDOW_MS}: past them there is no looking. */
export const MAX_GUESSES = 10;
export const GUESS_WINDOW_MS = 3_600_000;

/** Wrong codes in a row, over whatever time, until the holder's next code: NIST SP 800-63B allows as many. */
export const MAX_GUESSES_IN_A_ROW = 100;

/** What is remembered of wrong codes: for a username, or for one visitor who got in with it before. */
export interface Guard {
  /** Times (Unix ms) of the latest failures, oldest first, at most {@link MAX_GUESSES}. */
  readonly failures: readonly number[];
  readonly inARow: number;
}

export const NO_FAILURES: Guard = { failures: [], inARow: 0 };

/** What becomes of a guard when another wrong code comes. */
export function afterFailure({ failures, inARow }: Guard, now: number): Guard {
  return { failures: [...failures, now].slice(-MAX_GUESSES), inARow: inARow + 1 };
}

/**
 * How long nobody may try: milliseconds, `Infinity` until the holder's next code, 0 when one may.
 *
 * The window slides: a failure counts for an hour. A clock that was set back makes nobody wait longer than that.
 */
export function throttledMs({ failures, inARow }: Guard, now: number): number {
  if (inARow >= MAX_GUESSES_IN_A_ROW) return Number.POSITIVE_INFINITY;
  const [oldest] = failures;
  if (oldest === undefined || failures.length < MAX_GUESSES) return 0;
  return Math.min(GUESS_WINDOW_MS, Math.max(0, oldest + GUESS_WINDOW_MS - now));
}

/**
 * The chance that somebody who guesses all year long gets in with one username: every guess that the
 * window allows, while the holder logs in often enough that they are never many in a row.
 */
export function chanceOfGuessing(codeLength: number): number {
  const guessesAYear = (MAX_GUESSES * 365 * 86_400_000) / GUESS_WINDOW_MS;
  return guessesAYear / CODE_ALPHABET.length ** codeLength;
}
