import { makeBackup } from '../storage/backup.js';
import { ProgramError, requireSqlite, runProgram } from './program.js';

const USAGE = `Usage: npm run --silent backup
Makes a backup of the SQLite database and prints its path. The bot may be running.`;

await runProgram(USAGE, async (args, readConfig) => {
  if (args.length > 0) throw new ProgramError(USAGE);
  const { database, backupKeep: keep } = readConfig();
  const { path } = await makeBackup(requireSqlite(database), { keep, now: Date.now() });
  return `${path}\n`;
});
