import type { Query, SqlRow, SqlValue } from './driver.js';

/** Reads a column, or throws a TypeError: a damaged database may hold any value. */
type Read<T> = (value: unknown, column: string) => T;

/** The columns that a statement selects, each with its type. */
export type Columns<T> = { readonly [Column in keyof T]-?: Read<T[Column]> };

/** A table, or a part of one. Each method is one statement; the rules are in `codes/`. */
export abstract class Table {
  protected readonly query: Query;

  constructor(query: Query) {
    this.query = query;
  }

  /** Runs a statement and returns its rows, checked. */
  protected async rows<T extends object>(
    columns: Columns<T>,
    sql: string,
    parameters?: readonly SqlValue[],
  ): Promise<T[]> {
    return (await this.query(sql, parameters)).map((row) => readRow(columns, row));
  }
}

/** Returns a row whose columns have these types. */
export function readRow<T extends object>(columns: Columns<T>, row: SqlRow): T {
  checkRow(columns, row);
  return row;
}

function checkRow<T extends object>(columns: Columns<T>, row: SqlRow): asserts row is SqlRow & T {
  for (const [column, read] of Object.entries<Read<unknown>>(columns)) read(row[column], column);
}

export const text: Read<string> = (value, column) =>
  typeof value === 'string' ? value : fail(column, 'text');

/** A count, or a time in Unix ms: the last `Date` is 8.64e15. */
export const integer: Read<number> = (value, column) =>
  typeof value === 'number' && Number.isSafeInteger(value) && Math.abs(value) < 8.64e15
    ? value
    : fail(column, 'an integer');

export function orNull<T>(read: Read<T>): Read<T | null> {
  return (value, column) => (value === null ? null : read(value, column));
}

export function oneOf<T extends string>(values: readonly T[]): Read<T> {
  return (value, column) => values.find((known) => known === value) ?? fail(column, values.join(', '));
}

function fail(column: string, expected: string): never {
  throw new TypeError(`Column ${column}: expected ${expected}`);
}
