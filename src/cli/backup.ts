import { EXIT_CONFIG } from '../exit-codes.js';
import { printable } from '../printable.js';
import { makeBackup } from '../storage/backup.js';
import type { DatabaseLocation } from '../storage/database-url.js';
import { restore } from '../storage/restore.js';
import { ProgramError, readConfig } from './program-error.js';

/** Makes a backup. Returns its path. */
export async function backup(): Promise<string> {
  const { database, backupKeep: keep } = readConfig();
  const { path } = await makeBackup(requireSqlite(database), { keep, now: Date.now() });
  return `${path}\n`;
}

/** Replaces the database with a backup. Returns what to do next. */
export async function restoreFrom(backupPath: string): Promise<string> {
  const { database, codeSecret: secret } = readConfig();
  const databasePath = requireSqlite(database);
  const restored = await restore({ backupPath, databasePath, secret, now: Date.now() });
  const { codes, lastChangeAt, replacedPath } = restored;
  const lines = [
    `Restored ${printable(backupPath)}: ${codes} ${codes === 1 ? 'code' : 'codes'}, expired and revoked ones included.`,
  ];
  if (lastChangeAt !== null) {
    const time = new Date(lastChangeAt).toISOString().slice(0, 19).replace('T', ' ');
    lines.push(`Last change in this backup: ${time} UTC.`);
  }
  lines.push(
    'Codes issued after this backup are lost: tell those members to type !getcode again.',
    'Codes revoked or replaced after it WORK AGAIN: revoke them again.',
  );
  if (replacedPath !== null) {
    const since = new Date((lastChangeAt ?? 0) + 1).toISOString();
    lines.push(
      `The previous database is now ${replacedPath}`,
      'If it is readable, this lists what happened after the backup:',
      `  DATABASE_URL='${replacedPath}' npm run --silent audit -- --since ${since}`,
    );
  }
  return [...lines, 'Start the bot now.', ''].join('\n');
}

/** Returns the path of a SQLite database. */
function requireSqlite(database: DatabaseLocation): string {
  if (database.engine === 'sqlite') return database.path;
  throw new ProgramError(
    'DATABASE_URL is a PostgreSQL database. Use pg_dump and pg_restore instead: they come with PostgreSQL.',
    EXIT_CONFIG,
  );
}
