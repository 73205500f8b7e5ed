import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import type { NewCode } from '../../src/storage/codes.js';
import type { SqlValue } from '../../src/storage/driver.js';
import { createSchema } from '../../src/storage/schema.js';
import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { Rows } from '../../src/storage/store.js';
import { temporaryFolder } from '../support/folder.js';

const NEW_CODE: NewCode = {
  id: '',
  guildId: '',
  channelId: '',
  holderId: '',
  holderTag: '',
  username: '',
  nameHash: '',
  textHash: '',
  pairHash: '',
  encryptedText: '',
  maxUses: null,
  issuedAt: 1,
  expiresAt: null,
};
const KEYS = { nameHash: '', pairHash: '', clientHash: null, hourHash: null };

/** Every statement, by the method that runs it. */
const STATEMENTS: Readonly<Record<string, (rows: Rows) => Promise<unknown>>> = {
  'audit.write': async ({ audit }) => audit.write({ at: 1, event: 'issued' }),
  'audit.writeThrottled': async ({ audit }) => audit.writeThrottled('', 1),
  'audit.read': async ({ audit }) => audit.read({}),
  'audit.prune': async ({ audit }) => audit.prune(1),
  'codes.find': async ({ codes }) => codes.find(''),
  'codes.findKnown': async ({ codes }) => codes.findKnown('', ['', ''], { issuedSince: 1, endedSince: 1 }),
  'codes.insert': async ({ codes }) => codes.insert(NEW_CODE),
  'codes.insertLookAlikes': async ({ codes }) => codes.insertLookAlikes('', ['', '']),
  'codes.deliver': async ({ codes }) => codes.deliver('', 1, 1),
  'codes.closeReplaced': async ({ codes }) => codes.closeReplaced('', 1),
  'codes.resetFailures': async ({ codes }) => codes.resetFailures('', ''),
  'codes.acknowledge': async ({ codes }) => codes.acknowledge(['', 'x'], 1),
  'codes.withdraw': async ({ codes }) => codes.withdraw('', 1),
  'codes.withdrawOverdue': async ({ codes }) => codes.withdrawOverdue(1, 1),
  'codes.expire': async ({ codes }) => codes.expire(1),
  'codes.renewAttempt': async ({ codes }) => codes.renewAttempt('', 1),
  'codes.claimUnfinished': async ({ codes }) => codes.claimUnfinished(1, 1),
  'codes.count': async ({ codes }) => codes.count('', 'guild_id', '', 1),
  'codes.count by text': async ({ codes }) => codes.count('', 'text_hash', '', 1),
  'codes.count by name': async ({ codes }) => codes.count('', 'name_hash', '', 1),
  'codes.count by holder': async ({ codes }) => codes.count('', 'holder_id', '', 1),
  'codes.isEmpty': async ({ codes }) => codes.isEmpty(),
  'codes.isIssued': async ({ codes }) => codes.isIssued(''),
  'codes.list': async ({ codes }) => codes.list('', 'guild_id', '', 1, 10, 0),
  'codes.list by text': async ({ codes }) => codes.list('', 'text_hash', '', 1, 10, 0),
  'codes.list by name': async ({ codes }) => codes.list('', 'name_hash', '', 1, 10, 0),
  'codes.list by holder': async ({ codes }) => codes.list('', 'holder_id', '', 1, 10, 0),
  'codes.revoke by text': async ({ codes }) => codes.revoke('', 'text_hash', '', { now: 1, endedSince: 1 }),
  'codes.revoke by name': async ({ codes }) => codes.revoke('', 'name_hash', '', { now: 1, endedSince: 1 }),
  'codes.revoke by holder': async ({ codes }) => codes.revoke('', 'holder_id', '', { now: 1, endedSince: 1 }),
  'codes.findReserving': async ({ codes }) => codes.findReserving('', 1),
  'codes.endLeft': async ({ codes }) => codes.endLeft('', '', 1),
  'codes.listHolders': async ({ codes }) => codes.listHolders('', '', 100),
  'codes.listGuilds': async ({ codes }) => codes.listGuilds(),
  'codes.suspend': async ({ codes }) => codes.suspend('', 1),
  'codes.resume': async ({ codes }) => codes.resume(''),
  'codes.countAll': async ({ codes }) => codes.countAll(),
  'codes.findIdByText': async ({ codes }) => codes.findIdByText(''),
  'codes.prune': async ({ codes }) => codes.prune(1, 100),
  'codes.pruneLookAlikes': async ({ codes }) => codes.pruneLookAlikes(''),
  'dmChannels.find': async ({ dmChannels }) => dmChannels.find(''),
  'dmChannels.remember': async ({ dmChannels }) => dmChannels.remember('', ''),
  'dmChannels.forget': async ({ dmChannels }) => dmChannels.forget(''),
  'logins.read': async ({ logins }) => logins.read(KEYS),
  'logins.read with a client': async ({ logins }) => logins.read({ ...KEYS, clientHash: '', hourHash: '' }),
  'logins.writeFailure': async ({ logins }) => logins.writeFailure('', '', { times: [], total: 1 }, 1),
  'logins.writeClientFailure': async ({ logins }) => logins.writeClientFailure('', 1),
  'logins.countGuessed': async ({ logins }) => logins.countGuessed(1),
  'logins.rememberClient': async ({ logins }) => logins.rememberClient('', '', '', 1),
  'logins.forgetClients': async ({ logins }) => logins.forgetClients('', 100),
  'logins.redeem': async ({ logins }) => logins.redeem('', null, 1),
  'logins.undoFailure': async ({ logins }) => logins.undoFailure('key', []),
  'logins.prune': async ({ logins }) => logins.prune(1, 1, 1),
  'requests.claim': async ({ requests }) => requests.claim('', 1),
  'requests.prune': async ({ requests }) => requests.prune(1),
};

