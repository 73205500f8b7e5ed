import { END_REASONS, type Code, type CodeState } from '../codes/code.js';
import type { SqlValue } from './driver.js';
import { integer, oneOf, orNull, Table, text, type Columns } from './table.js';

export type NewCode = Omit<
  Code,
  'acknowledgedAt' | Exclude<keyof CodeState, 'maxUses' | 'issuedAt' | 'expiresAt'>
> & {
  readonly textHash: string;
  readonly pairHash: string;
};

/** By what an administrator finds codes. */
export type CodeColumn = 'guild_id' | 'text_hash' | 'name_hash' | 'holder_id';

/** What `statusOf` reads. */
export const CODE_STATE: Columns<CodeState> = {
  uses: integer,
  maxUses: orNull(integer),
  issuedAt: integer,
  deliveredAt: orNull(integer),
  expiresAt: orNull(integer),
  suspendedAt: orNull(integer),
  endedAt: orNull(integer),
  endReason: orNull(oneOf(END_REASONS)),
};
const CODE: Columns<Code> = {
  id: text,
  guildId: text,
  channelId: text,
  holderId: text,
  holderTag: text,
  username: text,
  nameHash: text,
  encryptedText: text,
  acknowledgedAt: orNull(integer),
  ...CODE_STATE,
};
export const STATE_COLUMNS = `uses, max_uses AS "maxUses", issued_at AS "issuedAt", delivered_at AS "deliveredAt",
  expires_at AS "expiresAt", suspended_at AS "suspendedAt", ended_at AS "endedAt", end_reason AS "endReason"`;
const COLUMNS = `id, guild_id AS "guildId", channel_id AS "channelId", holder_id AS "holderId",
  holder_tag AS "holderTag", username, name_hash AS "nameHash", encrypted_text AS "encryptedText",
  acknowledged_at AS "acknowledgedAt", ${STATE_COLUMNS}`;
/** Its username stays reserved. */
const IS_RESERVED = `end_reason IN ('expired', 'left') AND delivered_at IS NOT NULL`;

export class CodeRows extends Table {
  async find(id: string): Promise<Code | null> {
    return this.#code(`SELECT ${COLUMNS} FROM codes WHERE id = $1`, [id]);
  }

