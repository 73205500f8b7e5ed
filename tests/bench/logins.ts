import { join } from 'node:path';

import Database from 'better-sqlite3';
import pg from 'pg';

import { createDatabase, isPostgres, openServices, pick, startPostgres } from './database.js';
import type { Bench } from './report.js';
import { threadMs } from './stage.js';

const FIND = 'SELECT * FROM codes WHERE pair_hash = $1';

/** Measures validations in process beside the bare prepared statement with the same hash. */
export async function measureLogins({ folder, isQuick, report }: Bench): Promise<void> {
  const [rounds, large] = isQuick ? [2, 2_000] : [25, 100_000];
  const postgres = await startPostgres();
  const small = await open(join(folder, 'small', 'codes.db'), 1_000);
  const many = await open(join(folder, 'large', 'codes.db'), large);
  const remote = await open(await postgres.create('logins'), 1_000);
  const codes = `${large.toLocaleString('en')} codes`;
  const series = [
    { name: 'SQLite, 1,000 codes', subject: small, inFlight: 1, calls: 2_000, atLeast: 0.5 },
    { name: `SQLite, ${codes}`, subject: many, inFlight: 1, calls: 2_000, atLeast: 0.5 },
    { name: 'PostgreSQL, one by one', subject: remote, inFlight: 1, calls: 200, atLeast: 0.3 },
    { name: 'PostgreSQL, 50 in flight', subject: remote, inFlight: 50, calls: 500, atLeast: 0.3 },
  ];
  const times = series.map((): Record<'ours' | 'bare', number[]> => ({ ours: [], bare: [] }));
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [index, { subject, inFlight, calls }] of series.entries()) {
      for (const kind of ['ours', 'bare'] as const) {
        const time = await timeOf(subject[kind], subject.databaseUrl, isQuick ? 200 : calls, inFlight);
        if (round > 0) times[index]?.[kind].push(time);
      }
    }
  }
  for (const [index, { name, atLeast }] of series.entries()) {
    const { ours = [], bare = [] } = times[index] ?? {};
    const floor = { what: 'bare statement', values: bare };
    report.add({ what: `validation, ${name}, as a rate`, unit: 'ms', values: ours, floor, atLeast });
  }
  report.add({
    what: `validation, SQLite, ${codes}`,
    unit: 'ms',
    values: times[1]?.ours ?? [],
    floor: { what: '1,000 codes', values: times[0]?.ours ?? [] },
    atMost: 1.5,
  });
  for (const { close } of [small, many, remote]) await close();
  await postgres.stop();
}

/** Returns the time of a call in ms: with SQLite of this thread alone, so that other load of the machine does not count. */
export async function timeOf(
  call: () => Promise<unknown>,
  databaseUrl: string,
  calls: number,
  inFlight = 1,
): Promise<number> {
  const now = (): number => (isPostgres(databaseUrl) ? performance.now() : threadMs(process.pid));
  let left = calls;
  const before = now();
  const work = async (): Promise<void> => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return (now() - before) / calls;
}

async function open(databaseUrl: string, count: number) {
  const logins = await createDatabase(databaseUrl, '1', count);
  const { storage, logIn } = await openServices(databaseUrl);
  const find = isPostgres(databaseUrl) ? bareOnPostgres(databaseUrl) : bareOnSqlite(databaseUrl);
  return {
    databaseUrl,
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
