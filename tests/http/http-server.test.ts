import dns from 'node:dns';
import { once } from 'node:events';
import { Server } from 'node:http';
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { StorageError } from '../../src/storage/storage-error.js';
import { openRaw } from '../support/raw-database.js';
import { openServer, TOKEN, type TestServer } from './server.js';

const VALIDATE = '/v1/validate';
const REDEEM = '/v1/redeem';
const LOGIN = { username: 'Alice', code: 'ABC234' };
const AUTHORIZED = `authorization: Bearer ${TOKEN}\r\n`;
const UNKNOWN = { valid: false, reason: 'unknown' };

const problem = (error: string) => ({ error, message: expect.stringMatching(/^[A-Z].*\.$/) });

async function connectTo(port: number, options: Partial<TcpNetConnectOpts> = {}): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  // A reset closes it, too.
  socket.on('error', () => undefined);
  return socket;
}

async function closed(socket: Socket): Promise<void> {
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
}

async function receive(socket: Socket): Promise<string> {
  const [data] = await once(socket, 'data');
  return String(data);
}

describe('POST /v1/validate and /v1/redeem', () => {
  it('validates a code and counts its uses', async () => {
    const { post, issueCode, clock } = await openServer({ codeMaxUses: 2, codeTtlMs: 3_600_000 });
    const { text } = await issueCode({ holderId: '42' });
    const verdict = {
      valid: true,
      username: 'Alice',
      discordUserId: '42',
      expiresAt: clock.now + 3_600_000,
      usesLeft: 2,
    };
    const typed = { username: '\ufeffALICE ', code: ` ${text.slice(0, 3).toLowerCase()}–${text.slice(3)} ` };
    for (let n = 0; n < 2; n++) {
      const { status, headers, body } = await post(VALIDATE, typed);
      expect({ status, body }).toEqual({ status: 200, body: verdict });
      expect(headers.get('content-type')).toMatch(/^application\/json/);
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
    expect((await post(REDEEM, typed)).body).toEqual({ ...verdict, usesLeft: 1 });
    expect((await post(REDEEM, { ...typed, client: 'home' })).body).toEqual({ ...verdict, usesLeft: 0 });
    for (const path of [VALIDATE, REDEEM]) {
      expect(await post(path, typed)).toMatchObject({ status: 200, body: { reason: 'used_up' } });
      expect((await post(path, { username: 'Bob', code: text })).body).toEqual(UNKNOWN);
      expect((await post(path, { username: '', code: '' })).body).toEqual(UNKNOWN);
    }
  });

  it('responds with 429 and Retry-After after 10 wrong codes, except to a known client', async () => {
    const { post, issueCode, validator, clock } = await openServer();
    const { text: code } = await issueCode();
    await post(VALIDATE, { username: 'Alice', code, client: 'home' });
    for (let n = 0; n < 10; n++) await post(VALIDATE, { username: 'Alice', code: 'AAAAAA' });
    clock.advance(600_500);
    for (const path of [VALIDATE, REDEEM]) {
      const throttled = await post(path, { username: 'alice', code });
      expect(throttled).toMatchObject({ status: 429, body: problem('throttled') });
      expect(throttled.headers.get('retry-after')).toBe('3000');
      const known = await post(path, { username: 'alice', code, client: 'home' });
      expect(known).toMatchObject({ status: 200, body: { valid: true } });
    }
    // Only the holder's next code helps.
    const locked = { valid: false, reason: 'throttled', retryAfterMs: null } as const;
    vi.spyOn(validator, 'validate').mockResolvedValue(locked);
    expect((await post(VALIDATE, LOGIN)).headers.get('retry-after')).toBe('3600');
  });

  it('counts one use for 20 simultaneous redemptions with one Idempotency-Key', async () => {
    const { post, issueCode } = await openServer({ codeMaxUses: 3 });
    const { text: code } = await issueCode();
    const body = { username: 'Alice', code };
    const headers = { 'idempotency-key': 'form-1' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, async () => post(REDEEM, body, { headers })),
    );
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, body: { usesLeft: 2 } });
    expect((await post(REDEEM, { ...body, code: 'AAAAAA' }, { headers })).body).toEqual(UNKNOWN);
    expect(await post(REDEEM, body)).toMatchObject({ body: { usesLeft: 1 } });
    expect(await post(REDEEM, body)).toMatchObject({ body: { usesLeft: 0 } });
    expect(await post(REDEEM, body)).toMatchObject({ body: { reason: 'used_up' } });
  });

  it('accepts either of two tokens', async () => {
    const next = `${TOKEN}-next`;
    const { post } = await openServer({ tokens: [TOKEN, next] });
    for (const token of [TOKEN, next])
      expect(await post(VALIDATE, LOGIN, { token })).toHaveProperty('status', 200);
    expect(await post(VALIDATE, LOGIN, { token: `${next}x` })).toHaveProperty('status', 401);
  });

  type Sent = Parameters<TestServer['post']>;

  const withKey = (key: string): Sent[2] => ({ headers: { 'idempotency-key': key } });
  const withType = (type: string): Sent[2] => ({ headers: { 'content-type': type } });

  it.each<[number, string, readonly (readonly [Sent[1], Sent[2]?])[]]>([
    [
      400,
      'invalid_body',
      [
        ['username=Alice&code=ABC234'],
        ['{"username":"Alice","code":"ABC2'],
        ['{"username":"Alice","code":"ABC234","__proto__":{"client":"x"}}'],
        [''],
        [[LOGIN]],
        [{ code: 'ABC234' }],
        [{ ...LOGIN, code: 234_567 }],
        [{ ...LOGIN, client: null }],
        [{ ...LOGIN, admin: true }],
      ],
    ],
    [400, 'invalid_key', ['a b', 'x'.repeat(256), ''].map((key) => [LOGIN, withKey(key)] as const)],
    [
      401,
      'unauthorized',
      [
        ...[null, `${TOKEN}x`, `${TOKEN.slice(0, -1)}x`, TOKEN.slice(0, -1), '', `${TOKEN},${TOKEN}`].map(
          (token) => [LOGIN, { token }] as const,
        ),
        [LOGIN, { headers: { authorization: `Basic ${TOKEN}` } }],
        ['{"username":"Alice","code":"ABC2', { token: null }],
      ],
    ],
    [413, 'too_large', [[{ ...LOGIN, client: 'x'.repeat(1_024) }]]],
    [
      415,
      'unsupported_media_type',
      [
        [LOGIN, withType('text/plain')],
        ['username=Alice&code=ABC234', withType('application/x-www-form-urlencoded')],
      ],
    ],
  ])('rejects with %i %s, and quotes nothing of the request', async (status, error, requests) => {
    const { post, logged } = await openServer();
    for (const [body, options] of requests) {
      const answer = await post(REDEEM, body, options);
      expect([body, options, answer.status]).toEqual([body, options, status]);
      expect(answer.body).toEqual(problem(error));
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null);
      for (const secret of ['Alice', 'ABC2', TOKEN])
        expect(JSON.stringify(answer.body)).not.toContain(secret);
    }
    for (const secret of ['ABC2', TOKEN]) expect(logged()).not.toContain(secret);
  });

  const huge = 'x'.repeat(2_000);
  it.each([
    [401, 'before a body arrives', 'content-length: 40\r\n\r\n'],
    [
      413,
      'to a body of 100,000,000 bytes without reading it',
      `${AUTHORIZED}content-length: 100000000\r\n\r\n${huge}`,
    ],
    [413, 'to such a body in chunks', `${AUTHORIZED}transfer-encoding: chunked\r\n\r\n100000\r\n${huge}`],
  ])('responds with %i %s', async (status, _when, rest) => {
    const { server } = await openServer();
    const socket = await connectTo(server.port);
    socket.write(`POST ${VALIDATE} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${rest}`);
    expect(await receive(socket)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  });

  it.each<[string, Error, number]>([
    ['an outage, which the storage logs', new StorageError('DATABASE_UNREACHABLE', 'No server'), 0],
    ['an unexpected error, which it logs once a minute', new TypeError('A bug'), 1],
  ])('responds with 503 after %s', async (_what, error, lines) => {
    const { post, issueCode, validator, logged } = await openServer();
    const { text: code } = await issueCode();
    const failing = vi.spyOn(validator, 'validate').mockRejectedValue(error);
    for (let n = 0; n < 3; n++) {
      const answer = await post(VALIDATE, { username: 'Alice', code });
      expect(answer).toMatchObject({ status: 503, body: problem('unavailable') });
      expect(answer.headers.get('retry-after')).toBe('5');
      expect(JSON.stringify(answer.body)).not.toContain(error.message);
    }
    expect(logged().match(/HTTP requests failed/g) ?? []).toHaveLength(lines);
    expect(logged().includes(error.message)).toBe(lines > 0);
    failing.mockRestore();
    expect(await post(VALIDATE, { username: 'Alice', code })).toMatchObject({ body: { valid: true } });
  });

  it('logs requests without a valid token once per minute, with their number', async () => {
    const { post, logged, clock } = await openServer();
    for (const [count, pause] of [
      [200, 60_000],
      [1, 0],
    ] as const) {
      await Promise.all(Array.from({ length: count }, async () => post(VALIDATE, LOGIN, { token: null })));
      clock.advance(pause);
    }
    const lines = [...logged().matchAll(/"count":(\d+),"msg":"[^"]* without a valid token/g)];
    expect(lines.map(([, count]) => Number(count))).toEqual([1, 200]);
  });
});

