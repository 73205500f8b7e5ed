import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import type { SqlValue } from '../../src/storage/driver.js';
import { createSchema } from '../../src/storage/schema.js';
import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { Rows } from '../../src/storage/store.js';
import { temporaryFolder } from '../support/folder.js';

const COLUMNS = ['guild_id', 'text_hash', 'name_hash', 'holder_id'];

/** What methods are called with, where plain values do not do: a plan does not depend on values. */
const ARGUMENTS: Readonly<Record<string, readonly (readonly unknown[])[]>> = {
  'audit.write': [[{}]],
  'audit.read': [[{}]],
  'codes.findKnown': [['', ['', ''], {}]],
  'codes.insert': [[{}]],
  'codes.insertLookAlikes': [['', ['', '']]],
  'codes.acknowledge': [[['', 'x']]],
  'codes.count': COLUMNS.map((column) => ['', column]),
  'codes.list': COLUMNS.map((column) => ['', column]),
  'codes.revoke': COLUMNS.map((column) => ['', column, '', {}]),
  'logins.read': [[{}]],
  'logins.writeFailure': [['', '', { times: [] }]],
  'logins.undoFailure': [['', []]],
};

/** These read a whole table, at the start or from time to time; `isEmpty` reads one row. */
const SCANS = ['codes.isEmpty', 'codes.listGuilds', 'codes.countAll', 'logins.prune', 'requests.prune'];

it('runs one statement per method, none of which scans a table', async () => {
  const driver = new SqliteDriver(join(temporaryFolder(), 'codes.db'), { create: true });
  onTestFinished(async () => driver.close());
  await createSchema(driver.query, '');
  const statements: [string, readonly SqlValue[]][] = [];
  const rows = new Rows(async (sql, parameters = []) => {
    statements.push([sql, parameters]);
    return [];
  });
  const scans = new Set<string>();
  for (const [table, object] of Object.entries(rows)) {
    const methods = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(object)));
    for (const [method, { value }] of methods) {
      if (method === 'constructor') continue;
      const name = `${table}.${method}`;
      for (const given of ARGUMENTS[name] ?? [['', '', '', '']]) {
        // Some methods need a row.
        await Promise.resolve(Reflect.apply(value, object, given)).catch(() => undefined);
        expect([name, statements.length]).toEqual([name, 1]);
        const [[sql, parameters] = ['', []]] = statements.splice(0);
        const steps = await driver.query(
          `EXPLAIN QUERY PLAN ${sql}`,
          parameters.map((parameter) => parameter ?? ''),
        );
        const plan = steps.map(({ detail }) => String(detail)).join('\n');
        if (/^SCAN (?!CONSTANT ROW|\d+ CONSTANT ROWS|\d+-ROW VALUES|dual)/m.test(plan)) scans.add(name);
        // Otherwise each batch of members would read all codes of the server.
        if (method === 'listHolders') expect(plan).not.toContain('TEMP B-TREE');
        // Otherwise each page of `!codes` would.
        if (method === 'count' && given[1] === 'guild_id') expect(plan).toContain('COVERING INDEX');
      }
    }
  }
  expect([...scans].toSorted()).toEqual(SCANS.toSorted());
});
