import { setImmediate as nextTurn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { startBotWithHttp, TOKEN } from './bot.js';
import type { Guess } from '../support/guesser.js';
import { startWebsite, wrongCodes } from './websites.js';

const GUESSES = 60;
/** What docs/security.md promises for one hour. */
const MAX_EVALUATED = 10;

const WAYS: Readonly<Record<string, (index: number) => Guess['by']>> = {
  'the module': () => 'module',
  HTTP: () => 'HTTP',
  both: (index) => (index % 2 === 0 ? 'module' : 'HTTP'),
};
const CLIENTS: Readonly<Record<string, (index: number) => Pick<Guess, 'client'>>> = {
  'no client': () => ({}),
  'a new client each': (index) => ({ client: `device ${index}` }),
  'a client that logged in before': () => ({ client: 'home' }),
};
/**
 * Returns what is wrong with the answers to a burst: nothing, if 10 wrong codes were evaluated, and the right one, which
 * was at `position` of the first process, not after them. HTTP requests can overtake each other.
 */
function faultsOf(answers: readonly (readonly string[])[], position: number, isOrdered: boolean): string[] {
  const right = answers[0]?.[position];
  const wrong = answers.flat().toSpliced(position, 1);
  const evaluated = wrong.filter((word) => word === 'unknown').length;
  const faults = wrong
    .filter((word) => word !== 'unknown' && word !== 'throttled')
    .map((word) => `answered ${word} to a wrong code`);
  if (evaluated !== MAX_EVALUATED) faults.push(`evaluated ${evaluated} wrong codes`);
  const isLate = position >= MAX_EVALUATED;
  // Before that many, the other processes can lock the username.
  if (isOrdered && (isLate || answers.length === 1) && right !== (isLate ? 'throttled' : 'valid'))
    faults.push(`answered ${right} to the right code after ${position} wrong ones`);
  return faults;
}

/** The guesses of each process: wrong codes, and the right one at `position` of the first. */
function deal(codes: readonly string[], right: string, position: number, processes: number): string[][] {
  const share = codes.length / processes;
  const dealt = Array.from({ length: processes }, (_, index) =>
    codes.slice(index * share, (index + 1) * share),
  );
  dealt[0]?.splice(position, 1, right);
  return dealt;
}

describe.each([1, 4])('a burst of guesses from %i processes', (processes) => {
  it.each(Object.entries(WAYS))('by %s evaluates at most 10 wrong codes', async (way, byOf) => {
    const { bot, url } = await startBotWithHttp();
    const { server, clock } = bot;
    const http = { url, token: TOKEN };
    const websites = await Promise.all(
      Array.from({ length: processes }, async () =>
        startWebsite(bot.databasePath, { clock: clock.read, http }),
      ),
    );
    const [first] = websites;
    const faults: string[] = [];
    let usernames = 0;
    for (const [client, clientOf] of Object.entries(CLIENTS)) {
      for (const position of [0, 9, 10, GUESSES / processes - 1]) {
        const username = `user ${(usernames += 1)}`;
        const right = await bot.getCode(server.alice, username);
        const guess = (code: string, index: number): Guess => ({
          by: byOf(index),
          method: Math.floor(index / 2) % 2 === 0 ? 'redeem' : 'validate',
          username,
          code,
          ...clientOf(index),
        });
        expect(await first?.([{ ...guess(right, 0), client: 'home' }])).toEqual(['valid']);
        const dealt = deal(wrongCodes(GUESSES, right), right, position, processes);
        const answers = await Promise.all(
          websites.map(async (website, nth) =>
            website(dealt[nth]?.map((code, index) => guess(code, nth * GUESSES + index)) ?? []),
          ),
        );
        const found = faultsOf(answers, position, way === 'the module');
        for (const by of ['module', 'HTTP'] as const) {
          const [after] = (await first?.([{ ...guess(right, -1), by }])) ?? [];
          if (after !== 'throttled') found.push(`answered ${after} to the right code afterwards`);
        }
        faults.push(...found.map((fault) => `${client}, right code at ${position}: ${fault}`));
      }
    }
    expect(faults).toEqual([]);
  });
});

it('detects a validator that reads and writes its counter in two transactions (control)', async () => {
  const right = 'ABCDEF';
  const position = GUESSES - 1;
  let failures = 0;
  const validate = async (code: string): Promise<string> => {
    const read = failures;
    await nextTurn();
    if (read >= MAX_EVALUATED) return 'throttled';
    if (code === right) return 'valid';
    failures = read + 1;
    return 'unknown';
  };
  const codes = deal(wrongCodes(GUESSES, right), right, position, 1).flat();
  expect(faultsOf([await Promise.all(codes.map(validate))], position, true)).toEqual([
    'evaluated 59 wrong codes',
    'answered valid to the right code after 59 wrong ones',
  ]);
});
