import { rmSync, statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import { KeyedQueue, type Driver, type Query, type SqlValue } from './driver.js';
import { giveAway } from './files.js';
import { StorageError, toStorageError } from './storage-error.js';

/** Marks a SQLite file as this bot's: "CRAB" in ASCII. */
const APPLICATION_ID = 0x43524142;
/** How long a statement waits for another process's lock. */
const LOCK_TIMEOUT_MS = 5_000;
/** Short and constant: growing pauses starve a writer beside a busy one. */
const RETRY_PAUSE_MS = 1;
/** With SQLite's default of 2 MB, lookups among 1,000,000 codes take 1.5 times as long. */
const CACHE_KIB = 16 * 1_024;

/** Node 24.19 and later aborts when an object of better-sqlite3 12 is garbage-collected: keep them all. */
const kept: object[] = [];

/** @throws {StorageError} INSTALLATION_BROKEN. */
export function requireInstalled(): void {
  try {
    kept.push(new Database(':memory:'));
  } catch (error) {
    throw toStorageError(error, 'SQLite');
  }
}

export interface SqliteOptions {
  /** Creates the file; otherwise it must exist. */
  readonly create?: boolean;
  readonly readonly?: boolean;
  /** Called when the file turns out damaged or replaced: the process should end. */
  readonly onFatal?: ((error: StorageError) => void) | undefined;
}

/** One connection to a SQLite file. */
export class SqliteDriver implements Driver {
  readonly #path: string;
  readonly #database: Database.Database;
  /** `never`: the caller of `query` names the type of the rows. */
  readonly #statements = new Map<string, Database.Statement<object[], never>>();
  /** Statements and transactions of this connection never overlap. */
  readonly #queue = new KeyedQueue();
  /** One transaction at a time waits for another process's lock; reads pass it. */
  readonly #writers = new KeyedQueue();
  readonly #onFatal: (error: StorageError) => void;
  readonly #inode: number;
  #size = 0;

  /** @throws {StorageError} */
  constructor(path: string, { create = false, readonly = false, onFatal }: SqliteOptions = {}) {
    this.#path = path;
    this.#onFatal = onFatal ?? (() => undefined);
    try {
      this.#database = new Database(path, { fileMustExist: !create, readonly, timeout: LOCK_TIMEOUT_MS });
      kept.push(this.#database);
      try {
        this.#inode = statSync(path).ino;
        if (create) giveAway(path);
        this.#configure(create, readonly);
        // Otherwise SQLite would block the event loop while it waits.
        this.#pragma('busy_timeout = 0');
      } catch (error) {
        this.#database.close();
        // An empty file would read as a database that lost its content.
        if (create) rmSync(path, { force: true });
        throw error;
      }
    } catch (error) {
      throw toStorageError(error, path);
    }
  }

  readonly query: Query = async (sql, parameters) =>
    this.#retrying(deadline(), async () => {
      this.#requireSameFile();
      return this.#run(sql, parameters);
    });

  async transaction<T>(_lock: string, work: (query: Query) => Promise<T>): Promise<T> {
    const until = deadline();
    return this.#writers.run('', async () => this.#retrying(until, async () => this.#transact(work)));
  }

  async close(): Promise<void> {
    await this.#queue.run('', async () => this.#database.close());
  }

  #configure(create: boolean, readonly: boolean): void {
    // Without pages: SQLite took back the first change of a start that was killed.
    const isEmpty = this.#pragma('page_count') === 0;
    if (create || (isEmpty && !readonly)) this.#pragma(`application_id = ${APPLICATION_ID}`);
    else if (this.#pragma('application_id') !== APPLICATION_ID) {
      throw new StorageError(
        'DATABASE_FOREIGN',
        `${this.#path} is the database of another program. Set DATABASE_URL to another file.`,
      );
    }
    if (readonly) return;
    this.#pragma('journal_mode = WAL');
    // better-sqlite3 defaults to NORMAL under WAL, which loses commits in a power cut.
    this.#pragma('synchronous = FULL');
    this.#pragma(`cache_size = -${CACHE_KIB}`);
  }

  /** `pragma()` of better-sqlite3 leaves its statement to the garbage collector. */
  #pragma(source: string): unknown {
    const [row]: object[] = this.#run(`PRAGMA ${source}`);
    return Object.values(row ?? {})[0];
  }

  async #transact<T>(work: (query: Query) => Promise<T>): Promise<T> {
    this.#requireSameFile();
    this.#run('BEGIN IMMEDIATE');
    try {
      const result = await work(async (sql, parameters) => this.#run(sql, parameters));
      this.#run('COMMIT');
      return result;
    } catch (error) {
      // SQLite may have rolled back by itself.
      if (this.#database.inTransaction) this.#run('ROLLBACK');
      throw error;
    }
  }

  #run(sql: string, parameters: readonly SqlValue[] = []): never[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<object[], never>(sql);
      kept.push(statement);
      this.#statements.set(sql, statement);
    }
    const named: Record<number, SqlValue> = {};
    parameters.forEach((value, index) => {
      // better-sqlite3 binds undefined as NULL, which would mean "never expires".
      if (value === undefined) throw new TypeError(`Parameter $${index + 1} is undefined`);
      named[index + 1] = value;
    });
    // Binding nothing takes 1 µs.
    const bound = parameters.length === 0 ? [] : [named];
    if (statement.reader) return statement.all(...bound);
    statement.run(...bound);
    return [];
  }

  /** SQLite itself keeps writing to a file that was deleted or replaced. Takes about 3 µs. */
  #requireSameFile(): void {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found?.ino !== this.#inode || found.size < this.#size) {
      throw new StorageError(
        'DATABASE_REPLACED',
        `${this.#path} was moved, deleted, replaced or truncated while it was in use. Restart the program.`,
      );
    }
    this.#size = found.size;
  }

  /** Runs `attempt` when it is its turn, again and again while another process has the lock. */
  async #retrying<T>(until: number, attempt: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await this.#queue.run('', attempt);
      } catch (thrown) {
        const error = toStorageError(thrown, this.#path);
        if (!(error instanceof StorageError)) throw error;
        if (error.code === 'DATABASE_REPLACED' || error.code === 'DATABASE_DAMAGED') this.#onFatal(error);
        if (error.code !== 'DATABASE_LOCKED' || performance.now() > until) throw error;
      }
      await pause(RETRY_PAUSE_MS);
    }
  }
}

function deadline(): number {
  return performance.now() + LOCK_TIMEOUT_MS;
}
