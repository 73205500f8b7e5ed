// Issues and delivers codes as fast as it can. Acknowledges each with a line once it is stored: id, username, code.
// `node issuer.mjs DATABASE ACKS RUN COUNT MODE` creates a missing database and ends after COUNT codes. ACKS is a
// file, or `-` for standard output.
//
// Mode `production` does what the bot does. The other modes are controls with one fault each: `early` acknowledges
// before the code is stored, `halves` commits each statement by itself, `normal` does not sync each commit.
import { randomInt } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { parseUsername } from '../../dist/codes/username.js';
import { CodeService } from '../../dist/services/code-service.js';
import { Deliveries } from '../../dist/services/deliveries.js';
import { openStorage } from '../../dist/storage/open-storage.js';
import { SqliteDriver } from '../../dist/storage/sqlite-driver.js';
import { Store } from '../../dist/storage/store.js';

const [, , path, acksPath, run, count, mode] = process.argv;
const acks = acksPath === '-' ? 1 : openSync(acksPath, 'a');
const secret = process.env.CODE_SECRET ?? null;
const storage = await openStorage({ database: { engine: 'sqlite', path }, secret, as: 'owner' });

async function openStore() {
  if (mode === 'production' || mode === 'early') return storage.store;
  const driver = new SqliteDriver(path);
  if (mode === 'halves') {
    return new Store({ query: driver.query, transaction: async (_lock, work) => work(driver.query) });
  }
  await driver.query('PRAGMA synchronous = NORMAL');
  return new Store(driver);
}

const store = await openStore();
const clock = () => Date.UTC(2026, 0, 1);
const service = new CodeService({
  store,
  keys: storage.keys,
  codeLength: 6,
  codeTtlMs: null,
  codeMaxUses: null,
  limits: { codes: 10, withinMs: 600_000, usernames: 10 },
  reservedUsernames: [],
  clock,
  random: randomInt,
});
const deliveries = new Deliveries({ store, clock });

for (let index = 0; index < Number(count); index++) {
  const id = `${run}-${index}`;
  const typed = `name ${run} ${index}`;
  const holder = { guildId: '1', channelId: '1', holderId: id, holderTag: id };
  try {
    const code = await service.issue({ id, username: parseUsername(typed), ...holder });
    const acknowledge = () => writeSync(acks, `${id}\t${typed}\t${service.textOf(code)}\n`);
    if (mode === 'early') acknowledge();
    if ((await deliveries.markDelivered(id)) === 'active' && mode !== 'early') acknowledge();
  } catch (error) {
    // The disk is full or read-only for a while. The line reports that the issuer noticed.
    if (!['DISK_FULL', 'DATABASE_UNREADABLE'].includes(error.code)) throw error;
    writeSync(1, `${error.code}\n`);
    await pause(1);
  }
}
process.exit(0);
