import { randomBytes } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { CodeKeys } from '../codes/code-keys.js';
import {
  describe,
  pruneBackups,
  stampOf,
  syncToDisk,
  timeInName,
  writeBackup,
  type MadeBackup,
} from './backup-files.js';
import { integerIn, integerOrNullIn } from './driver.js';
import { NOT_ENDED, refuseNewer, SCHEMA_VERSION } from './migrations.js';
import {
  backupFailed,
  exists,
  readSecret,
  refuseWhatIsNoDatabase,
  REPLACED,
  SECRET_FILE_NAME,
  UNFINISHED,
} from './open-storage.js';
import { findDamage, SqliteDriver } from './sqlite-driver.js';
import { inWords, StorageError, type StorageErrorCode } from './storage-error.js';

/** What SQLite keeps beside a database: parts of it, worth nothing beside another. */
const COMPANIONS = ['-wal', '-shm', '-journal'] as const;

export interface BackupRequest {
  readonly databasePath: string;
  /** How many backups stay, this one among them. */
  readonly keep: number;
  readonly now: number;
}

/**
 * Makes a backup of a database, whether a bot uses it or not, and then deletes the oldest. It holds the event
 * loop up while it copies, seconds for a million codes.
 *
 * @throws {StorageError} there is none, or what went wrong; the backups that exist are all left as they are.
 */
export async function backUp({ keep, now, ...request }: BackupRequest): Promise<MadeBackup> {
  const databasePath = resolve(request.databasePath);
  try {
    if (!exists(databasePath)) {
      throw new StorageError(
        'DATABASE_MISSING',
        `There is no database at ${databasePath} to make a backup of. Name the file that the bot uses in DATABASE_URL.`,
      );
    }
    refuseWhatIsNoDatabase(databasePath, join(dirname(databasePath), SECRET_FILE_NAME));
    const driver = await SqliteDriver.open(databasePath, { create: false });
    try {
      const made = await writeBackup(driver, databasePath, { now, beforeSchema: null });
      if (made === null) throw new Error('the schema changed');
      pruneBackups(databasePath, keep, null);
      return made;
    } finally {
      await driver.close();
    }
  } catch (error) {
    if (error instanceof StorageError) throw error;
    throw backupFailed(databasePath, error, 'Those that were made before are untouched.');
  }
}

export interface RestoreRequest {
  readonly backupPath: string;
  readonly databasePath: string;
  /** `null`: the secret is in its file beside the database. */
  readonly secret: string | null;
  readonly now: number;
}

/** A database that a backup has become. */
export interface Restored {
  readonly databasePath: string;
  /** How many codes it has, ended ones among them. */
  readonly codes: number;
  /** When the backup was made; `null`: its name does not tell. */
  readonly madeAt: number | null;
  /** The time of the last thing that it knows of. */
  readonly lastEntryAt: number | null;
  /** Where the database is that stood there; `null`: none did. */
  readonly replacedPath: string | null;
  /** How the two differ; `null`: there was none to compare with, or a damaged one. */
  readonly undone: Undone | null;
}

export interface Undone {
  /** Codes that were issued since. */
  readonly issued: number;
  /** Codes that ended since, at somebody's word or because another took their place. They work again. */
  readonly ended: number;
}

/**
 * Puts a backup in the place of the database, which is kept under another name. At every moment the one or the
 * other stands there whole.
 *
 * @throws {StorageError} the backup is damaged, or none; the secret is not the one that it was made with; its
 *   schema is newer than this program; something uses the database. Then nothing was changed.
 */
export async function restore(request: RestoreRequest): Promise<Restored> {
  const databasePath = resolve(request.databasePath);
  const backupPath = resolve(request.backupPath);
  try {
    refuseWhatIsNoBackup(backupPath, databasePath);
    mkdirSync(dirname(databasePath), { recursive: true, mode: 0o700 });
    return await putInPlace({ ...request, databasePath, backupPath });
  } catch (error) {
    const known = inWords(error, databasePath);
    if (known instanceof StorageError || !(error instanceof Error && 'code' in error)) throw known;
    throw new StorageError(
      'RESTORE_FAILED',
      `${databasePath} could not be restored: ${error.message}. What stood there before stands there still.`,
      { cause: error },
    );
  }
}

