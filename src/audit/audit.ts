import { config as loadDotenv } from 'dotenv';

import type { AuditFilter, AuditRow } from '../codes/code-store.js';
import { parseCodeText } from '../codes/code-text.js';
import { ConfigError, loadStorageConfig } from '../config.js';
import { EXIT_CONFIG, EXIT_USAGE } from '../exit-codes.js';
import { openStorage, type Storage } from '../storage/open-storage.js';
import { isErrno } from '../storage/secret-file.js';
import { StorageError } from '../storage/storage-error.js';
import { OptionsError, parseOptions, USAGE, type AuditOptions } from './options.js';
import { formatJson, formatTable } from './print.js';

const EXIT_NOT_FOUND = 1;

/** Prints what the options ask for. @returns the exit code. */
async function audit(options: AuditOptions): Promise<number> {
  const { databasePath, codeSecret } = loadStorageConfig(process.env);
  const storage = await openStorage({ databasePath, secret: codeSecret, as: 'guest' });
  let rows: readonly AuditRow[] | null;
  try {
    rows = await readRows(options, storage);
  } finally {
    await storage.close();
  }
  if (rows === null) return refuse('No such code was ever issued here.', EXIT_NOT_FOUND);
  if (options.json) process.stdout.write(formatJson(rows));
  else process.stdout.write(rows.length === 0 ? 'Nothing was recorded.\n' : formatTable(rows));
  return 0;
}

/** @returns `null` when the code that is asked for was never issued. */
async function readRows(options: AuditOptions, { store, keys }: Storage): Promise<AuditRow[] | null> {
  const { since, username, memberId, code } = options;
  const filter: AuditFilter = {
    since,
    ...(username !== null && { nameHash: keys.hashName(username.key) }),
    ...(memberId !== null && { memberId }),
  };
  if (code === null) return store.readAudit(filter);
  const text = parseCodeText(code);
  const codeId = text === null ? null : await store.findIdByText(keys.hashText(text));
  return codeId === null ? null : store.readAudit({ ...filter, codeId });
}

function refuse(message: string, exitCode: number): number {
  process.stderr.write(`${message}\n`);
  return exitCode;
}

loadDotenv({ quiet: true });
process.stdout.on('error', (error) => {
  // Whoever reads along (head, less) has read enough.
  if (!isErrno(error, 'EPIPE')) throw error;
});

try {
  const options = parseOptions(process.argv.slice(2), Date.now());
  if (options === 'help') process.stdout.write(`${USAGE}\n`);
  else process.exitCode = await audit(options);
} catch (error) {
  if (error instanceof OptionsError) process.exitCode = refuse(error.message, EXIT_USAGE);
  else if (error instanceof StorageError || error instanceof ConfigError)
    process.exitCode = refuse(error.message, EXIT_CONFIG);
  else throw error;
}
