import { randomInt } from 'node:crypto';
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

import { expect, it } from 'vitest';

import { MIGRATIONS, type Migrations } from '../../src/storage/migrations.js';
import { openStorage, SECRET_FILE_NAME } from '../../src/storage/open-storage.js';
import { temporaryFolder } from '../support/folder.js';
import { LATER, RELEASED } from '../support/migrations.js';
import { run } from '../support/process.js';
import { keep, openRaw } from '../support/raw-database.js';
import { sized } from './size.js';

/** So many that an update takes a while. */
const ROWS = 3_000;

/** How many statements the update has. */
const STATEMENTS = LATER.at(-1)?.length ?? 0;

async function open(databasePath: string, migrations: Migrations): Promise<void> {
  const storage = await openStorage({ databasePath, secret: null, as: 'owner', migrations });
  await storage.close();
}

/** A database of an old schema with many rows, made once and copied for each kill. */
async function makeTemplate(version: number): Promise<string> {
  const databasePath = join(temporaryFolder(), 'codes.db');
  await open(databasePath, MIGRATIONS.slice(0, 1));
  const database = openRaw(databasePath);
  database.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS})
    INSERT INTO codes (id, guild_id, holder_id, holder_tag, username, name_hash, text_hash, pair_hash,
      sealed_text, uses, issued_at)
    SELECT i, '1', i, 'holder' || i, 'name ' || i, 'n' || i, 't' || i, 'p' || i, 's' || i, 0, i FROM n;
    INSERT INTO audit (at, event, code_id) SELECT issued_at, 'issued', id FROM codes`);
  database.close();
  await open(databasePath, MIGRATIONS.slice(0, version));
  return databasePath;
}

function copyOf(template: string): string {
  const folder = temporaryFolder();
  const databasePath = join(folder, 'codes.db');
  copyFileSync(template, databasePath);
  copyFileSync(join(template, '..', SECRET_FILE_NAME), join(folder, SECRET_FILE_NAME));
  return databasePath;
}

/** `old` or `new` where everything in the database is, and otherwise what there is of both. */
function stateOf(databasePath: string, oldVersion: number): string {
  const database = openRaw(databasePath);
  const one = (sql: string): unknown => keep(database.prepare(sql).pluck()).get();
  const column = one("SELECT count(*) FROM pragma_table_info('codes') WHERE name = 'note'") === 1;
  const table = one("SELECT count(*) FROM sqlite_master WHERE name = 'audit_copies'") === 1;
  const found = {
    sound: one('PRAGMA quick_check(1)'),
    version: Number(one("SELECT value FROM meta WHERE name = 'schema_version'")),
    codes: one('SELECT count(*) FROM codes'),
    notes: column ? one('SELECT count(note) FROM codes') : null,
    index: one("SELECT count(*) FROM sqlite_master WHERE name = 'codes_by_note'"),
    copies: table ? one('SELECT count(*) FROM audit_copies') : null,
  };
  database.close();
  const same = { sound: 'ok', codes: ROWS };
  const whole = {
    old: { ...same, version: oldVersion, notes: null, index: 0, copies: null },
    new: { ...same, version: LATER.length, notes: ROWS, index: 1, copies: ROWS },
  };
  const state = Object.entries(whole).find(([, expected]) => isDeepStrictEqual(found, expected));
  return state?.[0] ?? JSON.stringify(found);
}

type How = 'together' | 'one by one';

/** When the process is killed that updates: by itself before a statement, or after so many milliseconds. */
type Kill = { readonly before: number } | { readonly afterMs: number } | null;

/** @returns how long it took, in milliseconds. */
async function update(databasePath: string, how: How, kill: Kill): Promise<number> {
  const before = kill !== null && 'before' in kill ? kill.before : 'none';
  const args = [databasePath, JSON.stringify(LATER), how, String(before)];
  const migrator = run('tests/support/migrator.mjs', { cwd: join(databasePath, '..'), args });
  await migrator.printed('begins');
  const begun = performance.now();
  if (kill === null) await migrator.printed('ends');
  const tookMs = performance.now() - begun;
  if (kill !== null && 'afterMs' in kill) {
    // This waits for nothing: the moment is left to chance.
    await pause(kill.afterMs);
    migrator.child.kill('SIGKILL');
  }
  await migrator.ended;
  return tookMs;
}

/** What kills leave behind: every other before one of the statements, every other at any moment. */
async function statesAfterKills(kills: number, how: How, next: typeof finish | null): Promise<string[]> {
  const states: string[] = [];
  for (const version of RELEASED) {
    const template = await makeTemplate(version);
    const durationMs = await update(copyOf(template), how, null);
    for (let count = 0; count < Math.ceil(kills / RELEASED.length); count++) {
      const databasePath = copyOf(template);
      const before = (count / 2 + 1) % (STATEMENTS + 1);
      const kill = count % 2 === 0 ? { before } : { afterMs: randomInt(Math.ceil(durationMs)) };
      await update(databasePath, how, kill);
      states.push(stateOf(databasePath, version));
      await next?.(databasePath, version);
    }
  }
  return states;
}

/** Starts once more, and looks at what there is then. */
async function finish(databasePath: string, version: number): Promise<void> {
  await open(databasePath, LATER);
  expect(stateOf(databasePath, version)).toBe('new');
  const folder = join(databasePath, '..', 'backups');
  const [backup = '', ...more] = readdirSync(folder).filter((name) => name.endsWith('.db'));
  expect(more).toEqual([]);
  expect(stateOf(join(folder, backup), version)).toBe('old');
}

const isBetween = (state: string): boolean => state !== 'old' && state !== 'new';

it('an update that is killed leaves the old schema or the new one, and the next start finishes it', async () => {
  const states = await statesAfterKills(sized(10, 100), 'together', finish);
  expect(states.filter(isBetween)).toEqual([]);
  expect(states).toContain('old');
});

it('the control: without a transaction it leaves something between the two', async () => {
  const states = await statesAfterKills(sized(4, 12), 'one by one', null);
  expect(states.filter(isBetween).length).toBeGreaterThan(0);
});
