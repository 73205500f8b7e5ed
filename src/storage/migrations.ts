import type { Query, SqlDriver } from './driver.js';
import { textIn } from './driver.js';
import { StorageError } from './storage-error.js';

/** The condition of the partial indexes, word for word as the queries say it: SQLite uses an index only then. */
export const NOT_ENDED =
  'revoked_at IS NULL AND withdrawn_at IS NULL AND replaced_at IS NULL AND expired_at IS NULL';

/** The condition of another one: all wrong codes alike, so that none takes longer to note than another. */
export const GUESSED = "event IN ('refused', 'throttled')";

/** The name in `meta` by which the database knows its secret. */
export const FINGERPRINT = 'secret_fingerprint';

/** Steps from an empty database to a schema: its version is how many they are. */
export type Migrations = readonly (readonly string[])[];

/**
 * The schema, step by step. A step that was released is never edited: a new one is appended.
 *
 * Columns named `..._at` hold Unix times in milliseconds. Discord's ids are text: they exceed 2^53.
 */
export const MIGRATIONS: Migrations = [
  [
    `CREATE TABLE requests (
       id          TEXT   NOT NULL PRIMARY KEY, -- the Discord message that is answered at most once
       received_at BIGINT NOT NULL
     )`,
    `CREATE TABLE codes (
       id           TEXT   NOT NULL PRIMARY KEY, -- the request that made it
       guild_id     TEXT   NOT NULL,
       holder_id    TEXT   NOT NULL,
       holder_tag   TEXT   NOT NULL,
       username     TEXT   NOT NULL,             -- as typed
       name_hash    TEXT   NOT NULL,             -- keyed hash of the username as compared
       text_hash    TEXT   NOT NULL UNIQUE,      -- keyed hash of the code
       pair_hash    TEXT   NOT NULL UNIQUE,      -- keyed hash of username and code
       sealed_text  TEXT   NOT NULL,             -- the code, encrypted
       max_uses     BIGINT,                      -- NULL: unlimited
       uses         BIGINT NOT NULL,
       issued_at    BIGINT NOT NULL,
       delivered_at BIGINT,
       expires_at   BIGINT,                      -- NULL: never
       expired_at   BIGINT,                      -- when it was first seen to be expired
       replaced_at  BIGINT,
       revoked_at   BIGINT,
       withdrawn_at BIGINT
     )`,
    `CREATE INDEX codes_by_guild ON codes (guild_id, issued_at, id, expires_at)
       WHERE delivered_at IS NOT NULL AND ${NOT_ENDED}`,
    `CREATE INDEX codes_by_expiry ON codes (expires_at) WHERE expires_at IS NOT NULL AND ${NOT_ENDED}`,
    `CREATE INDEX codes_undelivered ON codes (issued_at) WHERE delivered_at IS NULL AND ${NOT_ENDED}`,
    `CREATE INDEX codes_by_name ON codes (name_hash)`,
    // All of them, ended or not: the limit on asking counts these too.
    `CREATE INDEX codes_by_holder ON codes (holder_id, issued_at)`,
    `CREATE TABLE look_alikes (
       skeleton  TEXT NOT NULL,                  -- what the username looks like
       name_hash TEXT NOT NULL,
       PRIMARY KEY (skeleton, name_hash)
     )`,
    `CREATE INDEX look_alikes_by_name ON look_alikes (name_hash)`,
    `CREATE TABLE guards (
       budget     TEXT   NOT NULL PRIMARY KEY,   -- keyed hash of a username, or of one and a client
       name_hash  TEXT   NOT NULL,
       failures   TEXT   NOT NULL,               -- times of the latest wrong codes, with commas
       in_a_row   BIGINT NOT NULL,
       changed_at BIGINT NOT NULL
     )`,
    `CREATE INDEX guards_by_name ON guards (name_hash)`,
    `CREATE INDEX guards_by_time ON guards (changed_at)`,
    `CREATE TABLE clients (
       client_hash TEXT   NOT NULL PRIMARY KEY,  -- keyed hash of a username and a visitor who got in with it
       holder_id   TEXT   NOT NULL,              -- who held the username then
       seen_at     BIGINT NOT NULL
     )`,
    `CREATE TABLE channels (
       user_id    TEXT NOT NULL PRIMARY KEY,
       channel_id TEXT NOT NULL                  -- the direct-message channel
     )`,
    `CREATE TABLE audit (
       at        BIGINT NOT NULL,
       event     TEXT   NOT NULL,
       code_id   TEXT,                           -- its row tells the server and the holder
       name_hash TEXT,
       guild_id  TEXT,                           -- where there is no code
       actor_id  TEXT,                           -- an administrator
       reason    TEXT
     )`,
    `CREATE INDEX audit_by_time ON audit (at)`,
    `CREATE INDEX audit_of_strangers ON audit (at) WHERE code_id IS NULL AND name_hash IS NOT NULL`,
  ],
  [
    `CREATE TABLE redemptions (
       key_hash    TEXT   NOT NULL PRIMARY KEY,  -- keyed hash of what the website named it by
       pair_hash   TEXT   NOT NULL,
       code_id     TEXT,                         -- NULL: refused
       refused_as  TEXT,                         -- what the code was worth; NULL: accepted, or there was none
       uses        BIGINT NOT NULL,              -- of the code, afterwards
       redeemed_at BIGINT NOT NULL
     )`,
    `CREATE INDEX redemptions_by_time ON redemptions (redeemed_at)`,
  ],
  [
    `CREATE TABLE answers (
       request_id   TEXT   NOT NULL PRIMARY KEY, -- the request that is not known to be answered
       command      TEXT   NOT NULL,
       channel_id   TEXT   NOT NULL,
       author_id    TEXT   NOT NULL,
       addressee    TEXT   NOT NULL,             -- author, channel, or press
       sealed_body  TEXT,                        -- encrypted; NULL: known to be delivered
       received_at  BIGINT NOT NULL,
       owner        TEXT   NOT NULL,             -- the process that sends it
       leased_until BIGINT NOT NULL              -- when others may
     )`,
  ],
  [`DROP INDEX audit_of_strangers`, `CREATE INDEX audit_of_guesses ON audit (at) WHERE ${GUESSED}`],
  // Since when the code's server is not served; NULL: it is.
  [`ALTER TABLE codes ADD COLUMN suspended_at BIGINT`],
];

