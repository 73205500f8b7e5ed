import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { startBotProcess } from '../faults/bots.js';
import { buildDisk } from '../faults/disk.js';
import { startBotWithHttp, TOKEN } from './bot.js';
import type { Guess } from '../support/guesser.js';
import { temporaryFolder } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';
import { startWebsite, wrongCodes } from './websites.js';

const HOUR_MS = 3_600_000;

/** More than a wrong code needs in the write-ahead log, in pages. */
const MAX_ROOM_PAGES = 24;

/** A bot with a code for Alice, and a website whose disk can fail. */
async function openWithDisk(fault: 'DISK_FULL' | 'DISK_READONLY') {
  const { bot, url } = await startBotWithHttp();
  const { clock, databasePath, server } = bot;
  const right = await bot.getCode(server.alice, 'Alice');
  const [wrong = ''] = wrongCodes(1, right);
  const flag = join(temporaryFolder(), 'fault');
  const website = await startWebsite(databasePath, {
    clock: clock.read,
    http: { url, token: TOKEN },
    env: { LD_PRELOAD: buildDisk(temporaryFolder()), [fault]: flag },
  });
  const guess = (code: string, method: Guess['method'] = 'validate'): Guess => ({
    by: 'module',
    method,
    username: 'Alice',
    code,
  });
  return { bot, clock, databasePath, website, guess, right, wrong, flag };
}

/** Empties the write-ahead log: whatever is written next makes it grow. */
function truncateLog(databasePath: string): void {
  const database = openRaw(databasePath);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}

it.each([
  ['full', 'DISK_FULL', 'DISK_FULL'],
  ['read-only', 'DISK_READONLY', 'DATABASE_UNREADABLE'],
] as const)(
  'refuses a right code that was queued after a wrong one while the disk is %s',
  async (_how, fault, outage) => {
    const { clock, databasePath, website, guess, right, wrong, flag } = await openWithDisk(fault);
    expect(await website([guess(right)])).toEqual(['valid']);
    const throttled = { ...guess(wrong), username: 'Bob' };
    expect(await website(Array.from({ length: 11 }, () => throttled))).toContain('throttled');
    truncateLog(databasePath);
    writeFileSync(flag, '');
    const burst = [
      guess(wrong),
      guess(right),
      throttled,
      guess(right),
      guess(wrong),
      guess(right, 'redeem'),
      throttled,
      guess(right),
    ];
    const outages = burst.map((sent) => (sent === throttled ? 'throttled' : outage));
    for (let time = 0; time < 3; time++) expect(await website(burst)).toEqual(outages);
    // A login that writes nothing proves nothing.
    for (const sent of [guess(wrong), throttled, guess(right)])
      expect(await website([sent])).toEqual([sent === throttled ? 'throttled' : outage]);

    rmSync(flag);
    clock.advance(1);
    expect(await website([guess(right)])).toEqual(['valid']);
    // A write was committed since.
    truncateLog(databasePath);
    writeFileSync(flag, '');
    expect(await website([guess(right)])).toEqual(['valid']);
    rmSync(flag);
    expect(await website([guess(right), guess(wrong), guess(right)])).toEqual(['valid', 'unknown', 'valid']);
  },
);

it('refuses every code over HTTP after one that could not be counted, until the disk has room', async () => {
  const { bot, databasePath, right, wrong, flag } = await openWithDisk('DISK_FULL');
  await bot.app.stop();
  const other = startBotProcess(bot.server, temporaryFolder(), {
    DATABASE_URL: databasePath,
    HTTP_PORT: '0',
    HTTP_TOKEN: TOKEN,
    LD_PRELOAD: buildDisk(temporaryFolder()),
    DISK_FULL: flag,
  });
  await other.printed('"port":');
  const url = `http://127.0.0.1:${/"port":(\d+)/.exec(other.stdout())?.[1]}`;
  const website = await startWebsite(databasePath, { clock: bot.clock.read, http: { url, token: TOKEN } });
  const ask = async (method: Guess['method'], codes: readonly string[]) =>
    website(codes.map((code) => ({ by: 'HTTP', method, username: 'Alice', code })));
  expect(await ask('validate', [right])).toEqual(['valid']);
  truncateLog(databasePath);
  writeFileSync(flag, '');
  for (const code of [wrong, right, wrong, right]) {
    for (const method of ['validate', 'redeem'] as const)
      expect(await ask(method, [code])).toEqual(['unavailable']);
  }
  expect(new Set(await ask('validate', [wrong, right, wrong, right]))).toEqual(new Set(['unavailable']));
  rmSync(flag);
  expect(await ask('validate', [right])).toEqual(['valid']);
});

it.each([{}, { client: 'stranger' }])(
  'evaluates no code uncounted, whatever room a full disk leaves, for %j',
  async (by) => {
    const { clock, databasePath, website, guess, right, wrong, flag } = await openWithDisk('DISK_FULL');
    const database = openRaw(databasePath);
    onTestFinished(() => void database.close());
    const outcomes: string[][] = [];
    for (let pages = 0; pages < MAX_ROOM_PAGES; pages++) {
      // A log of so many pages, which are free to be written again: it need not grow until they are used.
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      for (let page = 0; page < pages; page++) database.exec(`PRAGMA user_version = ${page}`);
      database.exec('PRAGMA wal_checkpoint(RESTART)');
      writeFileSync(flag, '');
      const outcome: string[] = [];
      for (let time = 0; time < 3; time++) {
        outcome.push(...(await website([{ ...guess(wrong), ...by }, guess(right), guess(right, 'redeem')])));
      }
      rmSync(flag);
      outcomes.push(outcome);
      clock.advance(2 * HOUR_MS);
      expect(await website([guess(right)])).toEqual(['valid']);
    }
    // While a wrong code could not be counted, no right one is accepted.
    for (const outcome of outcomes) {
      const afterOutage = outcome.filter((_, index) => outcome[index - (index % 3)] === 'DISK_FULL');
      expect(new Set(afterOutage)).toEqual(new Set(afterOutage.length > 0 ? ['DISK_FULL'] : []));
    }
    // Some rooms are too small for one wrong code, and some are not.
    expect(new Set(outcomes.map(([first]) => first))).toEqual(new Set(['DISK_FULL', 'unknown']));
  },
);

it('accepts no code while another connection holds the database', async () => {
  const { bot, databasePath, website, guess, right, wrong } = await openWithDisk('DISK_FULL');
  const other = openRaw(databasePath);
  onTestFinished(() => void other.close());
  other.exec('BEGIN IMMEDIATE');
  const codes = [right, wrong, right, ...wrongCodes(20, right), right];
  const byModule = codes.map((code) => guess(code));
  const byHttp = byModule.map((sent) => ({ ...sent, by: 'HTTP' as const }));
  expect(await website([...byModule, ...byHttp])).toEqual([
    ...byModule.map(() => 'DATABASE_LOCKED'),
    ...byHttp.map(() => 'unavailable'),
  ]);
  other.exec('ROLLBACK');
  expect(await website([guess(right), guess(wrong)])).toEqual(['valid', 'unknown']);
  expect(await website([{ ...guess(right), by: 'HTTP' }])).toEqual(['valid']);
  expect(bot.fatal).toEqual([]);
});
