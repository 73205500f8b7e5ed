import { AUDIT_EVENTS, type AuditEvent, type AuditEventName } from '../codes/audit.js';
import { integer, oneOf, orNull, Table, text, type Columns } from './table.js';

/** Which rows of the audit to read: those that match every property; `null` matches everything. */
export interface AuditFilter {
  /** Unix ms. */
  readonly since?: number;
  readonly nameHash?: string | null;
  /** The holder, or the administrator who acted. */
  readonly memberId?: string | null;
  readonly codeId?: string | null;
}

/** A row of the audit, with what the code's row adds. */
export interface AuditRow {
  readonly at: number;
  readonly event: AuditEventName;
  readonly codeId: string | null;
  readonly guildId: string | null;
  readonly username: string | null;
  readonly holderId: string | null;
  readonly actorId: string | null;
  readonly reason: string | null;
}

const AUDIT_ROW: Columns<AuditRow> = {
  at: integer,
  event: oneOf(AUDIT_EVENTS),
  codeId: orNull(text),
  guildId: orNull(text),
  username: orNull(text),
  holderId: orNull(text),
  actorId: orNull(text),
  reason: orNull(text),
};

export class AuditRows extends Table {
  async write({ at, event, codeId, nameHash, guildId, actorId, reason }: AuditEvent): Promise<void> {
    await this.query(
      `INSERT INTO audit (at, event, code_id, name_hash, guild_id, actor_id, reason)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [at, event, codeId ?? null, nameHash ?? null, guildId ?? null, actorId ?? null, reason ?? null],
    );
  }

  /** Records that a username was locked, if it ever had a code: usernames that strangers invent leave no row. */
  async writeThrottled(nameHash: string, at: number): Promise<void> {
    await this.query(
      `INSERT INTO audit (at, event, name_hash)
       SELECT CAST($1 AS BIGINT), 'throttled', CAST($2 AS TEXT)
       WHERE EXISTS (SELECT 1 FROM codes WHERE name_hash = $2)`,
      [at, nameHash],
    );
  }

  /** Returns matching rows, oldest first. */
  async read({ since, nameHash, memberId, codeId }: AuditFilter): Promise<AuditRow[]> {
    return this.rows(
      AUDIT_ROW,
      `SELECT at, event, code_id AS "codeId", COALESCE(audit.guild_id, codes.guild_id) AS "guildId", username,
         holder_id AS "holderId", actor_id AS "actorId", reason
       FROM audit LEFT JOIN codes ON codes.id = audit.code_id
       WHERE at >= $1
         AND (CAST($2 AS TEXT) IS NULL OR audit.name_hash = $2 OR codes.name_hash = $2)
         AND (CAST($3 AS TEXT) IS NULL OR holder_id = $3 OR actor_id = $3)
         AND (CAST($4 AS TEXT) IS NULL OR code_id = $4)
       ORDER BY at`,
      [since ?? 0, nameHash ?? null, memberId ?? null, codeId ?? null],
    );
  }

  async prune(before: number): Promise<void> {
    await this.query('DELETE FROM audit WHERE at < $1', [before]);
  }
}
