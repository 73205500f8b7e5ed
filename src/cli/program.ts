import { loadStorageConfig, type StorageConfig } from '../config.js';
import { ConfigError, loadEnvFile } from '../env-file.js';
import { EXIT_CONFIG, EXIT_FAILURE, EXIT_USAGE } from '../exit-codes.js';
import type { DatabaseLocation } from '../storage/database-url.js';
import { isErrno, StorageError } from '../storage/storage-error.js';

/** Ends a program with a sentence for the person who started it. */
export class ProgramError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_USAGE) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs a command-line program: prints what `main` returns for the arguments, or why it failed. */
export async function runProgram(
  usage: string,
  main: (args: readonly string[], readConfig: () => StorageConfig) => Promise<string>,
): Promise<void> {
  // New files are readable for this account only.
  process.umask(0o077);
  process.stdout.on('error', (error) => {
    // The reader (head, less) has closed the pipe.
    if (!isErrno(error, 'EPIPE')) throw error;
  });
  const args = process.argv.slice(2);
  const isHelp = args.includes('--help') || args.includes('-h');
  const readConfig = (): StorageConfig => loadStorageConfig(process.env, loadEnvFile(process.env));
  try {
    process.stdout.write(isHelp ? `${usage}\n` : await main(args, readConfig));
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** Rethrows what is not a known error. */
function exitCodeOf(error: unknown): number {
  if (error instanceof ProgramError) return error.exitCode;
  if (error instanceof ConfigError) return EXIT_CONFIG;
  if (error instanceof StorageError) return error.isTransient ? EXIT_FAILURE : EXIT_CONFIG;
  throw error;
}

/** Returns the path of a SQLite database. */
export function requireSqlite(database: DatabaseLocation): string {
  if (database.engine === 'sqlite') return database.path;
  throw new ProgramError(
    'DATABASE_URL is a PostgreSQL database. Use pg_dump and pg_restore instead: they come with PostgreSQL.',
    EXIT_CONFIG,
  );
}
