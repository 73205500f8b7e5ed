import {
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { describe, expect, it } from 'vitest';

import { makeBackup } from '../../src/storage/backup.js';
import { openStorage } from '../../src/storage/open-storage.js';
import { restore, type RestoreOptions } from '../../src/storage/restore.js';
import { StorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';
import { openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';
import { damageTable, filesIn, modeOf } from './files.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const REPLACED = 'codes.db.replaced-20260102T030405678Z';
const OTHER_SECRET = 'another secret, which is long enough as well';

/** A closed database in which Alice and Bob have codes, and a backup in which only Alice has. */
async function prepare() {
  const { databasePath, storage, clock, issueCode } = await openCodes();
  const alice = await issueCode({ username: 'Alice' });
  const { path: backupPath } = await makeBackup(databasePath, { keep: 7, now: NOW });
  const bob = await issueCode({ username: 'Bob', holderId: '2' });
  await storage.close();
  const folder = dirname(databasePath);
  const secretPath = join(folder, 'code-secret.key');
  const options: RestoreOptions = { backupPath, databasePath, secret: null, now: NOW };
  const logIn = async (username: string, code: string): Promise<boolean> => {
    const codes = await openCodes({ databasePath });
    const { valid } = await codes.validator.validate(username, code);
    await codes.storage.close();
    return valid;
  };
  return { folder, databasePath, backupPath, secretPath, clock, alice, bob, options, logIn };
}

type Prepared = Awaited<ReturnType<typeof prepare>>;

/** Returns the code and the sentence with which `restore` refuses, and changes no file. */
async function refusalOf(folder: string, options: RestoreOptions): Promise<[StorageErrorCode, string]> {
  const before = filesIn(folder);
  const error: unknown = await restore(options).catch((thrown: unknown) => thrown);
  if (!(error instanceof StorageError)) throw new Error('No StorageError', { cause: error });
  expect(error.message).toMatch(/^[^\n]+$/);
  expect(error.message).not.toContain(OTHER_SECRET);
  expect(filesIn(folder)).toEqual(before);
  return [error.code, error.message];
}

function linked(target: string, path: string): string {
  symlinkSync(target, path);
  return path;
}

function change(path: string, sql: string): void {
  const database = openRaw(path);
  database.exec(sql);
  database.close();
}

describe('restore', () => {
  it('replaces the database and keeps the previous one', async () => {
    const { folder, databasePath, backupPath, clock, alice, bob, options, logIn } = await prepare();
    const backup = readFileSync(backupPath);
    const previous = readFileSync(databasePath, 'latin1');
    const replacedPath = join(folder, REPLACED);
    expect(await restore(options)).toEqual({ codes: 1, lastChangeAt: clock.now, replacedPath });
    expect(readdirSync(folder)).toEqual(['backups', 'code-secret.key', 'codes.db', REPLACED]);
    expect(readFileSync(backupPath)).toEqual(backup);
    expect([databasePath, replacedPath].map(modeOf)).toEqual(['600', '600']);
    // The header says that it is no longer in WAL mode; the rest is unchanged.
    expect(readFileSync(replacedPath, 'latin1').slice(100)).toBe(previous.slice(100));
    expect([await logIn('Alice', alice.text), await logIn('Bob', bob.text)]).toEqual([true, false]);

    // The previous database can be restored in the same way.
    expect(await restore({ ...options, backupPath: replacedPath, now: NOW + 1 })).toHaveProperty('codes', 2);
    expect(await logIn('Bob', bob.text)).toBe(true);
  });

  it.each<[string, (path: string) => void]>([
    ['missing', (path) => rmSync(path)],
    ['empty', (path) => truncateSync(path)],
    ['garbage', (path) => writeFileSync(path, 'garbage'.repeat(10_000))],
    ['cut off', (path) => truncateSync(path, 4_096)],
    ['damaged', (path) => writeFileSync(path, readFileSync(path).fill(0xa5, 4_096))],
  ])('replaces a database that is %s', async (_what, damage) => {
    const { databasePath, alice, options, logIn } = await prepare();
    damage(databasePath);
    const found = existsSync(databasePath) ? readFileSync(databasePath, 'latin1') : null;
    const { replacedPath } = await restore(options);
    const kept = replacedPath === null ? null : readFileSync(replacedPath, 'latin1');
    expect(kept?.slice(100)).toBe(found?.slice(100));
    expect(await logIn('Alice', alice.text)).toBe(true);
  });

  it.each<[string, (folder: string, elsewhere: string) => string]>([
    ['a link', (folder, elsewhere) => linked(join(folder, 'codes.db'), join(elsewhere, 'site.db'))],
    [
      'a link to a link',
      (folder, elsewhere) => {
        const first = linked('codes.db', join(folder, 'first.db'));
        return linked(relative(elsewhere, first), join(elsewhere, 'site.db'));
      },
    ],
    [
      'a link to its folder',
      (folder, elsewhere) => join(linked(folder, join(elsewhere, 'data')), 'codes.db'),
    ],
  ])('replaces the database that %s leads to, and keeps the link', async (_what, link) => {
    for (const lose of [() => undefined, rmSync]) {
      const { folder, databasePath, alice, bob, options, logIn } = await prepare();
      const elsewhere = temporaryFolder();
      const given = link(folder, elsewhere);
      lose(databasePath);
      const before = filesIn(elsewhere);
      await restore({ ...options, databasePath: given });
      expect(filesIn(elsewhere)).toEqual(before);
      expect(realpathSync(given)).toBe(databasePath);
      expect([await logIn('Alice', alice.text), await logIn('Bob', bob.text)]).toEqual([true, false]);
    }
  });

  it('creates the folder, with CODE_SECRET as the secret', async () => {
    const { secretPath, options } = await prepare();
    const databasePath = join(temporaryFolder(), 'new', 'data', 'codes.db');
    await restore({ ...options, databasePath, secret: readFileSync(secretPath, 'utf8').trim() });
    expect(readdirSync(dirname(databasePath))).toEqual(['codes.db']);
    expect([dirname(databasePath), databasePath].map(modeOf)).toEqual(['700', '600']);
  });

  it('moves the WAL of a lost database away', async () => {
    const { folder, databasePath, backupPath, secretPath, alice, options, logIn } = await prepare();
    // SQLite would accept the WAL of an almost identical database.
    const twinPath = join(temporaryFolder(), 'twin.db');
    const secret = readFileSync(secretPath, 'utf8').trim();
    await restore({ ...options, databasePath: twinPath, secret });
    const twin = openRaw(twinPath);
    twin.pragma('journal_mode = WAL');
    twin.exec('DELETE FROM codes');
    const wal = readFileSync(`${twinPath}-wal`);
    twin.close();

    const loseDatabase = (): void => {
      rmSync(databasePath, { force: true });
      writeFileSync(`${databasePath}-wal`, wal);
    };
    loseDatabase();
    await restore(options);
    expect(readdirSync(folder)).toContain(`${REPLACED}-wal`);
    expect(await logIn('Alice', alice.text)).toBe(true);
    // The control: a backup that is copied beside that WAL loses its code.
    loseDatabase();
    copyFileSync(backupPath, databasePath);
    expect(await logIn('Alice', alice.text)).toBe(false);
  });

  it('ignores what a restore that was killed left, and links in its place', async () => {
    const { folder, databasePath, backupPath, alice, options, logIn } = await prepare();
    const victim = join(temporaryFolder(), 'victim');
    writeFileSync(victim, 'content');
    symlinkSync(victim, `${databasePath}.new`);
    // The WAL of a database without codes.
    copyFileSync(backupPath, join(folder, 'other.db'));
    const other = openRaw(join(folder, 'other.db'));
    other.exec('PRAGMA journal_mode = WAL; DELETE FROM codes');
    copyFileSync(join(folder, 'other.db-wal'), `${databasePath}.new-wal`);
    other.close();
    expect(await restore(options)).toHaveProperty('codes', 1);
    expect(readFileSync(victim, 'utf8')).toBe('content');
    expect(lstatSync(databasePath).isFile()).toBe(true);
    expect(await logIn('Alice', alice.text)).toBe(true);
  });

  it('restores a database to which its owner added an index, a table and statistics', async () => {
    const { backupPath, options } = await prepare();
    change(backupPath, 'CREATE INDEX mine ON codes (username); CREATE TABLE notes (id TEXT); ANALYZE');
    expect(await restore(options)).toHaveProperty('codes', 1);
  });

  it.each<[string, string, (backupPath: string) => void]>([
    ['a missing file', 'There is no file', (path) => rmSync(path)],
    ['an empty file', 'not a backup', (path) => truncateSync(path)],
    ['a text file', 'not a backup', (path) => writeFileSync(path, 'DISCORD_TOKEN=\n'.repeat(1_000))],
    ['a file that is cut off', 'damaged', (path) => truncateSync(path, 40_000)],
    ['a file with one damaged page', 'damaged', (path) => damageTable(path, 'look_alikes')],
    ['a database with a WAL beside it', '-wal', (path) => writeFileSync(`${path}-wal`, 'part')],
    [
      "another program's database",
      'not a backup of this program',
      (path) => {
        rmSync(path);
        change(path, 'CREATE TABLE codes (id TEXT); CREATE TABLE meta (name TEXT, value TEXT)');
      },
    ],
  ])('refuses %s and changes no file', async (_what, words, spoil) => {
    const { folder, backupPath, options } = await prepare();
    spoil(backupPath);
    expect(await refusalOf(folder, options)).toEqual(['RESTORE_FAILED', expect.stringContaining(words)]);
  });

  it.each<[string, StorageErrorCode, string, (prepared: Prepared) => Partial<RestoreOptions> | void]>([
    ['a folder', 'RESTORE_FAILED', 'There is no file', ({ folder }) => ({ backupPath: folder })],
    [
      'a newer schema',
      'SCHEMA_UNSUPPORTED',
      'newer version',
      ({ backupPath }) => change(backupPath, "UPDATE meta SET value = '2' WHERE name = 'schema'"),
    ],
    ['another CODE_SECRET', 'SECRET_WRONG', 'CODE_SECRET is not', () => ({ secret: OTHER_SECRET })],
    [
      'another secret file',
      'SECRET_WRONG',
      'code-secret.key is not',
      ({ secretPath }) => writeFileSync(secretPath, OTHER_SECRET),
    ],
    ['a missing secret', 'SECRET_MISSING', 'key is missing', ({ secretPath }) => rmSync(secretPath)],
    [
      'to replace the database of another program',
      'DATABASE_FOREIGN',
      'another program',
      ({ databasePath }) => {
        rmSync(databasePath);
        change(databasePath, 'CREATE TABLE users (name TEXT)');
      },
    ],
    [
      'a folder that cannot be created',
      'DATABASE_UNREADABLE',
      'codes.db',
      ({ secretPath }) => ({ databasePath: join(secretPath, 'codes.db') }),
    ],
  ])('refuses %s with %s and changes no file', async (_what, code, words, spoil) => {
    const prepared = await prepare();
    const refusal = await refusalOf(prepared.folder, { ...prepared.options, ...spoil(prepared) });
    expect(refusal).toEqual([code, expect.stringContaining(words)]);
  });

  it.each(['owner', 'guest'] as const)('refuses while a storage is open as %s', async (as) => {
    const { databasePath, options } = await prepare();
    const database = { engine: 'sqlite', path: databasePath } as const;
    const storage = await openStorage({ database, secret: null, as });
    const message: unknown = expect.stringContaining('Stop the bot');
    await expect(restore(options)).rejects.toMatchObject({ code: 'RESTORE_FAILED', message });
    expect(await storage.store.codes.countAll()).toBe(2);
    await storage.close();
    expect(await restore(options)).toHaveProperty('codes', 1);
  });

  it('replaces a file that was put in the place of an open database, and keeps the new one intact', async () => {
    const { folder, databasePath, alice, options, logIn } = await prepare();
    const database = { engine: 'sqlite', path: databasePath } as const;
    const storage = await openStorage({ database, secret: null, as: 'owner' });
    renameSync(databasePath, join(folder, 'moved.db'));
    writeFileSync(databasePath, 'garbage'.repeat(1_000));
    await restore(options);
    expect(await logIn('Alice', alice.text)).toBe(true);
    await storage.close();
    expect(await logIn('Alice', alice.text)).toBe(true);
  });
});