/** These read whole tables, once at the start or once an hour; `isEmpty` reads one row. */
const SCANS = new Set([
  'codes.isEmpty',
  'codes.listGuilds',
  'codes.countAll',
  'logins.prune',
  'requests.prune',
]);

async function planOf(name: string, driver: SqliteDriver): Promise<string> {
  const statements: [string, readonly SqlValue[]][] = [];
  const rows = new Rows(async (sql, parameters = []) => {
    statements.push([sql, parameters]);
    return [];
  });
  // Some methods need a row.
  await STATEMENTS[name]?.(rows).catch(() => undefined);
  expect([name, statements.length]).toEqual([name, 1]);
  const [[sql, parameters] = ['', []]] = statements;
  const steps = await driver.query(`EXPLAIN QUERY PLAN ${sql}`, parameters);
  return steps.map(({ detail }) => String(detail)).join('\n');
}

it('runs one statement per method, none of which scans a table', async () => {
  const driver = new SqliteDriver(join(temporaryFolder(), 'codes.db'), { create: true });
  onTestFinished(async () => driver.close());
  await createSchema(driver.query, '');
  for (const name of Object.keys(STATEMENTS)) {
    const plan = await planOf(name, driver);
    const isScan = /^SCAN (?!CONSTANT ROW|\d+ CONSTANT ROWS|\d+-ROW VALUES|dual)/m.test(plan);
    expect({ name, plan, isScan }).toEqual({ name, plan, isScan: SCANS.has(name) });
  }
  expect(await planOf('codes.count', driver)).toContain('COVERING INDEX codes_by_guild');
  // Otherwise each batch of members would read all codes of the server.
  expect(await planOf('codes.listHolders', driver)).not.toContain('TEMP B-TREE');
});

it('covers every method', () => {
  const rows = new Rows(async () => []);
  const methods = Object.entries(rows).flatMap(([table, object]) =>
    Object.getOwnPropertyNames(Object.getPrototypeOf(object))
      .filter((method) => method !== 'constructor')
      .map((method) => `${table}.${method}`),
  );
  const covered = new Set(Object.keys(STATEMENTS).map((name) => name.replace(/ .*/, '')));
  expect([...covered].toSorted()).toEqual(methods.toSorted());
});
