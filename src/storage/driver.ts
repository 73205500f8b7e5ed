/** What a column or a parameter may hold. Times and counts are whole numbers; there are no booleans. */
export type SqlValue = string | number | null;

export type SqlRow = Readonly<Record<string, unknown>>;

/** Runs one statement with its parameters `$1`, `$2`, ... and gives the rows that it returns. */
export type Query = (sql: string, parameters?: readonly SqlValue[]) => Promise<SqlRow[]>;

/** A database engine, reduced to what the store needs of it. */
export interface SqlDriver {
  readonly query: Query;

  /**
   * Runs `work` in one transaction: committed durably when it is fulfilled, rolled back when it is rejected.
   * It must await nothing but the query that it is given, and may be run again from its beginning. Transactions are
   * serialised, between processes too: each one waits for the others from its start.
   */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;

  close(): Promise<void>;
}

/** @throws {TypeError} when the column holds no text: a row is read, never believed. */
export function textIn(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new TypeError(`Column ${column}: expected text, got ${typeof value}`);
  return value;
}

/** Like {@link textIn}, with `null` for NULL. */
export function textOrNullIn(row: SqlRow, column: string): string | null {
  return row[column] === null ? null : textIn(row, column);
}

/** @throws {TypeError} when the column holds no whole number. PostgreSQL gives BIGINT as text. */
export function integerIn(row: SqlRow, column: string): number {
  const raw = row[column];
  const value = typeof raw === 'string' && /^-?\d+$/.test(raw) ? Number(raw) : raw;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new TypeError(`Column ${column}: expected a whole number, got ${typeof raw}`);
  }
  return value;
}

/** Like {@link integerIn}, with `null` for NULL. */
export function integerOrNullIn(row: SqlRow, column: string): number | null {
  return row[column] === null ? null : integerIn(row, column);
}
