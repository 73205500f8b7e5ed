import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { BrowserContext } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { deferred } from '../support/deferred.js';
import { temporaryFolder } from '../support/folder.js';
import { headline, logIn, openBrowser, openPage, picture } from './browser.js';
import { ask, EXAMPLES } from './languages.js';
import { startSilence, startWorld, type World } from './world.js';

const WRONG = 'AAAAAA';
const OUTAGE = 'We cannot check access codes at the moment. Please try again in a minute.';
const PATIENT = { timeout: 20_000, interval: 300 };

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfter: string | null;
  /** The names of those that were set. */
  readonly cookies: readonly string[];
}

/** A cookie that an answer sets, as a browser sends it back. */
function cookieOf(response: Response, name: string): string {
  const cookie = response.headers.getSetCookie().find((text) => text.startsWith(`${name}=`));
  return cookie?.split(';')[0] ?? '';
}

async function send(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return fetch(`${url}/api/login`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
}

async function post(...request: Parameters<typeof send>): Promise<Answer> {
  const response = await send(...request);
  const cookies = response.headers.getSetCookie().map((cookie) => cookie.split('=')[0] ?? '');
  return {
    status: response.status,
    body: await response.json(),
    retryAfter: response.headers.get('Retry-After'),
    cookies: cookies.toSorted(),
  };
}

async function login(url: string, username: string, code: string): Promise<Answer> {
  return post(url, JSON.stringify({ username, code, rememberMe: false }));
}

async function sessionCookie(browser: BrowserContext): Promise<object | undefined> {
  return (await browser.cookies()).find(({ name }) => name === 'session');
}

/** The code is where it has to be, and nowhere else. */
function expectSecret(world: World, code: string): void {
  expect(world.printed()).not.toMatch(new RegExp(code, 'i'));
  expect(world.notices.join()).not.toMatch(new RegExp(code, 'i'));
}

describe.each(['module', 'HTTP'] as const)('by %s', (way) => {
  it('lets in who has a code, and out when it is revoked', async () => {
    const world = await startWorld(way);
    const { server, url } = world;
    const browser = await openBrowser(temporaryFolder());
    const page = await openPage(browser, url);
    await picture(page, `${way}-1-form`);

    const code = await world.getCode(server.alice, 'Alice');
    await logIn(page, 'Alice', WRONG);
    await page.getByText('Invalid access code').waitFor();
    await picture(page, `${way}-2-wrong`);
    await logIn(page, 'alice', ` ${code.toLowerCase()} `);
    await page.getByText('You are in').waitFor();
    expect(await page.getByRole('main').textContent()).toContain('Welcome, Alice.');
    await picture(page, `${way}-3-in`);

    expect(await sessionCookie(browser)).toMatchObject({
      httpOnly: true,
      secure: true,
      sameSite: 'Lax',
      expires: -1,
    });
    expect(JSON.stringify(await browser.cookies())).not.toMatch(new RegExp(code, 'i'));
    expect(
      await page.evaluate('[localStorage.length, sessionStorage.length, document.cookie, location.search]'),
    ).toEqual([0, 0, '', '']);
    await expect.poll(() => world.notices.length, PATIENT).toBe(1);
    expect(JSON.parse(world.notices[0] ?? '')).toEqual({
      embeds: [{ title: 'Chat room login', fields: [{ name: 'Username', value: 'Alice' }] }],
      allowed_mentions: { parse: [] },
    });

    // Bob's session shows that a session goes on for as long as its code works.
    const bobs = await openBrowser(temporaryFolder());
    const bobsPage = await openPage(bobs, url);
    await logIn(bobsPage, 'Bob', await world.getCode(server.bob, 'Bob'));
    await bobsPage.getByText('You are in').waitFor();

    await world.revoke(code);
    const look = async (): Promise<string> => {
      await page.reload();
      return headline(page);
    };
    await expect.poll(look, PATIENT).toBe('Chat Room');
    await page.getByText('Your access has ended').waitFor();
    await picture(page, `${way}-4-ended`);
    expect(await sessionCookie(browser)).toBeUndefined();
    await bobsPage.reload();
    expect(await headline(bobsPage)).toBe('You are in');

    // Another site cannot log him out.
    await bobsPage.goto(
      `data:text/html,<form method=post action=${url}/api/logout><button>Win</button></form>`,
    );
    await bobsPage.getByRole('button', { name: 'Win' }).click();
    await bobsPage.waitForURL(`${url}/`);
    await bobsPage.goto(url);
    expect(await headline(bobsPage)).toBe('You are in');

    await bobsPage.getByRole('button', { name: 'Log out' }).click();
    await bobsPage.getByLabel('Username').waitFor();
    expect(await sessionCookie(bobs)).toBeUndefined();
    expectSecret(world, code);
  });

  it('does not ask again before it is time', async () => {
    const world = await startWorld(way, { site: { ACCESS_RECHECK_MS: '600000' } });
    const page = await openPage(await openBrowser(temporaryFolder()), world.url);
    const code = await world.getCode(world.server.alice, 'Alice');
    await logIn(page, 'Alice', code);
    await page.getByText('You are in').waitFor();
    await world.revoke(code);
    await page.reload();
    expect(await headline(page)).toBe('You are in');
  });

  it('remembers over a restart of the browser whom it was asked to remember', async () => {
    const world = await startWorld(way);
    const { server, url } = world;
    const code = await world.getCode(server.alice, 'Alice');
    const folder = temporaryFolder();

    for (const rememberMe of [false, true]) {
      const browser = await openBrowser(folder);
      const page = await openPage(browser, url);
      await logIn(page, 'Alice', code, rememberMe);
      await page.getByText('You are in').waitFor();
      expect(await page.evaluate('localStorage.length')).toBe(0);
      await browser.close();

      const again = await openBrowser(folder);
      expect(await headline(await openPage(again, url))).toBe(rememberMe ? 'You are in' : 'Chat Room');
      await again.close();
    }
    expectSecret(world, code);
  });

  it('lets nobody in while it cannot ask, and goes on afterwards', async () => {
    const world = await startWorld(way);
    const { server, url } = world;
    const code = await world.getCode(server.alice, 'Alice');
    const browser = await openBrowser(temporaryFolder());
    const page = await openPage(browser, url);
    await logIn(page, 'Alice', code);
    await page.getByText('You are in').waitFor();

    await world.cut();
    const look = async (): Promise<string> => {
      await page.goto(url);
      return headline(page);
    };
    await expect.poll(look, PATIENT).toBe('One moment, please');
    await picture(page, `${way}-5-unavailable`);
    expect(await sessionCookie(browser)).toBeDefined();
    expect(await login(url, 'Alice', code)).toEqual({
      status: 503,
      body: { error: OUTAGE },
      retryAfter: null,
      cookies: ['device'],
    });
    const others = await openPage(await openBrowser(temporaryFolder()), url);
    await logIn(others, 'Alice', code);
    await others.getByText(OUTAGE).waitFor();
    await picture(others, `${way}-6-outage`);

    await world.mend();
    await expect.poll(look, PATIENT).toBe('You are in');
    // The same form, sent once more.
    await others.getByRole('button', { name: 'Enter' }).click();
    await others.getByText('You are in').waitFor();
    expectSecret(world, code);
  });

  it('counts one use for each login, and none for a form that was sent twice or for a later look', async () => {
    const world = await startWorld(way, { bot: { CODE_MAX_USES: '1' } });
    const { server, url } = world;
    const code = await world.getCode(server.alice, 'Alice');
    const page = await openPage(await openBrowser(temporaryFolder()), url);
    await logIn(page, 'Alice', code);
    await page.getByText('You are in').waitFor();
    expect(await login(url, 'Alice', code)).toMatchObject({ status: 401, cookies: ['device'] });

    let asked = false;
    page.on('request', (request) => (asked ||= request.url().endsWith('/api/session')));
    const look = async (): Promise<boolean> => {
      await page.reload();
      return asked;
    };
    await expect.poll(look, PATIENT).toBe(true);
    expect(await headline(page)).toBe('You are in');

    const other = await world.getCode(server.bob, 'Bob');
    const form = JSON.stringify({ username: 'Bob', code: other, rememberMe: false });
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    const twice = await Promise.all([post(url, form, key), post(url, form, key)]);
    expect(twice.map(({ status }) => status)).toEqual([200, 200]);
    expect(await post(url, form, { 'Idempotency-Key': crypto.randomUUID() })).toMatchObject({ status: 401 });
  });

  it('answers every login in one of five ways', async () => {
    const world = await startWorld(way);
    const { server, url } = world;
    const code = await world.getCode(server.alice, 'Alice');
    const bobs = await world.getCode(server.bob, 'Bob');

    const required = {
      status: 400,
      body: { error: 'Username and code are required' },
      retryAfter: null,
      cookies: [],
    };
    for (const body of [
      '',
      '{',
      'null',
      '[]',
      '"Alice"',
      '{}',
      '{"username":"Alice"}',
      '{"code":"ABC234"}',
      '{"username":"Alice","code":""}',
      '{"username":" ","code":"ABC234"}',
      '{"username":["Alice"],"code":"ABC234"}',
      '{"username":"Alice","code":234567}',
      '{"username":"Alice","code":"ABC234","rememberMe":"yes"}',
      JSON.stringify({ username: 'A'.repeat(65), code }),
      JSON.stringify({ username: 'Alice', code, more: 'x'.repeat(1_024) }),
      `${' '.repeat(100_000)}{}`,
    ]) {
      expect([body, await post(url, body)]).toEqual([body, required]);
    }
    // The two that another site's form can send.
    const encoded = `username=Alice&code=${code}`;
    const plain = JSON.stringify({ username: 'Alice', code });
    for (const [type, body] of [
      ['application/x-www-form-urlencoded', encoded],
      ['text/plain', plain],
    ] as const) {
      expect(await post(url, body, { 'Content-Type': type })).toEqual(required);
    }
    expect((await fetch(`${url}/api/login`)).status).toBe(405);

    const fine = {
      status: 200,
      body: { username: 'Alice' },
      retryAfter: null,
      cookies: ['device', 'session'],
    };
    const form = JSON.stringify({ username: 'Alice', code });
    const device = { Cookie: cookieOf(await send(url, form), 'device') };
    expect(await login(url, 'Alice', code)).toEqual(fine);
    expect(await post(url, JSON.stringify({ username: ' aLICE', code: `${code.toLowerCase()}\t` }))).toEqual(
      fine,
    );

    const invalid = {
      status: 401,
      body: { error: 'Invalid access code' },
      retryAfter: null,
      cookies: ['device'],
    };
    for (const [username, wrong] of [
      ['Alice', bobs],
      ['Bob', code],
      ['Nobody', code],
      ['Alice', '?'],
      ['\u0000', '\u0000'.repeat(60)],
      ['A\u{1F600}', 'ABC 234'],
    ] as const) {
      expect([username, await login(url, username, wrong)]).toEqual([username, invalid]);
    }

    const statuses: number[] = [];
    for (let guess = 0; guess < 12; guess++) statuses.push((await login(url, 'Alice', WRONG)).status);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    const wait = await login(url, 'Alice', WRONG);
    expect(wait).toMatchObject({
      status: 429,
      body: { error: 'Too many attempts. Get a new code with !getcode, or try again later.' },
      cookies: ['device'],
    });
    expect(Number(wait.retryAfter)).toBeGreaterThan(0);
    expect(Number(wait.retryAfter)).toBeLessThanOrEqual(3_600);
    // Strangers who guess do not lock out the device that got in before.
    expect(await login(url, 'Alice', code)).toMatchObject({ status: 429 });
    expect(await post(url, form, device)).toMatchObject({ status: 200 });
    expectSecret(world, code);
    expectSecret(world, bobs);
  });

  it('takes no cookie that it has not made', async () => {
    const { server, url, getCode } = await startWorld(way, { site: { ACCESS_RECHECK_MS: '600000' } });
    const isIn = async (session: string): Promise<boolean> => {
      const response = await fetch(url, { headers: { Cookie: `session=${session}` }, redirect: 'manual' });
      expect(response.status).toBe(200);
      return (await response.text()).includes('You are in');
    };
    const form = JSON.stringify({ username: 'Alice', code: await getCode(server.alice, 'Alice') });
    const sealed = cookieOf(await send(url, form), 'session').slice('session='.length);
    expect(await isIn(sealed)).toBe(true);

    for (const at of [0, 12, 28, sealed.length - 2]) {
      const other = sealed[at] === 'A' ? 'B' : 'A';
      expect(await isIn(sealed.slice(0, at) + other + sealed.slice(at + 1))).toBe(false);
    }
    const forged = { username: 'Alice', code: WRONG, rememberMe: true, endsAt: 9e15, checkedAt: 9e15 };
    for (const session of [
      '',
      'x',
      'A'.repeat(100),
      Buffer.from(JSON.stringify(forged)).toString('base64url'),
    ]) {
      expect(await isIn(session)).toBe(false);
    }
  });
});

it('waits for three seconds, and no longer, for a bot that does not answer', async () => {
  const world = await startWorld('HTTP', { site: { ACCESS_BOT_URL: await startSilence() } });
  const start = performance.now();
  expect(await login(world.url, 'Alice', WRONG)).toMatchObject({ status: 503, body: { error: OUTAGE } });
  const elapsed = performance.now() - start;
  expect(elapsed).toBeGreaterThan(2_500);
  expect(elapsed).toBeLessThan(15_000);
});

it('asks often, and not without end, where the setting for it is no number', async () => {
  const world = await startWorld('HTTP', { site: { ACCESS_RECHECK_MS: 'often' } });
  const page = await openPage(await openBrowser(temporaryFolder()), world.url);
  const code = await world.getCode(world.server.alice, 'Alice');
  await logIn(page, 'Alice', code);
  await page.getByText('You are in').waitFor();
  await world.revoke(code);
  const look = async (): Promise<string> => {
    await page.goto(world.url);
    return headline(page);
  };
  await expect.poll(look, PATIENT).toBe('Chat Room');
});

it.each([
  ['module', 'ACCESS_BOT_URL'],
  ['http', 'ACCESS_DATABASE'],
])('is whole with what README says to copy for %s', (way, others) => {
  const built = inject('siteFolder');
  const folder = temporaryFolder();
  for (const part of ['lib', 'app/api', 'app/unavailable', 'package.json', 'tsconfig.json']) {
    cpSync(join(built, part), join(folder, part), { recursive: true });
  }
  rmSync(join(folder, `lib/access-${way === 'http' ? 'module' : 'http'}.ts`));
  const access = join(folder, 'lib/access.ts');
  const lines = new RegExp(`^  if \\(process\\.env\\.${others}\\) \\{\\n[^]*?^  \\}\\n`, 'm');
  writeFileSync(access, readFileSync(access, 'utf8').replace(lines, ''));
  symlinkSync(join(built, 'node_modules'), join(folder, 'node_modules'));
  const compiler = join(built, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', folder], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
});

it('says what is missing where it is told no way to ask', async () => {
  const world = await startWorld('module', { site: { ACCESS_DATABASE: '' } });
  expect(await send(world.url, JSON.stringify({ username: 'Alice', code: WRONG }))).toHaveProperty(
    'status',
    500,
  );
  expect(world.printed()).toContain('Set ACCESS_BOT_URL and ACCESS_BOT_TOKEN, or ACCESS_DATABASE');
});

it('spends no code while it could keep no session', async () => {
  const world = await startWorld('module', {
    bot: { CODE_MAX_USES: '1' },
    site: { SESSION_SECRET: 'too short' },
  });
  const code = await world.getCode(world.server.alice, 'Alice');
  const form = JSON.stringify({ username: 'Alice', code });
  expect(await send(world.url, form)).toHaveProperty('status', 500);
  expect(world.printed()).toContain('SESSION_SECRET needs at least 32 characters');
  const validator = await openValidator({ databaseUrl: world.databasePath });
  expect(await validator.validate('Alice', code)).toMatchObject({ valid: true, usesLeft: 1 });
  await validator.close();
  expectSecret(world, code);
});

it.each([
  ['a wrong token', { ACCESS_BOT_TOKEN: 'x'.repeat(64) }],
  ['no token', { ACCESS_BOT_TOKEN: '' }],
])('lets nobody in with %s', async (_name, site) => {
  const world = await startWorld('HTTP', { site });
  const code = await world.getCode(world.server.alice, 'Alice');
  expect(await login(world.url, 'Alice', code)).toMatchObject({ status: 503, cookies: ['device'] });
  expect(world.printed()).toContain('The access bot answered 401');
  expectSecret(world, code);
});

it.each(EXAMPLES)(
  '$file waits no longer either, and shows no secret to who lists processes',
  async (example) => {
    const asked = deferred();
    const url = await startSilence(asked.resolve);
    const answer = ask(example, { url, token: 'token-on-the-command-line' }, 'Alice', 'CODEXY');
    await asked.promise;
    // No more than yes or no: other people's processes are among them.
    expect(commandLines().some((line) => line.includes(example.file))).toBe(true);
    expect(commandLines().some((line) => /token-on-the-command-line|CODEXY/.test(line))).toBe(false);
    expect(await answer).toMatch(/^unavailable!?$/);
  },
);

/** Of every process that runs, as `ps` shows them. */
function commandLines(): readonly string[] {
  const lines: string[] = [];
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      lines.push(readFileSync(join('/proc', id, 'cmdline'), 'utf8'));
    } catch {
      // It has ended since.
    }
  }
  return lines;
}
