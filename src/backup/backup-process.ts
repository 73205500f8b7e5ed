import { backUp, type BackupRequest } from '../storage/backups.js';
import { StorageError } from '../storage/storage-error.js';

// The bot starts this with one argument, a request as JSON, and reads the answer as JSON.
try {
  const request: BackupRequest = JSON.parse(process.argv[2] ?? '');
  process.stdout.write(JSON.stringify(await backUp(request)));
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  process.stderr.write(error.message);
  process.exitCode = 1;
}
