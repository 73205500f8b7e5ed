import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openStorage, type StorageOptions } from '../../src/storage/open-storage.js';
import { PostgresDriver } from '../../src/storage/postgres-driver.js';
import { deferred } from '../support/deferred.js';
import { postgresDatabase, runOn } from '../support/postgres.js';

const SECRET = 'a secret of the tests, which is long enough';
const UNREACHABLE = { name: 'StorageError', code: 'DATABASE_UNREACHABLE', isTransient: true };
const ADD = 'INSERT INTO notes (id, note) VALUES ($1, $2)';
const ALL = 'SELECT id, note FROM notes ORDER BY id';
/** Ends the other connections that use the test's schema. */
const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid <> pg_backend_pid() AND query LIKE '%notes%'`;

/** Runs one statement. */
const PROGRAM = `import pg from 'pg';
  const client = new pg.Client(process.argv[1]);
  await client.connect();
  await client.query(process.argv[2]);
  await client.end();`;

async function openNotes(poolSize?: number) {
  const url = await postgresDatabase();
  const driver = new PostgresDriver(url, poolSize);
  onTestFinished(async () => driver.close());
  await driver.query('CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, note TEXT)');
  return { url, driver };
}

describe('PostgresDriver', () => {
  it('serializes transactions with the same lock in all processes, and no others', async () => {
    const { url, driver } = await openNotes();
    const other = new PostgresDriver(url);
    onTestFinished(async () => other.close());
    const release = deferred();
    const started = deferred();
    const first = driver.transaction('a', async (query) => {
      started.resolve();
      await release.promise;
      await query(ADD, [1, 'first']);
    });
    await started.promise;
    const waiting = other.transaction('a', async (query) => query(ALL));
    expect(await other.transaction('b', async (query) => query(ALL))).toEqual([]);
    release.resolve();
    await first;
    expect(await waiting).toEqual([{ id: 1, note: 'first' }]);
  });

  it('uses one connection per lock, however many transactions wait for it', async () => {
    const { driver } = await openNotes(2);
    const release = deferred();
    const waiting = Array.from({ length: 50 }, async () =>
      driver.transaction('a', async () => release.promise),
    );
    expect(await driver.transaction('b', async (query) => query(ALL))).toEqual([]);
    release.resolve();
    await Promise.all(waiting);
  });

  it('rejects while its connections are terminated and recovers', async () => {
    const { url, driver } = await openNotes();
    for (let id = 0; id < 5; id++) {
      const adding = driver.transaction('a', async (query) => {
        await query(ADD, [id, null]);
        await runOn(url, TERMINATE);
        await query(ADD, [1_000 + id, null]);
      });
      await expect(adding).rejects.toMatchObject(UNREACHABLE);
      await driver.transaction('a', async (query) => query(ADD, [2_000 + id, null]));
    }
    expect(await driver.query(ALL)).toHaveLength(5);
  });

  it('repeats the first statement on another connection when the server had closed an idle one', async () => {
    const { url, driver } = await openNotes();
    let id = 0;
    for (const write of [
      async () => driver.query(ADD, [(id += 1), null]),
      async () => driver.transaction('a', async (query) => query(ADD, [(id += 1), null])),
    ]) {
      // Two idle connections.
      await Promise.all([driver.query(ALL), driver.query(ALL)]);
      // Without a turn of the event loop: the driver does not know yet that the connection is closed.
      spawnSync(process.execPath, ['--input-type=module', '--eval', PROGRAM, url, TERMINATE]);
      await write();
    }
    expect(await driver.query(ALL)).toHaveLength(2);
  });

  it.each([
    ['22P02', ADD, ['one', null]],
    ['23502', ADD, [null, null]],
    ['42601', 'SELCT 1', []],
  ])('rejects with error %s of PostgreSQL, no outage, for a wrong statement', async (code, sql, values) => {
    const { driver } = await openNotes();
    await expect(driver.query(sql, values)).rejects.toMatchObject({ name: 'error', code });
  });

  it('rejects with DATABASE_UNREACHABLE when the server resets the connection', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const driver = new PostgresDriver(`postgres://127.0.0.1:${Object(server.address()).port}/none`);
    onTestFinished(async () => driver.close());
    await expect(driver.query('SELECT 1')).rejects.toMatchObject(UNREACHABLE);
  });
});

describe('opening a PostgreSQL database', () => {
  const optionsFor = (url: string, options: Partial<StorageOptions> = {}): StorageOptions => ({
    database: { engine: 'postgres', url },
    secret: SECRET,
    as: 'owner',
    ...options,
  });

  it.each<[string, string, Partial<StorageOptions>, string, RegExp]>([
    ['SECRET_MISSING', 'without CODE_SECRET', { secret: null }, '', /^CODE_SECRET is not set\. /],
    ['SECRET_WRONG', 'with another CODE_SECRET', { secret: 'x'.repeat(40) }, '', /^CODE_SECRET is not the /],
    ['DATABASE_MISSING', 'as guest of an empty database', { as: 'guest' }, 'DROP TABLE meta', / is empty\. /],
    [
      'SCHEMA_UNSUPPORTED',
      'of a newer version',
      {},
      `UPDATE meta SET value = '2' WHERE name = 'schema'`,
      / newer version /,
    ],
  ])('creates the tables once, and is refused with %s %s', async (code, _what, options, sql, sentence) => {
    const url = await postgresDatabase();
    const first = await openStorage(optionsFor(url));
    expect(first).toMatchObject({ isNew: true, newSecretPath: null });
    expect(first.name).toMatch(/^PostgreSQL \S+$/);
    expect(first.name).not.toContain(new URL(url).password || '@');
    await first.close();
    const second = await openStorage(optionsFor(url, { as: 'guest' }));
    expect(second.isNew).toBe(false);
    await second.close();
    if (sql !== '') await runOn(url, sql);
    const message: unknown = expect.stringMatching(sentence);
    await expect(openStorage(optionsFor(url, options))).rejects.toMatchObject({ code, message });
  });

  const asMonitor = (schema: string) => (url: URL) =>
    url.searchParams.set('options', `-c role=pg_monitor -c search_path=${schema}`);

  it.each<[string, (url: URL) => unknown, RegExp]>([
    ['a user that does not exist', (url) => (url.username = 'nobody'), /^PostgreSQL refused the login\./],
    ['a database that does not exist', (url) => (url.pathname = '/none'), /^PostgreSQL has no database /],
    [
      'a user that finds no schema',
      asMonitor('no_schema'),
      /^The PostgreSQL user of .+ lacks a permission\./,
    ],
    [
      'a user that may not create tables',
      asMonitor('pg_catalog'),
      /^The PostgreSQL user .+ lacks a permission/,
    ],
    [
      'a certificate file that is missing',
      (url) => url.searchParams.set('sslrootcert', '/none.pem'),
      /^A certificate file .+ cannot be read\. Check its path\.$/,
    ],
    ['a server without TLS', (url) => url.searchParams.set('sslmode', 'require'), /\(.*SSL.*\)/],
    ['a port without a server', (url) => (url.port = '1'), /\(ECONNREFUSED\)/],
  ])('says what to do about %s, and not the password', async (_what, change, message) => {
    const url = new URL(await postgresDatabase());
    change(url);
    const error: unknown = await openStorage(optionsFor(url.href)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'StorageError', message: expect.stringMatching(message) });
    expect(String(error)).not.toContain(`:${url.password}`);
  });
});
