import type { LoginCode, LoginFacts } from '../codes/login.js';
import { NO_FAILURES, type Failures } from '../codes/throttle.js';
import { stateIn, STATE_COLUMNS } from './codes.js';
import type { Query, SqlRow } from './driver.js';
import { integer, integerOrNull, text, textOrNull } from './rows.js';

/** The keyed hashes by which a login finds its rows. */
export interface LoginKeys {
  readonly nameHash: string;
  readonly pairHash: string;
  /** `null`: the website names no client. */
  readonly clientHash: string | null;
}

export interface StoredLogin extends LoginFacts {
  /** When the row of the known client was last written, in Unix ms; `null`: the client is not known. */
  readonly clientSeenAt: number | null;
}

/** Logins in the database. Each method is one statement; the rules are in `codes/`. */
export class LoginRows {
  readonly #query: Query;

  constructor(query: Query) {
    this.#query = query;
  }

  async read({ nameHash, pairHash, clientHash }: LoginKeys): Promise<StoredLogin> {
    const [row] =
      clientHash === null
        ? await this.#query(READ, [pairHash, nameHash])
        : await this.#query(READ_WITH_CLIENT, [pairHash, nameHash, clientHash]);
    if (row === undefined) throw new TypeError('The database returned no row for a login');
    const isKnown = typeof row['client_holder'] === 'string';
    return {
      code: row['id'] === null ? null : loginCodeIn(row),
      failures: failuresIn(row, 'times', 'total'),
      client: isKnown ? failuresIn(row, 'client_times', 'client_total') : null,
      clientSeenAt: isKnown ? integer(row, 'client_seen_at') : null,
    };
  }

  /** Stores a failure at `now`, after which the counter is `failures` unless a new code has reset it meanwhile. */
  async writeFailure(throttleKey: string, nameHash: string, failures: Failures, now: number): Promise<void> {
    await this.#query(
      `INSERT INTO failures (throttle_key, name_hash, times, total, changed_at) VALUES ($1, $2, $3, 1, $4)
       ON CONFLICT (throttle_key) DO UPDATE
       SET times = CASE WHEN failures.total + 1 = $5 THEN excluded.times ELSE CAST(excluded.changed_at AS TEXT) END,
         total = failures.total + 1, changed_at = excluded.changed_at`,
      [throttleKey, nameHash, failures.times.join(','), now, failures.total],
    );
  }

  /** Gives a client that logged in a failure counter of its own. */
  async rememberClient(clientHash: string, nameHash: string, holderId: string, now: number): Promise<void> {
    await this.#query(
      `INSERT INTO failures (throttle_key, name_hash, holder_id, times, total, changed_at)
       VALUES ($1, $2, $3, '', 0, $4)
       ON CONFLICT (throttle_key) DO UPDATE SET holder_id = excluded.holder_id, changed_at = excluded.changed_at`,
      [clientHash, nameHash, holderId, now],
    );
  }

  /** Counts one use. Returns the uses afterwards; `null` when the code ended or was used up meanwhile. */
  async redeem(id: string, redemptionHash: string | null, now: number): Promise<number | null> {
    const [row] = await this.#query(
      `UPDATE codes SET uses = uses + 1, redemption_hash = $2, redeemed_at = $3
       WHERE id = $1 AND ended_at IS NULL AND suspended_at IS NULL AND delivered_at IS NOT NULL
         AND (expires_at IS NULL OR expires_at > $3) AND (max_uses IS NULL OR uses < max_uses)
       RETURNING uses`,
      [id, redemptionHash, now],
    );
    return row === undefined ? null : integer(row, 'uses');
  }

  /** Takes back a {@link writeFailure}: `times` are those from before. */
  async undoFailure(throttleKey: string, times: readonly number[]): Promise<void> {
    await this.#query('UPDATE failures SET times = $2, total = total - 1 WHERE throttle_key = $1', [
      throttleKey,
      times.join(','),
    ]);
  }

  /**
   * Deletes clients that were last seen before `clientsSince`; and, of counters that count nothing or belong to
   * usernames without a code, those that did not change since `failuresSince` and all but the latest `keep`.
   */
  async prune(failuresSince: number, clientsSince: number, keep: number): Promise<void> {
    await this.#query(
      `DELETE FROM failures WHERE (holder_id IS NOT NULL AND changed_at < $2)
         OR (holder_id IS NULL
           AND (total = 0 OR NOT EXISTS (SELECT 1 FROM codes WHERE codes.name_hash = failures.name_hash))
           AND (changed_at < $1 OR changed_at <=
             (SELECT changed_at FROM failures ORDER BY changed_at DESC LIMIT 1 OFFSET $3)))`,
      [failuresSince, clientsSince, keep],
    );
  }
}

const CODE = `c.id, c.username, c.holder_id, c.redemption_hash, c.redeemed_at,
  ${STATE_COLUMNS.replaceAll(/\w+/g, 'c.$&')}`;
const FROM = `FROM (SELECT 1 AS one) AS dual LEFT JOIN codes AS c ON c.pair_hash = $1
  LEFT JOIN failures AS f ON f.throttle_key = $2`;
const READ = `SELECT ${CODE}, f.times, f.total ${FROM}`;
const READ_WITH_CLIENT = `SELECT ${CODE}, f.times, f.total, g.holder_id AS client_holder, g.times AS client_times,
  g.total AS client_total, g.changed_at AS client_seen_at ${FROM}
  LEFT JOIN failures AS g ON g.throttle_key = $3`;

function loginCodeIn(row: SqlRow): LoginCode {
  return {
    id: text(row, 'id'),
    username: text(row, 'username'),
    holderId: text(row, 'holder_id'),
    redemptionHash: textOrNull(row, 'redemption_hash'),
    redeemedAt: integerOrNull(row, 'redeemed_at'),
    ...stateIn(row),
  };
}

function failuresIn(row: SqlRow, times: string, total: string): Failures {
  if (row[times] === null) return NO_FAILURES;
  const list = text(row, times).split(',').filter(Boolean).map(Number);
  if (!list.every(Number.isSafeInteger)) throw new TypeError(`Column ${times}: expected times`);
  return { times: list, total: integer(row, total) };
}
