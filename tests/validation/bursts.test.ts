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
const METHODS: Readonly<Record<string, (index: number) => Guess['method']>> = {
  validate: () => 'validate',
  both: (index) => (index % 2 === 0 ? 'redeem' : 'validate'),
};

/** One burst: what became of each guess, by process in the order that it was sent. */
interface Outcome {
  readonly answers: readonly (readonly string[])[];
  /** Where the right code was among the guesses of the first process. */
  readonly position: number;
  /** Whether each process evaluates its guesses in the order that it sent them. */
  readonly ordered: boolean;
}

/** @returns what is wrong with a burst: nothing, if at most 10 wrong codes were evaluated, and the right one not after them. */
function faultsOf({ answers, position, ordered }: Outcome): string[] {
  const evaluated = answers.flat().filter((word) => word === 'unknown').length;
  const right = answers[0]?.[position];
  const faults: string[] = [];
  if (evaluated !== MAX_EVALUATED) faults.push(`evaluated ${evaluated} wrong codes`);
  if (ordered && position >= MAX_EVALUATED && right !== 'throttled') {
    faults.push(`answered ${right} to the right code after ${position} wrong ones`);
  }
  if (ordered && answers.length === 1 && position < MAX_EVALUATED && right !== 'valid') {
    faults.push(`answered ${right} to the right code after ${position} wrong ones`);
  }
  const others = answers.flatMap((words, index) => words.filter((_, at) => index > 0 || at !== position));
  for (const word of new Set(others)) {
    if (word !== 'unknown' && word !== 'throttled') faults.push(`answered ${word} to a wrong code`);
  }
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

describe.each([1, 2, 4])('a burst of guesses from %i processes', (processes) => {
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
      for (const [methods, methodOf] of Object.entries(METHODS)) {
        for (const position of [0, 9, 10, GUESSES / processes - 1]) {
          const username = `user ${(usernames += 1)}`;
          const right = await bot.getCode(server.alice, username);
          const guess = (code: string, index: number): Guess => ({
            by: byOf(index),
            method: methodOf(index),
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
          const found = faultsOf({ answers, position, ordered: way === 'the module' });
          for (const method of ['validate', 'redeem'] as const) {
            for (const by of ['module', 'HTTP'] as const) {
              const [after] = (await first?.([{ ...guess(right, -1), by, method }])) ?? [];
              if (after !== 'throttled') found.push(`answered ${after} to the right code afterwards`);
            }
          }
          faults.push(...found.map((fault) => `${client}, ${methods}, right code at ${position}: ${fault}`));
        }
      }
    }
    expect(faults).toEqual([]);
  });
});

describe('the check of a burst', () => {
  /** Reads its counter in one transaction, and writes it in another one. */
  function naiveValidator(right: string): (code: string) => Promise<string> {
    let failures = 0;
    return async (code) => {
      const read = failures;
      await nextTurn();
      if (read >= MAX_EVALUATED) return 'throttled';
      if (code === right) return 'valid';
      failures = read + 1;
      await nextTurn();
      return 'unknown';
    };
  }

  it('detects a validator that does not serialize attempts', async () => {
    const right = 'ABCDEF';
    const position = GUESSES - 1;
    const codes = deal(wrongCodes(GUESSES, right), right, position, 1).flat();
    const atOnce = await Promise.all(codes.map(naiveValidator(right)));
    expect(faultsOf({ answers: [atOnce], position, ordered: true })).toEqual([
      'evaluated 59 wrong codes',
      'answered valid to the right code after 59 wrong ones',
    ]);
    const validate = naiveValidator(right);
    const oneByOne: string[] = [];
    for (const code of codes) oneByOne.push(await validate(code));
    expect(faultsOf({ answers: [oneByOne], position, ordered: true })).toEqual([]);
  });
});
