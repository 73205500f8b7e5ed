import type { SqlRow } from './driver.js';

// Columns are read, not cast: each reader throws a TypeError on another type.

export function text(row: SqlRow, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new TypeError(`Column ${column}: expected text, got ${typeof value}`);
  return value;
}

export function textOrNull(row: SqlRow, column: string): string | null {
  return row[column] === null ? null : text(row, column);
}

export function integer(row: SqlRow, column: string): number {
  const value = row[column];
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) {
    throw new TypeError(`Column ${column}: expected an integer, got ${typeof value}`);
  }
  return value;
}

export function integerOrNull(row: SqlRow, column: string): number | null {
  return row[column] === null ? null : integer(row, column);
}

export function oneOf<T extends string>(values: readonly T[], row: SqlRow, column: string): T {
  const found = values.find((value) => value === row[column]);
  if (found === undefined) throw new TypeError(`Column ${column}: unexpected value`);
  return found;
}