describe('GET /healthz and /livez', () => {
  it('report the database and the gateway, and logins work without the gateway', async () => {
    const { url, post, get, issueCode, databasePath, storage, clock, setConnected } = await openServer();
    const { text: code } = await issueCode();
    const probe = vi.spyOn(storage.store, 'probe');
    const raw = openRaw(databasePath);
    onTestFinished(() => void raw.close());
    const expectHealth = async (database: 'ok' | 'failing', gateway: 'ok' | 'failing'): Promise<void> => {
      const [status, health] = database === gateway && gateway === 'ok' ? [200, 'ok'] : [503, 'failing'];
      const body = { status: health, database, gateway, guessedUsernames: 0 };
      expect(await get('/healthz')).toMatchObject({ status, body });
      expect(await fetch(`${url}/healthz`, { method: 'HEAD' })).toMatchObject({ status, body: null });
      expect(await get('/livez')).toMatchObject({ status: 200, body: { status: 'ok' } });
      expect(await fetch(`${url}/livez`, { method: 'HEAD' })).toMatchObject({ status: 200, body: null });
    };
    await expectHealth('ok', 'ok');
    setConnected(false);
    await expectHealth('ok', 'failing');
    expect(await post(VALIDATE, { username: 'Alice', code })).toMatchObject({ body: { valid: true } });
    setConnected(true);
    // It writes to the database at most once in 5 seconds, and again after the clock was set back.
    raw.exec('ALTER TABLE meta RENAME TO elsewhere');
    clock.advance(4_999);
    await expectHealth('ok', 'ok');
    expect(probe).toHaveBeenCalledTimes(1);
    clock.advance(1);
    await expectHealth('failing', 'ok');
    raw.exec('ALTER TABLE elsewhere RENAME TO meta');
    clock.advance(-60_000);
    await expectHealth('ok', 'ok');
    expect(probe).toHaveBeenCalledTimes(3);
  });
});

