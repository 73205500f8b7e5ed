import dns from 'node:dns';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

import { openRaw } from '../support/raw-database.js';
import { openDoor, TOKEN, type TestDoor } from './door.js';

const VALIDATE = '/v1/validate';
const REDEEM = '/v1/redeem';

/** A connection that the server may reset at any time. */
function connectTo(url: string): Socket {
  return connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
}

/** Resolves when the connection is closed, also by a reset. */
async function closed(socket: Socket): Promise<void> {
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
}

const problem = (error: string) => ({ error, message: expect.stringMatching(/^[A-Z].*\.$/) });

describe('a website that asks', () => {
  it('hears who may come in', async () => {
    const { bot, post } = await openDoor({ settings: { CODE_MAX_USES: '2', CODE_TTL: '1h' } });
    const { alice, bob } = bot.server;
    const code = await bot.getCode(alice, 'Alice');
    const good = {
      valid: true,
      username: 'Alice',
      discordUserId: alice.id,
      expiresAt: bot.clock.now + 3_600_000,
      usesLeft: 2,
    };
    const typed = { username: 'ALICE', code: ` ${code.toLowerCase()} ` };
    for (let times = 0; times < 2; times++) {
      expect(await post(VALIDATE, typed)).toMatchObject({ status: 200, body: good });
    }
    expect((await post(REDEEM, typed)).body).toEqual({ ...good, usesLeft: 1 });
    expect((await post(REDEEM, { ...typed, client: 'home' })).body).toEqual({ ...good, usesLeft: 0 });
    for (const path of [VALIDATE, REDEEM]) {
      expect(await post(path, typed)).toMatchObject({
        status: 200,
        body: { valid: false, reason: 'used_up' },
      });
      expect((await post(path, { username: 'Bob', code })).body).toEqual({ valid: false, reason: 'unknown' });
      expect((await post(path, { username: '', code: '' })).body).toEqual({
        valid: false,
        reason: 'unknown',
      });
    }
    const next = await bot.getCode(bob, 'Bob');
    await bot.say(bot.server.general, bot.server.admin, `!revoke ${next}`);
    const revoked = await post(VALIDATE, { username: 'Bob', code: next });
    expect(revoked).toMatchObject({ status: 200, body: { valid: false, reason: 'revoked' } });
    expect(revoked.headers.get('content-type')).toMatch(/^application\/json/);
    expect(revoked.headers.get('cache-control')).toBe('no-store');
    expect(revoked.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('hears 429, and for how long, when a username had too many wrong codes', async () => {
    const { bot, post } = await openDoor();
    const code = await bot.getCode(bot.server.alice, 'Alice');
    await post(VALIDATE, { username: 'Alice', code, client: 'home' });
    for (let n = 0; n < 10; n++) await post(VALIDATE, { username: 'Alice', code: 'AAAAAA' });
    bot.clock.advance(600_500);
    for (const path of [VALIDATE, REDEEM]) {
      const throttled = await post(path, { username: 'alice', code });
      expect(throttled).toMatchObject({ status: 429, body: problem('throttled') });
      expect(throttled.headers.get('retry-after')).toBe('3000');
      const known = await post(path, { username: 'alice', code, client: 'home' });
      expect(known).toMatchObject({ status: 200, body: { valid: true } });
    }
  });

  it('hears 429 for an hour at a time when only a new code helps', async () => {
    const { bot, post } = await openDoor();
    const wrong = { username: 'Alice', code: 'AAAAAA' };
    for (let n = 0; n < 100; n++) {
      if (n % 10 === 0) bot.clock.advance(3_600_000);
      await post(VALIDATE, wrong);
    }
    bot.clock.advance(3_600_000);
    const throttled = await post(VALIDATE, wrong);
    expect(throttled).toMatchObject({ status: 429, body: problem('throttled') });
    expect(throttled.headers.get('retry-after')).toBe('3600');
  });

  it('counts one use for one Idempotency-Key, although it asks 20 times at once', async () => {
    const { bot, post } = await openDoor({ settings: { CODE_MAX_USES: '3' } });
    const code = await bot.getCode(bot.server.alice, 'Alice');
    const body = { username: 'Alice', code };
    const headers = { 'idempotency-key': 'form-1' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => post(REDEEM, body, { headers })),
    );
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 200, body: { valid: true, usesLeft: 2 } });
    const other = await post(REDEEM, { ...body, code: 'AAAAAA' }, { headers });
    expect(other).toMatchObject({ status: 400, body: problem('key_reused') });
    // Without a key each is a redemption of its own.
    expect(await post(REDEEM, body)).toMatchObject({ body: { usesLeft: 1 } });
    expect(await post(REDEEM, body)).toMatchObject({ body: { usesLeft: 0 } });
    expect(await post(REDEEM, body)).toMatchObject({ body: { reason: 'used_up' } });
  });

  it('hears which of the two works, and still who may come in, when Discord is gone', async () => {
    const { bot, url, post, get } = await openDoor();
    const code = await bot.getCode(bot.server.alice, 'Alice');
    expect(await fetch(`${url}/healthz`, { method: 'HEAD' })).toMatchObject({ status: 200, body: null });
    expect(await get('/healthz')).toMatchObject({
      status: 200,
      body: { status: 'ok', database: 'ok', gateway: 'ok' },
    });
    await bot.server.discord.close();
    await expect.poll(() => bot.app.hears()).toBe(false);
    expect(await get('/healthz')).toMatchObject({
      status: 503,
      body: { status: 'failing', database: 'ok', gateway: 'failing' },
    });
    expect(await fetch(`${url}/healthz`, { method: 'HEAD' })).toMatchObject({ status: 503, body: null });
    expect(await post(VALIDATE, { username: 'Alice', code })).toMatchObject({ body: { valid: true } });
  });
});

