import { loadStorageConfig, type StorageConfig } from '../config.js';
import { loadEnvFile } from '../env-file.js';
import { EXIT_CONFIG, EXIT_USAGE } from '../exit-codes.js';
import type { DatabaseLocation } from '../storage/database-url.js';

/** Ends a program with a sentence for the person who started it. */
export class ProgramError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_USAGE) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Reads `.env` and the environment. @throws {ConfigError} */
export function readConfig(): StorageConfig {
  return loadStorageConfig(process.env, loadEnvFile(process.env));
}

/** Returns the path of a SQLite database. */
export function requireSqlite(database: DatabaseLocation): string {
  if (database.engine === 'sqlite') return database.path;
  throw new ProgramError(
    'DATABASE_URL is a PostgreSQL database. Use pg_dump and pg_restore instead: they come with PostgreSQL.',
    EXIT_CONFIG,
  );
}