describe('the HTTP server', () => {
  it.each([`GET ${VALIDATE}`, 'GET /', 'GET /%zz/Alice/ABC234', 'GET /v1/validate%'])(
    'responds to %s with 404 and the list of endpoints',
    async (line) => {
      const { server } = await openServer();
      const socket = await connectTo(server.port);
      socket.write(`${line} HTTP/1.1\r\nhost: x\r\n\r\n`);
      const [head = '', body = ''] = (await receive(socket)).split('\r\n\r\n');
      expect(head).toMatch(/^HTTP\/1\.1 404 [^]*cache-control: no-store/);
      expect(head).toMatch(/\r\ncontent-type: application\/json/);
      expect(JSON.parse(body)).toEqual(problem('not_found'));
      expect(body).not.toContain('ABC234');
    },
  );

  it('answers beside 200 slow connections, and closes them with 408', async () => {
    const { server, get, logged } = await openServer();
    const sockets = await Promise.all(
      Array.from({ length: 200 }, async (_, n) => {
        const socket = await connectTo(server.port);
        // Half of them stop within the headers, half within the body.
        socket.write(`POST ${VALIDATE} HTTP/1.1\r\nhost: x\r\n${AUTHORIZED}`);
        if (n % 2 === 0) socket.write('content-type: application/json\r\ncontent-length: 40\r\n\r\n{"user');
        return socket;
      }),
    );
    expect(await get('/healthz')).toHaveProperty('status', 200);
    const answers = sockets.map(receive);
    await Promise.all(sockets.map(closed));
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(await get('/healthz')).toHaveProperty('status', 200);
    expect(logged()).not.toContain('"level":50');
  });

  it.each([
    ['250 of one address, and answers another address', 250, 1],
    ['500 of all addresses', 500, 5],
  ])('closes connections beyond %s', async (_what, limit, addresses) => {
    const { server, url, logged } = await openServer();
    const sockets = await Promise.all(
      Array.from({ length: 510 }, async (_, n) =>
        connectTo(server.port, { localAddress: `127.0.0.${1 + (n % addresses)}` }),
      ),
    );
    await expect.poll(() => sockets.filter((socket) => !socket.closed).length).toBe(limit);
    if (addresses === 1) {
      const website = await connectTo(server.port, { localAddress: '127.0.0.2' });
      website.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
      expect(await receive(website)).toMatch(/^HTTP\/1\.1 200 /);
    }
    for (const socket of sockets) socket.destroy();
    await expect.poll(async () => fetch(`${url}/healthz`).then(({ status }) => status)).toBe(200);
    expect(logged()).not.toContain('"level":50');
  });

  it('keeps an idle connection for 125 seconds, and closes it at once when it is closed', async () => {
    const { server } = await openServer();
    const socket = await connectTo(server.port);
    const socketClosed = closed(socket);
    socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n');
    expect(await receive(socket)).toMatch(/^HTTP\/1\.1 200 [^]*\r\nkeep-alive: timeout=125\r\n/i);
    const closeAll = vi.spyOn(Server.prototype, 'closeAllConnections');
    onTestFinished(() => closeAll.mockRestore());
    await server.close();
    await socketClosed;
    expect(closeAll).not.toHaveBeenCalled();
  });

  it('reports a port that is in use as transient, and an address of another machine as permanent', async () => {
    const { server } = await openServer();
    await expect(openServer({ port: server.port })).rejects.toMatchObject({
      name: 'HttpSetupError',
      message: expect.stringContaining(`Another program listens on 127.0.0.1, port ${server.port}.`),
      isTransient: true,
    });
    await expect(openServer({ host: '192.0.2.1' })).rejects.toMatchObject({
      name: 'HttpSetupError',
      message: expect.stringContaining('This machine has no address 192.0.2.1.'),
      isTransient: false,
    });
  });

  it('warns when other machines can reach it', async () => {
    const near = await openServer({ host: 'localhost' });
    expect(near.logged()).not.toContain('reverse proxy');
    const far = await openServer({ host: '0.0.0.0' });
    expect(far.logged()).toContain('put a reverse proxy with TLS');
    expect(await far.get('/healthz')).toHaveProperty('status', 200);
  });

  it('listens on 127.0.0.1 only when the host is localhost', async () => {
    const { lookup } = dns;
    onTestFinished(() => void Object.assign(dns, { lookup }));
    const two = ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 }));
    Object.assign(dns, {
      lookup: (name: string, options: object, found: (error: null, addresses: object) => void) =>
        'all' in options ? found(null, two) : Reflect.apply(lookup, dns, [name, options, found]),
    });
    const { server, get } = await openServer({ host: 'localhost' });
    expect(await get('/healthz')).toHaveProperty('status', 200);
    await expect(connectTo(server.port, { host: '127.0.0.2' })).rejects.toThrow('ECONNREFUSED');
  });

  it('closes connections that stay open after 1 second when it is closed', async () => {
    const { server, url } = await openServer();
    const socket = await connectTo(server.port);
    socket.write(`POST ${VALIDATE} HTTP/1.1\r\nhost: x\r\n`);
    const socketClosed = closed(socket);
    await server.close();
    await socketClosed;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow('fetch failed');
  });
});
