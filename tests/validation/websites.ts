import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { onTestFinished } from 'vitest';

import type { Guess } from '../support/guesser.js';

const GUESSER = fileURLToPath(new URL('../support/guesser.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

/** Sends guesses all at once. @returns what became of each. */
export type Website = (guesses: readonly Guess[]) => Promise<readonly string[]>;

/** Starts a website in another process; it ends with the test. */
export async function startWebsite(
  databasePath: string,
  options: {
    readonly clock: () => number;
    readonly http?: { readonly url: string; readonly token: string };
    readonly env?: Readonly<Record<string, string>>;
  },
): Promise<Website> {
  const { clock, http = { url: '', token: '' }, env = {} } = options;
  const child = fork(GUESSER, [databasePath, http.url, http.token], {
    execArgv: ['--import', TSX],
    env: { PATH: process.env['PATH'], ...env },
  });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await ended;
  });
  const died = ended.then(() => {
    throw new Error('A website ended before it answered');
  });
  died.catch(() => undefined);
  await Promise.race([once(child, 'message'), died]);
  return async (guesses) => {
    const answered = once(child, 'message');
    child.send({ guesses, now: clock() });
    const [words]: unknown[] = await Promise.race([answered, died]);
    return Array.isArray(words) ? words.map(String) : [];
  };
}

/** `count` different codes, none of them `right`. */
export function wrongCodes(count: number, right: string): string[] {
  const codes = Array.from({ length: count + 1 }, (_, index) => {
    const digits = Array.from(index.toString(8).padStart(6, '0'), (digit) => Number(digit) + 2);
    return digits.join('');
  });
  return codes.filter((code) => code !== right).slice(0, count);
}
