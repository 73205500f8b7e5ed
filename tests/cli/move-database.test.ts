import { readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';

import { parseDatabaseUrl } from '../../src/storage/database-url.js';
import type { Driver } from '../../src/storage/driver.js';
import { copyDatabase } from '../../src/storage/move.js';
import type { Storage } from '../../src/storage/open-storage.js';
import { byAdmin, openServices, type Services } from '../support/codes.js';
import { ManualClock } from '../support/clock.js';
import { temporaryFolder } from '../support/folder.js';
import { postgresDatabase, runOn } from '../support/postgres.js';
import { run } from '../support/process.js';
import { runToEnd, type Printed } from '../support/program.js';

const SECRET = 'a secret of the tests, which is long enough';
const TABLES = ['requests', 'codes', 'look_alikes', 'failures', 'dm_channels', 'audit'];
const PROGRAM = 'dist/cli/main.js';
/** More than one statement holds. */
const CODES = 1_200;

const sqliteDatabase = async (): Promise<string> => join(temporaryFolder(), 'codes.db');

async function open(url: string): Promise<Services> {
  const database = parseDatabaseUrl(url);
  if (database === null) throw new Error(`Not a database: ${url}`);
  return openServices({ database, secret: SECRET }, new ManualClock(), { codeMaxUses: 3 });
}

/** Writes rows to every table. Returns the codes by username. */
async function fill({ storage, service, validator, issuePending, issueCode }: Services, count = CODES) {
  const texts = new Map<string, string>();
  for (let n = 0; n < count; n++) {
    const username = `Name ${n}`;
    texts.set(username, (await issueCode({ username, holderId: String(n) })).text);
  }
  await issuePending({ username: 'Pending', holderId: 'P' });
  await service.revoke(byAdmin(), { typed: 'Name 1' }, 'a reason');
  await validator.validate('Name 2', 'WRNG22');
  await validator.redeem('Name 3', texts.get('Name 3') ?? '', { client: '192.0.2.7' });
  await storage.store.dmChannels.remember('7', '8');
  await storage.store.writeServedGuild('1');
  texts.delete('Name 1');
  return texts;
}

async function contentOf({ driver }: Storage): Promise<unknown[]> {
  const tables: unknown[] = [];
  for (const table of TABLES) {
    const rows = await driver.query(`SELECT * FROM ${table}`);
    tables.push(rows.map((row) => JSON.stringify(row, Object.keys(row).toSorted())).toSorted());
  }
  return [...tables, await driver.query(`SELECT value FROM meta WHERE name = 'served_guild_id'`)];
}

async function move(from: string, to: string, secret: string | null = SECRET): Promise<Printed> {
  const env = {
    DATABASE_URL: from,
    NEW_DATABASE_URL: to,
    ...(secret === null ? {} : { CODE_SECRET: secret }),
  };
  return runToEnd(PROGRAM, ['move-database'], { env, cwd: temporaryFolder() });
}

async function rowsIn(url: string): Promise<number> {
  const { storage } = await open(url);
  return (await contentOf(storage)).slice(0, TABLES.length).flat().length;
}

describe('npm run move-database', () => {
  it.each([
    ['SQLite to PostgreSQL', sqliteDatabase, postgresDatabase],
    ['PostgreSQL to SQLite', postgresDatabase, sqliteDatabase],
  ])('copies every row from %s, and every code is valid there', async (_name, newSource, newTarget) => {
    const [from, to] = [await newSource(), await newTarget()];
    const source = await open(from);
    const texts = await fill(source);
    const before = await contentOf(source.storage);
    await source.storage.close();

    const { exitCode, stdout, stderr } = await move(from, to);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Copied 1,201 codes from .+ to .+, and checked each\.\nNow set DATABASE_URL /);
    expect(stdout).not.toContain('CODE_SECRET');
    const target = await open(to);
    expect(await contentOf(target.storage)).toEqual(before);
    expect(await contentOf((await open(from)).storage)).toEqual(before);
    for (const [username, text] of texts) {
      expect(await target.validator.validate(username, text)).toMatchObject({ valid: true, username });
    }
  });

  it('names the file of the secret when CODE_SECRET is not set, and takes the secret with it', async () => {
    const folder = temporaryFolder();
    const database = { engine: 'sqlite', path: join(folder, 'codes.db') } as const;
    const source = await openServices({ database, secret: null }, new ManualClock(), {});
    const { text } = await source.issueCode();
    const url = await postgresDatabase();
    // The secret is beside the file that a link leads to.
    const link = join(temporaryFolder(), 'link.db');
    symlinkSync(database.path, link);
    const { exitCode, stdout, stderr } = await move(link, url, null);
    expect([exitCode, stderr]).toEqual([0, '']);
    const secretPath = join(folder, 'code-secret.key');
    expect(stdout).toContain(`Set CODE_SECRET to the content of ${secretPath}\n`);
    const secret = readFileSync(secretPath, 'utf8').trim();
    expect(stdout).not.toContain(secret);
    const moved = await openServices(
      { database: { engine: 'postgres', url }, secret },
      new ManualClock(),
      {},
    );
    expect(await moved.validator.validate('Alice', text)).toMatchObject({ valid: true });
  });

  it('leaves the target empty when it is killed, and can be repeated', async () => {
    const [from, to] = [await sqliteDatabase(), await postgresDatabase()];
    await fill(await open(from), 3);
    await (await open(to)).storage.close();
    const blocker = new pg.Client(to);
    await blocker.connect();
    onTestFinished(async () => blocker.end());
    await blocker.query('BEGIN; LOCK TABLE audit IN SHARE MODE');
    const env = { DATABASE_URL: from, NEW_DATABASE_URL: to, CODE_SECRET: SECRET };
    const moving = run(PROGRAM, { args: ['move-database'], cwd: temporaryFolder(), env });
    const waiting = `SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'audit'::regclass`;
    await expect.poll(async () => (await blocker.query(waiting)).rowCount).toBe(1);
    moving.child.kill('SIGKILL');
    await moving.ended;
    await blocker.query('ROLLBACK');
    await expect.poll(async () => rowsIn(to)).toBe(0);
    expect(await move(from, to)).toMatchObject({ exitCode: 0 });
  });

  it('refuses a source that another program changes meanwhile, and leaves the target empty', async () => {
    const [from, to] = [await postgresDatabase(), await sqliteDatabase()];
    const source = await open(from);
    await fill(source, 3);
    const { driver } = source.storage;
    const transaction: Driver['transaction'] = async (lock, work) =>
      driver.transaction(lock, async (query) =>
        work(async (sql, values) => {
          if (sql.includes('meta')) await runOn(from, `INSERT INTO dm_channels VALUES ('9', '9')`);
          return query(sql, values);
        }),
      );
    const changing = {
      ...source.storage,
      driver: { query: driver.query, close: async () => {}, transaction },
    };
    const target = (await open(to)).storage;
    await expect(copyDatabase(changing, target, () => undefined)).rejects.toMatchObject({
      code: 'MOVE_FAILED',
      message: expect.stringContaining('changed meanwhile'),
    });
    expect(await target.store.codes.countAll()).toBe(0);
  });

  const damaged = /^The code with id \d+ would not be valid in .+ Restore a backup first\.\n$/;

  it.each([
    [
      'a source with an encrypted text of another code',
      `UPDATE codes SET encrypted_text = (SELECT max(encrypted_text) FROM codes)`,
      0,
      damaged,
    ],
    [
      'a source with another username',
      `UPDATE codes SET username = 'M' WHERE username = 'Name 2'`,
      0,
      damaged,
    ],
    [
      'a target that is not empty',
      'SELECT 1',
      4,
      /^\S+ is not empty\. Set NEW_DATABASE_URL to an empty .+\.\n$/,
    ],
  ])('refuses %s, and leaves the target as it was', async (_what, sql, count, message) => {
    const [from, to] = [await postgresDatabase(), await sqliteDatabase()];
    await fill(await open(from), 3);
    await runOn(from, sql);
    if (count > 0) await fill(await open(to), count);
    const before = await rowsIn(to);
    const { exitCode, stderr } = await move(from, to);
    expect(exitCode).toBe(78);
    expect(stderr).toMatch(message);
    expect(await rowsIn(to)).toBe(before);
  });
});
