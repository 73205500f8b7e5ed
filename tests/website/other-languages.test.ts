import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';

import { describe, expect, it, onTestFinished } from 'vitest';

import { startBot, type TestBot } from '../support/bot.js';
import { EXAMPLES, logInBy, type Bot, type Typed } from './languages.js';

const WRONG = 'AAAAAA';

it('finds an interpreter for an example', () => {
  expect(EXAMPLES.length).toBeGreaterThan(0);
});

/** Starts an HTTP server; returns its URL. */
async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

describe.each(EXAMPLES)('$file', (example) => {
  const failure = (result: string): string[] => [example.file === 'login.sh' ? `${result}!` : result];

  async function start(): Promise<
    Omit<TestBot, 'logged' | 'logIn'> & { bot: Bot; logIn: (typed: Typed, at?: Bot) => Promise<string[]> }
  > {
    const token = randomBytes(32).toString('hex');
    const started = await startBot({ settings: { HTTP_PORT: '0', HTTP_TOKEN: token } });
    const bot = { url: `http://127.0.0.1:${started.app.httpPort}`, token };
    const logIn = async (typed: Typed, at?: Bot): Promise<string[]> => logInBy(example, at ?? bot, typed);
    return { ...started, bot, logIn };
  }

  it('returns the Discord account and the username as it was issued', async () => {
    const { server, getCode, bot, logIn } = await start();
    const code = await getCode(server.alice, 'Alice Smith');
    const success = ['in', server.alice.id, 'Alice Smith'];
    expect(await logIn({ username: ' alice smith', code: code.toLowerCase() })).toEqual(success);
    for (const username of [
      'Alice Smith ',
      '\ufeffAlice\u00a0 Smith\u200b',
      'Ａlice\u2028Smith',
      '\tAlice\vSmith\r',
    ]) {
      const typed = { username, code: `\`${code.slice(0, 3)}–${code.slice(3)}\`\u2029` };
      expect([username, await logIn(typed)]).toEqual([username, success]);
    }
    expect(await logIn({ username: 'Alice Smith', code }, { ...bot, url: `${bot.url}/` })).toEqual(success);
    const others = await getCode(server.bob, 'Zoë');
    expect(await logIn({ username: 'ZOË', code: others })).toEqual(['in', server.bob.id, 'Zoë']);
  });

  it('rejects what is not a username and its code', async () => {
    const { server, getCode, logIn } = await start();
    const code = await getCode(server.alice, 'Alice');
    for (const username of [
      'Bob',
      'Al\u0001ice',
      'Al\u0000ice',
      'Al\u007Fice',
      'Al\u009Bice',
      'Al\rice',
      '',
    ]) {
      expect([username, await logIn({ username, code })]).toEqual([username, failure('out')]);
    }
    for (const typed of [WRONG, `${code.slice(0, 3)}\u0001${code.slice(3)}`, '\\', '"', '', '$(id)', '%s']) {
      expect([typed, await logIn({ username: 'Alice', code: typed })]).toEqual([typed, failure('out')]);
    }
    expect(await logIn({ username: `Alice","code":"${code}`, code: '\\' })).toEqual(failure('out'));
    expect(await logIn({ username: 'A'.repeat(100_000), code })).toEqual(failure('out'));
  });

  it('waits after too many wrong codes, except for a client that has logged in before', async () => {
    const { server, getCode, logIn, bot } = await start();
    const code = await getCode(server.alice, 'Alice');
    const known = { username: 'Alice', code, client: '198.51.100.7 "\\' };
    expect(await logIn(known)).toEqual(['in', server.alice.id, 'Alice']);
    for (let guess = 0; guess < 10; guess++) {
      await fetch(`${bot.url}/v1/validate`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${bot.token}`, 'Content-Type': 'application/json' },
        body: JSON.stringify({ username: 'Alice', code: WRONG }),
      });
    }
    expect(await logIn({ username: 'Alice', code })).toEqual(failure('wait'));
    expect(await logIn(known)).toEqual(['in', server.alice.id, 'Alice']);
  });

  it('lets nobody in by a redirect, and sends the token to no other server', async () => {
    const { bot, logIn } = await start();
    const body = JSON.stringify({ valid: true, username: 'Alice', discordUserId: '1' });
    const received: unknown[] = [];
    const other = await listen((request, response) => {
      received.push(request.headers.authorization);
      response.writeHead(200, { 'content-type': 'application/json' }).end(body);
    });
    for (const status of [301, 302, 303, 307, 308]) {
      const redirecting = await listen((request, response) => {
        response.writeHead(status, { location: other + request.url }).end(body);
      });
      expect(await logIn({ username: 'Alice', code: WRONG }, { ...bot, url: redirecting })).toEqual(
        failure('unavailable'),
      );
    }
    expect(received).toEqual([]);
  });

  it('lets nobody in when the bot rejects the token or does not respond', async () => {
    const { app, server, getCode, bot, logIn } = await start();
    const typed = { username: 'Alice', code: await getCode(server.alice, 'Alice') };
    expect(await logIn(typed, { ...bot, token: 'x'.repeat(64) })).toEqual(failure('unavailable'));
    await app.stop();
    expect(await logIn(typed)).toEqual(failure('unavailable'));
  });
});
