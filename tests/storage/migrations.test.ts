import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { writeBackup } from '../../src/storage/backup-files.js';
import { backUp } from '../../src/storage/backups.js';
import { MIGRATIONS, type Migrations } from '../../src/storage/migrations.js';
import { openStorage, SECRET_FILE_NAME } from '../../src/storage/open-storage.js';
import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { temporaryFolder } from '../support/folder.js';
import { LATER, RELEASED } from '../support/migrations.js';
import { keep, openRaw } from '../support/raw-database.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5);

/** A database of schema `version` with one code in it, closed. */
async function databaseOf(version: number) {
  const folder = temporaryFolder();
  const databasePath = join(folder, 'codes.db');
  const open = async (migrations: Migrations) => {
    const storage = await openStorage({
      databasePath,
      secret: null,
      as: 'owner',
      migrations,
      clock: () => NOW,
    });
    await storage.close();
  };
  await open(MIGRATIONS.slice(0, 1));
  const database = openRaw(databasePath);
  database.exec(`INSERT INTO codes (id, guild_id, holder_id, holder_tag, username, name_hash, text_hash,
    pair_hash, sealed_text, uses, issued_at) VALUES ('1', '1', '1', 'alice', 'Alice', 'n', 't', 'p', 's', 0, 1)`);
  database.close();
  await open(MIGRATIONS.slice(0, version));
  const backups = join(folder, 'backups');
  rmSync(backups, { recursive: true, force: true });
  return { folder, databasePath, backups, open };
}

function schemaOf(path: string): number {
  const database = openRaw(path);
  const find = keep(database.prepare("SELECT value FROM meta WHERE name = 'schema_version'").pluck());
  const version = Number(find.get());
  database.close();
  return version;
}

function namesIn(folder: string): string[] {
  return readdirSync(folder).toSorted();
}

const NAME = `codes-20260102T030405Z-0001-before-schema-${LATER.length}.db`;

describe('an update of the schema', () => {
  it.each(RELEASED)('from %i leaves a backup of what was there', async (version) => {
    const { databasePath, backups, open } = await databaseOf(version);
    await open(LATER);
    expect(schemaOf(databasePath)).toBe(LATER.length);
    expect(namesIn(backups)).toEqual([NAME]);
    expect(schemaOf(join(backups, NAME))).toBe(version);
    await open(LATER);
    expect(namesIn(backups)).toEqual([NAME]);
  });

  it('makes none of a database that is new or up to date', async () => {
    const { folder, open } = await databaseOf(MIGRATIONS.length);
    await open(MIGRATIONS);
    expect(namesIn(folder)).toEqual([SECRET_FILE_NAME, 'codes.db', 'codes.db.marker']);
  });

  it('by two at once leaves one, of what was there before both', async () => {
    for (let round = 0; round < 10; round++) {
      const { databasePath, backups, open } = await databaseOf(1);
      await Promise.all([open(LATER), open(LATER), open(LATER)]);
      expect(schemaOf(databasePath)).toBe(LATER.length);
      const names = namesIn(backups);
      expect(names).toHaveLength(1);
      expect(schemaOf(join(backups, names[0] ?? ''))).toBe(1);
    }
  });

  it('by another process, faster by a moment, is not copied as what was there before', async () => {
    const { databasePath, backups, open } = await databaseOf(1);
    await open(LATER);
    const driver = await SqliteDriver.open(databasePath, { create: false });
    onTestFinished(async () => driver.close());
    const beforeSchema = LATER.length;
    expect(await writeBackup(driver, databasePath, { now: NOW, beforeSchema })).toBeNull();
    expect(namesIn(backups)).toEqual([NAME]);
  });

  it('keeps its backup whatever number is to be kept of the others', async () => {
    const { databasePath, backups, open } = await databaseOf(1);
    await open(LATER);
    for (let count = 0; count < 3; count++) await backUp({ databasePath, keep: 1, now: NOW });
    expect(namesIn(backups)).toEqual([NAME, 'codes-20260102T030405Z-0004.db']);
  });

  it('is not begun where no backup can be made', async () => {
    const { databasePath, backups, open } = await databaseOf(1);
    writeFileSync(backups, '');
    await expect(open(LATER)).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      message: expect.stringContaining('not updated without one'),
    });
    expect(schemaOf(databasePath)).toBe(1);
    rmSync(backups);
    await open(LATER);
    expect(schemaOf(databasePath)).toBe(LATER.length);
  });

  it('that fails leaves everything as it was, and the backup', async () => {
    const { databasePath, backups, open } = await databaseOf(1);
    const failing = [...LATER, ['CREATE TABLE one (a TEXT)', 'CREATE NOTHING']];
    await expect(open(failing)).rejects.toThrow('syntax error');
    expect(schemaOf(databasePath)).toBe(1);
    await expect(open(failing)).rejects.toThrow('syntax error');
    // However often it is tried.
    expect(namesIn(backups)).toHaveLength(1);
    await open(LATER);
    expect(schemaOf(databasePath)).toBe(LATER.length);
  });
});

it('a newer database is refused, and not a byte of it changes', async () => {
  const { folder, databasePath, open } = await databaseOf(1);
  await open(LATER);
  const before = readFileSync(databasePath);
  const names = namesIn(folder);
  await expect(open(MIGRATIONS)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' });
  expect(readFileSync(databasePath)).toEqual(before);
  expect(namesIn(folder)).toEqual(names);
});

it.each(['0', '1', 'x', ''])(
  'a schema that has more than its version, %j, says is damaged',
  async (version) => {
    const { databasePath, open } = await databaseOf(MIGRATIONS.length);
    const database = openRaw(databasePath);
    keep(database.prepare("UPDATE meta SET value = ? WHERE name = 'schema_version'")).run(version);
    database.close();
    await expect(open(MIGRATIONS)).rejects.toMatchObject({ code: 'DATABASE_DAMAGED' });
  },
);
