import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
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
import type { StorageErrorCode } from '../../src/storage/storage-error.js';
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

/** The WAL of a copy of the backup whose codes were deleted: SQLite accepts it beside another copy. */
function walWithoutCodes(backupPath: string): Buffer {
  const path = join(temporaryFolder(), 'copy.db');
  copyFileSync(backupPath, path);
  const copy = openRaw(path);
  copy.exec('PRAGMA journal_mode = WAL; DELETE FROM codes');
  const wal = readFileSync(`${path}-wal`);
  copy.close();
  return wal;
}

function change(path: string, sql: string): void {
  const database = openRaw(path);
  database.exec(sql);
  database.close();
}

/** What was spoiled, or the options that differ. */
type Spoil = (prepared: Prepared) => Partial<RestoreOptions> | void;

const REFUSALS: readonly (readonly [what: string, words: string, spoil: Spoil, code?: StorageErrorCode])[] = [
  ['a missing file', 'There is no file', ({ backupPath }) => rmSync(backupPath)],
  ['a folder', 'There is no file', ({ folder }) => ({ backupPath: folder })],
  ['an empty file', 'not a backup', ({ backupPath }) => truncateSync(backupPath)],
  ['a text file', 'not a backup', ({ backupPath }) => writeFileSync(backupPath, 'TOKEN=\n'.repeat(1_000))],
  ['a file that is cut off', 'damaged', ({ backupPath }) => truncateSync(backupPath, 40_000)],
  ['a file with one damaged page', 'damaged', ({ backupPath }) => damageTable(backupPath, 'look_alikes')],
  ['a database with a WAL beside it', '-wal', ({ backupPath }) => writeFileSync(`${backupPath}-wal`, 'part')],
  [
    "another program's database",
    'not a backup of this program',
    ({ backupPath }) => change(backupPath, 'PRAGMA application_id = 7'),
  ],
  [
    'a newer schema',
    'newer version',
    ({ backupPath }) => change(backupPath, "UPDATE meta SET value = '2' WHERE name = 'schema'"),
    'SCHEMA_UNSUPPORTED',
  ],
  ['another CODE_SECRET', 'CODE_SECRET is not', () => ({ secret: OTHER_SECRET }), 'SECRET_WRONG'],
  ['a missing secret', 'key is missing', ({ secretPath }) => rmSync(secretPath), 'SECRET_MISSING'],
  [
    'to replace the database of another program',
    'another program',
    ({ databasePath }) => change(databasePath, 'PRAGMA application_id = 7'),
    'DATABASE_FOREIGN',
  ],
  [
    'a folder that cannot be created',
    'codes.db',
    ({ secretPath }) => ({ databasePath: join(secretPath, 'codes.db') }),
    'DATABASE_UNREADABLE',
  ],
];

describe('restore', () => {
  it('replaces the database and keeps the previous one', async () => {
    const { folder, databasePath, backupPath, clock, alice, bob, options, logIn } = await prepare();
    chmodSync(backupPath, 0o644);
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
  ])('replaces a database that is %s', async (_what, damage) => {
    const { databasePath, alice, options, logIn } = await prepare();
    damage(databasePath);
    const found = existsSync(databasePath) ? readFileSync(databasePath, 'latin1') : null;
    const { replacedPath } = await restore(options);
    expect(replacedPath === null ? null : readFileSync(replacedPath, 'latin1')).toBe(found);
    expect(await logIn('Alice', alice.text)).toBe(true);
  });

  it('replaces the database that a link to a link leads to, and keeps the links', async () => {
    for (const lose of [() => undefined, rmSync]) {
      const { folder, databasePath, alice, bob, options, logIn } = await prepare();
      const given = join(temporaryFolder(), 'site.db');
      symlinkSync('codes.db', join(folder, 'first.db'));
      symlinkSync(relative(dirname(given), join(folder, 'first.db')), given);
      lose(databasePath);
      await restore({ ...options, databasePath: given });
      expect(readdirSync(dirname(given))).toEqual(['site.db']);
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
    const { folder, databasePath, backupPath, alice, options, logIn } = await prepare();
    const wal = walWithoutCodes(backupPath);
    rmSync(databasePath);
    writeFileSync(`${databasePath}-wal`, wal);
    await restore(options);
    expect(readdirSync(folder)).toContain(`${REPLACED}-wal`);
    expect(await logIn('Alice', alice.text)).toBe(true);
    // The control: a backup that is copied beside that WAL loses its code.
    copyFileSync(backupPath, databasePath);
    writeFileSync(`${databasePath}-wal`, wal);
    expect(await logIn('Alice', alice.text)).toBe(false);
  });

  it('ignores what a restore that was killed left, and links in its place', async () => {
    const { databasePath, backupPath, alice, options, logIn } = await prepare();
    const victim = join(temporaryFolder(), 'victim');
    writeFileSync(victim, 'content');
    symlinkSync(victim, `${databasePath}.new`);
    writeFileSync(`${databasePath}.new-wal`, walWithoutCodes(backupPath));
    expect(await restore(options)).toHaveProperty('codes', 1);
    expect(readFileSync(victim, 'utf8')).toBe('content');
    expect(lstatSync(databasePath).isFile()).toBe(true);
    expect(await logIn('Alice', alice.text)).toBe(true);
  });

  for (const [what, words, spoil, code = 'RESTORE_FAILED'] of REFUSALS) {
    it(`refuses ${what} and changes no file`, async () => {
      const prepared = await prepare();
      const changed = spoil(prepared);
      const before = filesIn(prepared.folder);
      const restoring = restore({ ...prepared.options, ...changed });
      const error: unknown = await restoring.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ name: 'StorageError', code, message: expect.stringContaining(words) });
      expect(String(error)).toMatch(/^[^\n]+$/);
      expect(String(error)).not.toContain(OTHER_SECRET);
      expect(filesIn(prepared.folder)).toEqual(before);
    });
  }

  it('refuses while a storage is open', async () => {
    const { databasePath, options } = await prepare();
    const database = { engine: 'sqlite', path: databasePath } as const;
    const storage = await openStorage({ database, secret: null, as: 'guest' });
    const message: unknown = expect.stringContaining('Stop the bot');
    await expect(restore(options)).rejects.toMatchObject({ code: 'RESTORE_FAILED', message });
    expect(await storage.store.codes.countAll()).toBe(2);
    await storage.close();
    expect(await restore(options)).toHaveProperty('codes', 1);
  });
});
