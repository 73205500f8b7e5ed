import { loadStorageConfig, type StorageConfig } from '../config.js';
import { loadEnvFile } from '../env-file.js';
import { EXIT_USAGE } from '../exit-codes.js';

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
