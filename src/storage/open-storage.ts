import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { CodeKeys } from '../codes/code-keys.js';
import type { CodeStore } from '../codes/code-store.js';
import { BACKUP_FOLDER_NAME, pruneBackups, writeBackup } from './backup-files.js';
import type { Query } from './driver.js';
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
import { findDamage, SqliteDriver } from './sqlite-driver.js';
import { damaged, inWords, StorageError } from './storage-error.js';

/** What a database that is still being made ends in. Making one takes milliseconds. */
export const UNFINISHED = '.new';
/** What a file ends in that tells a missing database from one that never was. */
const MARKER = '.marker';
const MARKER_TEXT =
  'Leave this file alone: if the database beside it ever goes missing, it stops the bot from starting with an empty one.';
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
  /** Hears once that the database cannot be used, once more for each other reason, and `null` when it can again. */
  readonly onTrouble?: (trouble: StorageError | null) => void;
}

export interface Storage {
  readonly store: CodeStore;
  readonly keys: CodeKeys;
  readonly databasePath: string;
  /** Whether there was no database when this call began. */
  readonly created: boolean;
  /** The file that holds the secret; `null`: the secret was given. */
  readonly secretPath: string | null;
  close(): Promise<void>;
}

/**
 * Opens the database together with the secret that belongs to it, and opens it again where another file takes its
 * place that the same secret belongs to.
 *
 * Only an owner that finds nothing which belongs to a database makes one, and it appears whole or not at all.
 *
 * @throws {StorageError} says what was found and what to do about it.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const databasePath = resolve(options.databasePath);
  try {
    return await open({ ...options, databasePath });
  } catch (error) {
    throw inWords(error, databasePath);
  }
}

async function open(options: StorageOptions): Promise<Storage> {
  const { databasePath } = options;
  const secretPath = join(dirname(databasePath), SECRET_FILE_NAME);
  const owned = options.as === 'owner';

  const created = !exists(databasePath);
  if (created) {
    if (!owned) throw missing(databasePath);
    await createDatabase(databasePath, secretPath, options.secret, options.migrations);
  }
  refuseWhatIsNoDatabase(databasePath, secretPath);

  const secret = options.secret ?? readSecretFile(secretPath);
  const ours = secret === null ? null : new CodeKeys(secret);
  async function accept(query: Query): Promise<CodeKeys> {
    if (ours === null) throw secretMissing(databasePath, secretPath);
    if ((await readMeta(query, FINGERPRINT)) === ours.fingerprint) return ours;
    const source = options.secret === null ? secretPath : 'CODE_SECRET';
    throw new StorageError(
      'SECRET_WRONG',
      `${source} is not the secret that ${databasePath} was made with. Put the right one back: no code can be read without it.`,
    );
  }
  const driver = await SqliteDriver.open(databasePath, {
    create: false,
    onTrouble: options.onTrouble,
    successor: {
      vet: () => refuseWhatIsNoDatabase(databasePath, secretPath),
      async accept(query) {
        await accept(query);
        await requireCurrentSchema(query, databasePath);
        if (owned) await refuseDamage(query, databasePath);
      },
    },
  });
  try {
    const keys = await accept(driver.query);
    if (owned) {
      makePrivate(databasePath, secretPath);
      await update(driver, options);
      await refuseDamage(driver.query, databasePath);
      leaveMarker(databasePath);
    } else {
      await requireCurrentSchema(driver.query, databasePath);
    }
    return {
      store: new SqlCodeStore(driver),
      keys,
      databasePath,
      created,
      secretPath: options.secret === null ? secretPath : null,
      close: () => driver.close(),
    };
  } catch (error) {
    await driver.close();
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
  const traces = tracesOf(path, secretPath);
  if (traces.length > 0 && !(await isBeingMade(path))) {
    throw new StorageError(
      'DATABASE_MISSING',
      `${path} is missing, but there was one: it left ${traces.join(' and ')}. Put it back, or restore a backup: npm run restore FILE. ${howToStartOver(traces, secretPath)}`,
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

/** What stands beside a database that is missing. Its log would spoil another one. */
function tracesOf(path: string, secretPath: string): string[] {
  return [markerOf(path), secretPath, `${path}-wal`].filter(exists);
}

/** Names files to move, never to delete: a backup without its secret holds no readable code. */
function howToStartOver(files: readonly string[], secretPath: string): string {
  const move = `To start over with no codes, move ${files.join(' and ')} to another folder.`;
  return files.includes(secretPath)
    ? `${move} Keep ${secretPath}: your backups cannot be read without it.`
    : move;
}

function markerOf(path: string): string {
  return `${path}${MARKER}`;
}

/** Databases of earlier versions have none; where it cannot be written now, the next start does it. */
function leaveMarker(path: string): void {
  try {
    writeFileSync(markerOf(path), `${MARKER_TEXT}\n`, { flag: 'wx', mode: 0o600 });
  } catch {
    return;
  }
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
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw missing(path);
  if (!found.isFile()) {
    throw new StorageError('DATABASE_FOREIGN', `${path} is no file. Name a file in DATABASE_URL.`);
  }
  if (found.size === 0) {
    throw new StorageError(
      'DATABASE_DAMAGED',
      `${path} is empty: its content was lost. Restore a backup: npm run restore FILE. ${howToStartOver([path, ...tracesOf(path, secretPath)], secretPath)}`,
    );
  }
}

export function readSecret(databasePath: string, secretPath: string, givenSecret: string | null): string {
  const secret = givenSecret ?? readSecretFile(secretPath);
  if (secret !== null) return secret;
  throw secretMissing(databasePath, secretPath);
}

function secretMissing(path: string, secretPath: string): StorageError {
  return new StorageError(
    'SECRET_MISSING',
    `${path} needs the secret that it was made with, but CODE_SECRET is not set and ${secretPath} is missing. Put back the copy that you kept of it.`,
  );
}

function missing(path: string): StorageError {
  return new StorageError(
    'DATABASE_MISSING',
    `There is no database at ${path}. Start the bot first, or name the file that it uses.`,
  );
}

async function refuseDamage(query: Query, path: string): Promise<void> {
  const damage = await findDamage(query);
  if (damage !== null) throw damaged(path, new Error(damage));
}

/** Files to 0600 and, where nothing else lives in it, their directory to 0700. */
function makePrivate(databasePath: string, secretPath: string): void {
  const directory = dirname(databasePath);
  const beside = ['-wal', '-shm', MARKER].map((ending) => `${databasePath}${ending}`);
  const ours = new Set([databasePath, ...beside, secretPath]);
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
