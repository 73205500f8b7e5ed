/** What both engines bind alike. Booleans are 0 and 1; times are Unix ms. */
export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs one statement with `$1`, `$2`, ... as placeholders and returns its rows. */
export type Query = (sql: string, parameters?: readonly SqlValue[]) => Promise<SqlRow[]>;

/** A connection to a database: SQLite or PostgreSQL. All methods reject with a `StorageError` in an outage. */
export interface Driver {
  /** Runs one statement outside of any transaction. */
  readonly query: Query;
  /**
   * Runs `work` in one transaction: committed durably when it resolves, rolled back when it rejects. Transactions
   * with the same `lock` run one after the other, in all processes; SQLite serializes all of them. `work` awaits
   * only its own `query`.
   */
  transaction<T>(lock: string, work: (query: Query) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** Runs work with the same key in the order of the calls, one after the other. */
export class KeyedQueue {
  readonly #last = new Map<string, Promise<unknown>>();

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const result = this.#last.get(key)?.then(work) ?? work();
    const settle = (): void => {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    };
    const settled = result.then(settle, settle);
    this.#last.set(key, settled);
    return result;
  }
}
