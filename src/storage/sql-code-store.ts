import type { Code } from '../codes/code.js';
import type {
  CodeSelector,
  CodeStore,
  ListRange,
  NewCode,
  Revocation,
  SealedCode,
} from '../codes/code-store.js';
import { integerIn, integerOrNullIn, textIn, type Query, type SqlDriver, type SqlRow } from './driver.js';

/** Discord repeats an event within minutes; a claimed request is remembered for a day, and forgotten in bulk. */
const REQUEST_MEMORY_MS = 24 * 3_600_000;
const PRUNE_INTERVAL_MS = 3_600_000;

const COLUMNS = `id, guild_id, holder_id, holder_tag, username, sealed_text, max_uses, uses,
  issued_at, delivered_at, expires_at, replaced_at, revoked_at, withdrawn_at`;

/** The conditions of the partial indexes, word for word: SQLite uses an index only where it sees them. */
const NOT_ENDED = 'revoked_at IS NULL AND withdrawn_at IS NULL AND replaced_at IS NULL';
const DELIVERED = `delivered_at IS NOT NULL AND ${NOT_ENDED}`;

const notExpired = (now: string) => `(expires_at IS NULL OR expires_at > ${now})`;

const CLAIM = 'INSERT INTO requests (id, received_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id';

const INSERT = `INSERT INTO codes (id, guild_id, holder_id, holder_tag, username, username_key, text_hash,
    pair_hash, sealed_text, max_uses, uses, issued_at, expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $12)
  ON CONFLICT DO NOTHING RETURNING id`;

const EXISTS = 'SELECT id FROM codes WHERE id = $1';

/** $1 username key, $2 holder, $3 now, $4 since when what is not delivered reserves. */
const HELD_BY_ANOTHER = `SELECT id FROM codes
  WHERE username_key = $1 AND holder_id <> $2 AND ${NOT_ENDED} AND ${notExpired('$3')}
    AND (delivered_at IS NOT NULL OR issued_at >= $4)
  LIMIT 1`;

/** A repeat changes nothing: the first delivery's time stays. */
const DELIVER = `UPDATE codes SET delivered_at = COALESCE(delivered_at, $2)
  WHERE id = $1 AND ${NOT_ENDED} AND ${notExpired('$2')}
    AND NOT EXISTS (
      SELECT 1 FROM codes AS other
      WHERE other.username_key = codes.username_key AND other.holder_id <> codes.holder_id
        AND other.delivered_at IS NOT NULL AND other.revoked_at IS NULL AND other.withdrawn_at IS NULL
        AND other.replaced_at IS NULL AND (other.expires_at IS NULL OR other.expires_at > $2))
  RETURNING username_key`;

const REPLACE_OTHERS = `UPDATE codes SET replaced_at = $3
  WHERE username_key = $1 AND id <> $2 AND ${DELIVERED} AND ${notExpired('$3')}`;

const WITHDRAW = `UPDATE codes SET withdrawn_at = $2 WHERE id = $1 AND delivered_at IS NULL AND ${NOT_ENDED}`;

/** Two counts that each read one index and no row. */
const COUNT_HELD = `SELECT
    (SELECT count(*) FROM codes WHERE guild_id = $1 AND ${DELIVERED})
    - (SELECT count(*) FROM codes
       WHERE guild_id = $1 AND expires_at IS NOT NULL AND ${DELIVERED} AND expires_at <= $2) AS total`;

/** The inner query reads nothing but the index, so that skipping `$4` rows stays cheap. */
const listHeld = (direction: 'ASC' | 'DESC') => `SELECT ${COLUMNS} FROM codes WHERE id IN (
    SELECT id FROM codes WHERE guild_id = $1 AND ${DELIVERED} AND ${notExpired('$2')}
    ORDER BY issued_at ${direction}, id ${direction} LIMIT $3 OFFSET $4)
  ORDER BY issued_at ${direction}, id ${direction}`;

const LIST_HELD = { oldest: listHeld('ASC'), newest: listHeld('DESC') } as const;

const revokeWhere = (condition: string) => `UPDATE codes SET revoked_at = $3
  WHERE guild_id = $1 AND ${condition} AND ${NOT_ENDED} AND ${notExpired('$3')}
  RETURNING ${COLUMNS}`;

const REVOKE = {
  text: revokeWhere('text_hash = $2'),
  username: revokeWhere('username_key = $2'),
  holder: revokeWhere('holder_id = $2'),
} as const;

const FIND_BY_PAIR = `SELECT ${COLUMNS} FROM codes WHERE pair_hash = $1`;

const REDEEM = `UPDATE codes SET uses = uses + 1
  WHERE pair_hash = $1 AND ${DELIVERED} AND ${notExpired('$2')} AND (max_uses IS NULL OR uses < max_uses)
  RETURNING ${COLUMNS}`;

/** The code store in SQL that SQLite and PostgreSQL both understand. */
export class SqlCodeStore implements CodeStore {
  readonly #driver: SqlDriver;
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(driver: SqlDriver) {
    this.#driver = driver;
  }