async function putInPlace(request: RestoreRequest): Promise<Restored> {
  const { databasePath, backupPath } = request;
  const unfinished = `${databasePath}.${randomBytes(6).toString('hex')}${UNFINISHED}`;
  let standing: SqliteDriver | null = null;
  try {
    // What is checked is the copy that will be used; the backup itself is only read.
    await pipeline(createReadStream(backupPath), createWriteStream(unfinished, { flags: 'wx', mode: 0o600 }));
    const content = await examine(unfinished, request);
    syncToDisk(unfinished);

    standing = await takeOver(databasePath);
    const undone = standing === null ? null : await compare(standing, unfinished);
    const replacedPath = setAside(databasePath, request.now);
    renameSync(unfinished, databasePath);
    syncToDisk(dirname(databasePath));
    const madeAt = timeInName(databasePath, backupPath);
    return { ...content, databasePath, madeAt, replacedPath, undone };
  } finally {
    await standing?.close();
    for (const rest of ['', ...COMPANIONS]) rmSync(unfinished + rest, { force: true });
  }
}

function refuseWhatIsNoBackup(backupPath: string, databasePath: string): void {
  const found = statSync(backupPath, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile()) {
    throw unusable(
      `There is no file at ${backupPath}. The backups are in the folder backups beside the database.`,
    );
  }
  const database = statSync(databasePath, { throwIfNoEntry: false });
  if (database?.ino === found.ino && database.dev === found.dev) {
    throw unusable(`${backupPath} is the database itself. Name one of its backups.`);
  }
  if ((statSync(`${backupPath}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) {
    throw unusable(
      `${backupPath} is no backup: a part of it is in ${backupPath}-wal. It is a database that is in use, or was when its program was killed.`,
    );
  }
}

/** The first schema that keeps answers. */
const ANSWERS_SCHEMA = 3;

/** What a file that is no backup of this program is found to be. */
const UNSOUND: ReadonlySet<StorageErrorCode> = new Set(['DATABASE_FOREIGN', 'DATABASE_DAMAGED']);

/** Makes sure that the copy of a backup can be the database. */
async function examine(
  path: string,
  { backupPath, databasePath, secret }: RestoreRequest,
): Promise<Pick<Restored, 'codes' | 'lastEntryAt'>> {
  let driver: SqliteDriver | null = null;
  try {
    driver = await SqliteDriver.open(path, { create: false });
    const damage = await findDamage(driver.query);
    if (damage !== null) throw new Error(damage);
    const { fingerprint, schema, codes } = await describe(driver);
    const secretPath = join(dirname(databasePath), SECRET_FILE_NAME);
    if (new CodeKeys(readSecret(backupPath, secretPath, secret)).fingerprint !== fingerprint) {
      const source = secret === null ? secretPath : 'CODE_SECRET';
      throw new StorageError(
        'SECRET_WRONG',
        `${source} is not the secret that ${backupPath} was made with. Put the right one back: no code can be read without it. The database was not changed.`,
      );
    }
    refuseNewer(schema, backupPath, SCHEMA_VERSION);
    const [last = {}] = await driver.query('SELECT max(at) AS at FROM audit');
    // What was to be said when the backup was made was said since: it is not said again, days later.
    if (schema >= ANSWERS_SCHEMA) await driver.query('DELETE FROM answers');
    // It shall be one file, with nothing beside it.
    await driver.query('PRAGMA journal_mode = DELETE');
    return { codes, lastEntryAt: integerOrNullIn(last, 'at') };
  } catch (error) {
    if (error instanceof StorageError && !UNSOUND.has(error.code)) throw error;
    throw unusable(
      `${backupPath} is damaged, or no backup of this program. Take another one; the database was not changed.`,
      error,
    );
  } finally {
    await driver?.close();
  }
}

/**
 * Makes sure that nothing uses the database, and keeps it so: whoever has opened a SQLite file in WAL mode holds
 * a lock on it, which the system takes back when they die, and which stands against leaving that mode.
 *
 * @returns the database, `null` when there is none or it cannot be read.
 */
async function takeOver(path: string): Promise<SqliteDriver | null> {
  // Before it is opened: that would make one.
  const usedByOthers = exists(`${path}-shm`);
  if (exists(path)) {
    let driver: SqliteDriver | null = null;
    try {
      driver = await SqliteDriver.open(path, { create: false });
      await driver.query('PRAGMA journal_mode = DELETE');
      await driver.query('BEGIN EXCLUSIVE');
      // Whoever came between the two has set WAL mode again.
      const [mode] = await driver.query('PRAGMA journal_mode');
      if (mode?.['journal_mode'] !== 'delete') throw inUse(path);
      return driver;
    } catch (error) {
      await driver?.close();
      if (error instanceof StorageError && error.code === 'DATABASE_LOCKED') throw inUse(path);
      if (!isUnreadable(error, path)) throw error;
    }
  }
  if (usedByOthers) {
    throw new StorageError(
      'DATABASE_IN_USE',
      `Where ${path} should be is no sound database, and ${path}-shm tells that something used it and may still do so. Stop the bot and every website that opens this file, then move ${path}-shm to another folder and try again.`,
    );
  }
  return null;
}

function isUnreadable(error: unknown, path: string): boolean {
  const known = inWords(error, path);
  if (!(known instanceof StorageError)) return false;
  return (
    known.code === 'DATABASE_DAMAGED' || (known.code === 'DATABASE_FOREIGN' && statSync(path).size === 0)
  );
}

/** What the backup at `path` does not know. */
async function compare(standing: SqliteDriver, path: string): Promise<Undone | null> {
  try {
    if ((await findDamage(standing.query)) !== null) return null;
    await standing.query('ATTACH $1 AS backup', [path]);
    const [row = {}] = await standing.query(`SELECT
      (SELECT count(*) FROM main.codes WHERE id NOT IN (SELECT id FROM backup.codes)) AS issued,
      (SELECT count(*) FROM main.codes WHERE (revoked_at IS NOT NULL OR replaced_at IS NOT NULL)
        AND id IN (SELECT id FROM backup.codes WHERE delivered_at IS NOT NULL AND ${NOT_ENDED})) AS ended`);
    return { issued: integerIn(row, 'issued'), ended: integerIn(row, 'ended') };
  } catch {
    // It is damaged, or of a schema that is not this program's: that must not stand in the way of a backup.
    return null;
  }
}

/**
 * Gives the database another name as well, and moves its companions away, also where it is missing itself:
 * SQLite would take them for parts of the one that comes.
 *
 * @returns the other name; `null` when there is no database.
 */
function setAside(path: string, now: number): string | null {
  const standing = ['', ...COMPANIONS].filter((part) => exists(path + part));
  const base = path + REPLACED + stampOf(now);
  let aside = base;
  for (let number = 2; ['', ...COMPANIONS].some((part) => exists(aside + part)); number++) {
    aside = `${base}-${number}`;
  }
  for (const part of standing) {
    if (part === '') linkSync(path, aside);
    else renameSync(path + part, aside + part);
  }
  syncToDisk(dirname(path));
  return standing.includes('') ? aside : null;
}

function unusable(message: string, cause?: unknown): StorageError {
  return new StorageError('BACKUP_UNUSABLE', message, { cause });
}

function inUse(path: string): StorageError {
  return new StorageError(
    'DATABASE_IN_USE',
    `${path} is in use. Stop the bot, and every website that opens this file, and try again.`,
  );
}
