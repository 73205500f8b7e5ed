import { statSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { textIn, type Query, type SqlDriver } from './driver.js';
import { SqliteConnection } from './sqlite-connection.js';
import { inWords, StorageError } from './storage-error.js';

/** Whoever finds the database locked tries again, with the event loop free, until this long has passed. */
const PATIENCE_MS = 5_000;
/** Most locks last for one commit of another process. With growing pauses other processes would overtake again and again. */
const RETRY_PAUSE_MS = 1;

/** What is asked of a file that took the place of the first one while the program runs. */
export interface Successor {
  /** Before it is opened; throws what speaks against it. */
  readonly vet: () => void;
  /** When it is open; rejects with what speaks against it. */
  readonly accept: (query: Query) => Promise<void>;
}

export interface SqliteOptions {
  readonly create: boolean;
  /** Not a byte is written; only for a file that nobody else uses. */
  readonly readonly?: boolean;
  /** Default: nothing may take the place of the file. */
  readonly successor?: Successor;
  /** Hears once that the database cannot be used, once more for each other reason, and `null` when it can again. */
  readonly onTrouble?: ((trouble: StorageError | null) => void) | undefined;
}

/**
 * One connection to a SQLite file. Statements run one after the other; transactions never mix.
 *
 * While the file is gone it is still read, but not written; another one that takes its place is opened instead.
 * Whatever SQLite says about the state of the file is thrown as a {@link StorageError}.
 */
export class SqliteDriver implements SqlDriver {
  readonly #path: string;
  readonly #options: SqliteOptions;
  /** `null`: to be opened again. */
  #connection: SqliteConnection | null = null;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();
  /** Those who write wait here: one alone tries again and again, and readers pass. */
  #lastWriter: Promise<unknown> = Promise.resolve();
  #trouble: StorageError | null = null;
  /** What took the place of the file and was found damaged, so that it is not read through again. */
  #rejected: { readonly looks: string; readonly error: StorageError } | null = null;

  private constructor(path: string, options: SqliteOptions) {
    this.#path = path;
    this.#options = options;
  }

  /**
   * Opens a file of ours, or makes one. A file of another program is left as it is.
   *
   * @throws {StorageError}
   */
  static async open(path: string, options: SqliteOptions): Promise<SqliteDriver> {
    const driver = new SqliteDriver(path, options);
    await driver.#patiently(async () => {
      try {
        driver.#connection = new SqliteConnection(path, options);
      } catch (error) {
        throw inWords(error, path);
      }
    });
    return driver;
  }

  readonly query: Query = async (sql, parameters = []) =>
    this.#telling(
      this.#patiently(() => this.#connected(async (connection) => connection.run(sql, parameters))),
    );

  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    const attempt = async (): Promise<T> => this.#connected(async (connection) => transact(connection, work));
    const since = performance.now();
    const result = this.#lastWriter.then(async () => this.#patiently(attempt, since));
    this.#lastWriter = result.catch(() => undefined);
    return this.#telling(result);
  }

  async close(): Promise<void> {
    await this.#exclusively(async () => {
      this.#closed = true;
      this.#connection?.close();
    });
  }

  /** Tries again while another process holds the lock; others have their turn between two tries. */
  async #patiently<T>(attempt: () => Promise<T>, since = performance.now()): Promise<T> {
    for (;;) {
      const last = performance.now() >= since + PATIENCE_MS;
      // Whoever waited behind one who waited in vain has waited long enough.
      if (last && this.#trouble?.code === 'DATABASE_LOCKED') throw this.#trouble;
      try {
        return await attempt();
      } catch (error) {
        if (last || !(error instanceof StorageError) || error.code !== 'DATABASE_LOCKED') throw error;
      }
      await pause(RETRY_PAUSE_MS);
    }
  }

  /** Runs `work` after all that was asked for before it, on the file that is at the path now. */
  #connected<T>(work: (connection: SqliteConnection) => Promise<T>): Promise<T> {
    return this.#exclusively(async () => {
      const connection = await this.#current();
      try {
        const result = await work(connection);
        if (connection.wrote) this.#tell(null);
        return result;
      } catch (error) {
        const said = inWords(error, this.#path);
        // What SQLite remembers of the file may be what is wrong.
        if (said instanceof StorageError && said.code === 'DATABASE_DAMAGED') this.#drop(connection);
        throw said;
      }
    });
  }

  #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #current(): Promise<SqliteConnection> {
    if (this.#closed) throw new Error('The database is not open');
    const standing = this.#connection;
    if (standing !== null) {
      const whereabouts = standing.whereabouts();
      if (whereabouts === 'in place' || whereabouts === 'gone') return standing;
    }
    try {
      standing?.makeRoom();
      this.#connection = null;
      const fresh = await this.#reopen();
      this.#connection = fresh;
      this.#tell(null);
      return fresh;
    } catch (error) {
      throw inWords(error, this.#path);
    }
  }

  async #reopen(): Promise<SqliteConnection> {
    const { vet, accept } = this.#options.successor ?? NO_SUCCESSOR;
    vet();
    const looks = [this.#path, `${this.#path}-wal`].map(looksOf).join(' ');
    // To read through a large file takes long.
    if (this.#rejected?.looks === looks) throw this.#rejected.error;
    const connection = new SqliteConnection(this.#path, { create: false });
    try {
      await accept(async (sql, parameters = []) => connection.run(sql, parameters));
      return connection;
    } catch (error) {
      connection.close();
      const said = inWords(error, this.#path);
      if (said instanceof StorageError && said.code === 'DATABASE_DAMAGED') {
        this.#rejected = { looks, error: said };
      }
      throw error;
    }
  }

  #drop(connection: SqliteConnection): void {
    this.#connection = null;
    connection.close();
  }

  async #telling<T>(result: Promise<T>): Promise<T> {
    try {
      return await result;
    } catch (error) {
      if (error instanceof StorageError) this.#tell(error);
      throw error;
    }
  }

  #tell(trouble: StorageError | null): void {
    if (this.#trouble?.code === trouble?.code) return;
    this.#trouble = trouble;
    this.#options.onTrouble?.(trouble);
  }
}

/** Reads through the whole file. @returns `null` when it is sound, otherwise what SQLite found first. */
export async function findDamage(query: Query): Promise<string | null> {
  const [row] = await query('PRAGMA quick_check(1)');
  const found = row === undefined ? 'no answer' : textIn(row, 'quick_check');
  return found === 'ok' ? null : found;
}

/** Changes whenever the file does. */
function looksOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? 'none' : `${found.ino} ${found.size} ${found.mtimeMs}`;
}

const NO_SUCCESSOR: Successor = {
  vet() {
    throw new StorageError('DATABASE_MISSING', 'The database was exchanged while it was made. Start again.');
  },
  accept: async () => undefined,
};

async function transact<T>(connection: SqliteConnection, work: (query: Query) => Promise<T>): Promise<T> {
  connection.begin();
  try {
    const result = await work(async (sql, parameters = []) => connection.run(sql, parameters));
    connection.commit();
    return result;
  } catch (error) {
    connection.rollback();
    throw error;
  }
}
