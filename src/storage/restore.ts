import { chmodSync, constants, copyFileSync, linkSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { checkCopy, stampOf, UNFINISHED, type Content } from './backup.js';
import type { Query } from './driver.js';
import { exists, giveAway, locate, makeFolder, syncToDisk } from './files.js';
import { COMPANIONS, requireKeys } from './open-storage.js';
import { secretPathOf } from './secret-file.js';
import { SqliteDriver } from './sqlite-driver.js';
import { StorageError, toStorageError } from './storage-error.js';

export interface RestoreOptions {
  readonly backupPath: string;
  readonly databasePath: string;
  /** `null`: in its file beside the database. */
  readonly secret: string | null;
  readonly now: number;
}

export interface Restored extends Content {
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
  const given = resolve(options.databasePath);
  try {
    const backupPath = locate(options.backupPath);
    requireBackupFile(backupPath);
    return await replace({ ...options, databasePath: locate(given), backupPath });
  } catch (error) {
    throw toStorageError(error, given);
  }
}

async function replace(options: RestoreOptions): Promise<Restored> {
  const { databasePath, backupPath, now } = options;
  const unfinished = databasePath + UNFINISHED;
  let previous: SqliteDriver | null = null;
  makeFolder(dirname(databasePath));
  const discard = (): void => {
    for (const part of ['', ...COMPANIONS]) rmSync(unfinished + part, { force: true });
  };
  try {
    // Left by a process that was killed, or a link of another account: SQLite and the copy would follow both.
    discard();
    copyFileSync(backupPath, unfinished, constants.COPYFILE_EXCL);
    chmodSync(unfinished, 0o600);
    giveAway(unfinished);
    const requireSecret = async (query: Query): Promise<unknown> =>
      requireKeys(query, backupPath, options.secret, secretPathOf(databasePath));
    const content = await checkCopy(unfinished, backupPath, requireSecret).catch((error: unknown) => {
      const isUnsound = error instanceof StorageError && /_(?:FOREIGN|DAMAGED)$/.test(error.code);
      throw isUnsound
        ? failed(
            `${backupPath} is damaged, or not a backup of this program. Choose another one; the database was not changed.`,
            error,
          )
        : error;
    });
    syncToDisk(unfinished);
    previous = await lockDatabase(databasePath);
    const replacedPath = setAside(databasePath, now);
    renameSync(unfinished, databasePath);
    syncToDisk(dirname(databasePath));
    return { ...content, replacedPath };
  } finally {
    await previous?.close();
    discard();
  }
}

function requireBackupFile(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw failed(`There is no file at ${path}. Backups are in the folder backups beside the database.`);
  }
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw failed(
      `${path} is a database in use, or one whose program was killed, not a backup: ${path}-wal holds a part of it. Choose a file in the folder backups.`,
    );
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
    return driver;
  } catch (error) {
    await driver?.close();
    if (!(error instanceof StorageError)) throw error;
    if (error.code === 'DATABASE_DAMAGED') return null;
    if (error.code !== 'DATABASE_LOCKED') throw error;
    throw failed(`${path} is in use. Stop the bot and every website that opens this file, then try again.`);
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

function failed(message: string, cause?: unknown): StorageError {
  return new StorageError('RESTORE_FAILED', message, { cause });
}
