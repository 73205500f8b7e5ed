import { expect, it } from 'vitest';

import type { Guess } from '../support/guesser.js';
import { startBotWithHttp, TOKEN } from './bot.js';
import { startWebsite, wrongCodes } from './websites.js';

const MINUTE_MS = 60_000;

/** The bot, and a website in another process that uses the module. */
async function open() {
  const { bot, url } = await startBotWithHttp();
  const http = { url, token: TOKEN };
  const website = await startWebsite(bot.databasePath, { clock: bot.clock.read, http });
  let seen = bot.logged().length;
  return {
    bot,
    website,
    /** Runs the task of a minute. Returns its warnings and the field of `/healthz`. */
    tick: async () => {
      bot.clock.advance(MINUTE_MS);
      await bot.app.tasks.endCodes();
      const lines = bot.logged().slice(seen).split('\n');
      seen = bot.logged().length;
      const warnings = lines
        .filter((line) => line.includes('guessing codes'))
        .map((line) => /"wrongCodes":\d+,"usernames":\d+/.exec(line)?.[0]);
      const response = await fetch(`${url}/healthz`);
      return { warnings, status: response.status, health: await response.json() };
    },
  };
}

function guesses(usernames: number, each: number, rest: Partial<Guess> = {}): Guess[] {
  const codes = wrongCodes(each, '');
  return Array.from({ length: usernames }, (_, nth) =>
    codes.map(
      (code) => ({ by: 'module', method: 'validate', username: `user ${nth}`, code, ...rest }) as const,
    ),
  ).flat();
}

const quiet = {
  warnings: [],
  status: 200,
  health: expect.objectContaining({ status: 'ok', guessing: false }),
};

it.each<[string, Guess[]]>([
  ['nobody', []],
  ['20 members who mistype a code twice', guesses(20, 2)],
  ['a member who enters 60 wrong codes', guesses(1, 60)],
])('raises no alarm for %s', async (_who, entered) => {
  const { website, tick } = await open();
  await website(entered);
  expect([await tick(), await tick()]).toEqual([quiet, quiet]);
});

it.each<[string, Guess[], number, number]>([
  ['3 codes for each of 100 usernames', guesses(100, 3), 300, 100],
  ['1 code for each of 60 usernames', guesses(60, 1), 60, 60],
  [
    '20 codes for each of 50 usernames by the module and HTTP',
    [...guesses(50, 10), ...guesses(50, 10, { by: 'HTTP', method: 'redeem' })],
    500,
    50,
  ],
  ['10 codes for each of 100 usernames by one client', guesses(100, 10, { client: 'flood' }), 100, 10],
])('warns once a minute while somebody tries %s', async (_what, entered, codes, usernames) => {
  const { bot, website, tick } = await open();
  const counted = `"wrongCodes":${codes},"usernames":${usernames}`;
  // One at a time: a burst may overrun the limit of a client.
  const attack = async (): Promise<void> => {
    for (const guess of entered) await website([guess]);
  };
  await attack();
  const alarm = { status: 200, health: expect.objectContaining({ status: 'ok', guessing: true }) };
  expect(await tick()).toEqual({ warnings: [counted], ...alarm });
  expect(await tick()).toEqual(quiet);
  bot.clock.advance(60 * MINUTE_MS);
  await attack();
  expect(await tick()).toEqual({ warnings: [counted], ...alarm });
  for (let minute = 0; minute < 10; minute++) await tick();
  await website(guesses(1, 1, { username: 'Alice' }));
  expect(await tick()).toEqual(quiet);
});
