import {
  chmodSync,
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

import { Keys } from '../codes/keys.js';
import { countCodes, stampOf, syncToDisk, unfinishedPath } from './backup.js';
import { COMPANIONS, exists, failSecretMissing, requireSecret, requireSound } from './open-storage.js';
import { integerOrNull } from './rows.js';
import { requireSchema } from './schema.js';
import { readSecretFile, secretPathOf } from './secret-file.js';
import { SqliteDriver } from './sqlite-driver.js';
import { StorageError, toStorageError, type StorageErrorCode } from './storage-error.js';

export interface RestoreOptions {
  readonly backupPath: string;
  readonly databasePath: string;
  /** `null`: in its file beside the database. */
  readonly secret: string | null;
  readonly now: number;
}

export interface Restored {
  /** How many codes the backup holds, ended ones included. */
  readonly codes: number;
  /** The time of the last entry in its audit. */
  readonly lastChangeAt: number | null;
  /** Where the previous database is now; `null`: there was none. */
  readonly replacedPath: string | null;
}

/**
 * Puts a backup in the place of a SQLite database and keeps the previous one under another name. At every moment a
 * complete database is at the path.
 *
 * @throws {StorageError} nothing was changed.
 */
export async function restore(options: RestoreOptions): Promise<Restored> {
  const databasePath = resolve(options.databasePath);
  const backupPath = resolve(options.backupPath);
  try {
    requireBackupFile(backupPath, databasePath);
    mkdirSync(dirname(databasePath), { recursive: true, mode: 0o700 });
    return await replace({ ...options, databasePath, backupPath });
  } catch (error) {
    const known = toStorageError(error, databasePath);
    if (known instanceof StorageError || !(error instanceof Error)) throw known;
    throw new StorageError(
      'RESTORE_FAILED',
      `Cannot restore ${databasePath}: ${error.message}. The previous database is still there.`,
      { cause: error },
    );
  }
}

async function replace(options: RestoreOptions): Promise<Restored> {
  const { databasePath, backupPath, now } = options;
  const unfinished = unfinishedPath(databasePath);
  let previous: SqliteDriver | null = null;
  try {
    copyFileSync(backupPath, unfinished, constants.COPYFILE_EXCL);
    chmodSync(unfinished, 0o600);
    const content = await checkBackup(unfinished, options);
    syncToDisk(unfinished);
    previous = await lockDatabase(databasePath);
    const replacedPath = setAside(databasePath, now);
    renameSync(unfinished, databasePath);
    syncToDisk(dirname(databasePath));
    return { ...content, replacedPath };
  } finally {
    await previous?.close();
    for (const part of ['', ...COMPANIONS]) rmSync(unfinished + part, { force: true });
  }
}

function requireBackupFile(backupPath: string, databasePath: string): void {
  const found = statSync(backupPath, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) {
    throw unusable(
      `There is no file at ${backupPath}. Backups are in the folder backups beside the database.`,
    );
  }
  const database = statSync(databasePath, { throwIfNoEntry: false });
  if (database?.ino === found.ino && database.dev === found.dev) {
    throw unusable(`${backupPath} is the database itself. Choose one of its backups.`);
  }
  if ((statSync(`${backupPath}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw unusable(
      `${backupPath} is a database in use, or one whose program was killed, not a backup: ${backupPath}-wal holds a part of it. Choose a file in the folder backups.`,
    );
  }
}

const UNSOUND: ReadonlySet<StorageErrorCode> = new Set(['DATABASE_FOREIGN', 'DATABASE_DAMAGED']);

/** Checks the copy of the backup that becomes the database. */
async function checkBackup(
  path: string,
  { backupPath, databasePath, secret }: RestoreOptions,
): Promise<Pick<Restored, 'codes' | 'lastChangeAt'>> {
  let driver: SqliteDriver | null = null;
  try {
    driver = new SqliteDriver(path);
    await requireSound(driver.query, path);
    await requireSchema(driver.query, backupPath);
    const secretPath = secretPathOf(databasePath);
    const keys = new Keys(secret ?? readSecretFile(secretPath) ?? failSecretMissing(backupPath, secretPath));
    await requireSecret(driver.query, keys, backupPath, secret === null ? secretPath : 'CODE_SECRET');
    const [last = {}] = await driver.query('SELECT max(at) AS at FROM audit');
    const codes = await countCodes(driver.query);
    // Leaves WAL mode, so that the copy is one file.
    await driver.query('PRAGMA journal_mode = DELETE');
    return { codes, lastChangeAt: integerOrNull(last, 'at') };
  } catch (error) {
    if (!(error instanceof StorageError && UNSOUND.has(error.code))) throw error;
    throw unusable(
      `${backupPath} is damaged, or not a backup of this program. Choose another one; the database was not changed.`,
      error,
    );
  } finally {
    await driver?.close();
  }
}

/** Keeps every other connection out. Returns `null` for a missing or damaged database, which nobody can use. */
async function lockDatabase(path: string): Promise<SqliteDriver | null> {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) === 0) return null;
  let driver: SqliteDriver | null = null;
  try {
    driver = new SqliteDriver(path);
    // Works only without other connections, and moves the content of the WAL into the file.
    await driver.query('PRAGMA journal_mode = DELETE');
    await driver.query('BEGIN EXCLUSIVE');
    // A connection that was opened between these two has set WAL mode again.
    const [mode] = await driver.query('PRAGMA journal_mode');
    if (mode?.['journal_mode'] !== 'delete') throw inUse(path);
    return driver;
  } catch (error) {
    await driver?.close();
    if (!(error instanceof StorageError)) throw error;
    if (error.code === 'DATABASE_LOCKED') throw inUse(path);
    if (error.code === 'DATABASE_DAMAGED') return null;
    throw error;
  }
}

/** Gives the database a second name. Moves its companions: SQLite would read them as parts of the new one. */
function setAside(path: string, now: number): string | null {
  const aside = `${path}.replaced-${stampOf(now)}`;
  const isThere = exists(path);
  if (isThere) linkSync(path, aside);
  for (const part of COMPANIONS) if (exists(path + part)) renameSync(path + part, aside + part);
  syncToDisk(dirname(path));
  return isThere ? aside : null;
}

function unusable(message: string, cause?: unknown): StorageError {
  return new StorageError('BACKUP_UNUSABLE', message, { cause });
}

function inUse(path: string): StorageError {
  return new StorageError(
    'DATABASE_IN_USE',
    `${path} is in use. Stop the bot and every website that opens this file, then try again.`,
  );
}
