import { copyFileSync, existsSync, renameSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause, setImmediate } from 'node:timers/promises';

import { describe, expect, it, onTestFinished } from 'vitest';

import type { SqlValue } from '../../src/storage/driver.js';
import { SqliteDriver, type SqliteOptions } from '../../src/storage/sqlite-driver.js';
import { folderInMemory, temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { openRaw } from '../support/raw-database.js';

const ADD = 'INSERT INTO notes (id, note) VALUES ($1, $2)';
const ALL = 'SELECT id, note FROM notes ORDER BY id';

function openDriver(path: string, options?: SqliteOptions): SqliteDriver {
  const driver = new SqliteDriver(path, options);
  onTestFinished(async () => driver.close());
  return driver;
}

/** Opens a new database with one empty table, `notes (id, note)`. */
async function openNotes(options: SqliteOptions = {}) {
  const path = join(temporaryFolder(), 'notes.db');
  const driver = openDriver(path, { ...options, create: true });
  await driver.query('CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, note TEXT)');
  return { path, driver };
}

/** Another program's connection. */
function openOther(path: string) {
  const other = openRaw(path);
  onTestFinished(() => void other.close());
  return other;
}

describe('SqliteDriver', () => {
  it('syncs every commit and uses a WAL', async () => {
    const { path, driver } = await openNotes();
    for (const each of [driver, openDriver(path)]) {
      expect(await each.query('PRAGMA synchronous')).toEqual([{ synchronous: 2 }]);
      expect(await each.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    }
  });

  it('creates no file unless asked to', () => {
    const path = join(temporaryFolder(), 'none.db');
    expect(() => openDriver(path)).toThrow(expect.objectContaining({ code: 'DATABASE_UNREADABLE' }));
    expect(existsSync(path)).toBe(false);
  });

  it('refuses an undefined parameter', async () => {
    const { driver } = await openNotes();
    const parameters: SqlValue[] = [1, Reflect.get({}, 'note')];
    await expect(driver.query(ADD, parameters)).rejects.toThrow(TypeError);
    await expect(driver.transaction('', async (query) => query(ADD, parameters))).rejects.toThrow(TypeError);
    expect(await driver.query(ALL)).toEqual([]);
  });

  it('runs statements and transactions one after the other', async () => {
    const { driver } = await openNotes();
    const seen: number[] = [];
    const slow = driver.transaction('', async (query) => {
      for (let id = 0; id < 10; id++) {
        await query(ADD, [id, null]);
        await setImmediate();
      }
      throw new Error('Changed my mind');
    });
    const meanwhile = driver.query(ADD, [100, null]);
    const later = driver.transaction('', async (query) => seen.push((await query(ALL)).length));
    await expect(slow).rejects.toThrow('Changed my mind');
    await Promise.all([meanwhile, later]);
    expect(seen).toEqual([1]);
  });

  it('waits for the transaction of another process, and reads meanwhile', async () => {
    const { path, driver } = await openNotes();
    const other = openOther(path);
    other.exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES (1, 'other')");
    const added = driver.query(ADD, [2, 'own']);
    const transacted = driver.transaction('', async (query) => query(ADD, [3, 'own']));
    await pause(20);
    expect(await driver.query(ALL)).toEqual([]);
    other.exec('COMMIT');
    await Promise.all([added, transacted]);
    expect(await driver.query(ALL)).toHaveLength(3);
  });

  it('gets the lock soon beside another process that writes all the time', async () => {
    const { path, driver } = await openNotes();
    const other = openOther(path);
    const state = { isDone: false };
    const busy = (async () => {
      for (let id = 1_000; !state.isDone; id++) {
        other.exec(`BEGIN IMMEDIATE; INSERT INTO notes VALUES (${id}, 'other')`);
        await pause(5);
        other.exec('COMMIT');
        await setImmediate();
      }
    })();
    const since = performance.now();
    for (let id = 0; id < 20; id++) await driver.transaction('', async (query) => query(ADD, [id, null]));
    state.isDone = true;
    await busy;
    expect(performance.now() - since).toBeLessThan(5_000);
  });
});

it.each<[string, (path: string) => void]>([
  ['is moved', (path) => renameSync(path, `${path}.away`)],
  ['is deleted', (path) => rmSync(path)],
  [
    'is replaced by a copy',
    (path) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
  ],
  ['is truncated', (path) => truncateSync(path)],
])('stores nothing in a database that %s while it is in use, and reports it', async (_what, change) => {
  const fatal: string[] = [];
  const { path, driver } = await openNotes({ onFatal: ({ code }) => fatal.push(code) });
  await driver.query(ADD, [1, 'one']);
  openOther(path).pragma('wal_checkpoint(TRUNCATE)');
  await driver.query(ALL);
  change(path);
  const replaced = expect.objectContaining({ code: 'DATABASE_REPLACED', isTransient: true });
  let hasRun = false;
  const adding = driver.transaction('', async () => (hasRun = true));
  await expect(adding).rejects.toEqual(replaced);
  expect(hasRun).toBe(false);
  await expect(driver.query(ADD, [3, 'three'])).rejects.toEqual(replaced);
  expect(fatal).toEqual(['DATABASE_REPLACED', 'DATABASE_REPLACED']);
});

it('reports a database that lost a table while it is in use', async () => {
  const fatal: string[] = [];
  const { path, driver } = await openNotes({ onFatal: ({ code }) => fatal.push(code) });
  openOther(path).exec('DROP TABLE notes');
  await expect(driver.query(ALL)).rejects.toMatchObject({ code: 'DATABASE_DAMAGED', isTransient: false });
  expect(fatal).toEqual(['DATABASE_DAMAGED']);
});

it('survives garbage collection on every version of Node', async () => {
  const collector = run('tests/support/collector.mjs', { cwd: folderInMemory() });
  expect(await collector.ended).toBe(0);
  expect(collector.stdout()).toBe('collected\n');
});
