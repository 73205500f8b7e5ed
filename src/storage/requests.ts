import { Table } from './table.js';

/** The Discord messages that were handled. */
export class RequestRows extends Table {
  /** Claims a message. Returns `false` when it was claimed before, by any process, or has a code. */
  async claim(id: string, now: number): Promise<boolean> {
    const rows = await this.query(
      `INSERT INTO requests (id, claimed_at)
       SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM codes WHERE id = $1)
       ON CONFLICT DO NOTHING RETURNING id`,
      [id, now],
    );
    return rows.length > 0;
  }

  async prune(before: number): Promise<void> {
    await this.query('DELETE FROM requests WHERE claimed_at < $1', [before]);
  }
}
