import { join } from 'node:path';

import Database from 'better-sqlite3';
import pg from 'pg';

import type { DatabaseLocation } from '../../src/storage/database-url.js';
import { threadMs } from './bots.js';
import { createDatabase, openServices, pick, startPostgres } from './database.js';
import type { Bench } from './report.js';

const FIND = 'SELECT * FROM codes WHERE pair_hash = $1';
/** Connections of the bot to PostgreSQL. */
const POOL_SIZE = 10;
const IN_FLIGHT = 50;

/** Measures validations in process beside the bare prepared statement with the same hash. */
export async function measureLogins({ folder, isQuick, report }: Bench): Promise<void> {
  const [rounds, large] = isQuick ? [2, 2_000] : [25, 100_000];
  const postgres = await startPostgres();
  const subjects = {
    small: await open({ engine: 'sqlite', path: join(folder, 'small', 'codes.db') }, 1_000),
    large: await open({ engine: 'sqlite', path: join(folder, 'large', 'codes.db') }, large),
    postgres: await open(await postgres.create('logins'), 1_000),
  };
  const inWords = large.toLocaleString('en');
  const series = (
    [
      ['SQLite, 1,000 codes', subjects.small, 1, 2_000, 0.5],
      [`SQLite, ${inWords} codes`, subjects.large, 1, 2_000, 0.5],
      ['PostgreSQL, one by one', subjects.postgres, 1, 200, 0.3],
      [`PostgreSQL, ${IN_FLIGHT} in flight`, subjects.postgres, IN_FLIGHT, 500, 0.3],
    ] as const
  ).map(([name, subject, inFlight, calls, atLeast]) => {
    const times: Record<'ours' | 'bare', number[]> = { ours: [], bare: [] };
    return { name, subject, inFlight, calls: isQuick ? Math.min(calls, 500) : calls, atLeast, times };
  });
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const { subject, inFlight, calls, times } of series) {
      for (const kind of ['ours', 'bare'] as const) {
        const time = await timeOf(subject[kind], subject.engine, inFlight, calls);
        if (round > 0) times[kind].push(time);
      }
    }
  }
  for (const { name, times, atLeast } of series) {
    const floor = { what: 'bare statement', values: times.bare };
    const what = `validation, ${name}, as a rate`;
    report.add({ what, unit: 'µs', values: times.ours, floor, target: { atLeast } });
  }
  const [small, many] = series;
  report.add({
    what: `validation, SQLite, ${inWords} codes`,
    unit: 'µs',
    values: many?.times.ours ?? [],
    floor: { what: '1,000 codes', values: small?.times.ours ?? [] },
    target: { atMost: 1.5 },
  });
  for (const subject of Object.values(subjects)) await subject.close();
  await postgres.stop();
}

/** Returns the time per call in µs: with SQLite of this thread alone, so that other load of the machine does not count. */
export async function timeOf(
  call: () => Promise<unknown>,
  engine: DatabaseLocation['engine'],
  inFlight: number,
  calls: number,
): Promise<number> {
  let left = calls;
  const start = performance.now();
  const before = threadMs(process.pid);
  const work = async (): Promise<void> => {
    while (left-- > 0) await call();
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  const ms = engine === 'sqlite' ? threadMs(process.pid) - before : performance.now() - start;
  return (ms * 1_000) / calls;
}

async function open(location: DatabaseLocation, count: number) {
  const logins = await createDatabase(location, '1', count);
  const { storage, logIn } = await openServices(location);
  const find = bareStatement(location);
  return {
    engine: location.engine,
    ours: async () => logIn('validate', pick(logins)),
    bare: async () => {
      const { username, text } = pick(logins);
      const isFound = await find.query(storage.keys.hashPair(username.toLowerCase(), text));
      if (!isFound) throw new Error('The bare statement found no code');
    },
    close: async () => {
      await find.close();
      await storage.close();
    },
  };
}

function bareStatement(location: DatabaseLocation) {
  if (location.engine === 'postgres') {
    const pool = new pg.Pool({ connectionString: location.url, max: POOL_SIZE });
    // A connection may still be open when the server stops.
    pool.on('error', () => undefined);
    const query = async (hash: string): Promise<boolean> =>
      (await pool.query({ name: 'find', text: FIND, values: [hash] })).rowCount === 1;
    return { query, close: async () => pool.end() };
  }
  const database = new Database(location.path);
  const statement = database.prepare(FIND);
  return {
    query: async (hash: string) => statement.get({ 1: hash }) !== undefined,
    close: async () => void database.close(),
  };
}
