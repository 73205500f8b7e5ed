import { loadStorageConfig } from '../config.js';
import { makeBackup } from '../storage/backup.js';
import { ProgramError, requireSqlite, runProgram } from './program.js';

const USAGE = `Usage: npm run --silent backup
Makes a backup of the SQLite database and prints its path. The bot may be running.`;

await runProgram(USAGE, async (args, env) => {
  if (args.length > 0) throw new ProgramError(USAGE);
  const { database, backupKeep: keep } = loadStorageConfig(env);
  const { path } = await makeBackup(requireSqlite(database), { keep, now: Date.now() });
  return `${path}\n`;
});
