import { makeBackup } from '../storage/backup.js';
import { readConfig, requireSqlite } from './program-error.js';

/** Makes a backup. Returns its path. */
export async function backup(): Promise<string> {
  const { database, backupKeep: keep } = readConfig();
  const { path } = await makeBackup(requireSqlite(database), { keep, now: Date.now() });
  return `${path}\n`;
}