  /** The holder's codes that matter to a request, and those of others whose usernames are the same or look alike. */
  async findKnown(
    holderId: string,
    skeletons: readonly string[],
    { issuedSince, endedSince }: { readonly issuedSince: number; readonly endedSince: number },
  ): Promise<Code[]> {
    const isRelevant = `(ended_at IS NULL OR (ended_at > $2 AND ${IS_RESERVED}))`;
    return this.#codes(
      `SELECT ${COLUMNS} FROM codes WHERE holder_id = $1 AND (issued_at > $3 OR ${isRelevant})
       UNION ALL
       SELECT ${COLUMNS} FROM codes WHERE holder_id <> $1 AND ${isRelevant} AND name_hash IN
         (SELECT name_hash FROM look_alikes WHERE skeleton IN (${placeholders(4, skeletons.length)}))`,
      [holderId, endedSince, issuedSince, ...skeletons],
    );
  }

  /** Returns `null` when the code's text is in use. */
  async insert(code: NewCode): Promise<Code | null> {
    return this.#code(
      `INSERT INTO codes (id, guild_id, channel_id, holder_id, holder_tag, username, name_hash, text_hash, pair_hash,
         encrypted_text, max_uses, issued_at, attempted_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13)
       ON CONFLICT DO NOTHING RETURNING ${COLUMNS}`,
      [
        code.id,
        code.guildId,
        code.channelId,
        code.holderId,
        code.holderTag,
        code.username,
        code.nameHash,
        code.textHash,
        code.pairHash,
        code.encryptedText,
        code.maxUses,
        code.issuedAt,
        code.expiresAt,
      ],
    );
  }

  async insertLookAlikes(nameHash: string, skeletons: readonly string[]): Promise<void> {
    const rows = skeletons.map((_, index) => `(CAST($${index + 2} AS TEXT), $1)`).join(', ');
    await this.query(`INSERT INTO look_alikes (skeleton, name_hash) VALUES ${rows} ON CONFLICT DO NOTHING`, [
      nameHash,
      ...skeletons,
    ]);
  }

  /** Marks a pending code as delivered. Returns `null` when it is not pending, or was issued before `issuedSince`. */
  async deliver(id: string, now: number, issuedSince: number): Promise<Code | null> {
    return this.#code(
      `UPDATE codes SET delivered_at = $2
       WHERE id = $1 AND delivered_at IS NULL AND ended_at IS NULL AND issued_at >= $3
         AND (expires_at IS NULL OR expires_at > $2)
       RETURNING ${COLUMNS}`,
      [id, now, issuedSince],
    );
  }

  /** Ends the active codes of a username for which a later one was delivered. Returns their ids. */
  async closeReplaced(nameHash: string, now: number): Promise<string[]> {
    return this.#ids(
      `UPDATE codes SET ended_at = $2, end_reason = 'replaced'
       WHERE name_hash = $1 AND ended_at IS NULL AND delivered_at IS NOT NULL AND EXISTS (
         SELECT 1 FROM codes AS later WHERE later.name_hash = $1 AND later.delivered_at IS NOT NULL
           AND (length(later.id), later.id) > (length(codes.id), codes.id))
       RETURNING id`,
      [nameHash, now],
    );
  }

  /** Starts the failure counters of a username again, and forgets the clients of earlier holders. */
  async resetFailures(nameHash: string, holderId: string): Promise<void> {
    await this.query(
      `UPDATE failures SET times = '', total = 0, holder_id = CASE WHEN holder_id = $2 THEN holder_id END
       WHERE name_hash = $1`,
      [nameHash, holderId],
    );
  }

  async acknowledge(ids: readonly string[], now: number): Promise<void> {
    await this.query(`UPDATE codes SET acknowledged_at = $1 WHERE id IN (${placeholders(2, ids.length)})`, [
      now,
      ...ids,
    ]);
  }

  /** Ends a code that was not delivered. Returns `null` when it was delivered or has ended. */
  async withdraw(id: string, now: number): Promise<Code | null> {
    return this.#code(
      `UPDATE codes SET ended_at = $2, end_reason = 'withdrawn'
       WHERE id = $1 AND delivered_at IS NULL AND ended_at IS NULL RETURNING ${COLUMNS}`,
      [id, now],
    );
  }

  /** Ends all codes that were issued before `issuedBefore` and not delivered. Returns their ids. */
  async withdrawOverdue(issuedBefore: number, now: number): Promise<string[]> {
    return this.#ids(
      `UPDATE codes SET ended_at = $2, end_reason = 'withdrawn'
       WHERE issued_at < $1 AND delivered_at IS NULL AND ended_at IS NULL RETURNING id`,
      [issuedBefore, now],
    );
  }

  /** Marks expired codes, so that a clock that is set back revives none. Returns their ids. */
  async expire(now: number): Promise<string[]> {
    return this.#ids(
      `UPDATE codes SET ended_at = expires_at, end_reason = 'expired'
       WHERE expires_at IS NOT NULL AND expires_at <= $1 AND ended_at IS NULL RETURNING id`,
      [now],
    );
  }

  /** Keeps other processes from finishing this delivery. */
  async renewAttempt(id: string, now: number): Promise<void> {
    await this.query('UPDATE codes SET attempted_at = $2 WHERE id = $1', [id, now]);
  }

  /**
   * Claims the codes whose delivery is unfinished and that no process has worked on since `attemptedBefore`. A suspended
   * code waits until its server is served again.
   */
  async claimUnfinished(attemptedBefore: number, now: number): Promise<Code[]> {
    return this.#codes(
      `UPDATE codes SET attempted_at = $2 WHERE acknowledged_at IS NULL AND attempted_at < $1
         AND (suspended_at IS NULL OR ended_at IS NOT NULL) RETURNING ${COLUMNS}`,
      [attemptedBefore, now],
    );
  }

  /** Counts a server's codes that have not ended. */
  async count(guildId: string, by: CodeColumn, value: string, now: number): Promise<number> {
    return this.#total(`SELECT count(*) AS total FROM codes WHERE ${IS_LISTED} AND ${by} = $3`, [
      guildId,
      now,
      value,
    ]);
  }

  /** Returns whether no code is stored, of any server. */
  async isEmpty(): Promise<boolean> {
    return (await this.#ids('SELECT id FROM codes LIMIT 1')).length === 0;
  }

  /** Lists the codes that {@link count} counts, oldest first. */
  async list(
    guildId: string,
    by: CodeColumn,
    value: string,
    now: number,
    limit: number,
    offset: number,
  ): Promise<Code[]> {
    return this.#codes(
      `SELECT ${COLUMNS} FROM codes WHERE ${IS_LISTED} AND ${by} = $3 ORDER BY issued_at, id LIMIT $4 OFFSET $5`,
      [guildId, now, value, limit, offset],
    );
  }

  /**
   * Ends codes of a server, and frees the usernames that are reserved because a code expired or its holder left after
   * `endedSince`.
   */
  async revoke(
    guildId: string,
    by: CodeColumn,
    value: string,
    { now, endedSince }: { readonly now: number; readonly endedSince: number },
  ): Promise<Code[]> {
    return this.#codes(
      `UPDATE codes SET ended_at = COALESCE(ended_at, $3), end_reason = 'revoked'
       WHERE guild_id = $1 AND ${by} = $2 AND (ended_at IS NULL OR (ended_at > $4 AND ${IS_RESERVED}))
       RETURNING ${COLUMNS}`,
      [guildId, value, now, endedSince],
    );
  }

  /** Returns the codes that may reserve a username: those for it, and for usernames that look like it. */
  async findReserving(nameHash: string, endedSince: number): Promise<Code[]> {
    return this.#codes(
      `SELECT ${COLUMNS} FROM codes WHERE (ended_at IS NULL OR (ended_at > $2 AND ${IS_RESERVED})) AND name_hash IN
         (SELECT other.name_hash FROM look_alikes AS own JOIN look_alikes AS other ON other.skeleton = own.skeleton
          WHERE own.name_hash = $1)`,
      [nameHash, endedSince],
    );
  }

  /** Ends a member's codes of a server because they left it. */
  async endLeft(guildId: string, holderId: string, now: number): Promise<Code[]> {
    return this.#codes(
      `UPDATE codes SET ended_at = $3, end_reason = 'left'
       WHERE guild_id = $1 AND holder_id = $2 AND ended_at IS NULL RETURNING ${COLUMNS}`,
      [guildId, holderId, now],
    );
  }

  /** Returns members who hold codes of a server, by id: at most `limit` after `after`. */
  async listHolders(guildId: string, after: string, limit: number): Promise<string[]> {
    return this.#ids(
      `SELECT DISTINCT holder_id AS id FROM codes WHERE guild_id = $1 AND ended_at IS NULL AND holder_id > $2
       ORDER BY holder_id LIMIT $3`,
      [guildId, after, limit],
    );
  }

  /** Returns the servers with codes that have not ended. */
  async listGuilds(): Promise<string[]> {
    return this.#ids('SELECT DISTINCT guild_id AS id FROM codes WHERE ended_at IS NULL ORDER BY guild_id');
  }

  /** Suspends a server's codes. Returns the ids of those that were not suspended. */
  async suspend(guildId: string, now: number): Promise<string[]> {
    return this.#ids(
      `UPDATE codes SET suspended_at = $2
       WHERE guild_id = $1 AND suspended_at IS NULL AND ended_at IS NULL RETURNING id`,
      [guildId, now],
    );
  }

  /** Ends the suspension of a server's codes. Returns their ids. */
  async resume(guildId: string): Promise<string[]> {
    return this.#ids(
      `UPDATE codes SET suspended_at = NULL
       WHERE guild_id = $1 AND suspended_at IS NOT NULL AND ended_at IS NULL RETURNING id`,
      [guildId],
    );
  }

  /** Returns the number of codes that have not ended. Each username has at most one that is active. */
  async countAll(): Promise<number> {
    return this.#total('SELECT count(*) AS total FROM codes WHERE ended_at IS NULL');
  }

  /** Finds a code by its text, ended or not. */
  async findIdByText(textHash: string): Promise<string | null> {
    return (await this.#ids('SELECT id FROM codes WHERE text_hash = $1', [textHash]))[0] ?? null;
  }

  /** Deletes at most `limit` codes that ended before `endedBefore`. Returns the hashes of their usernames. */
  async prune(endedBefore: number, limit: number): Promise<string[]> {
    return this.#ids(
      `DELETE FROM codes WHERE id IN (SELECT id FROM codes WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)
       RETURNING name_hash AS id`,
      [endedBefore, limit],
    );
  }

  /** Deletes the look-alikes of a username that has no code any more. */
  async pruneLookAlikes(nameHash: string): Promise<void> {
    await this.query(
      `DELETE FROM look_alikes WHERE name_hash = $1 AND NOT EXISTS (SELECT 1 FROM codes WHERE name_hash = $1)`,
      [nameHash],
    );
  }

  async #codes(sql: string, parameters: readonly SqlValue[]): Promise<Code[]> {
    return this.rows(CODE, sql, parameters);
  }

  async #code(sql: string, parameters: readonly SqlValue[]): Promise<Code | null> {
    return (await this.#codes(sql, parameters))[0] ?? null;
  }

  /** Returns the ids that a statement selects. */
  async #ids(sql: string, parameters: readonly SqlValue[] = []): Promise<string[]> {
    return (await this.rows({ id: text }, sql, parameters)).map(({ id }) => id);
  }

  async #total(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    return (await this.rows({ total: integer }, sql, parameters))[0]?.total ?? 0;
  }
}

/** $1 server, $2 now. */
const IS_LISTED = 'guild_id = $1 AND ended_at IS NULL AND (expires_at IS NULL OR expires_at > $2)';

function placeholders(first: number, count: number): string {
  return Array.from({ length: count }, (_, index) => `$${first + index}`).join(', ');
}
