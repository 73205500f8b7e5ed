import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { keep, openRaw } from '../support/raw-database.js';

/** Returns the permissions of a file, in octal. */
export function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

/** Returns the content of every file in a folder and its subfolders, by path. */
export function filesIn(folder: string): Map<string, string> {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return new Map(paths.toSorted().map((path) => [path, readFileSync(path, 'latin1')]));
}

export function rootPageOf(path: string, table: string): number {
  const database = openRaw(path);
  const find = keep(database.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').pluck());
  const root = find.get(table);
  database.close();
  return Number(root);
}

/** Overwrites the root page of a table. */
export function damageTable(path: string, table: string): void {
  const root = rootPageOf(path, table);
  writeFileSync(path, readFileSync(path).fill(0xa5, (root - 1) * 4_096, root * 4_096));
}
