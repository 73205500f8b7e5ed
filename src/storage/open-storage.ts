import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { CodeKeys } from '../codes/code-keys.js';
import type { CodeStore } from '../codes/code-store.js';
import { BACKUP_FOLDER_NAME, pruneBackups, writeBackup } from './backup-files.js';
import {
  FINGERPRINT,
  migrate,
  MIGRATIONS,
  readMeta,
  readVersion,
  refuseNewer,
  requireCurrentSchema,
  writeMeta,
  type Migrations,
} from './migrations.js';
import { isErrno, makeSecretFile, readSecretFile } from './secret-file.js';
import { SqlCodeStore } from './sql-code-store.js';
import { SqliteDriver } from './sqlite-driver.js';
import { StorageError } from './storage-error.js';

/** What a database that is still being made ends in. Making one takes milliseconds. */
export const UNFINISHED = '.new';
const MAKING_TRIES = 50;
const MAKING_PAUSE_MS = 100;

/** What follows the database's name in that of one that a backup took the place of. */
export const REPLACED = '.replaced-';

export const SECRET_FILE_NAME = 'code-secret.key';

export interface StorageOptions {
  readonly databasePath: string;
  /** `null`: the secret is in {@link SECRET_FILE_NAME} beside the database. */
  readonly secret: string | null;
  /** The bot owns the database: it creates what is missing and migrates what is old. A guest does neither. */
  readonly as: 'owner' | 'guest';
  /** The schema that an owner brings the database to. Default: the one that this program needs. */
  readonly migrations?: Migrations;
  /** Dates the backup that is made before the schema is updated. Default: `Date.now`. */
  readonly clock?: () => number;
}

export interface Storage {
  readonly store: CodeStore;
  readonly keys: CodeKeys;
  readonly databasePath: string;
  /** Whether there was no database when this call began. */
  readonly created: boolean;
  close(): Promise<void>;
}

/**
 * Opens the database together with the secret that belongs to it.
 *
 * Only an owner that finds neither database nor secret file makes them, and the database appears whole or not
 * at all. With a secret that is given there is no such file: then `created` is all that tells.
 *
 * @throws {StorageError} says what was found and what to do about it.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const databasePath = resolve(options.databasePath);
  try {
    return await open({ ...options, databasePath });
  } catch (error) {
    throw explained(error, databasePath);
  }
}

/** What SQLite or the system said of the database as a {@link StorageError}, where there is one for it. */
export function explained(error: unknown, databasePath: string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  const code = String(error.code);
  if (/^SQLITE_(?:NOTADB|CORRUPT)/.test(code)) return damaged(databasePath, error);
  if (/^(?:EACCES|EPERM|EROFS|SQLITE_CANTOPEN|SQLITE_READONLY)/.test(code)) {
    return new StorageError(
      'DATABASE_UNREADABLE',
      `This account may not use ${databasePath} and its folder. Start the program from the account that the bot runs under.`,
      { cause: error },
    );
  }
  return error;
}

async function open(options: StorageOptions): Promise<Storage> {
  const { databasePath } = options;
  const secretPath = join(dirname(databasePath), SECRET_FILE_NAME);
  const owned = options.as === 'owner';

  const created = !exists(databasePath);
  if (created) {
    if (!owned) {
      throw new StorageError(
        'DATABASE_MISSING',
        `There is no database at ${databasePath}. Start the bot first, or name the file that it uses.`,
      );
    }
    await createDatabase(databasePath, secretPath, options.secret, options.migrations);
  }
  refuseWhatIsNoDatabase(databasePath, secretPath);

  let driver: SqliteDriver | null = null;
  try {
    const opened = await SqliteDriver.open(databasePath, { create: false });
    driver = opened;
    const keys = new CodeKeys(readSecret(databasePath, secretPath, options.secret));
    if ((await readMeta(opened.query, FINGERPRINT)) !== keys.fingerprint) {
      const source = options.secret === null ? secretPath : 'CODE_SECRET';
      throw new StorageError(
        'SECRET_WRONG',
        `${source} is not the secret that ${databasePath} was made with. Put the right one back: no code can be read without it.`,
      );
    }
    if (owned) {
      makePrivate(databasePath, secretPath);
      await update(opened, options);
      const damage = await opened.findDamage();
      if (damage !== null) throw damaged(databasePath, new Error(damage));
    } else {
      await requireCurrentSchema(opened, databasePath);
    }
    return { store: new SqlCodeStore(opened), keys, databasePath, created, close: () => opened.close() };
  } catch (error) {
    await driver?.close();
    throw error;
  }
}

