import { join } from 'node:path';

import Database from 'better-sqlite3';
import pg from 'pg';

import { createDatabase, isPostgres, openServices, pick, startPostgres } from './database.js';
import type { Bench } from './report.js';
import { threadMs } from './stage.js';

const FIND = 'SELECT * FROM codes WHERE pair_hash = $1';

/** Measures validations in process beside the bare prepared statement with the same hash. */
export async function measureLogins({ folder, isQuick, report }: Bench): Promise<void> {
  const postgres = await startPostgres();
  const sqlite = await open(join(folder, 'logins', 'codes.db'));
  const remote = await open(await postgres.create('logins'));
  const series = [
    { name: 'SQLite', subject: sqlite, inFlight: 1, calls: 2_000, atLeast: 0.5 },
    { name: 'PostgreSQL, one by one', subject: remote, inFlight: 1, calls: 200, atLeast: 0.3 },
    { name: 'PostgreSQL, 50 in flight', subject: remote, inFlight: 50, calls: 500, atLeast: 0.3 },
  ].map((one) => ({ ...one, ours: new Array<number>(), bare: new Array<number>() }));
  // The first round warms up.
  for (let round = 0; round <= (isQuick ? 2 : 25); round++) {
    for (const { subject, inFlight, calls, ...times } of series) {
      for (const kind of ['ours', 'bare'] as const) {
        const together = Array.from({ length: inFlight }, () => subject[kind]);
        const batch = async () => Promise.all(together.map(async (call) => call()));
        const ms = await timeOf(batch, calls / inFlight, subject.now);
        if (round > 0) times[kind].push(ms / inFlight);
      }
    }
  }
  for (const { name, ours, bare, atLeast } of series) {
    const floor = { what: 'bare statement', values: bare };
    report.add({ what: `validation, ${name}, as a rate`, unit: 'ms', values: ours, floor, atLeast });
  }
  for (const { close } of [sqlite, remote]) await close();
  await postgres.stop();
}

/** Returns the time of a call in ms. */
export async function timeOf(
  call: () => Promise<unknown>,
  calls: number,
  now = (): number => performance.now(),
): Promise<number> {
  const before = now();
  for (let count = 0; count < calls; count++) await call();
  return (now() - before) / calls;
}

/** With SQLite the CPU time of this thread, so that other load of the machine does not count. */
export function clockOf(databaseUrl: string): () => number {
  return () => (isPostgres(databaseUrl) ? performance.now() : threadMs(process.pid));
}

async function open(databaseUrl: string) {
  const logins = await createDatabase(databaseUrl, '1', 1_000);
  const { storage, logIn } = await openServices(databaseUrl);
  const find = isPostgres(databaseUrl) ? bareOnPostgres(databaseUrl) : bareOnSqlite(databaseUrl);
  return {
    now: clockOf(databaseUrl),
    ours: async () => logIn('validate', pick(logins)),
    bare: async () => {
      const { username, text } = pick(logins);
      const rows = await find.query(storage.keys.hashPair(username.toLowerCase(), text));
      if (rows.length !== 1) throw new Error('The bare statement found no code');
    },
    close: async () => {
      await find.close();
      await storage.close();
    },
  };
}

function bareOnPostgres(url: string) {
  const pool = new pg.Pool({ connectionString: url });
  // A connection may still be open when the server stops.
  pool.on('error', () => undefined);
  return {
    query: async (hash: string) => (await pool.query({ name: 'find', text: FIND, values: [hash] })).rows,
    close: async () => pool.end(),
  };
}

function bareOnSqlite(path: string) {
  const database = new Database(path);
  const statement = database.prepare(FIND);
  return {
    query: async (hash: string) => statement.all({ 1: hash }),
    close: async () => database.close(),
  };
}
