import { createHash } from 'node:crypto';

import pg from 'pg';

import { KeyedQueue, type Driver, type Query } from './driver.js';
import { StorageError } from './storage-error.js';

const { DatabaseError, Pool, types } = pg;
const { INT8 } = types.builtins;

/** Poolers (PgBouncer) refuse connections that set these at their start. */
const BEGIN = 'BEGIN; SET LOCAL lock_timeout = 5000; SET LOCAL idle_in_transaction_session_timeout = 10000';

/** A pool of connections to PostgreSQL. */
export class PostgresDriver implements Driver {
  readonly #pool: pg.Pool;
  /** At most one connection per lock: otherwise attempts at one username would occupy the whole pool. */
  readonly #queue = new KeyedQueue();

  constructor(url: string, max = 10) {
    this.#pool = new Pool({
      // pg treats these alike, but warns that a later version will not.
      connectionString: url.replace(/\bsslmode=(?:require|verify-ca)\b/, 'sslmode=verify-full'),
      max,
      connectionTimeoutMillis: 5_000,
      query_timeout: 10_000,
      types: { getTypeParser: (oid, format) => (oid === INT8 ? Number : types.getTypeParser(oid, format)) },
    });
    // A connection that breaks without a listener ends the process. The pool replaces it; the next query reports it.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
  }

  readonly query: Query = async (sql, parameters) => {
    const [client, rows] = await this.#connected(async (connected) => queryOn(connected)(sql, parameters));
    client.release();
    return rows;
  };

  async transaction<T>(lock: string, work: (query: Query) => Promise<T>): Promise<T> {
    return this.#queue.run(lock, async () => this.#transact(lock, work));
  }

  async close(): Promise<void> {
    if (!this.#pool.ended) await this.#pool.end();
  }

  async #transact<T>(lock: string, work: (query: Query) => Promise<T>): Promise<T> {
    // One round trip. Each later statement has a snapshot of its own, taken after the lock.
    const begin = `${BEGIN}; SELECT pg_advisory_xact_lock(${lockNumber(lock)})`;
    const [client] = await this.#connected(async (connected) => connected.query(begin).catch(rethrow));
    try {
      const result = await work(queryOn(client));
      await client.query('COMMIT').catch(rethrow);
      client.release();
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      client.release(error instanceof StorageError);
      throw error;
    }
  }

  /** Async: pg throws when it cannot read a certificate. */
  async #connect(): Promise<pg.PoolClient> {
    return this.#pool.connect();
  }

  /** Returns a connection after its first statement, which runs again when the server had closed the connection. */
  async #connected<T>(first: (client: pg.PoolClient) => Promise<T>): Promise<[pg.PoolClient, T]> {
    // All idle connections may be closed.
    for (let idle = this.#pool.idleCount; ; idle--) {
      const client = await this.#connect().catch(rethrow);
      try {
        return [client, await first(client)];
      } catch (error) {
        // After an outage the connection's state is unknown: it is closed.
        client.release(error instanceof StorageError);
        if (idle <= 0 || !wasClosed(error)) throw error;
      }
    }
  }
}

/** By the server (admin_shutdown, idle_session_timeout), which executed nothing or rolled it back. */
function wasClosed(error: unknown): boolean {
  const { code } = Object(Object(error).cause);
  return code === '57P01' || code === '57P05';
}

const names = new Map<string, string>();

/** Named statements are parsed and planned once per connection. */
function queryOn(client: pg.PoolClient): Query {
  return async (sql, parameters = []) => {
    const name = names.get(sql) ?? `s${names.size}`;
    names.set(sql, name);
    const query = { name, text: sql, values: [...parameters] };
    // `never`: the caller names the type of the rows.
    return (await client.query<Record<string, unknown>>(query).catch(rethrow)).rows;
  };
}

/** A collision of two locks costs a wait, nothing else. */
function lockNumber(lock: string): bigint {
  return createHash('sha256').update(lock).digest().readBigInt64BE();
}

/** Data, constraint and syntax errors (classes 22, 23, 42) are faults of the statement; the rest are outages. */
function rethrow(error: unknown): never {
  if (!(error instanceof Error)) throw error;
  const code = 'code' in error ? String(error.code) : '';
  const call = 'syscall' in error ? String(error.syscall) : '';
  const [, reason] = REFUSALS.find(([pattern]) => pattern.test(`${code} ${call}`)) ?? [];
  if (reason !== undefined) throw new StorageError('DATABASE_UNREADABLE', reason, { cause: error });
  if (error instanceof DatabaseError && /^(22|23|42)/.test(code)) throw error;
  throw new StorageError(
    'DATABASE_UNREACHABLE',
    `The PostgreSQL server of DATABASE_URL does not answer (${code || error.message}). Check that it runs and that this machine reaches it.`,
    { cause: error },
  );
}

/** Codes of PostgreSQL, OpenSSL and the operating system for what does not pass by itself. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/^28/, 'PostgreSQL refused the login. Check the user, the password and the sslmode in DATABASE_URL.'],
  [/^3D/, 'PostgreSQL has no database with the name in DATABASE_URL. Create it, or correct the name.'],
  [
    /^(?:42501|3F)/,
    'The PostgreSQL user of DATABASE_URL lacks a permission. It must own the tables, or be allowed to create them: GRANT CREATE ON SCHEMA public TO user',
  ],
  // The connection itself fails with "ECONNRESET read".
  [
    /^(?:E[A-Z]+ open|EISDIR read)$/,
    'A certificate file that DATABASE_URL names cannot be read. Check its path.',
  ],
  [
    /^(?:ERR_TLS|SELF_SIGNED|DEPTH_ZERO|UNABLE_TO|CERT_)/,
    "The TLS certificate of the PostgreSQL server cannot be verified. Add the provider's certificate to DATABASE_URL: sslmode=verify-full&sslrootcert=/path/to/ca.pem",
  ],
];
