import { chmodSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { Keys } from '../codes/keys.js';
import type { DatabaseLocation } from './database-url.js';
import type { Driver, Query } from './driver.js';
import { exists, locate, makeFolder } from './files.js';
import { reportOutages } from './outages.js';
import { createSchema, META, readMeta, requireSchema } from './schema.js';
import { createSecretFile, readSecretFile, secretPathOf } from './secret-file.js';
import { SqliteDriver } from './sqlite-driver.js';
import { damaged, StorageError, toStorageError } from './storage-error.js';
import { Store } from './store.js';

/** Files of SQLite beside the database. */
export const COMPANIONS = ['-wal', '-shm', '-journal'] as const;

export interface StorageOptions {
  readonly database: DatabaseLocation;
  /** `null`: in its file beside the SQLite database. */
  readonly secret: string | null;
  /** The owner (the bot) creates a missing database and checks an existing one; guests do neither. */
  readonly as: 'owner' | 'guest';
  /** Called when an outage begins, each time the error code changes, and with `null` when it ends. */
  readonly onOutage?: (error: StorageError | null) => void;
  /** Called when the database turns out damaged or replaced: the process should end. */
  readonly onFatal?: (error: StorageError) => void;
  /** Connections to PostgreSQL. Default: 10. */
  readonly poolSize?: number;
}

export interface Storage {
  readonly store: Store;
  readonly driver: Driver;
  readonly keys: Keys;
  /** For people: a path, or the server and database without the password. */
  readonly name: string;
  readonly isNew: boolean;
  /** The path of the secret of a new database; `null`: CODE_SECRET, or the database is not new. */
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

async function openSqlite(given: string, options: StorageOptions): Promise<Storage> {
  const { secret, as, onFatal } = options;
  const path = locate(given);
  const create = as === 'owner' && isToBeCreated(given, secret);
  if (create) makeFolder(dirname(path));
  else requireDatabaseFile(path);
  const driver = new SqliteDriver(path, { create, onFatal });
  try {
    if (as === 'owner') makePrivate(path);
    const storage = await prepare(driver, options, path, secretPathOf(path));
    if (as === 'owner') await requireSound(driver.query, path);
    return storage;
  } catch (error) {
    await driver.close();
    throw error;
  }
}

async function openPostgres(url: string, options: StorageOptions): Promise<Storage> {
  const { host, pathname } = new URL(url);
  if (options.secret === null) {
    throw new StorageError(
      'SECRET_MISSING',
      'CODE_SECRET is not set. With PostgreSQL it is required: set it to what `openssl rand -hex 32` prints, and keep a copy.',
    );
  }
  const { PostgresDriver } = await import('./postgres-driver.js');
  const driver = new PostgresDriver(url, options.poolSize);
  try {
    return await prepare(driver, options, `PostgreSQL ${host}${pathname}`, '');
  } catch (error) {
    await driver.close();
    throw error;
  }
}

/** The owner creates the tables and the secret in one transaction: a start that was interrupted can be repeated. */
async function prepare(
  driver: Driver,
  { database, secret, as, onOutage }: StorageOptions,
  name: string,
  secretPath: string,
): Promise<Storage> {
  const hasTables = async (query: Query): Promise<boolean> =>
    (await query(TABLES[database.engine])).length > 0;
  let isNew = false;
  if (!(await hasTables(driver.query))) {
    if (as === 'guest') throw new StorageError('DATABASE_MISSING', `${name} is empty. Start the bot first.`);
    await driver.transaction('schema', async (query) => {
      if (await hasTables(query)) return;
      // A start that failed may have created the secret.
      const used = secret ?? readSecretFile(secretPath) ?? createSecretFile(secretPath);
      await createSchema(query, new Keys(used).fingerprint);
      isNew = true;
    });
  }
  await requireSchema(driver.query, name);
  const keys = await requireKeys(driver.query, name, secret, secretPath);
  const newSecretPath = isNew && secret === null ? secretPath : null;
  const store = new Store(onOutage === undefined ? driver : reportOutages(driver, onOutage));
  return { store, driver, keys, name, isNew, newSecretPath, close: async () => driver.close() };
}

/** Finds the table `meta`. */
const TABLES = {
  sqlite: `SELECT 1 AS found FROM sqlite_master WHERE name = 'meta'`,
  postgres: `SELECT 1 AS found FROM information_schema.tables
    WHERE table_schema = current_schema() AND table_name = 'meta'`,
};

/**
 * Returns whether a start creates the SQLite database.
 *
 * @throws {StorageError} DATABASE_MISSING: one was lost, and is not replaced by an empty one.
 */
export function isToBeCreated(given: string, secret: string | null): boolean {
  const path = locate(given);
  const secretPath = secretPathOf(path);
  const traces = [secretPath, `${path}-wal`].filter(exists);
  // A first start that was killed leaves an empty file; it creates the secret file and the `-wal` file later.
  if (exists(path)) return statSync(path).size === 0 && traces.length === 0;
  const remained = traces.filter((file) => file !== secretPath || secret === null);
  // The disk of the database may not be mounted.
  if (given !== path) remained.push(`the link ${given}`);
  if (remained.length === 0) return true;
  const files = remained.join(' and ');
  throw new StorageError(
    'DATABASE_MISSING',
    `${path} is missing, but there was one: ${files} remained. Put it back, or restore a backup: npm run restore FILE. To start over with no codes, move ${files} to another folder. Keep the .key file: your backups cannot be read without it.`,
  );
}

export function requireDatabaseFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    throw new StorageError(
      'DATABASE_MISSING',
      `There is no database at ${path}. Start the bot first, or set the path of its database.`,
    );
  }
  if (found.size === 0) {
    throw new StorageError(
      'DATABASE_DAMAGED',
      `${path} is empty: its content was lost. Restore a backup: npm run restore FILE`,
    );
  }
}

/**
 * Returns the keys of the secret that the database was created with.
 *
 * @throws {StorageError} SECRET_MISSING or SECRET_WRONG.
 */
export async function requireKeys(
  query: Query,
  database: string,
  secret: string | null,
  secretPath: string,
): Promise<Keys> {
  const found = secret ?? readSecretFile(secretPath);
  if (found === null) {
    throw new StorageError(
      'SECRET_MISSING',
      `${database} needs the secret that it was created with, but CODE_SECRET is not set and ${secretPath} is missing. Put your copy of it there.`,
    );
  }
  const keys = new Keys(found);
  if ((await readMeta(query, META.fingerprint)) === keys.fingerprint) return keys;
  throw new StorageError(
    'SECRET_WRONG',
    `${secret === null ? secretPath : 'CODE_SECRET'} is not the secret that ${database} was created with. Put the right one back: without it no code can be read.`,
  );
}

/** @throws {StorageError} DATABASE_DAMAGED. */
export async function requireSound(query: Query, path: string): Promise<void> {
  const [row] = await query('PRAGMA quick_check(1)');
  if (row?.['quick_check'] !== 'ok') throw damaged(path, row);
}

/** Copied files may be readable by other accounts. */
function makePrivate(path: string): void {
  for (const file of [path, `${path}-wal`, `${path}-shm`, secretPathOf(path)]) {
    if (exists(file)) chmodSync(file, 0o600);
  }
}