export const SCHEMA_VERSION = MIGRATIONS.length;

/**
 * Brings the schema to the last of `migrations`, all steps or none. Of two processes that start at once, one
 * waits and then finds nothing to do.
 *
 * @throws {StorageError} SCHEMA_TOO_NEW: the database is left as it is.
 */
export async function migrate(
  driver: SqlDriver,
  path: string,
  migrations: Migrations = MIGRATIONS,
): Promise<void> {
  await driver.transaction(async (query) => {
    await query('CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)');
    const version = await readVersion(query);
    refuseNewer(version, path, migrations.length);
    for (const step of migrations.slice(version)) for (const statement of step) await query(statement);
    if (version < migrations.length) await writeMeta(query, 'schema_version', String(migrations.length));
  });
}

/**
 * Makes sure that the schema is this program's, and changes nothing.
 *
 * @throws {StorageError} SCHEMA_TOO_NEW or SCHEMA_TOO_OLD.
 */
export async function requireCurrentSchema(query: Query, path: string): Promise<void> {
  const version = await readVersion(query);
  refuseNewer(version, path, SCHEMA_VERSION);
  if (version < SCHEMA_VERSION) {
    throw new StorageError(
      'SCHEMA_TOO_OLD',
      `${path} has schema ${version}; this program needs ${SCHEMA_VERSION}. Start the bot once: it updates the database.`,
    );
  }
}

/** @returns `null` when nothing was ever written under `name`. */
export async function readMeta(query: Query, name: string): Promise<string | null> {
  const [row] = await query('SELECT value FROM meta WHERE name = $1', [name]);
  return row === undefined ? null : textIn(row, 'value');
}

export async function writeMeta(query: Query, name: string, value: string): Promise<void> {
  await query(
    'INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
    [name, value],
  );
}

export async function readVersion(query: Query): Promise<number> {
  return Number((await readMeta(query, 'schema_version')) ?? 0);
}

/** @throws {StorageError} SCHEMA_TOO_NEW. */
export function refuseNewer(version: number, path: string, known: number): void {
  if (version > known) {
    throw new StorageError(
      'SCHEMA_TOO_NEW',
      `${path} has schema ${version}, written by a newer version of this program, which knows only ${known}. Update the program; the database was not changed.`,
    );
  }
}