type Sent = Parameters<TestDoor['post']>;

const FINE = { username: 'Alice', code: 'ABC234' };

describe('what is refused', () => {
  it.each<[string, number, string, Sent[1], Sent[2]?]>([
    ['no JSON', 400, 'invalid_body', 'username=Alice&code=ABC234'],
    ['a JSON that breaks off', 400, 'invalid_body', '{"username":"Alice","code":"ABC2'],
    ['nothing', 400, 'invalid_body', ''],
    ['null', 400, 'invalid_body', 'null'],
    ['a list', 400, 'invalid_body', [FINE]],
    ['a text', 400, 'invalid_body', '"Alice"'],
    ['no username', 400, 'invalid_body', { code: 'ABC234' }],
    ['no code', 400, 'invalid_body', { username: 'Alice' }],
    ['a number for a code', 400, 'invalid_body', { username: 'Alice', code: 234_567 }],
    ['null for a client', 400, 'invalid_body', { ...FINE, client: null }],
    ['a list of names', 400, 'invalid_body', { ...FINE, username: ['Alice'] }],
    ['more than is wanted', 400, 'invalid_body', { ...FINE, admin: true }],
    ['a prototype', 400, 'invalid_body', '{"username":"Alice","code":"ABC234","__proto__":{"client":"x"}}'],
    ['a key with a space', 400, 'invalid_key', FINE, { headers: { 'idempotency-key': 'a b' } }],
    ['a key that is too long', 400, 'invalid_key', FINE, { headers: { 'idempotency-key': 'x'.repeat(256) } }],
    ['an empty key', 400, 'invalid_key', FINE, { headers: { 'idempotency-key': '' } }],
    ['no token', 401, 'unauthorized', FINE, { token: null }],
    ['a wrong token', 401, 'unauthorized', FINE, { token: `${TOKEN}x` }],
    ['half a token', 401, 'unauthorized', FINE, { token: TOKEN.slice(0, -1) }],
    ['an empty token', 401, 'unauthorized', FINE, { token: '' }],
    ['another scheme', 401, 'unauthorized', FINE, { headers: { authorization: `Basic ${TOKEN}` } }],
    ['both tokens in one', 401, 'unauthorized', FINE, { token: `${TOKEN},${TOKEN}` }],
    ['a large body', 413, 'too_large', { ...FINE, client: 'x'.repeat(1_024) }],
    ['another type', 415, 'unsupported_media_type', FINE, { headers: { 'content-type': 'text/plain' } }],
    [
      'a form',
      415,
      'unsupported_media_type',
      'username=Alice&code=ABC234',
      { headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    ],
  ])('%s: %i %s', async (_what, status, error, body, options) => {
    const { bot, post } = await openDoor();
    const answer = await post(REDEEM, body, options);
    expect(answer).toMatchObject({ status });
    expect(answer.body).toEqual(problem(error));
    expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
    for (const secret of ['Alice', 'ABC2', TOKEN]) expect(JSON.stringify(answer.body)).not.toContain(secret);
    for (const secret of ['ABC2', TOKEN]) expect(bot.logged()).not.toContain(secret);
  });

  it.each([
    ['GET', VALIDATE],
    ['DELETE', REDEEM],
    ['GET', '/'],
    ['GET', '/v1/codes'],
    ['OPTIONS', VALIDATE],
    ['GET', '/%zz?code=ABC234'],
  ])('%s %s: 404, with what there is', async (method, path) => {
    const { url } = await openDoor();
    const response = await fetch(url + path, { method });
    expect(response.status).toBe(404);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(await response.json()).toEqual(problem('not_found'));
  });

  it('takes either of two tokens while one replaces the other', async () => {
    const next = `${TOKEN}-next`;
    const { post } = await openDoor({ settings: { HTTP_TOKEN: `${TOKEN}, ${next}` } });
    for (const token of [TOKEN, next])
      expect(await post(VALIDATE, FINE, { token })).toHaveProperty('status', 200);
    expect(await post(VALIDATE, FINE, { token: `${next}x` })).toHaveProperty('status', 401);
  });

  it('is 503 when the database cannot tell, and says why in the log alone', async () => {
    const { bot, post, get } = await openDoor();
    const code = await bot.getCode(bot.server.alice, 'Alice');
    const raw = openRaw(bot.databasePath);
    raw.exec('ALTER TABLE guards RENAME TO elsewhere');
    for (let times = 0; times < 3; times++) {
      const answer = await post(VALIDATE, { username: 'Alice', code });
      expect(answer).toMatchObject({ status: 503, body: problem('unavailable') });
      expect(answer.headers.get('retry-after')).toBe('5');
    }
    expect(bot.logged().match(/could not be answered/g)).toHaveLength(1);
    expect(bot.logged()).toContain('no such table: guards');
    raw.exec('ALTER TABLE elsewhere RENAME TO guards');
    expect(await post(VALIDATE, { username: 'Alice', code })).toMatchObject({ body: { valid: true } });
    raw.exec('ALTER TABLE meta RENAME TO elsewhere');
    bot.clock.advance(5_000);
    expect(await get('/healthz')).toMatchObject({
      status: 503,
      body: { database: 'failing', gateway: 'ok' },
    });
    raw.close();
  });

  it('answers whatever is sent, and never with more than it should', async () => {
    const { post, get } = await openDoor();
    const bodies = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary', maxLength: 2_000 }),
      fc
        .record({ username: fc.string({ unit: 'binary' }), code: fc.string() })
        .map((body) => JSON.stringify(body)),
      fc.object().map((body) => JSON.stringify({ ...body, ...FINE })),
    );
    await fc.assert(
      fc.asyncProperty(bodies, fc.constantFrom(VALIDATE, REDEEM), async (body, path) => {
        const { status, body: answer } = await post(path, body);
        if (status === 200) expect(answer).toEqual({ valid: false, reason: 'unknown' });
        else {
          expect([400, 413, 429]).toContain(status);
          expect(Object.keys(Object(answer))).toEqual(['error', 'message']);
        }
      }),
      { numRuns: 300 },
    );
    expect(await get('/healthz')).toHaveProperty('status', 200);
  });

  it('are 10,000 requests with wrong tokens, with a line in the log for each minute', async () => {
    const { bot, post, url } = await openDoor();
    const code = await bot.getCode(bot.server.alice, 'Alice');
    let refused = 0;
    const knock = async (token: string): Promise<void> => {
      const response = await fetch(url + VALIDATE, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      });
      await response.arrayBuffer();
      if (response.status === 401) refused += 1;
    };
    for (let round = 0; round < 100; round++) {
      if (round === 50) bot.clock.advance(60_000);
      await Promise.all(Array.from({ length: 100 }, async (_, n) => knock(`${TOKEN}${round}-${n}`)));
    }
    expect(refused).toBe(10_000);
    const lines = [...bot.logged().matchAll(/"times":(\d+),"msg":"[^"]* had no right token/g)];
    // The first one at once, and what followed it with the next.
    expect(lines.map(([, times]) => Number(times))).toEqual([1, 5_000]);
    expect(await post(VALIDATE, { username: 'Alice', code })).toMatchObject({ body: { valid: true } });
  });

  it('are slow connections: they keep nobody from being answered, and are closed', async () => {
    const { bot, url, get } = await openDoor();
    const sockets = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const socket = connectTo(url);
        onTestFinished(() => void socket.destroy());
        await once(socket, 'connect');
        // Half of them break off within the headers, half within the body.
        socket.write(`POST ${VALIDATE} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${TOKEN}\r\n`);
        if (n % 2 === 0) socket.write('content-type: application/json\r\ncontent-length: 40\r\n\r\n{"user');
        return socket;
      }),
    );
    expect(await get('/healthz')).toHaveProperty('status', 200);
    const answers = sockets.map(async (socket) => {
      const [said] = await once(socket, 'data');
      return String(said);
    });
    await Promise.all(sockets.map(closed));
    for (const answer of await Promise.all(answers)) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 [^]*"error":"too_slow"/);
    }
    expect(await get('/healthz')).toHaveProperty('status', 200);
    expect(bot.logged()).not.toContain('"level":50');
  });

  it.each([
    ['no HTTP', 'EHLO mail\r\n\r\n', 400, 'bad_request'],
    [
      'a header of 9 kB',
      `GET /healthz HTTP/1.1\r\nhost: ${'x'.repeat(9_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
  ])('is %s', async (_what, sent, status, error) => {
    const { url } = await openDoor();
    const socket = connectTo(url);
    socket.write(sent);
    const [said] = await once(socket, 'data');
    const [head = '', body = ''] = String(said).split('\r\n\r\n');
    expect(head).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(JSON.parse(body)).toEqual(problem(error));
  });

  it('are more connections than 500: those past that are hung up at once', async () => {
    const { bot, url } = await openDoor();
    const sockets = await Promise.all(
      Array.from({ length: 510 }, async () => {
        const socket = connectTo(url);
        onTestFinished(() => void socket.destroy());
        await once(socket, 'connect');
        return socket;
      }),
    );
    let open = sockets.length;
    for (const socket of sockets) void closed(socket).then(() => (open -= 1));
    await expect.poll(() => open).toBe(500);
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => open).toBe(0);
    await expect.poll(async () => fetch(`${url}/healthz`).then(({ status }) => status)).toBe(200);
    expect(bot.logged()).not.toContain('"level":50');
  });
});

describe('the door', () => {
  it('is closed unless it is asked for', async () => {
    const { bot } = await openDoor({ settings: { HTTP_PORT: '' } });
    expect(bot.app.httpPort).toBeNull();
  });

  it('does not open where another program listens, and says so', async () => {
    const { bot } = await openDoor();
    const port = String(bot.app.httpPort);
    await expect(openDoor({ settings: { HTTP_PORT: port } })).rejects.toThrow(
      `Another program listens on 127.0.0.1, port ${port}. Choose another HTTP_PORT`,
    );
  });

  it('warns where other machines can reach it', async () => {
    const near = await openDoor({ settings: { HTTP_HOST: 'localhost' } });
    expect(near.bot.logged()).not.toContain('reverse proxy');
    const far = await openDoor({ settings: { HTTP_HOST: '0.0.0.0' } });
    expect(far.bot.logged()).toContain('put a reverse proxy with TLS');
    expect(await far.get('/healthz')).toHaveProperty('status', 200);
  });

  it('opens at one address, although localhost may be two', async () => {
    const { lookup } = dns;
    onTestFinished(() => void Object.assign(dns, { lookup }));
    const two = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    Object.assign(dns, {
      lookup: (name: string, options: object, found: (error: null, addresses: object) => void) =>
        'all' in options ? found(null, two) : Reflect.apply(lookup, dns, [name, options, found]),
    });
    const { url, get } = await openDoor({ settings: { HTTP_HOST: 'localhost' } });
    expect(await get('/healthz')).toHaveProperty('status', 200);
    await expect(once(connect(Number(new URL(url).port), '127.0.0.2'), 'connect')).rejects.toThrow(
      'ECONNREFUSED',
    );
  });

  it('closes within seconds, whoever holds a connection open, while the bot leaves Discord', async () => {
    const { bot, url } = await openDoor();
    const { server } = bot;
    const socket = connectTo(url);
    socket.write(`POST ${VALIDATE} HTTP/1.1\r\nhost: x\r\n`);
    await once(socket, 'connect');
    const hungUp = closed(socket);
    const stopped = bot.app.stop();
    server.discord.say(server.general, server.alice, '!help_chatroom');
    await stopped;
    expect(server.heard()).toEqual([]);
    await hungUp;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
  });
});
