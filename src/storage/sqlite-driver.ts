import { setTimeout as pause } from 'node:timers/promises';

import Database from 'better-sqlite3';

import { textIn, type Query, type SqlDriver, type SqlRow, type SqlValue } from './driver.js';
import { StorageError } from './storage-error.js';

/**
 * SQLite waits so long for another connection's lock itself, and blocks the event loop meanwhile: enough for a
 * commit by another process, and not long where the other connection is this very process's.
 */
const BLOCKING_PATIENCE_MS = 10;
/** Past that the driver tries again, with the event loop free, until this long has passed. */
const PATIENCE_MS = 5_000;
const RETRY_PAUSE_MS = 25;

/** Marks a SQLite file as ours: "CRAB", for chat-room access bot, in ASCII. */
const APPLICATION_ID = 0x43524142;

/** At most, and taken as the database grows. With SQLite's own 2 MB a lookup among a million codes takes half as long again. */
const CACHE_KIB = 16 * 1_024;

/** Older ones can lose a commit when two processes write (the WAL-reset bug, sqlite.org/wal.html). */
const OLDEST_SQLITE = [3, 51, 3] as const;

/**
 * Every object of better-sqlite3's, for good. From version 24.19 Node 24 aborts the process when one of them is
 * garbage-collected (better-sqlite3 13 is mended, and crashes on Node 20). They are few, and closed they are small.
 */
const kept: object[] = [];

/** One connection to a SQLite file. Statements run one after the other; transactions never mix. */
export class SqliteDriver implements SqlDriver {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement<[object], SqlRow>>();
  #last: Promise<unknown> = Promise.resolve();

  private constructor(database: Database.Database) {
    this.#database = database;
    kept.push(database);
  }

  /**
   * Opens a file of ours, or makes one. A file of another program is left as it is.
   *
   * @param readonly not a byte is written; only for a file that nobody else uses.
   * @throws {StorageError} DATABASE_FOREIGN, SQLITE_TOO_OLD; otherwise SQLite's own error, with its `code`.
   */
  static async open(
    path: string,
    { create, readonly = false }: { readonly create: boolean; readonly readonly?: boolean },
  ): Promise<SqliteDriver> {
    const driver = new SqliteDriver(
      new Database(path, { fileMustExist: !create, readonly, timeout: BLOCKING_PATIENCE_MS }),
    );
    try {
      await driver.#patiently(async () => driver.#prepareConnection(path, create));
      return driver;
    } catch (error) {
      await driver.close();
      throw error;
    }
  }

  readonly query: Query = (sql, parameters = []) => this.#patiently(async () => this.#run(sql, parameters));

  async transaction<T>(
    work: (query: Query) => Promise<T>,
    kind: 'write' | 'mostly read' = 'write',
  ): Promise<T> {
    return this.#patiently(async () => {
      this.#run(kind === 'write' ? 'BEGIN IMMEDIATE' : 'BEGIN DEFERRED', []);
      try {
        const result = await work(async (sql, parameters = []) => this.#run(sql, parameters));
        this.#run('COMMIT', []);
        return result;
      } catch (error) {
        if (this.#database.inTransaction) this.#run('ROLLBACK', []);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#exclusively(async () => this.#database.close());
  }

  /** Reads through the whole file. @returns `null` when it is sound, otherwise what SQLite found first. */
  async findDamage(): Promise<string | null> {
    const [row] = await this.query('PRAGMA quick_check(1)');
    const found = row === undefined ? 'no answer' : textIn(row, 'quick_check');
    return found === 'ok' ? null : found;
  }

  #prepareConnection(path: string, create: boolean): void {
    refuseOldSqlite(String(this.#run('SELECT sqlite_version() AS version', [])[0]?.['version']));
    if (create) this.#run(`PRAGMA application_id = ${APPLICATION_ID}`, []);
    else if (this.#run('PRAGMA application_id', [])[0]?.['application_id'] !== APPLICATION_ID) {
      throw new StorageError(
        'DATABASE_FOREIGN',
        `${path} is the database of another program. Name another file in DATABASE_URL.`,
      );
    }
    if (this.#database.readonly) return;
    this.#run('PRAGMA journal_mode = WAL', []);
    // better-sqlite3 is built to fall back to NORMAL under WAL, which loses commits at a power cut.
    this.#run('PRAGMA synchronous = FULL', []);
    this.#run(`PRAGMA cache_size = -${CACHE_KIB}`, []);
  }

  /** Tries again while another process holds the lock; others have their turn between two tries. */
  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await this.#exclusively(work);
      } catch (error) {
        if (!isBusy(error) || performance.now() >= deadline) throw error;
      }
      await pause(RETRY_PAUSE_MS);
    }
  }

  /** Runs `work` after all that was asked for before it. */
  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #run(sql: string, parameters: readonly SqlValue[]): SqlRow[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<[object], SqlRow>(sql);
      this.#statements.set(sql, statement);
      kept.push(statement);
    }
    // SQLite takes $1 for a name; an object with the keys 1, 2, ... binds them by position.
    const named = Object.fromEntries(parameters.map((value, index) => [index + 1, bindable(value)]));
    if (statement.reader) return statement.all(named);
    statement.run(named);
    return [];
  }
}

/** `undefined` would be bound as NULL, which for an expiry would mean "never". */
function bindable(value: SqlValue): SqlValue {
  if (value === undefined) throw new TypeError('A parameter is undefined');
  return value;
}

/** Whether another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  return error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
}

function refuseOldSqlite(version: string): void {
  const found = version.split('.').map(Number);
  for (const [index, oldest] of OLDEST_SQLITE.entries()) {
    const part = found[index] ?? 0;
    if (part > oldest) return;
    if (part < oldest) {
      throw new StorageError(
        'SQLITE_TOO_OLD',
        `SQLite ${version} can lose data when two programs write to one database. Reinstall with npm ci: it brings a newer one.`,
      );
    }
  }
}
