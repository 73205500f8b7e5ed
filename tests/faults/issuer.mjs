// Issues and delivers codes as fast as it can, and acknowledges each by a line once it is stored: id, username and
// code. `node issuer.mjs DATABASE ACKS RUN COUNT MODE` stops after so many, or when it is killed. ACKS is a file,
// or `-` for standard output.
//
// Mode `production` is how the bot does it. The others are controls, each with one thing wrong:
// `early` acknowledges before the code is stored, `halves` commits each statement by itself, `normal` leaves it to
// the operating system when a commit reaches the disk.
import { randomInt } from 'node:crypto';
import { openSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { CodeService } from '../../dist/codes/code-service.js';
import { parseUsername } from '../../dist/codes/username.js';
import { openStorage } from '../../dist/storage/open-storage.js';
import { SqlCodeStore } from '../../dist/storage/sql-code-store.js';
import { SqliteDriver } from '../../dist/storage/sqlite-driver.js';

const [, , databasePath, acksPath, run, count, mode] = process.argv;
const acks = acksPath === '-' ? 1 : openSync(acksPath, 'a');
const storage = await openStorage({ databasePath, secret: null, as: 'guest' });

async function openStore() {
  if (mode === 'production' || mode === 'early') return storage.store;
  const driver = await SqliteDriver.open(databasePath, { create: false });
  if (mode === 'normal') await driver.query('PRAGMA synchronous = NORMAL');
  if (mode === 'normal') return new SqlCodeStore(driver);
  return new SqlCodeStore({ query: driver.query, transaction: async (work) => work(driver.query) });
}

const service = new CodeService({
  store: await openStore(),
  keys: storage.keys,
  codeLength: 6,
  codeTtlMs: null,
  codeMaxUses: null,
  getcodeLimit: { codes: 10, spanMs: 600_000 },
  maxUsernamesPerMember: 10,
  clock: () => Date.UTC(2026, 0, 1),
  random: randomInt,
});

for (let index = 0; index < Number(count); index++) {
  const id = `${run}-${index}`;
  const typed = `name ${run} ${index}`;
  try {
    const request = { id, guildId: '1', holderId: id, holderTag: id, username: parseUsername(typed) };
    const { text } = await service.issue(request);
    const ack = () => writeSync(acks, `${id}\t${typed}\t${text}\n`);
    if (mode === 'early') ack();
    if (await service.deliver(id)) if (mode !== 'early') ack();
  } catch (error) {
    // Such a disk passes. Whoever waits for it to pass sees that it was noticed.
    if (!['DISK_FULL', 'DATABASE_UNREADABLE'].includes(error.code)) throw error;
    writeSync(1, `${error.code}\n`);
    await pause(1);
  }
}
process.exit(0);
