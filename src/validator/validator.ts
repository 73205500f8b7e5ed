import { fileURLToPath } from 'node:url';

import { Validator as LoginValidator } from '../services/validator.js';
import { LOCATION_RULE, parseDatabaseUrl } from '../storage/database-url.js';
import { openStorage } from '../storage/open-storage.js';

export type { InvalidReason, LoginOptions, RedeemOptions, Verdict } from '../services/validator.js';
export { StorageError, type StorageErrorCode } from '../storage/storage-error.js';

/** The same from `src/validator` and from `dist/validator`. */
const DEFAULT_DATABASE = '../../data/access-codes.db';
/** For a website: logins are short, and PostgreSQL allows few connections in all. */
const DEFAULT_POOL_SIZE = 3;

export interface ValidatorOptions {
  /**
   * The bot's database, as in its DATABASE_URL: a path, a `file:` URL or a `postgres:` URL. Default:
   * `data/access-codes.db` in the folder of this package.
   */
  readonly databaseUrl?: string | undefined;
  /** The bot's CODE_SECRET. Default: the content of `code-secret.key` beside a SQLite database. */
  readonly codeSecret?: string | undefined;
  /** Connections to PostgreSQL. Default: 3. */
  readonly poolSize?: number | undefined;
  /** Returns the current time in Unix ms. Default: `Date.now`. */
  readonly clock?: (() => number) | undefined;
}

/**
 * Checks usernames and codes in the bot's database.
 *
 * Invalid input is a result. The promises reject only when the database cannot answer: let nobody in then.
 *
 * The validator fails closed. A call that cannot count a wrong code or a use rejects; after it, no code is accepted
 * until such a write succeeds. Before it, `validate` accepts valid codes even on a full disk: that writes nothing.
 *
 * After 10 wrong codes within an hour, or 100 since the holder's last code, a username is throttled: pass `client`, so
 * that strangers cannot lock out visitors who have logged in before.
 */
export interface Validator extends Pick<LoginValidator, 'validate' | 'redeem'> {
  /** Closes the database. Later calls reject. */
  readonly close: () => Promise<void>;
}

/**
 * Opens the bot's database for a website. It never creates or changes tables: start the bot first.
 *
 * A validator does not follow a SQLite file that is replaced, as a restored backup does: its calls reject with
 * DATABASE_REPLACED. Close it and open another one.
 *
 * @example
 * const validator = await openValidator({ databaseUrl: '/srv/bot/data/access-codes.db' });
 * const verdict = await validator.validate('Alice', 'ABC234');
 * if (verdict.valid) logIn(verdict.discordUserId, verdict.username);
 *
 * @throws {TypeError} `databaseUrl` is not a path without `~` or variables, a `file:` URL or a `postgres:` URL.
 * @throws {StorageError} the database or its secret is missing, wrong or damaged; `code` says which, and
 *   `isTransient` whether it may pass without anybody changing a setting or a file.
 */
export async function openValidator(options: ValidatorOptions = {}): Promise<Validator> {
  // Not at the import: packed as CommonJS, this module has no URL.
  const { databaseUrl = fileURLToPath(new URL(DEFAULT_DATABASE, import.meta.url)) } = options;
  const { codeSecret, clock = Date.now, poolSize = DEFAULT_POOL_SIZE } = options;
  const database = parseDatabaseUrl(databaseUrl);
  // The URL is not quoted: it may hold a password.
  if (database === null) throw new TypeError(`databaseUrl must be ${LOCATION_RULE}`);

  const storage = await openStorage({ database, secret: codeSecret?.trim() ?? null, as: 'guest', poolSize });
  const validator = new LoginValidator({ store: storage.store, keys: storage.keys, clock });
  let closing: Promise<void> | null = null;
  return {
    validate: validator.validate.bind(validator),
    redeem: validator.redeem.bind(validator),
    close: async () => (closing ??= storage.close()),
  };
}
