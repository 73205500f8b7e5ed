import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { BrowserContext, Page } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { deferred } from '../support/deferred.js';
import { temporaryFolder } from '../support/folder.js';
import { postgresDatabase } from '../support/postgres.js';
import { openRaw } from '../support/raw-database.js';
import { headline, logIn, openBrowser, openPage } from './browser.js';
import { EXAMPLES, logInBy } from './languages.js';
import { startSilence, startWorld, type World } from './world.js';

const WRONG = 'AAAAAA';
const SESSION = '__Host-session';
const DEVICE = '__Host-device';
const OUTAGE = 'We cannot check access codes at the moment. Please try again in a minute.';
const POLL = { timeout: 20_000, interval: 300 };

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly retryAfter: string | null;
  /** The names of the cookies that were set. */
  readonly cookies: readonly string[];
}

/** Returns a cookie that `response` sets, as a browser sends it back. */
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

async function post(...request: Parameters<typeof send>): Promise<Reply> {
  const response = await send(...request);
  const cookies = response.headers.getSetCookie().map((cookie) => cookie.split('=')[0] ?? '');
  return {
    status: response.status,
    body: await response.json(),
    retryAfter: response.headers.get('Retry-After'),
    cookies: cookies.toSorted(),
  };
}

/** A reply that sets these cookies and asks for no pause. */
function reply(status: number, body: object, ...cookies: readonly string[]): Reply {
  return { status, body, retryAfter: null, cookies };
}

async function login(url: string, username: string, code: string): Promise<Reply> {
  return post(url, JSON.stringify({ username, code, rememberMe: false }));
}

async function sessionCookie(browser: BrowserContext): Promise<object | undefined> {
  return (await browser.cookies()).find(({ name }) => name === SESSION);
}

/** Logs Alice in with a new code, in a browser of her own. */
async function logAliceIn({ server, url, getCode }: World): Promise<{ page: Page; code: string }> {
  const page = await openPage(await openBrowser(temporaryFolder()), url);
  const code = await getCode(server.alice, 'Alice');
  await logIn(page, 'Alice', code);
  await page.getByText('You are in').waitFor();
  return { page, code };
}

/** Returns a function that opens the website again and returns its headline. */
function reopening(page: Page, url: string): () => Promise<string> {
  return async () => {
    await page.goto(url);
    return headline(page);
  };
}

/** Returns the option with which Node runs `script` first. */
function preload(script: string): string {
  return `--import=data:text/javascript,${encodeURIComponent(script)}`;
}

/** Expects `code` neither in a log nor in a login notice. */
function expectSecret(world: World, code: string): void {
  expect(world.printed()).not.toMatch(new RegExp(code, 'i'));
  expect(world.notices.join()).not.toMatch(new RegExp(code, 'i'));
}

