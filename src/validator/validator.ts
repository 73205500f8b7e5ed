import { fileURLToPath } from 'node:url';

import {
  CodeValidator,
  type LoginOptions,
  type RedeemOptions,
  type Verdict,
} from '../codes/code-validator.js';
import { parseDatabaseUrl } from '../storage/database-path.js';
import { openStorage } from '../storage/open-storage.js';

export type { InvalidReason, LoginOptions, RedeemOptions, Verdict } from '../codes/code-validator.js';
export { StorageError, type StorageErrorCode } from '../storage/storage-error.js';

export interface ValidatorOptions {
  /**
   * The bot's database: a path or a `file:` URL, as in its DATABASE_URL. Default: `data/access-codes.db`
   * in the folder of this package, where a bot started there keeps it.
   */
  readonly databaseUrl?: string;
  /** The bot's CODE_SECRET. Default: what `code-secret.key` beside the database holds. */
  readonly codeSecret?: string;
  /** Gives the current Unix time in milliseconds. Default: `Date.now`. */
  readonly clock?: () => number;
}

/**
 * Asks the bot's database who may come in. Bad input is an answer; only an outage rejects. After a wrong code that
 * could not be counted (disk full, database locked), both methods reject every code, valid or not, until one can be.
 *
 * Wrong codes are counted for each username: 10 within an hour, or 100 in a row, and the answer is `throttled`.
 * Pass `client` so that strangers cannot lock out those who got in before.
 */
export interface Validator {
  /** Tells whether `username` and `code` belong together, and counts no use. */
  readonly validate: (username: string, code: string, options?: LoginOptions) => Promise<Verdict>;
  /** The same, and counts one use of the code where the answer is valid. */
  readonly redeem: (username: string, code: string, options?: RedeemOptions) => Promise<Verdict>;
  /** Closes the database. Calls after it reject. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the bot's database for a website. It is never created or migrated here: the bot does that.
 *
 * @example
 * const validator = await openValidator({ databaseUrl: '/srv/bot/data/access-codes.db' });
 * const verdict = await validator.validate('Alice', 'ABC234');
 * if (verdict.valid) welcome(verdict.username);
 *
 * @throws {TypeError} `databaseUrl` is no path and no `file:` URL.
 * @throws {StorageError} its `code` tells which: DATABASE_MISSING, DATABASE_FOREIGN, DATABASE_DAMAGED,
 *   DATABASE_UNREADABLE, DATABASE_LOCKED, DISK_FULL, SECRET_MISSING, SECRET_WRONG, SCHEMA_TOO_OLD, SCHEMA_TOO_NEW, SQLITE_TOO_OLD.
 */
export async function openValidator(options: ValidatorOptions = {}): Promise<Validator> {
  const { databaseUrl = defaultDatabasePath(), codeSecret, clock = Date.now } = options;
  const databasePath = parseDatabaseUrl(databaseUrl);
  if (databasePath === null) throw new TypeError('databaseUrl is neither a path nor a file: URL');

  const storage = await openStorage({ databasePath, secret: codeSecret?.trim() ?? null, as: 'guest' });
  const validator = new CodeValidator({ store: storage.store, keys: storage.keys, clock });
  return {
    validate: async (username, code, login) => validator.validate(username, code, login),
    redeem: async (username, code, login) => validator.redeem(username, code, login),
    close: async () => storage.close(),
  };
}

/** Seen from `src/validator` and from `dist/validator` alike. */
function defaultDatabasePath(): string {
  return fileURLToPath(new URL('../../data/access-codes.db', import.meta.url));
}
