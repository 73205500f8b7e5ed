import { randomBytes } from 'node:crypto';
import { chmodSync, linkSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Keys } from '../codes/keys.js';
import type { DatabaseLocation } from './database-url.js';
import type { Driver, Query } from './driver.js';
import { reportOutages } from './outages.js';
import { text } from './rows.js';
import { createSchema, META, readMeta, requireSchema } from './schema.js';
import { createSecretFile, readSecretFile, secretPathOf } from './secret-file.js';
import { SqliteDriver } from './sqlite-driver.js';
import { damaged, isErrno, StorageError, toStorageError } from './storage-error.js';
import { Store } from './store.js';

/** A second bot that starts at the same time creates the database within this time. */
const CREATION_MS = 1_000;
/** Files of SQLite beside the database. */
export const COMPANIONS = ['-wal', '-shm', '-journal'] as const;

export interface StorageOptions {
  readonly database: DatabaseLocation;
  /** `null`: in its file beside the SQLite database. */
  readonly secret: string | null;
  /** The owner (the bot) creates a missing database and checks an existing one; guests do neither. */
  readonly as: 'owner' | 'guest';
  /** Called at the first failure of an outage, at each other failure, and with `null` when it is over. */
  readonly onOutage?: (error: StorageError | null) => void;
  /** Called when the database turns out damaged or replaced: the process should end. */
  readonly onFatal?: (error: StorageError) => void;
  /** Connections to PostgreSQL. Default: 10. */
  readonly poolSize?: number;
}

export interface Storage {
  readonly store: Store;
  readonly keys: Keys;
  /** For people: a path, or the server and database without the password. */
  readonly name: string;
  readonly isNew: boolean;
  /** The path of the secret when this call created it. */
  readonly newSecretPath: string | null;
  close(): Promise<void>;
}

/**
 * Opens the database with the secret that belongs to it.
 *
 * @throws {StorageError} says what was found and what to do.
 */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { database } = options;
  if (database.engine === 'postgres') return openPostgres(database.url, options);
  const path = resolve(database.path);
  try {
    return await openSqlite(path, options);
  } catch (error) {
    throw toStorageError(error, path);
  }
}

async function openSqlite(path: string, options: StorageOptions): Promise<Storage> {
  const { as, onFatal } = options;
  const secretPath = secretPathOf(path);
  const created = exists(path) || as === 'guest' ? null : await createDatabase(path, options.secret);
  requireDatabaseFile(path);
  const driver = new SqliteDriver(path, { onFatal });
  try {
    await requireSchema(driver.query, path);
    const keys = new Keys(
      options.secret ?? readSecretFile(secretPath) ?? failSecretMissing(path, secretPath),
    );
    await requireSecret(driver.query, keys, path, options.secret === null ? secretPath : 'CODE_SECRET');
    if (as === 'owner') {
      makePrivate(path);
      await requireSound(driver.query, path);
    }
    const isNew = created !== null;
    const newSecretPath = created?.secretPath ?? null;
    return storageOver(driver, options, { keys, name: path, isNew, newSecretPath });
  } catch (error) {
    await driver.close();
    throw error;
  }
}

async function openPostgres(url: string, options: StorageOptions): Promise<Storage> {
  const { as, secret, poolSize } = options;
  const { host, pathname } = new URL(url);
  const name = `PostgreSQL ${host}${pathname}`;
  if (secret === null) {
    throw new StorageError(
      'SECRET_MISSING',
      'CODE_SECRET is not set. With PostgreSQL it is required: set it to what `openssl rand -hex 32` prints, and keep a copy.',
    );
  }
  const keys = new Keys(secret);
  const { PostgresDriver } = await import('./postgres-driver.js');
  const driver = new PostgresDriver(url, poolSize);
  try {
    const isNew = await driver.transaction('schema', async (query) => {
      if (await hasTable(query, 'meta')) return false;
      if (as === 'guest') throw new StorageError('SCHEMA_MISSING', `${name} is empty. Start the bot first.`);
      await createSchema(query, keys.fingerprint);
      return true;
    });
    await requireSchema(driver.query, name);
    await requireSecret(driver.query, keys, name, 'CODE_SECRET');
    return storageOver(driver, options, { keys, name, isNew, newSecretPath: null });
  } catch (error) {
    await driver.close();
    throw error;
  }
}