describe.each(['module', 'HTTP'] as const)('by %s', (way) => {
  it('logs in with a valid code, and ends the session when the code is revoked', async () => {
    // A setting that is not a number: 1 second.
    const world = await startWorld(way, { site: { ACCESS_RECHECK_MS: 'often' } });
    const { server, url } = world;
    const browser = await openBrowser(temporaryFolder());
    const page = await openPage(browser, url);

    const code = await world.getCode(server.alice, 'Alice');
    await logIn(page, 'Alice', WRONG);
    await page.getByText('Invalid access code').waitFor();
    await page.locator('[name=code][aria-invalid=true][aria-describedby=login-message]:focus').waitFor();
    await logIn(page, 'alice', ` ${code.toLowerCase()} `);
    await page.getByText('You are in').waitFor();
    expect(await page.getByRole('main').textContent()).toContain('Welcome, Alice.');

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
    await expect.poll(() => world.notices.length, POLL).toBe(1);
    expect(JSON.parse(world.notices[0] ?? '')).toEqual({
      embeds: [{ title: 'Chat room login', fields: [{ name: 'Username', value: '`Alice`' }] }],
      allowed_mentions: { parse: [] },
    });

    // Bob's code stays valid, so his session does.
    const bobs = await openBrowser(temporaryFolder());
    const bobsPage = await openPage(bobs, url);
    await logIn(bobsPage, 'Bob', await world.getCode(server.bob, 'Bob'));
    await bobsPage.getByText('You are in').waitFor();

    await world.revoke(code);
    await expect.poll(reopening(page, url), POLL).toBe('Chat Room');
    await page.getByText('Your access has ended').waitFor();
    expect(await sessionCookie(browser)).toBeUndefined();
    await bobsPage.reload();
    expect(await headline(bobsPage)).toBe('You are in');

    // A form on another site does not log him out.
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

  it('keeps two holders of one username apart by their Discord accounts', async () => {
    const world = await startWorld(way);
    const { server, url } = world;
    const page = await openPage(await openBrowser(temporaryFolder()), url);
    const code = await world.getCode(server.alice, 'Alice');
    await logIn(page, 'Al\u0001ice', code);
    await page.getByText('Invalid access code').waitFor();
    await logIn(page, 'Alice', code);
    await page.getByText(`Your account: Discord user ${server.alice.id}`).waitFor();
    await world.revoke(code);
    const bobs = await openPage(await openBrowser(temporaryFolder()), url);
    await logIn(bobs, 'Alice', await world.getCode(server.bob, 'Alice'));
    await bobs.getByText(`Your account: Discord user ${server.bob.id}`).waitFor();

    const database = openRaw(world.databasePath);
    database.prepare('UPDATE codes SET holder_id = ?').run(server.alice.id);
    database.close();
    await expect.poll(reopening(bobs, url), POLL).toBe('Chat Room');
    await bobs.getByText('Your access has ended').waitFor();
  });

  it('checks a code again only when the interval has passed', async () => {
    const world = await startWorld(way, { site: { ACCESS_RECHECK_MS: '600000' } });
    const { page, code } = await logAliceIn(world);
    await world.revoke(code);
    await page.reload();
    expect(await headline(page)).toBe('You are in');
  });

  it('keeps the session over a restart of the browser with "Remember me" only', async () => {
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

  it('lets nobody in during an outage, and continues sessions after it', async () => {
    const world = await startWorld(way);
    const { url } = world;
    const { page, code } = await logAliceIn(world);
    await world.breakAccess();
    await expect.poll(reopening(page, url), POLL).toBe('One moment, please');
    expect(await sessionCookie(page.context())).toBeDefined();
    expect(await login(url, 'Alice', code)).toEqual(reply(503, { error: OUTAGE }, DEVICE));
    const others = await openPage(await openBrowser(temporaryFolder()), url);
    await logIn(others, 'Alice', code);
    await others.getByText(OUTAGE).waitFor();

    await world.restoreAccess();
    await expect.poll(reopening(page, url), POLL).toBe('You are in');
    // The same form again.
    await others.getByRole('button', { name: 'Enter' }).click();
    await others.getByText('You are in').waitFor();
    expectSecret(world, code);
  });

  it('counts one use per login, and none for a repeated form or a later check', async () => {
    const world = await startWorld(way, { bot: { CODE_MAX_USES: '1' } });
    const { server, url } = world;
    const { page, code } = await logAliceIn(world);
    expect(await login(url, 'Alice', code)).toMatchObject({ status: 401, cookies: [DEVICE] });

    // The code is checked again by following a link.
    const first = await sessionCookie(page.context());
    const follow = async (): Promise<object | undefined> => {
      await page.goto(`${url}/unavailable`);
      await page.getByRole('link', { name: 'Try again' }).click();
      await page.getByRole('heading', { name: 'You are in' }).waitFor();
      return sessionCookie(page.context());
    };
    await expect.poll(follow, POLL).not.toEqual(first);
    await page.goto(`${url}/login`);
    await page.getByRole('heading', { name: 'You are in' }).waitFor();

    const other = await world.getCode(server.bob, 'Bob');
    const form = JSON.stringify({ username: 'Bob', code: other, rememberMe: false });
    const key = { 'Idempotency-Key': crypto.randomUUID() };
    const twice = await Promise.all([post(url, form, key), post(url, form, key)]);
    expect(twice.map(({ status }) => status)).toEqual([200, 200]);
    expect(await post(url, form, { 'Idempotency-Key': crypto.randomUUID() })).toMatchObject({ status: 401 });
  });

  it('responds to every login with a status and a sentence', async () => {
    const world = await startWorld(way);
    const { server, url } = world;
    const code = await world.getCode(server.alice, 'Alice');
    const bobs = await world.getCode(server.bob, 'Bob');

    const required = reply(400, { error: 'Username and code are required' });
    for (const body of [
      '{',
      'null',
      `${' '.repeat(100_000)}{}`,
      ...[
        { code: 'ABC234' },
        { username: 'Alice', code: '' },
        { username: ['Alice'], code: 'ABC234' },
        { username: 'Alice', code: 'ABC234', rememberMe: 'yes' },
        { username: 'A'.repeat(257), code },
        { username: 'Alice', code, more: 'x'.repeat(1_024) },
      ].map((form) => JSON.stringify(form)),
    ]) {
      expect([body, await post(url, body)]).toEqual([body, required]);
    }
    // A form on another site can send these two types.
    const encoded = `username=Alice&code=${code}`;
    const plain = JSON.stringify({ username: 'Alice', code });
    for (const [type, body] of [
      ['application/x-www-form-urlencoded', encoded],
      ['text/plain', plain],
    ] as const) {
      expect(await post(url, body, { 'Content-Type': type })).toEqual(required);
    }
    expect((await fetch(`${url}/api/login`)).status).toBe(405);

    const fine = reply(200, { discordUserId: server.alice.id, username: 'Alice' }, DEVICE, SESSION);
    const form = JSON.stringify({ username: 'Alice', code });
    const device = { Cookie: cookieOf(await send(url, form), DEVICE) };
    expect(await login(url, 'Alice', code)).toEqual(fine);
    const decorated = {
      username: `\ufeffaLICE${' '.repeat(100)}`,
      code: `${code.slice(0, 3).toLowerCase()}–${code.slice(3)}\t`,
    };
    expect(await post(url, JSON.stringify(decorated))).toEqual(fine);

    const invalid = reply(401, { error: 'Invalid access code' }, DEVICE);
    for (const [username, wrong] of [
      ['Alice', bobs],
      ['Bob', code],
      ['Alice', '?'],
      ['Al\u0001ice', code],
      ['Alice\r\nSet-Cookie: stolen=1', code],
      ['Alice', `${code.slice(0, 3)}\u001B[2J${code.slice(3)}`],
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
      cookies: [DEVICE],
    });
    expect(Number(wait.retryAfter)).toBeGreaterThan(0);
    expect(Number(wait.retryAfter)).toBeLessThanOrEqual(3_600);
    // Wrong codes of others do not lock out a device that has logged in before.
    expect(await login(url, 'Alice', code)).toMatchObject({ status: 429 });
    expect(await post(url, form, device)).toMatchObject({ status: 200 });
    expectSecret(world, code);
    expectSecret(world, bobs);
    for (const typed of ['\u0001', '\u001B[2J', 'stolen']) expect(world.printed()).not.toContain(typed);
  });

  it('rejects a cookie that it did not make', async () => {
    const { server, url, getCode } = await startWorld(way, { site: { ACCESS_RECHECK_MS: '600000' } });
    const isIn = async (session: string): Promise<boolean> => {
      const response = await fetch(url, { headers: { Cookie: `${SESSION}=${session}` }, redirect: 'manual' });
      expect(response.status).toBe(200);
      return (await response.text()).includes('You are in');
    };
    const form = JSON.stringify({ username: 'Alice', code: await getCode(server.alice, 'Alice') });
    const encrypted = cookieOf(await send(url, form), SESSION).slice(SESSION.length + 1);
    expect(await isIn(encrypted)).toBe(true);

    for (const at of [0, 12, 28, encrypted.length - 2]) {
      const other = encrypted[at] === 'A' ? 'B' : 'A';
      expect(await isIn(encrypted.slice(0, at) + other + encrypted.slice(at + 1))).toBe(false);
    }
    const forged = { username: 'Alice', code: WRONG, rememberMe: true, endsAt: 9e15, checkedAt: 9e15 };
    for (const session of ['', 'A'.repeat(100), Buffer.from(JSON.stringify(forged)).toString('base64url')]) {
      expect(await isIn(session)).toBe(false);
    }
  });
});

it.each<[string, Readonly<Record<string, string>>, boolean]>([
  ['a browser that does not name the site', {}, true],
  ['a form on a subdomain', { 'Sec-Fetch-Site': 'same-site' }, false],
])('decides whether %s logs a visitor out', async (_what, headers, ends) => {
  const { server, url, getCode } = await startWorld('HTTP');
  const form = JSON.stringify({ username: 'Alice', code: await getCode(server.alice, 'Alice') });
  const session = cookieOf(await send(url, form), SESSION);
  const response = await fetch(`${url}/api/logout`, {
    method: 'POST',
    headers: { ...headers, Cookie: session },
    redirect: 'manual',
  });
  expect(response.status).toBe(303);
  expect(cookieOf(response, SESSION)).toBe(ends ? `${SESSION}=` : '');
});

it('runs only its own scripts, and cannot be shown in a frame', async () => {
  const world = await startWorld('HTTP');
  const { url, server } = world;
  const browser = await openBrowser(temporaryFolder());
  const violations: string[] = [];
  browser.on('console', (message) => {
    if (message.text().includes('Content Security Policy')) violations.push(message.text());
  });
  const page = await openPage(browser, url);
  await page.getByRole('button', { name: 'Enter', disabled: false }).waitFor();
  await page.goto(`${url}/unavailable`);
  await page.getByRole('link', { name: 'Try again' }).click();
  await logIn(page, 'Alice', await world.getCode(server.alice, 'Alice'));
  await page.getByText('You are in').waitFor();
  expect(violations).toEqual([]);

  await page.evaluate(`
    const script = document.createElement('script');
    script.textContent = 'window.isInjected = true';
    document.body.append(script);
  `);
  expect(await page.evaluate('window.isInjected')).toBeUndefined();
  expect(violations).toHaveLength(1);

  const other = await browser.newPage();
  await other.setContent(`<iframe src="${url}"></iframe>`);
  expect(other.frames().map((frame) => frame.url())).toEqual([
    'about:blank',
    'chrome-error://chromewebdata/',
  ]);

  const policies = await Promise.all(
    ['/', '/', '/unavailable', '/no-such-page'].map(async (path) => {
      const response = await fetch(url + path);
      return response.headers.get('Content-Security-Policy') ?? '';
    }),
  );
  for (const policy of policies) {
    expect(policy).toMatch(/^default-src 'self'; /);
    expect(policy).toMatch(/; frame-ancestors 'none'$/);
  }
  expect(new Set(policies).size).toBe(policies.length);
});

it('says over http that logging in needs https', async () => {
  const { url } = await startWorld('HTTP');
  const page = await openPage(await openBrowser(temporaryFolder()), url.replace('localhost', 'lan.example'));
  await page.getByText('Logging in needs https.').waitFor();
  expect(await page.getByRole('button', { name: 'Enter' }).isDisabled()).toBe(true);
});

it('shows every page, also when a check becomes due between the proxy and the page', async () => {
  // Each reading of the clock is 50 ms later than the one before.
  const fast = 'const { now } = Date; let readings = 0; Date.now = () => now() + 50 * readings++;';
  const { server, url, getCode } = await startWorld('HTTP', { site: { NODE_OPTIONS: preload(fast) } });
  const form = JSON.stringify({ username: 'Alice', code: await getCode(server.alice, 'Alice') });
  let cookie = cookieOf(await send(url, form), SESSION);
  for (let request = 0; request < 100; request++) {
    const response = await fetch(url, { headers: { Cookie: cookie } });
    expect(await response.text()).toContain('You are in');
    cookie = cookieOf(response, SESSION) || cookie;
  }
});

it('checks a code again when the clock was set back', async () => {
  const ahead = 'const { now } = Date; Date.now = () => now() + 86_400_000;';
  const world = await startWorld('HTTP', {
    site: {
      ACCESS_RECHECK_MS: '600000',
      NODE_OPTIONS: preload(ahead),
    },
  });
  const { page, code } = await logAliceIn(world);
  await world.restartSite({ NODE_OPTIONS: '' });
  await world.revoke(code);
  await page.goto(world.url);
  expect(await headline(page)).toBe('Chat Room');
});

it('checks codes in a PostgreSQL database, which other machines can reach', async () => {
  const codeSecret = 'a secret of the tests, which is long enough';
  const databaseUrl = await postgresDatabase();
  const { server, url, getCode, revoke } = await startWorld('module', {
    bot: { DATABASE_URL: databaseUrl, CODE_SECRET: codeSecret },
    site: { ACCESS_DATABASE: databaseUrl, ACCESS_CODE_SECRET: codeSecret },
  });
  const code = await getCode(server.alice, 'Alice');
  expect(await login(url, 'Alice', WRONG)).toMatchObject({ status: 401 });
  expect(await login(url, 'Alice', code)).toMatchObject({ status: 200, cookies: [DEVICE, SESSION] });
  await revoke(code);
  expect(await login(url, 'Alice', code)).toMatchObject({ status: 401 });
});

it('responds with 503 when the bot does not respond within 3 seconds', async () => {
  const world = await startWorld('HTTP', { site: { ACCESS_BOT_URL: await startSilence() } });
  expect(await login(world.url, 'Alice', WRONG)).toMatchObject({ status: 503, body: { error: OUTAGE } });
});

it.each([
  ['module', 'ACCESS_BOT_URL'],
  ['http', 'ACCESS_DATABASE'],
])('compiles with the files that docs/website.md lists: %s', (way, others) => {
  const built = inject('siteFolder');
  const folder = temporaryFolder();
  const parts = 'lib app/api app/login app/unavailable proxy.ts package.json tsconfig.json';
  for (const part of parts.split(' ')) cpSync(join(built, part), join(folder, part), { recursive: true });
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

it('names the missing settings when it has no way to check codes', async () => {
  const world = await startWorld('module', { site: { ACCESS_DATABASE: '' } });
  expect(await send(world.url, JSON.stringify({ username: 'Alice', code: WRONG }))).toHaveProperty(
    'status',
    500,
  );
  expect(world.printed()).toContain('Set ACCESS_BOT_URL and ACCESS_BOT_TOKEN, or ACCESS_DATABASE');
});

it.each([
  ['too short', 'SESSION_SECRET needs at least 32 characters. Make one with: openssl rand -hex 32'],
  [
    'a'.repeat(32),
    'SESSION_SECRET needs at least 8 different characters. Make one with: openssl rand -hex 32',
  ],
])('redeems no code while SESSION_SECRET is "%s"', async (secret, sentence) => {
  const world = await startWorld('module', { bot: { CODE_MAX_USES: '1' }, site: { SESSION_SECRET: secret } });
  const code = await world.getCode(world.server.alice, 'Alice');
  const form = JSON.stringify({ username: 'Alice', code });
  expect(await send(world.url, form)).toHaveProperty('status', 500);
  expect(world.printed()).toContain(sentence);
  expect(world.printed()).not.toContain(secret);
  const validator = await openValidator({ databaseUrl: world.databasePath });
  expect(await validator.validate('Alice', code)).toMatchObject({ valid: true, usesLeft: 1 });
  await validator.close();
  expectSecret(world, code);
});

it('lets nobody in with a wrong token', async () => {
  const world = await startWorld('HTTP', { site: { ACCESS_BOT_TOKEN: 'x'.repeat(64) } });
  const code = await world.getCode(world.server.alice, 'Alice');
  expect(await login(world.url, 'Alice', code)).toMatchObject({ status: 503, cookies: [DEVICE] });
  expect(world.printed()).toContain('The access bot responded with status 401');
  expectSecret(world, code);
});

it.each(EXAMPLES)('$file times out, and has no secret in its arguments', async (example) => {
  const requested = deferred();
  const url = await startSilence(requested.resolve);
  const bot = { url, token: 'token-on-the-command-line' };
  const result = logInBy(example, bot, { username: 'Alice', code: 'CODEXY' });
  await requested.promise;
  // As booleans: a failure must not print the arguments of other processes.
  expect(commandLines().some((line) => line.includes(example.file))).toBe(true);
  expect(commandLines().some((line) => /token-on-the-command-line|CODEXY/.test(line))).toBe(false);
  expect(await result).toEqual([expect.stringMatching(/^unavailable!?$/)]);
});

/** Returns the arguments of every process, as `ps` shows them. */
function commandLines(): readonly string[] {
  const lines: string[] = [];
  for (const id of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      lines.push(readFileSync(join('/proc', id, 'cmdline'), 'utf8'));
    } catch {
      // The process has ended.
    }
  }
  return lines;
}
