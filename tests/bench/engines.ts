import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import Database from 'better-sqlite3';
import pg from 'pg';

import { parseUsername } from '../../src/codes/username.js';
import { CodeService } from '../../src/services/code-service.js';
import { Deliveries } from '../../src/services/deliveries.js';
import { Validator } from '../../src/services/validator.js';
import type { DatabaseLocation } from '../../src/storage/database-url.js';
import { openStorage } from '../../src/storage/open-storage.js';
import { median, print } from './report.js';

const SERVER = fileURLToPath(new URL('../support/postgres-server.ts', import.meta.url));
/** Commits survive a crash, as on a real server. */
const DURABLE = ['fsync=on', 'synchronous_commit=on', 'full_page_writes=on'];
const SECRET = 'a secret of the benchmark, which is long enough';
const CODES = 500;
const ROUNDS = 5;
const FIND = 'SELECT * FROM codes WHERE pair_hash = $1';

type Measure = (n: number) => Promise<unknown>;

/** Measures what both engines do, one after the other, beside the bare statement that finds a code. */
export async function measureEngines(folder: string): Promise<void> {
  const server = fork(SERVER, DURABLE, { execArgv: ['--import', 'tsx'] });
  const [url]: unknown[] = await once(server, 'message');
  const sqlite = await open({ engine: 'sqlite', path: join(folder, 'engines', 'codes.db') });
  const postgres = await open({ engine: 'postgres', url: String(url) });
  print(`\nSQLite and PostgreSQL on this machine, ${CODES} codes, µs per call`);
  for (const name of Object.keys(sqlite.measures)) {
    const times: Record<'sqlite' | 'postgres', number[]> = { sqlite: [], postgres: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const [engine, { measures }] of [
        ['sqlite', sqlite],
        ['postgres', postgres],
      ] as const) {
        const measure = measures[name];
        const start = performance.now();
        for (let n = 0; n < CODES; n++) await measure?.(round * CODES + n);
        times[engine].push(((performance.now() - start) * 1_000) / CODES);
      }
    }
    print(
      `${name}: SQLite ${median(times.sqlite).toFixed(0)}, PostgreSQL ${median(times.postgres).toFixed(0)}`,
    );
  }
  await sqlite.close();
  await postgres.close();
  server.disconnect();
  await once(server, 'exit');
}

async function open(database: DatabaseLocation) {
  const storage = await openStorage({ database, secret: SECRET, as: 'owner' });
  const { store, keys } = storage;
  const clock = Date.now;
  const service = new CodeService({
    store,
    keys,
    codeLength: 8,
    codeTtlMs: null,
    codeMaxUses: null,
    reservedUsernames: [],
    limits: { codes: 1_000, withinMs: 600_000, usernames: 1_000 },
    clock,
    random: randomInt,
  });
  const deliveries = new Deliveries({ store, clock });
  const validator = new Validator({ store, keys, clock });
  const texts: string[] = [];

  async function issue(n: number): Promise<void> {
    const username = parseUsername(`user ${n}`);
    if (username === null) throw new Error('Not a username');
    const [id, holderId] = [String(10n ** 18n + BigInt(n)), String(n)];
    const request = { id, guildId: '1', channelId: '2', holderId, holderTag: 'holder', username };
    const code = await service.issue(request);
    if (code === null || 'refusal' in code) throw new Error('Not issued');
    texts[n] = service.textOf(code);
    await deliveries.markDelivered(id);
    await deliveries.markAcknowledged(id);
  }

  async function logIn(method: 'validate' | 'redeem', n: number): Promise<void> {
    const { valid } = await validator[method](`user ${n}`, texts[n] ?? '');
    if (!valid) throw new Error('An issued code is not valid');
  }

  const find = await bareStatement(database);
  const measures: Record<string, Measure> = {
    'issue and deliver a code (3 commits)': issue,
    validate: async (n) => logIn('validate', n),
    'validate, the bare statement with the same hash': async (n) =>
      find.query(keys.hashPair(`user ${n}`, texts[n] ?? '')),
    'redeem (1 commit)': async (n) => logIn('redeem', n),
    'a wrong code (1 commit)': async (n) => validator.validate(`user ${n}`, 'ZZZZZZZZ'),
  };
  return {
    measures,
    close: async () => {
      await find.close();
      await storage.close();
    },
  };
}

async function bareStatement(database: DatabaseLocation) {
  if (database.engine === 'postgres') {
    const client = new pg.Client(database.url);
    await client.connect();
    const query = async (hash: string) => client.query({ name: 'find', text: FIND, values: [hash] });
    return { query, close: async () => client.end() };
  }
  const sqlite = new Database(database.path);
  const statement = sqlite.prepare(FIND);
  return {
    query: async (hash: string) => statement.get({ 1: hash }),
    close: async () => void sqlite.close(),
  };
}
