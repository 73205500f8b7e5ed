import { config as loadDotenv } from 'dotenv';

import { ConfigError, loadStorageConfig } from '../config.js';
import { EXIT_CONFIG, EXIT_USAGE } from '../exit-codes.js';
import { restore, type Restored } from '../storage/backups.js';
import { StorageError } from '../storage/storage-error.js';

const USAGE = `Usage: npm run --silent restore FILE
Puts a backup in the place of the database, which is kept under another name. Stop the bot first.`;

/** What was done, and what it means for those who have codes. */
function report(backupPath: string, restored: Restored): string {
  const { databasePath, codes, madeAt, lastEntryAt, replacedPath, undone } = restored;
  const lines = [
    `${databasePath} is now what ${backupPath} was: ${codes} ${codes === 1 ? 'code' : 'codes'}, ended ones among them.`,
    madeAt === null ? '' : `The backup was made at ${timeOf(madeAt)}.`,
    lastEntryAt === null ? '' : `The last thing that it knows of happened at ${timeOf(lastEntryAt)}.`,
    undone === null
      ? 'Codes that were issued since are gone; codes that were revoked or replaced since work again.'
      : `Codes that were issued since, and are gone: ${undone.issued}. Codes that were revoked or replaced since, and work again: ${undone.ended}.`,
    'Members whose code is gone get another with !getcode; revoke again what has to stay revoked.',
  ];
  if (replacedPath !== null) lines.push(`What was there before is kept: ${replacedPath}`);
  if (replacedPath !== null && undone !== null) {
    const since = madeAt === null ? '' : ` -- --since ${new Date(madeAt).toISOString()}`;
    lines.push(`What had happened since: DATABASE_URL='${replacedPath}' npm run --silent audit${since}`);
  }
  lines.push('Start the bot now.');
  return lines.filter((line) => line !== '').join('\n');
}

function timeOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function refuse(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

process.umask(0o077);
loadDotenv({ quiet: true });

try {
  const [backupPath, ...more] = process.argv.slice(2);
  if (backupPath === '--help' || backupPath === '-h') process.stdout.write(`${USAGE}\n`);
  else if (backupPath === undefined || backupPath.startsWith('-') || more.length > 0) {
    refuse(USAGE, EXIT_USAGE);
  } else {
    const { databasePath, codeSecret: secret } = loadStorageConfig(process.env);
    const restored = await restore({ backupPath, databasePath, secret, now: Date.now() });
    process.stdout.write(`${report(backupPath, restored)}\n`);
  }
} catch (error) {
  if (!(error instanceof StorageError || error instanceof ConfigError)) throw error;
  refuse(error.message, EXIT_CONFIG);
}