/** Builds the database under another name and gives it its own when it is complete. */
async function createDatabase(
  path: string,
  secretPath: string,
  givenSecret: string | null,
  migrations: Migrations = MIGRATIONS,
): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (givenSecret === null && exists(secretPath) && !(await isBeingMade(path))) {
    throw new StorageError(
      'DATABASE_MISSING',
      `${secretPath} belongs to a database, but ${path} is missing. Put the database or a backup of it back; to start without any code, delete ${secretPath}.`,
    );
  }
  if (exists(path)) return;
  const unfinished = `${path}.${randomBytes(6).toString('hex')}${UNFINISHED}`;
  try {
    const driver = await SqliteDriver.open(unfinished, { create: true });
    try {
      chmodSync(unfinished, 0o600);
      const secret = givenSecret ?? makeSecretFile(secretPath);
      await migrate(driver, path, migrations);
      await writeMeta(driver.query, FINGERPRINT, new CodeKeys(secret).fingerprint);
    } finally {
      await driver.close();
    }
    // A link, unlike a rename, never takes the place of a database that another process has just made.
    linkSync(unfinished, path);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/** Migrates a database that exists; what it was before is kept as a backup. */
async function update(driver: SqliteDriver, options: StorageOptions): Promise<void> {
  const { databasePath: path, migrations = MIGRATIONS, clock = Date.now } = options;
  const version = await readVersion(driver.query);
  refuseNewer(version, path, migrations.length);
  if (version < migrations.length) {
    const beforeSchema = migrations.length;
    try {
      const made = await writeBackup(driver, path, { now: clock(), beforeSchema });
      // One is enough: whoever is killed again and again while updating must not fill the disk.
      if (made !== null) pruneBackups(path, 1, beforeSchema);
    } catch (cause) {
      throw backupFailed(path, cause, 'It has an older schema, and is not updated without one.');
    }
  }
  await migrate(driver, path, migrations);
}

export function backupFailed(path: string, cause: unknown, consequence: string): StorageError {
  const reason = cause instanceof Error ? cause.message : 'unknown reason';
  return new StorageError('BACKUP_FAILED', `No backup of ${path} could be made: ${reason}. ${consequence}`, {
    cause,
  });
}

/** Whether another process that started at the same time makes the database: waits until it has. */
async function isBeingMade(path: string): Promise<boolean> {
  for (let tries = 0; tries < MAKING_TRIES; tries++) {
    if (exists(path)) return true;
    const prefix = `${basename(path)}.`;
    const files = readdirSync(dirname(path));
    if (!files.some((name) => name.startsWith(prefix) && name.endsWith(UNFINISHED))) break;
    await pause(MAKING_PAUSE_MS);
  }
  return exists(path);
}

/** Unlike existsSync it tells a missing file from one that may not be looked at. */
export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

export function refuseWhatIsNoDatabase(path: string, secretPath: string): void {
  const found = statSync(path);
  if (!found.isFile()) {
    throw new StorageError('DATABASE_FOREIGN', `${path} is no file. Name a file in DATABASE_URL.`);
  }
  if (found.size === 0) {
    throw new StorageError(
      'DATABASE_DAMAGED',
      `${path} is empty: its content was lost. Put a backup in its place; to start without any code, delete it and ${secretPath}.`,
    );
  }
}

export function readSecret(databasePath: string, secretPath: string, givenSecret: string | null): string {
  const secret = givenSecret ?? readSecretFile(secretPath);
  if (secret !== null) return secret;
  throw new StorageError(
    'SECRET_MISSING',
    `${databasePath} needs the secret that it was made with, but CODE_SECRET is not set and ${secretPath} is missing. Put back the copy that you kept of it.`,
  );
}

function damaged(path: string, cause: Error): StorageError {
  return new StorageError(
    'DATABASE_DAMAGED',
    `${path} is damaged, or no SQLite database. Put a backup in its place.`,
    { cause },
  );
}

/** Files to 0600 and, where nothing else lives in it, their directory to 0700. */
function makePrivate(databasePath: string, secretPath: string): void {
  const directory = dirname(databasePath);
  const ours = new Set([databasePath, `${databasePath}-wal`, `${databasePath}-shm`, secretPath]);
  const found = readdirSync(directory).map((name) => join(directory, name));
  for (const path of found) if (ours.has(path)) chmodSync(path, 0o600);
  // Never a directory that others use too: DATABASE_URL may point anywhere.
  const others = found.filter((path) => !ours.has(path) && !isLeftByUs(basename(path), databasePath));
  if (others.length === 0) chmodSync(directory, 0o700);
}

function isLeftByUs(name: string, databasePath: string): boolean {
  return (
    name === '.gitkeep' || name === BACKUP_FOLDER_NAME || name.startsWith(basename(databasePath) + REPLACED)
  );
}
