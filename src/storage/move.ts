import { parseUsername } from '../codes/username.js';
import type { Query, SqlRow, SqlValue } from './driver.js';
import type { Storage } from './open-storage.js';
import { META, readMeta, writeMeta } from './schema.js';
import { StorageError } from './storage-error.js';
import { integer, text } from './table.js';

/** Each table, the column that it is read by, and a value before all others. */
const TABLES: readonly (readonly [table: string, key: string, start: SqlValue])[] = [
  ['requests', 'id', ''],
  ['codes', 'id', ''],
  ['look_alikes', 'skeleton', ''],
  ['failures', 'throttle_key', ''],
  ['dm_channels', 'user_id', ''],
  ['audit', 'at', -1],
];

/** Of up to 30 columns: SQLite accepts 32,766 parameters in one statement, PostgreSQL 65,535. */
const ROWS_PER_STATEMENT = 500;

/**
 * Copies all rows to an empty database with the same secret, in one transaction: when it fails, the target remains
 * empty. Checks that every code can be found and decrypted there. Does not change the source. Returns the number of
 * codes.
 *
 * @param onProgress is called with the number of rows copied so far and the number of all rows.
 * @throws {StorageError} MOVE_FAILED, or that one of them does not respond.
 */
export async function copyDatabase(
  source: Storage,
  target: Storage,
  onProgress: (done: number, total: number) => void,
): Promise<number> {
  return source.driver.transaction('codes', async (read) =>
    // Both belong to this program alone: nobody waits for them while one awaits the other.
    target.driver.transaction('codes', async (write) => {
      const expected = await countRows(read);
      const total = sum(expected);
      if (sum(await countRows(write)) > 0)
        throw failed(`${target.name} is not empty. Set NEW_DATABASE_URL to an empty database.`);
      let done = 0;
      let codes = 0;
      for (const [table, key, start] of TABLES) {
        for await (const rows of pagesOf(read, table, key, start)) {
          await insert(write, table, rows);
          onProgress((done += rows.length), total);
        }
      }
      const guildId = await readMeta(read, META.servedGuild);
      if (guildId !== null) await writeMeta(write, META.servedGuild, guildId);
      for await (const rows of pagesOf(write, 'codes', 'id', '')) {
        for (const row of rows) requireValid(row, target);
        codes += rows.length;
      }
      // PostgreSQL lets websites and bots write to the source meanwhile.
      for (const counts of [await countRows(read), await countRows(write)]) {
        if (String(counts) !== String(expected))
          throw failed(`${source.name} changed meanwhile. Stop the bot and the websites, then try again.`);
      }
      return codes;
    }),
  );
}

async function countRows(query: Query): Promise<number[]> {
  const counts = TABLES.map(([table]) => `(SELECT count(*) FROM ${table}) AS ${table}`);
  const [row = {}] = await query(`SELECT ${counts.join(', ')}`);
  return TABLES.map(([table]) => integer(row[table], table));
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

/** A page ends after the last row with its last key: keys of some tables are not unique. */
async function* pagesOf(query: Query, table: string, key: string, start: SqlValue): AsyncGenerator<SqlRow[]> {
  const sql = `SELECT * FROM ${table} WHERE ${key} > $1 AND ${key} <= coalesce(
    (SELECT ${key} FROM ${table} WHERE ${key} > $1 ORDER BY ${key} LIMIT 1 OFFSET ${ROWS_PER_STATEMENT - 1}),
    (SELECT max(${key}) FROM ${table})) ORDER BY ${key}`;
  for (let after = start; ;) {
    const rows = await query(sql, [after]);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    after = valueOf(last[key]);
  }
}

async function insert(query: Query, table: string, rows: readonly SqlRow[]): Promise<void> {
  for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT) {
    const some = rows.slice(from, from + ROWS_PER_STATEMENT);
    const columns = Object.keys(some[0] ?? {});
    const values = some.map((_row, index) => {
      const places = columns.map((_column, place) => `$${index * columns.length + place + 1}`);
      return `(${places.join(', ')})`;
    });
    await query(
      `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${values.join(', ')}`,
      some.flatMap((row) => columns.map((column) => valueOf(row[column]))),
    );
  }
}

function valueOf(value: unknown): SqlValue {
  if (value === null || typeof value === 'string' || typeof value === 'number') return value;
  throw new TypeError('The database holds a value that the bot did not write');
}

/** Does what a login does: finds the code by username and text. */
function requireValid(row: SqlRow, { keys, name }: Storage): void {
  const id = text(row['id'], 'id');
  try {
    const username = parseUsername(text(row['username'], 'username'));
    const code = keys.decrypt(text(row['encrypted_text'], 'encrypted_text'), id);
    if (username !== null && keys.hashPair(username.key, code) === row['pair_hash']) return;
  } catch {
    // It is damaged, too.
  }
  throw failed(
    `The code with id ${id} would not be valid in ${name}: the source is damaged. Restore a backup first.`,
  );
}

function failed(message: string): StorageError {
  return new StorageError('MOVE_FAILED', message);
}
