import { loadStorageConfig } from '../config.js';
import { restore, type Restored } from '../storage/restore.js';
import { ProgramError, requireSqlite, runProgram } from './program.js';

const USAGE = `Usage: npm run --silent restore FILE
Replaces the SQLite database with a backup and keeps the previous database under another name.
Stop the bot first.`;

await runProgram(USAGE, async (args, env) => {
  const [backupPath, ...more] = args;
  if (backupPath === undefined || backupPath.startsWith('-') || more.length > 0)
    throw new ProgramError(USAGE);
  const { database, codeSecret: secret } = loadStorageConfig(env);
  const databasePath = requireSqlite(database);
  const restored = await restore({ backupPath, databasePath, secret, now: Date.now() });
  return report(backupPath, restored);
});

function report(backupPath: string, { codes, lastChangeAt, replacedPath }: Restored): string {
  const at = lastChangeAt === null ? null : new Date(lastChangeAt).toISOString();
  const lines = [
    `Restored ${backupPath}: ${codes} ${codes === 1 ? 'code' : 'codes'}, expired and revoked ones included.`,
    at === null ? '' : `Last change in this backup: ${at.slice(0, 19).replace('T', ' ')} UTC.`,
    'Codes issued after this backup are lost: tell those members to type !getcode again.',
    'Codes revoked or replaced after it WORK AGAIN: revoke them again.',
  ];
  if (replacedPath !== null) {
    const since = lastChangeAt === null ? '' : ` -- --since ${new Date(lastChangeAt + 1).toISOString()}`;
    lines.push(
      `The previous database is now ${replacedPath}`,
      'If it is readable, this lists what happened after the backup:',
      `  DATABASE_URL='${replacedPath}' npm run --silent audit${since}`,
    );
  }
  lines.push('Start the bot now.');
  return lines
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('');
}
