import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { CodeKeys } from '../codes/code-keys.js';
import type { CodeStore } from '../codes/code-store.js';
import { migrate, readMeta, requireCurrentSchema, writeMeta } from './migrations.js';
import { isErrno, makeSecretFile, readSecretFile } from './secret-file.js';
import { SqlCodeStore } from './sql-code-store.js';
import { SqliteDriver } from './sqlite-driver.js';
import { StorageError } from './storage-error.js';

/** The name in `meta` by which the database knows its secret. */
const FINGERPRINT = 'secret_fingerprint';

/** What a database that is still being made ends in. Making one takes milliseconds. */
const UNFINISHED = '.new';
const MAKING_TRIES = 50;
const MAKING_PAUSE_MS = 100;

export const SECRET_FILE_NAME = 'code-secret.key';

export interface StorageOptions {
  readonly databasePath: string;
  /** `null`: the secret is in {@link SECRET_FILE_NAME} beside the database. */
  readonly secret: string | null;
  /** The bot owns the database: it creates what is missing and migrates what is old. A guest does neither. */
  readonly as: 'owner' | 'guest';
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
    if (!(error instanceof Error) || !('code' in error)) throw error;
    const code = String(error.code);
    if (/^SQLITE_(?:NOTADB|CORRUPT)/.test(code)) throw damaged(databasePath, error);
    if (/^(?:EACCES|EPERM|EROFS|SQLITE_CANTOPEN|SQLITE_READONLY)/.test(code)) {
      throw new StorageError(
        'DATABASE_UNREADABLE',
        `This account may not use ${databasePath} and its folder. Start the program from the account that the bot runs under.`,
        { cause: error },
      );
    }
    throw error;
  }
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
    await createDatabase(databasePath, secretPath, options.secret);
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
      await migrate(opened, databasePath);
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
async function createDatabase(path: string, secretPath: string, givenSecret: string | null): Promise<void> {
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
      await migrate(driver, path);
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
function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

function refuseWhatIsNoDatabase(path: string, secretPath: string): void {
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

function readSecret(databasePath: string, secretPath: string, givenSecret: string | null): string {
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
  if (found.every((path) => ours.has(path) || basename(path) === '.gitkeep')) chmodSync(directory, 0o700);
}
