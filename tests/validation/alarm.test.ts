import { expect, it } from 'vitest';

import type { Guess } from '../support/guesser.js';
import { startBot } from '../support/bot.js';
import { startBotWithHttp, TOKEN } from './bot.js';
import { startWebsite, wrongCodes } from './websites.js';

const MINUTE_MS = 60_000;

function guesses(usernames: number, each: number, rest: Partial<Guess> = {}): Guess[] {
  const codes = wrongCodes(each, '');
  return Array.from({ length: usernames }, (_, nth) =>
    codes.map(
      (code) => ({ by: 'module', method: 'validate', username: `user ${nth}`, code, ...rest }) as const,
    ),
  ).flat();
}

it.each<[string, Guess[], number, string]>([
  ['members who mistype a code twice', guesses(19, 2), 19, 'no'],
  ['one client, which 100 wrong codes lock out', guesses(100, 10, { client: 'flood' }), 10, 'no'],
  ['3 codes for each of 100 usernames', guesses(100, 3), 100, 'a'],
  ['1 code for each of 20 usernames over HTTP', guesses(20, 1, { by: 'HTTP', method: 'redeem' }), 20, 'a'],
])('counts the usernames guessed by %s, and warns above 19', async (_who, entered, usernames, warns) => {
  const { bot, url } = await startBotWithHttp();
  const http = { url, token: TOKEN };
  // In another process, as most websites.
  const website = await startWebsite(bot.databasePath, { clock: bot.clock.read, http });
  // One at a time: a burst may overrun the limit of a client.
  for (const guess of entered) await website([guess]);
  const tick = async (): Promise<unknown> => {
    const seen = bot.logged().length;
    await bot.app.tasks.endCodes();
    const response = await fetch(`${url}/healthz`);
    const warning = /"usernames":(\d+),"msg":"Somebody is guessing/.exec(bot.logged().slice(seen));
    return [response.status, await response.json(), warning?.[1]];
  };
  bot.clock.advance(MINUTE_MS - 1);
  const health = { status: 'ok', database: 'ok', gateway: 'ok' };
  const warned = warns === 'no' ? undefined : String(usernames);
  expect(await tick()).toEqual([200, { ...health, guessedUsernames: usernames }, warned]);
  bot.clock.advance(1);
  expect(await tick()).toEqual([200, { ...health, guessedUsernames: 0 }, undefined]);
});

it('warns at the start when the codes are too short for the number of usernames', async () => {
  const bot = await startBot({ settings: { GETCODE_LIMIT: '20/10m', MAX_USERNAMES_PER_MEMBER: '20' } });
  const { server, databasePath, clock } = bot;
  const { alice, bob } = server;
  for (let n = 0; n < 13; n++) await bot.getCode(n % 2 === 0 ? alice : bob, `user ${n}`);
  await bot.app.stop();
  const restarted = await startBot({ server, databasePath, clock });
  expect(restarted.logged()).toContain(
    'Codes are short for 13 usernames: a year of guessing succeeds once in 942 tries. Set CODE_LENGTH=8.',
  );
  expect(bot.logged()).not.toContain('Codes are short');
  await restarted.say(server.general, server.admin, '!revoke "user 0"');
  await restarted.app.stop();
  expect((await startBot({ server, databasePath, clock })).logged()).not.toContain('Codes are short');
});
