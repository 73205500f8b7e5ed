import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  type Stats,
} from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';

import { integerIn } from './driver.js';
import { FINGERPRINT, readMeta, readVersion } from './migrations.js';
import { isErrno } from './secret-file.js';
import { findDamage, SqliteDriver } from './sqlite-driver.js';

/** The folder beside the database that holds its backups. */
export const BACKUP_FOLDER_NAME = 'backups';

/** What a backup that is still being written ends in. */
const UNFINISHED = '.unfinished';
/** Nothing has been written to it for so long: whoever began it was killed. */
const ABANDONED_MS = 3_600_000;

export interface BackupFile {
  readonly path: string;
  /** When it was made, to the second, by the clock of that time. */
  readonly at: number;
  /** Counts them in the order in which they were made, also where the clock was set back. */
  readonly number: number;
  /** The schema that an update was about to bring; `null`: made for no update. */
  readonly beforeSchema: number | null;
}

/** A backup that was made and checked. */
export interface MadeBackup {
  readonly path: string;
  /** How many codes it holds, ended ones among them. */
  readonly codes: number;
}

/** The backups of this database, in the order in which they were made. Whatever else is in the folder is not ours. */
export function listBackups(databasePath: string): readonly BackupFile[] {
  const folder = folderOf(databasePath);
  return entriesOf(folder)
    .flatMap((name) => parseName(databasePath, join(folder, name)) ?? [])
    .toSorted((one, other) => one.number - other.number);
}

/** @returns when the backup was made, `null` when its name does not tell. */
export function timeInName(databasePath: string, path: string): number | null {
  return parseName(databasePath, path)?.at ?? null;
}

/** Deletes all but the last `keep` of one kind. */
export function pruneBackups(databasePath: string, keep: number, beforeSchema: number | null): void {
  const ofKind = listBackups(databasePath).filter((backup) => backup.beforeSchema === beforeSchema);
  // Another process may be at it too.
  for (const { path } of ofKind.slice(0, -keep)) rmSync(path, { force: true });
}

/**
 * Copies the database into its folder of backups. The copy has its name only when it is whole, checked and on
 * the disk; otherwise nothing stays of it.
 *
 * @returns `null` when the schema is by now what it was to be a backup from before.
 */
export async function writeBackup(
  driver: SqliteDriver,
  databasePath: string,
  { now, beforeSchema }: { readonly now: number; readonly beforeSchema: number | null },
): Promise<MadeBackup | null> {
  const folder = folderOf(databasePath);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const unfinished = join(folder, `${basename(databasePath)}.${randomBytes(6).toString('hex')}${UNFINISHED}`);
  try {
    // SQLite fills an empty file, and leaves its mode alone; one that it makes itself is readable to all.
    closeSync(openSync(unfinished, 'wx', 0o600));
    removeAbandoned(folder, basename(databasePath), statSync(unfinished));
    const before = await describe(driver);
    await driver.query('VACUUM INTO $1', [unfinished]);
    const after = await describe(driver);
    const copy = await readCopy(unfinished);
    // Codes are never deleted, so their number only grows.
    if (copy.fingerprint !== before.fingerprint || copy.codes < before.codes || copy.codes > after.codes) {
      throw new Error('the copy is not what was copied');
    }
    if (beforeSchema !== null && copy.schema >= beforeSchema) return null;
    syncToDisk(unfinished);
    const path = giveName(unfinished, databasePath, now, beforeSchema);
    syncToDisk(folder);
    return { path, codes: copy.codes };
  } finally {
    for (const rest of ['', '-journal']) rmSync(unfinished + rest, { force: true });
  }
}

/** What tells one state of a database from another. */
export interface Description {
  readonly fingerprint: string;
  readonly schema: number;
  readonly codes: number;
}

export async function describe({ query }: Pick<SqliteDriver, 'query'>): Promise<Description> {
  const [row = {}] = await query('SELECT count(*) AS codes FROM codes');
  const fingerprint = await readMeta(query, FINGERPRINT);
  if (fingerprint === null) throw new Error('it does not tell which secret belongs to it');
  return {
    fingerprint,
    schema: await readVersion(query),
    codes: integerIn(row, 'codes'),
  };
}

/** Makes what was written to a file, or the names in a folder, outlive a power cut. */
export function syncToDisk(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** A time as names of files have it, to the second: 20260102T030405Z. */
export function stampOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
}

/** @throws when the copy is damaged. */
async function readCopy(path: string): Promise<Description> {
  const copy = await SqliteDriver.open(path, { create: false, readonly: true });
  try {
    const damage = await findDamage(copy.query);
    if (damage !== null) throw new Error(`the copy is damaged (${damage})`);
    return await describe(copy);
  } finally {
    await copy.close();
  }
}

function giveName(
  unfinished: string,
  databasePath: string,
  now: number,
  beforeSchema: number | null,
): string {
  const { name, ext } = parse(databasePath);
  const kind = beforeSchema === null ? '' : `-before-schema-${beforeSchema}`;
  for (let number = (listBackups(databasePath).at(-1)?.number ?? 0) + 1; ; number++) {
    const fullName = `${name}-${stampOf(now)}-${String(number).padStart(4, '0')}${kind}${ext}`;
    const path = join(folderOf(databasePath), fullName);
    try {
      // A link, unlike a rename, never takes the place of a file that another process has just made.
      linkSync(unfinished, path);
      return path;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }
}

function parseName(databasePath: string, path: string): BackupFile | null {
  const { name, ext } = parse(databasePath);
  const file = basename(path);
  if (!file.startsWith(name) || !file.endsWith(ext)) return null;
  const [, stamp, number, schema] =
    /^-(\d{8}T\d{6}Z)-(\d{4,9})(?:-before-schema-(\d{1,9}))?$/.exec(
      file.slice(name.length, file.length - ext.length),
    ) ?? [];
  if (stamp === undefined) return null;
  const at = Date.parse(
    stamp.replace(/^(....)(..)(..)T(..)(..)/, (_all, y, m, d, h, min) => `${y}-${m}-${d}T${h}:${min}:`),
  );
  if (Number.isNaN(at)) return null;
  return { path, at, number: Number(number), beforeSchema: schema === undefined ? null : Number(schema) };
}

/** Deletes what killed processes left of the same database. `newest` was written this moment, by the same clock. */
function removeAbandoned(folder: string, databaseName: string, newest: Stats): void {
  for (const name of entriesOf(folder)) {
    if (!name.startsWith(`${databaseName}.`) || !name.endsWith(UNFINISHED)) continue;
    const path = join(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found !== undefined && newest.mtimeMs - found.mtimeMs > ABANDONED_MS) rmSync(path, { force: true });
  }
}

/** The files of a folder; none where there is no folder. */
function entriesOf(folder: string): string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return [];
    throw error;
  }
}

function folderOf(databasePath: string): string {
  return join(dirname(databasePath), BACKUP_FOLDER_NAME);
}
