import type { Query } from './driver.js';
import { StorageError } from './storage-error.js';
import { text } from './table.js';

/** The version of {@link SCHEMA}. */
const SCHEMA_VERSION = 1;

/** Names in `meta`. */
export const META = {
  schema: 'schema',
  fingerprint: 'secret_fingerprint',
  servedGuild: 'served_guild_id',
  writeProbe: 'write_probe',
} as const;

/**
 * One text for SQLite and PostgreSQL. Columns named `..._at` hold Unix times in ms. Discord ids are text: they
 * exceed 2^53.
 */
const SCHEMA = [
  `CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)`,
  `CREATE TABLE requests (
     id         TEXT   NOT NULL PRIMARY KEY, -- a Discord message that was handled
     claimed_at BIGINT NOT NULL
   )`,
  `CREATE TABLE codes (
     id              TEXT   NOT NULL PRIMARY KEY, -- the Discord message that requested it
     guild_id        TEXT   NOT NULL,
     channel_id      TEXT   NOT NULL,
     holder_id       TEXT   NOT NULL,
     holder_tag      TEXT   NOT NULL,
     username        TEXT   NOT NULL,             -- as typed
     name_hash       TEXT   NOT NULL,             -- keyed hash of the username as compared
     text_hash       TEXT   NOT NULL UNIQUE,      -- keyed hash of the code
     pair_hash       TEXT   NOT NULL UNIQUE,      -- keyed hash of username and code
     encrypted_text  TEXT   NOT NULL,             -- the code
     uses            BIGINT NOT NULL DEFAULT 0,
     max_uses        BIGINT,                      -- NULL: unlimited
     redemption_hash TEXT,                        -- keyed hash of the last redemption's idempotency key
     redeemed_at     BIGINT,                      -- the last redemption
     issued_at       BIGINT NOT NULL,
     attempted_at    BIGINT NOT NULL,             -- when a process last worked on its delivery
     delivered_at    BIGINT,                      -- when Discord confirmed the DM, or the button showed it
     acknowledged_at BIGINT,                      -- when the channel was told; NULL: delivery is unfinished
     expires_at      BIGINT,                      -- NULL: never
     suspended_at    BIGINT,
     ended_at        BIGINT,
     end_reason      TEXT
   )`,
  // Holds every column that decides what a page shows. Otherwise `!codes` would read each row before its page.
  `CREATE INDEX codes_by_guild ON codes (guild_id, issued_at, id, expires_at, ended_at) WHERE ended_at IS NULL`,
  `CREATE INDEX codes_by_member ON codes (guild_id, holder_id) WHERE ended_at IS NULL`,
  `CREATE INDEX codes_by_name ON codes (name_hash)`,
  `CREATE INDEX codes_by_holder ON codes (holder_id, issued_at)`,
  `CREATE INDEX codes_by_expiry ON codes (expires_at) WHERE ended_at IS NULL AND expires_at IS NOT NULL`,
  `CREATE INDEX codes_pending ON codes (issued_at) WHERE ended_at IS NULL AND delivered_at IS NULL`,
  `CREATE INDEX codes_unfinished ON codes (attempted_at) WHERE acknowledged_at IS NULL`,
  `CREATE INDEX codes_ended ON codes (ended_at) WHERE ended_at IS NOT NULL`,
  `CREATE TABLE look_alikes (
     skeleton  TEXT NOT NULL,                     -- what the username looks like (UTS #39)
     name_hash TEXT NOT NULL,
     PRIMARY KEY (skeleton, name_hash)
   )`,
  `CREATE INDEX look_alikes_by_name ON look_alikes (name_hash)`,
  `CREATE TABLE failures (
     throttle_key TEXT   NOT NULL PRIMARY KEY,    -- keyed hash of a username, a username and a client, or a client and an hour
     name_hash    TEXT   NOT NULL,
     holder_id    TEXT,                           -- a client that logged in with this member's code
     times        TEXT   NOT NULL,                -- of the latest failures, separated by commas
     total        BIGINT NOT NULL,                -- since the holder's last code
     changed_at   BIGINT NOT NULL
   )`,
  `CREATE INDEX failures_by_name ON failures (name_hash)`,
  `CREATE INDEX failures_by_time ON failures (changed_at)`,
  `CREATE TABLE dm_channels (user_id TEXT NOT NULL PRIMARY KEY, channel_id TEXT NOT NULL)`,
  `CREATE TABLE audit (
     at        BIGINT NOT NULL,
     event     TEXT   NOT NULL,
     code_id   TEXT,
     name_hash TEXT,                              -- for events without a code
     guild_id  TEXT,                              -- for events without a code
     actor_id  TEXT,                              -- an administrator
     reason    TEXT
   )`,
  `CREATE INDEX audit_by_time ON audit (at)`,
];

/** Creates the tables in an empty database, for the secret with this fingerprint. */
export async function createSchema(query: Query, fingerprint: string): Promise<void> {
  for (const statement of SCHEMA) await query(statement);
  await writeMeta(query, META.schema, String(SCHEMA_VERSION));
  await writeMeta(query, META.fingerprint, fingerprint);
}

/** @throws {StorageError} SCHEMA_UNSUPPORTED: this program cannot read the database. */
export async function requireSchema(query: Query, database: string): Promise<void> {
  const version = Number((await readMeta(query, META.schema)) ?? 0);
  if (version === SCHEMA_VERSION) return;
  throw new StorageError(
    'SCHEMA_UNSUPPORTED',
    version > SCHEMA_VERSION
      ? `${database} was written by a newer version of this program. Update the program; the database was not changed.`
      : `${database} was made by a version from before the first release, which this version cannot read. Move it and its .key file to another folder and start again; members get new codes with !getcode.`,
  );
}

/** Returns `null` when nothing is stored under `name`. */
export async function readMeta(query: Query, name: string): Promise<string | null> {
  const [row] = await query('SELECT value FROM meta WHERE name = $1', [name]);
  return row === undefined ? null : text(row['value'], 'value');
}

export async function writeMeta(query: Query, name: string, value: string): Promise<void> {
  await query(
    `INSERT INTO meta (name, value) VALUES ($1, $2)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value`,
    [name, value],
  );
}