  async claim(requestId: string, now: number): Promise<boolean> {
    return this.#driver.transaction(async (query) => this.#claim(query, requestId, now));
  }

  async issue(code: NewCode, reservedSince: number): Promise<'issued' | 'repeated' | 'taken' | 'collision'> {
    try {
      return await this.#driver.transaction(async (query) => {
        if (!(await this.#claim(query, code.id, code.issuedAt))) return 'repeated';
        const others = await query(HELD_BY_ANOTHER, [
          code.username.key,
          code.holderId,
          code.issuedAt,
          reservedSince,
        ]);
        if (others.length > 0) return 'taken';
        const inserted = await query(INSERT, [
          code.id,
          code.guildId,
          code.holderId,
          code.holderTag,
          code.username.text,
          code.username.key,
          code.textHash,
          code.pairHash,
          code.sealedText,
          code.maxUses,
          code.issuedAt,
          code.expiresAt,
        ]);
        if (inserted.length > 0) return 'issued';
        // A code outlives the memory of its request.
        if ((await query(EXISTS, [code.id])).length > 0) return 'repeated';
        throw new CollisionError();
      });
    } catch (error) {
      if (error instanceof CollisionError) return 'collision';
      throw error;
    }
  }

  async deliver(id: string, now: number): Promise<boolean> {
    return this.#driver.transaction(async (query) => {
      const [delivered] = await query(DELIVER, [id, now]);
      if (delivered === undefined) return false;
      await query(REPLACE_OTHERS, [textIn(delivered, 'username_key'), id, now]);
      return true;
    });
  }

  async withdraw(id: string, now: number): Promise<void> {
    await this.#driver.query(WITHDRAW, [id, now]);
  }

  async countHeld(guildId: string, now: number): Promise<number> {
    const [row] = await this.#driver.query(COUNT_HELD, [guildId, now]);
    return row === undefined ? 0 : integerIn(row, 'total');
  }

  async listHeld(
    guildId: string,
    now: number,
    { first = 'oldest', offset, limit }: ListRange,
  ): Promise<SealedCode[]> {
    const rows = await this.#driver.query(LIST_HELD[first], [guildId, now, limit, offset]);
    return rows.map((row) => ({ ...codeIn(row), sealedText: textIn(row, 'sealed_text') }));
  }

  async revoke(
    guildId: string,
    selectors: readonly CodeSelector[],
    requestId: string,
    now: number,
  ): Promise<Revocation | 'repeated'> {
    return this.#driver.transaction(async (query) => {
      if (!(await this.#claim(query, requestId, now))) return 'repeated';
      for (const selector of selectors) {
        const rows = await query(REVOKE[selector.by], [guildId, selectedValue(selector), now]);
        if (rows.length > 0) return { by: selector.by, codes: rows.map(codeIn).toSorted(oldestFirst) };
      }
      return { by: null, codes: [] };
    });
  }

  async findByPair(pairHash: string): Promise<Code | null> {
    const [row] = await this.#driver.query(FIND_BY_PAIR, [pairHash]);
    return row === undefined ? null : codeIn(row);
  }

  async redeem(pairHash: string, now: number): Promise<Code | null> {
    const [row] = await this.#driver.query(REDEEM, [pairHash, now]);
    return row === undefined ? null : codeIn(row);
  }

  async #claim(query: Query, requestId: string, now: number): Promise<boolean> {
    if (now - this.#prunedAt >= PRUNE_INTERVAL_MS) {
      await query('DELETE FROM requests WHERE received_at < $1', [now - REQUEST_MEMORY_MS]);
      this.#prunedAt = now;
    }
    const claimed = await query(CLAIM, [requestId, now]);
    return claimed.length > 0;
  }
}

/** Rolls back the transaction that found the code's text in use. */
class CollisionError extends Error {}

function selectedValue(selector: CodeSelector): string {
  switch (selector.by) {
    case 'text':
      return selector.textHash;
    case 'username':
      return selector.usernameKey;
    case 'holder':
      return selector.holderId;
  }
}

function oldestFirst(a: Code, b: Code): number {
  return a.issuedAt - b.issuedAt || (a.id < b.id ? -1 : 1);
}

function codeIn(row: SqlRow): Code {
  return {
    id: textIn(row, 'id'),
    guildId: textIn(row, 'guild_id'),
    holderId: textIn(row, 'holder_id'),
    holderTag: textIn(row, 'holder_tag'),
    username: textIn(row, 'username'),
    issuedAt: integerIn(row, 'issued_at'),
    deliveredAt: integerOrNullIn(row, 'delivered_at'),
    expiresAt: integerOrNullIn(row, 'expires_at'),
    replacedAt: integerOrNullIn(row, 'replaced_at'),
    revokedAt: integerOrNullIn(row, 'revoked_at'),
    withdrawnAt: integerOrNullIn(row, 'withdrawn_at'),
    uses: integerIn(row, 'uses'),
    maxUses: integerOrNullIn(row, 'max_uses'),
  };
}
