import { rmSync, statSync, type Stats } from 'node:fs';

import Database from 'better-sqlite3';

import type { SqlRow, SqlValue } from './driver.js';
import { StorageError } from './storage-error.js';

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

/**
 * Whether the file that was opened still stands at its path: in place, `gone`, `exchanged` for another one, or
 * `cut off`, smaller than it was. SQLite notices none of these, and writes on where nobody will ever read.
 */
type Whereabouts = 'in place' | 'gone' | 'exchanged' | 'cut off';

/** One SQLite file, opened. Everything here happens at once: nothing waits for a lock. */
export class SqliteConnection {
  readonly #path: string;
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement<[object], SqlRow>>();
  readonly #file: Stats | undefined;
  readonly #log: Stats | undefined;
  #size = 0;
  #wrote = false;

  /**
   * Opens a file of ours, or makes one. A file of another program is left as it is.
   *
   * @throws {StorageError} DATABASE_FOREIGN, SQLITE_TOO_OLD; otherwise SQLite's own error, with its `code`.
   */
  constructor(
    path: string,
    { create, readonly = false }: { readonly create: boolean; readonly readonly?: boolean },
  ) {
    this.#path = path;
    // Looked at before it is opened: one that is exchanged in between is then known to be another.
    const found = lookAt(path);
    this.#database = new Database(path, { fileMustExist: !create, readonly, timeout: 0 });
    kept.push(this.#database);
    this.#file = found ?? lookAt(path);
    try {
      this.#prepare(create);
      this.#log = lookAt(this.#logPath);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get inTransaction(): boolean {
    return this.#database.inTransaction;
  }

  /** Whether what was run last, or the transaction that ended last, changed anything. */
  get wrote(): boolean {
    return this.#wrote;
  }

  begin(): void {
    this.run('BEGIN IMMEDIATE', []);
    this.#wrote = false;
  }

  commit(): void {
    const wrote = this.#wrote;
    this.run('COMMIT', []);
    this.#wrote = wrote;
    if (wrote) this.#requireInPlace();
  }

  /** SQLite may have rolled back by itself. */
  rollback(): void {
    if (this.inTransaction) this.run('ROLLBACK', []);
  }

  /** @throws {StorageError} DATABASE_MISSING, before and after it writes, when the file is not in its place. */
  run(sql: string, parameters: readonly SqlValue[]): SqlRow[] {
    const statement = this.#prepared(sql);
    if (!this.inTransaction) this.#wrote = false;
    if (!statement.readonly) this.#requireInPlace();
    // SQLite takes $1 for a name; an object with the keys 1, 2, ... binds them by position.
    const named = Object.fromEntries(parameters.map((value, index) => [index + 1, bindable(value)]));
    const rows = statement.reader ? statement.all(named) : [];
    const changes = statement.reader ? rows.length : statement.run(named).changes;
    if (!statement.readonly && changes > 0) {
      this.#wrote = true;
      // Whoever is told that something is stored can find it at the path.
      if (!this.inTransaction) this.#requireInPlace();
    }
    return rows;
  }

  /** Costs about 3 µs. */
  whereabouts(): Whereabouts {
    const found = lookAt(this.#path);
    if (found === undefined) return 'gone';
    if (!isSame(found, this.#file)) return 'exchanged';
    // Under WAL a file only grows, VACUUM apart.
    if (found.size < this.#size) return 'cut off';
    this.#size = found.size;
    return 'in place';
  }

  /**
   * Closes a file that another one has taken the place of. Its log still stands beside that one, which would
   * be spoilt by it: the log is written back to where it belongs, and removed.
   *
   * @throws SQLite's error when that is not possible now; nothing is closed then.
   */
  makeRoom(): void {
    if (this.whereabouts() === 'exchanged') {
      const [done] = this.#prepared('PRAGMA wal_checkpoint(TRUNCATE)').all({});
      if (done?.['busy'] !== 0) throw new Database.SqliteError('The log is in use', 'SQLITE_BUSY');
    }
    this.close();
    if (this.whereabouts() !== 'exchanged' || !isSame(lookAt(this.#logPath), this.#log)) return;
    rmSync(this.#logPath, { force: true });
    rmSync(`${this.#path}-shm`, { force: true });
  }

  close(): void {
    this.#database.close();
  }

  get #logPath(): string {
    return `${this.#path}-wal`;
  }

  #requireInPlace(): void {
    if (this.whereabouts() === 'in place') return;
    throw new StorageError(
      'DATABASE_MISSING',
      `${this.#path} was moved, deleted, exchanged or cut off while it was in use, and nothing can be stored. Put it back, or stop the program and restore a backup: npm run restore FILE.`,
    );
  }

  #prepare(create: boolean): void {
    refuseOldSqlite(String(this.run('SELECT sqlite_version() AS version', [])[0]?.['version']));
    if (create) this.run(`PRAGMA application_id = ${APPLICATION_ID}`, []);
    else if (this.run('PRAGMA application_id', [])[0]?.['application_id'] !== APPLICATION_ID) {
      throw new StorageError(
        'DATABASE_FOREIGN',
        `${this.#path} is the database of another program. Name another file in DATABASE_URL.`,
      );
    }
    if (this.#database.readonly) return;
    this.run('PRAGMA journal_mode = WAL', []);
    // better-sqlite3 is built to fall back to NORMAL under WAL, which loses commits at a power cut.
    this.run('PRAGMA synchronous = FULL', []);
    this.run(`PRAGMA cache_size = -${CACHE_KIB}`, []);
  }

  #prepared(sql: string): Database.Statement<[object], SqlRow> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare<[object], SqlRow>(sql);
      this.#statements.set(sql, statement);
      kept.push(statement);
    }
    return statement;
  }
}

/** @returns `undefined` when nothing is there, or nothing that may be looked at. */
function lookAt(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function isSame(one: Stats | undefined, other: Stats | undefined): boolean {
  return one !== undefined && one.ino === other?.ino && one.dev === other.dev;
}

/** `undefined` would be bound as NULL, which for an expiry would mean "never". */
function bindable(value: SqlValue): SqlValue {
  if (value === undefined) throw new TypeError('A parameter is undefined');
  return value;
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
