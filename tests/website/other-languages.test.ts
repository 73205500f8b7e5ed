import { randomBytes } from 'node:crypto';

import { expect, it } from 'vitest';

import { startBot } from '../support/bot.js';
import { ask, EXAMPLES, type Bot } from './languages.js';

const WRONG = 'AAAAAA';

it('the examples in other languages let in who has a code, and nobody else', async () => {
  const token = randomBytes(32).toString('hex');
  const { app, server, getCode } = await startBot({
    settings: { HTTP_PORT: '0', HTTP_TOKEN: token },
  });
  const bot = { url: `http://127.0.0.1:${app.httpPort}`, token };
  const code = await getCode(server.alice, 'Alice Smith');
  const inAll = async (username: string, typed: string, at: Bot = bot): Promise<string[]> =>
    Promise.all(EXAMPLES.map(async (example) => ask(example, at, username, typed)));
  const everywhere = (word: string): string[] =>
    EXAMPLES.map(({ file }) => (file === 'login.sh' && word !== 'in' ? `${word}!` : word));

  expect(EXAMPLES.length).toBeGreaterThan(0);
  expect(await inAll('alice smith', code.toLowerCase())).toEqual(everywhere('in'));
  expect(await inAll('Alice Smith', code, { ...bot, url: `${bot.url}/` })).toEqual(everywhere('in'));
  expect(await inAll('Alice Smith', WRONG)).toEqual(everywhere('out'));
  expect(await inAll(`Alice Smith","code":"${code}`, '\\')).toEqual(everywhere('out'));
  expect(await inAll('Alice Smith', code, { ...bot, token: 'x'.repeat(64) })).toEqual(
    everywhere('unavailable'),
  );

  for (let guess = 0; guess < 10; guess++) {
    await fetch(`${bot.url}/v1/validate`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ username: 'Alice Smith', code: WRONG }),
    });
  }
  expect(await inAll('Alice Smith', code)).toEqual(everywhere('wait'));

  await app.stop();
  expect(await inAll('Alice Smith', code)).toEqual(everywhere('unavailable'));
});