function storageOver(
  driver: Driver,
  { onOutage }: StorageOptions,
  rest: Pick<Storage, 'keys' | 'name' | 'isNew' | 'newSecretPath'>,
): Storage {
  const store = new Store(onOutage === undefined ? driver : reportOutages(driver, onOutage));
  return { ...rest, store, close: async () => driver.close() };
}

/** Creates the database under another name: it appears complete or not at all. Returns `null` when there is one. */
async function createDatabase(
  path: string,
  secret: string | null,
): Promise<{ readonly secretPath: string | null } | null> {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const secretPath = secretPathOf(path);
  const traces = [secret === null ? secretPath : '', `${path}-wal`].filter(
    (trace) => trace !== '' && exists(trace),
  );
  if (traces.length > 0) {
    await pause(CREATION_MS);
    if (exists(path)) return null;
    throw lost(path, traces);
  }
  const unfinished = `${path}.${randomBytes(6).toString('hex')}.new`;
  let hasSecret = false;
  try {
    const driver = new SqliteDriver(unfinished, { create: true });
    try {
      const used = secret ?? createSecretFile(secretPath);
      hasSecret = secret === null;
      const { fingerprint } = new Keys(used);
      await driver.transaction('schema', async (query) => createSchema(query, fingerprint));
    } finally {
      await driver.close();
    }
    // Unlike a rename, this fails when another bot has created the database meanwhile.
    linkSync(unfinished, path);
    return { secretPath: hasSecret ? secretPath : null };
  } catch (error) {
    if (hasSecret) rmSync(secretPath, { force: true });
    if (!isErrno(error, 'EEXIST')) throw error;
    if (exists(path)) return null;
    // Another bot has created the secret, but not yet the database.
    if (secret === null && !hasSecret) return createDatabase(path, secret);
    throw error;
  } finally {
    for (const part of ['', ...COMPANIONS]) rmSync(unfinished + part, { force: true });
  }
}

/** Unlike existsSync, fails when the path cannot be read. */
export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

export function requireDatabaseFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new StorageError(
      'DATABASE_MISSING',
      `There is no database at ${path}. Start the bot first, or set the path of its database.`,
    );
  }
  if (!found.isFile()) {
    throw new StorageError('DATABASE_FOREIGN', `${path} is not a file. Set DATABASE_URL to a file.`);
  }
  if (found.size === 0) {
    throw new StorageError(
      'DATABASE_DAMAGED',
      `${path} is empty: its content was lost. Restore a backup: npm run restore FILE`,
    );
  }
}

/** @throws {StorageError} SECRET_WRONG. */
export async function requireSecret(
  query: Query,
  keys: Keys,
  database: string,
  source: string,
): Promise<void> {
  if ((await readMeta(query, META.fingerprint)) === keys.fingerprint) return;
  throw new StorageError(
    'SECRET_WRONG',
    `${source} is not the secret that ${database} was created with. Put the right one back: without it no code can be read.`,
  );
}

/** @throws {StorageError} DATABASE_DAMAGED. */
export async function requireSound(query: Query, path: string): Promise<void> {
  const [row = {}] = await query('PRAGMA quick_check(1)');
  const found = text(row, 'quick_check');
  if (found !== 'ok') throw damaged(path, new Error(found));
}

/** Copied files may be readable by other accounts. */
function makePrivate(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`, secretPathOf(path)]) {
    if (exists(file)) chmodSync(file, 0o600);
  }
}

async function hasTable(query: Query, name: string): Promise<boolean> {
  const rows = await query(
    'SELECT 1 AS found FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = $1',
    [name],
  );
  return rows.length > 0;
}

export function failSecretMissing(database: string, secretPath: string): never {
  throw new StorageError(
    'SECRET_MISSING',
    `${database} needs the secret that it was created with, but CODE_SECRET is not set and ${secretPath} is missing. Put your copy of it there.`,
  );
}

function lost(path: string, traces: readonly string[]): StorageError {
  const files = traces.join(' and ');
  return new StorageError(
    'DATABASE_MISSING',
    `${path} is missing, but there was one: ${files} remained. Put it back, or restore a backup: npm run restore FILE. To start over with no codes, move ${files} to another folder. Keep the .key file: your backups cannot be read without it.`,
  );
}
