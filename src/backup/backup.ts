import { config as loadDotenv } from 'dotenv';

import { ConfigError, loadBackupConfig } from '../config.js';
import { EXIT_CONFIG, EXIT_USAGE } from '../exit-codes.js';
import { backUp } from '../storage/backups.js';
import { StorageError } from '../storage/storage-error.js';

const USAGE = `Usage: npm run --silent backup
Makes a backup of the database now, whether the bot runs or not, and prints where it is. It needs no options.`;

function refuse(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

process.umask(0o077);
loadDotenv({ quiet: true });

try {
  const [option] = process.argv.slice(2);
  if (option === '--help' || option === '-h') process.stdout.write(`${USAGE}\n`);
  else if (option !== undefined) refuse(USAGE, EXIT_USAGE);
  else {
    const { databasePath, backupKeep } = loadBackupConfig(process.env);
    const { path } = await backUp({ databasePath, keep: backupKeep, now: Date.now() });
    process.stdout.write(`${path}\n`);
  }
} catch (error) {
  if (!(error instanceof StorageError || error instanceof ConfigError)) throw error;
  refuse(error.message, EXIT_CONFIG);
}
