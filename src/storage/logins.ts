import type { LoginCode, LoginFacts } from '../codes/login.js';
import { NO_FAILURES, type Failures } from '../codes/throttle.js';
import { CODE_STATE, STATE_COLUMNS } from './codes.js';
import { integer, orNull, readRow, Table, text, type Columns } from './table.js';

/** The keyed hashes by which a login finds its rows. */
export interface LoginKeys {
  readonly nameHash: string;
  readonly pairHash: string;
  /** `null`: the website names no client. */
  readonly clientHash: string | null;
  /** Of the client in this clock hour. */
  readonly hourHash: string | null;
}

export interface StoredLogin extends LoginFacts {
  /** When the row of the known client was last written, in Unix ms; `null`: the client is not known. */
  readonly clientSeenAt: number | null;
}

export class LoginRows extends Table {
  async read({ nameHash, pairHash, clientHash, hourHash }: LoginKeys): Promise<StoredLogin> {
    const [row] = await this.query(READ, [pairHash, nameHash, clientHash, hourHash]);
    if (row === undefined) throw new TypeError('The database returned no row for a login');
    const { times, total, clientHolder, clientTimes, ownTotal, clientSeenAt, hourTotal } = readRow(
      COUNTERS,
      row,
    );
    return {
      code: row['id'] === null ? null : readRow(LOGIN_CODE, row),
      failures: failuresOf(times, total),
      client: clientHolder === null ? null : failuresOf(clientTimes, ownTotal),
      clientTotal: hourTotal ?? 0,
      clientSeenAt: clientHolder === null ? null : clientSeenAt,
    };
  }

  /** Stores a failure at `now`, after which the counter is `failures` unless a new code has reset it meanwhile. */
  async writeFailure(throttleKey: string, nameHash: string, failures: Failures, now: number): Promise<void> {
    await this.query(
      `INSERT INTO failures (throttle_key, name_hash, times, total, changed_at) VALUES ($1, $2, $3, 1, $4)
       ON CONFLICT (throttle_key) DO UPDATE
       SET times = CASE WHEN failures.total + 1 = $5 THEN excluded.times ELSE CAST(excluded.changed_at AS TEXT) END,
         total = failures.total + 1, changed_at = excluded.changed_at`,
      [throttleKey, nameHash, failures.times.join(','), now, failures.total],
    );
  }

  /** Stores a failure of a client that is not known. Pruned as the counter of a username without a code. */
  async writeClientFailure(hourHash: string, now: number): Promise<void> {
    await this.query(
      `INSERT INTO failures (throttle_key, name_hash, times, total, changed_at) VALUES ($1, $1, '', 1, $2)
       ON CONFLICT (throttle_key) DO UPDATE SET total = failures.total + 1, changed_at = excluded.changed_at`,
      [hourHash, now],
    );
  }

  /** Counts the usernames at which clients that are not known entered a wrong code in the minute before `now`. */
  async countGuessed(now: number): Promise<number> {
    const [row] = await this.rows(
      { total: integer },
      `SELECT count(*) AS total FROM failures
       WHERE changed_at > $1 AND changed_at <= $2 AND holder_id IS NULL AND times <> ''`,
      [now - 60_000, now],
    );
    return row?.total ?? 0;
  }

  /** Gives a client that logged in a failure counter of its own. */
  async rememberClient(clientHash: string, nameHash: string, holderId: string, now: number): Promise<void> {
    await this.query(
      `INSERT INTO failures (throttle_key, name_hash, holder_id, times, total, changed_at)
       VALUES ($1, $2, $3, '', 0, $4)
       ON CONFLICT (throttle_key) DO UPDATE SET holder_id = excluded.holder_id, changed_at = excluded.changed_at`,
      [clientHash, nameHash, holderId, now],
    );
  }

  /** Forgets all but the latest `keep` clients of a username. */
  async forgetClients(nameHash: string, keep: number): Promise<void> {
    await this.query(
      `DELETE FROM failures WHERE throttle_key IN (SELECT throttle_key FROM failures
         WHERE name_hash = $1 AND holder_id IS NOT NULL ORDER BY changed_at DESC LIMIT 1000 OFFSET $2)`,
      [nameHash, keep],
    );
  }

  /** Counts one use. Returns the uses afterwards; `null` when the code ended or was used up meanwhile. */
  async redeem(id: string, redemptionHash: string | null, now: number): Promise<number | null> {
    const [row] = await this.rows(
      { uses: integer },
      `UPDATE codes SET uses = uses + 1, redemption_hash = $2, redeemed_at = $3
       WHERE id = $1 AND ended_at IS NULL AND suspended_at IS NULL AND delivered_at IS NOT NULL
         AND (expires_at IS NULL OR expires_at > $3) AND (max_uses IS NULL OR uses < max_uses)
       RETURNING uses`,
      [id, redemptionHash, now],
    );
    return row?.uses ?? null;
  }

  /** Takes back a {@link writeFailure}: `times` are those from before. */
  async undoFailure(throttleKey: string, times: readonly number[]): Promise<void> {
    await this.query('UPDATE failures SET times = $2, total = total - 1 WHERE throttle_key = $1', [
      throttleKey,
      times.join(','),
    ]);
  }

  /**
   * Deletes clients that were last seen before `clientsSince`; and, of counters that count nothing or belong to
   * usernames without a code, those that did not change since `failuresSince` and all but the latest `keep`.
   */
  async prune(failuresSince: number, clientsSince: number, keep: number): Promise<void> {
    await this.query(
      `DELETE FROM failures WHERE (holder_id IS NOT NULL AND changed_at < $2)
         OR (holder_id IS NULL
           AND (total = 0 OR NOT EXISTS (SELECT 1 FROM codes WHERE codes.name_hash = failures.name_hash))
           AND (changed_at < $1 OR changed_at <=
             (SELECT changed_at FROM failures ORDER BY changed_at DESC LIMIT 1 OFFSET $3)))`,
      [failuresSince, clientsSince, keep],
    );
  }
}

const LOGIN_CODE: Columns<LoginCode> = {
  id: text,
  username: text,
  holderId: text,
  redemptionHash: orNull(text),
  redeemedAt: orNull(integer),
  ...CODE_STATE,
};

/** The counters of the username, of the known client, and of the client in this clock hour. */
const COUNTERS = {
  times: orNull(text),
  total: orNull(integer),
  clientHolder: orNull(text),
  clientTimes: orNull(text),
  ownTotal: orNull(integer),
  clientSeenAt: orNull(integer),
  hourTotal: orNull(integer),
};

const READ = `SELECT c.id, username, c.holder_id AS "holderId", redemption_hash AS "redemptionHash",
    redeemed_at AS "redeemedAt", ${STATE_COLUMNS}, f.times, f.total, g.holder_id AS "clientHolder",
    g.times AS "clientTimes", g.total AS "ownTotal", g.changed_at AS "clientSeenAt",
    h.total AS "hourTotal"
  FROM (SELECT 1 AS one) AS dual LEFT JOIN codes AS c ON c.pair_hash = $1
    LEFT JOIN failures AS f ON f.throttle_key = $2 LEFT JOIN failures AS g ON g.throttle_key = $3
    LEFT JOIN failures AS h ON h.throttle_key = $4`;

function failuresOf(times: string | null, total: number | null): Failures {
  if (times === null || total === null) return NO_FAILURES;
  const list = times.split(',').filter(Boolean).map(Number);
  if (!list.every(Number.isSafeInteger)) throw new TypeError('Column times: expected times');
  return { times: list, total };
}
