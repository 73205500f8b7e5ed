import { printable } from '../printable.js';
import { restore, type Restored } from '../storage/restore.js';
import { readConfig, requireSqlite } from './program-error.js';

/** Replaces the database with a backup. Returns what to do next. */
export async function restoreFrom(backupPath: string): Promise<string> {
  const { database, codeSecret: secret } = readConfig();
  const databasePath = requireSqlite(database);
  const restored = await restore({ backupPath, databasePath, secret, now: Date.now() });
  return report(backupPath, restored);
}

function report(backupPath: string, { codes, lastChangeAt, replacedPath }: Restored): string {
  const lines = [
    `Restored ${printable(backupPath)}: ${codes} ${codes === 1 ? 'code' : 'codes'}, expired and revoked ones included.`,
    ...(lastChangeAt === null ? [] : [`Last change in this backup: ${timeOf(lastChangeAt)} UTC.`]),
    'Codes issued after this backup are lost: tell those members to type !getcode again.',
    'Codes revoked or replaced after it WORK AGAIN: revoke them again.',
  ];
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

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(0, 19).replace('T', ' ');
}
