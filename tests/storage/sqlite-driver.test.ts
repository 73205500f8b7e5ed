import { existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { describe, expect, it, onTestFinished } from 'vitest';

import type { SqlValue } from '../../src/storage/driver.js';
import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { openRaw } from '../support/raw-database.js';

async function openDriver(path: string, create = true): Promise<SqliteDriver> {
  const driver = await SqliteDriver.open(path, { create });
  onTestFinished(async () => driver.close());
  return driver;
}

/** A driver over a new database with one empty table, `notes (id, note)`. */
async function openNotes() {
  const path = join(temporaryFolder(), 'notes.db');
  const driver = await openDriver(path);
  await driver.query('CREATE TABLE notes (id BIGINT NOT NULL PRIMARY KEY, note TEXT)');
  return { path, driver };
}

const ADD = 'INSERT INTO notes (id, note) VALUES ($1, $2)';
const ALL = 'SELECT id, note FROM notes ORDER BY id';

describe('SqliteDriver', () => {
  it.each([
    ['synchronous', 2],
    ['journal_mode', 'wal'],
  ])('opens every connection with %s = %j', async (pragma, value) => {
    const { path, driver } = await openNotes();
    const second = await openDriver(path, false);
    expect(await driver.query(`PRAGMA ${pragma}`)).toEqual([{ [pragma]: value }]);
    expect(await second.query(`PRAGMA ${pragma}`)).toEqual([{ [pragma]: value }]);
  });

  it('creates no file unless it is told to', async () => {
    const path = join(temporaryFolder(), 'none.db');
    await expect(openDriver(path, false)).rejects.toMatchObject({ code: 'DATABASE_UNREADABLE' });
    expect(existsSync(path)).toBe(false);
  });

  it('binds parameters by their numbers, as often as each is named', async () => {
    const { driver } = await openNotes();
    const rows = await driver.query('SELECT $2 AS b, $1 AS a, $2 AS c', ['one', 'two']);
    expect(rows).toEqual([{ b: 'two', a: 'one', c: 'two' }]);
  });

  it('gives the rows of RETURNING, and none where nothing is returned', async () => {
    const { driver } = await openNotes();
    expect(await driver.query(`${ADD} RETURNING id, note`, [7, null])).toEqual([{ id: 7, note: null }]);
    expect(await driver.query(ADD, [8, 'eight'])).toEqual([]);
    expect(await driver.query(ALL)).toEqual([
      { id: 7, note: null },
      { id: 8, note: 'eight' },
    ]);
  });

  it('refuses a parameter that is undefined', async () => {
    const { driver } = await openNotes();
    const parameters: SqlValue[] = [1, Reflect.get({}, 'note')];
    await expect(driver.query(ADD, parameters)).rejects.toThrow(TypeError);
    await expect(driver.transaction(async (query) => query(ADD, parameters))).rejects.toThrow(TypeError);
    expect(await driver.query(ALL)).toEqual([]);
  });

  it('leaves nothing of a transaction that throws, and goes on', async () => {
    const { driver } = await openNotes();
    const failing = driver.transaction(async (query) => {
      await query(ADD, [1, 'one']);
      await query(ADD, [2, 'two']);
      throw new Error('Thought better of it');
    });
    await expect(failing).rejects.toThrow('Thought better of it');
    await driver.query(ADD, [3, 'three']);
    expect(await driver.query(ALL)).toEqual([{ id: 3, note: 'three' }]);
  });

  it('leaves nothing of a transaction in which a statement fails', async () => {
    const { driver } = await openNotes();
    const failing = driver.transaction(async (query) => {
      await query(ADD, [1, 'one']);
      await query(ADD, [1, 'one again']);
    });
    await expect(failing).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_PRIMARYKEY' });
    expect(await driver.query(ALL)).toEqual([]);
  });

  it('gives what the transaction gives, committed', async () => {
    const { path, driver } = await openNotes();
    const added = await driver.transaction(async (query) => query(`${ADD} RETURNING id`, [1, 'one']));
    expect(added).toEqual([{ id: 1 }]);
    const second = await openDriver(path, false);
    expect(await second.query(ALL)).toEqual([{ id: 1, note: 'one' }]);
  });

  it('mixes no transaction with what is asked for meanwhile', async () => {
    const { driver } = await openNotes();
    const seen: number[] = [];
    const slow = driver.transaction(async (query) => {
      for (let id = 0; id < 10; id++) {
        await query(ADD, [id, null]);
        await Promise.resolve();
      }
      throw new Error('Thought better of it');
    });
    const meanwhile = driver.query(ADD, [100, null]);
    const later = driver.transaction(async (query) => seen.push((await query(ALL)).length));
    await expect(slow).rejects.toThrow('Thought better of it');
    await Promise.all([meanwhile, later]);
    expect(seen).toEqual([1]);
    expect(await driver.query(ALL)).toEqual([{ id: 100, note: null }]);
  });

  it("waits for another process's transaction instead of failing", async () => {
    const { path, driver } = await openNotes();
    const other = openRaw(path);
    onTestFinished(() => void other.close());
    other.exec("BEGIN IMMEDIATE; INSERT INTO notes VALUES (1, 'other')");
    const added = driver.query(ADD, [2, 'ours']);
    const transacted = driver.transaction(async (query) => query(ADD, [3, 'ours']));
    // By now both were refused once: the other process still holds the lock.
    await setImmediate();
    other.exec('COMMIT');
    await Promise.all([added, transacted]);
    expect(await driver.query(ALL)).toEqual([
      { id: 1, note: 'other' },
      { id: 2, note: 'ours' },
      { id: 3, note: 'ours' },
    ]);
  });

  it('does not say that a transaction is stored when its file went away meanwhile', async () => {
    const { path, driver } = await openNotes();
    const adding = driver.transaction(async (query) => {
      await query(ADD, [1, 'one']);
      renameSync(path, `${path}.away`);
    });
    await expect(adding).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
    await expect(driver.query(ADD, [2, 'two'])).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
    await expect(driver.query(ALL)).resolves.toHaveLength(1);
  });

  it('lets readers pass while writers wait', async () => {
    const { path, driver } = await openNotes();
    const other = openRaw(path);
    onTestFinished(() => void other.close());
    other.exec('BEGIN IMMEDIATE');
    const writers = [1, 2, 3].map(async (id) => driver.transaction(async (query) => query(ADD, [id, null])));
    expect(await driver.query(ALL)).toEqual([]);
    other.exec('COMMIT');
    await Promise.all(writers);
    expect(await driver.query(ALL)).toHaveLength(3);
  });

  it('rejects what is asked for after it was closed, and can be closed twice', async () => {
    const { driver } = await openNotes();
    await driver.query(ALL);
    const before = driver.query(ALL);
    await driver.close();
    await driver.close();
    expect(await before).toEqual([]);
    await expect(driver.query(ALL)).rejects.toThrow('not open');
    await expect(driver.transaction(async () => 1)).rejects.toThrow('not open');
  });
});

it('leaves nothing that garbage collection could end the process with', async () => {
  const collector = run('tests/support/collector.mjs', { cwd: temporaryFolder() });
  expect(await collector.ended).toBe(0);
  expect(collector.stdout()).toBe('collected\n');
});
