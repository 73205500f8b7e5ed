import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openTestStorage } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { keep, openRaw } from '../support/raw-database.js';
import { describeCodeStore } from './code-store.contract.js';
import { failTimes, guess, hand, HOUR_MS, nameHashOf, NOW, WRONG } from './contract-support.js';

describeCodeStore('SQLite', async () => {
  const { store } = await openTestStorage(join(temporaryFolder(), 'codes.db'));
  return store;
});

describe('many invented usernames', () => {
  /** A store in which Alice is held and was guessed at before 100,500 strangers, a millisecond each. */
  async function openCrowded() {
    const databasePath = join(temporaryFolder(), 'codes.db');
    const { store } = await openTestStorage(databasePath);
    await hand(store);
    await failTimes(store, 10, 'Alice');
    const database = openRaw(databasePath);
    onTestFinished(() => void database.close());
    const strangers = `WITH RECURSIVE strangers (n) AS (
      SELECT 1 UNION ALL SELECT n + 1 FROM strangers WHERE n < 100500)`;
    database.exec(`INSERT INTO guards (budget, name_hash, failures, in_a_row, changed_at)
      ${strangers} SELECT 'stranger ' || n, 'stranger ' || n, ${NOW} + n, 1, ${NOW} + n FROM strangers`);
    database.exec(`INSERT INTO audit (at, event, name_hash, reason)
      ${strangers} SELECT ${NOW} + n, 'refused', 'stranger ' || n, 'unknown' FROM strangers`);
    const numberOf = (what: string): unknown =>
      keep(database.prepare(`SELECT ${what}`))
        .pluck()
        .get();
    return { store, numberOf };
  }

  const GUARDS = 'count(*) FROM guards';
  const STRANGERS = "count(*) FROM audit WHERE name_hash LIKE 'stranger %'";
  const OLDEST = "min(at) FROM audit WHERE name_hash LIKE 'stranger %'";

  it('are forgotten but for the latest 100,000; those that somebody holds are not', async () => {
    const { store, numberOf } = await openCrowded();
    expect([numberOf(GUARDS), numberOf(STRANGERS)]).toEqual([100_501, 100_500]);
    await store.prune(0, NOW + HOUR_MS - 1);
    expect([numberOf(GUARDS), numberOf(STRANGERS)]).toEqual([100_001, 100_000]);
    expect(numberOf(OLDEST)).toBe(NOW + 501);
    expect(await guess(store, 'Alice', { now: NOW + HOUR_MS - 1 })).toEqual({ throttledMs: 1 });
    expect(await store.readAudit({ nameHash: nameHashOf('Alice') })).toHaveLength(13);
    await store.prune(0, NOW + HOUR_MS - 1);
    expect([numberOf(GUARDS), numberOf(STRANGERS)]).toEqual([100_001, 100_000]);
  });

  it('are forgotten by whoever counts the failures, too: at every thousandth', async () => {
    const { store, numberOf } = await openCrowded();
    const now = NOW + HOUR_MS;
    // Ten failures were counted before.
    for (let n = 0; n < 989; n++) expect(await guess(store, `name ${n}`, { now: now + n })).toEqual(WRONG);
    expect([numberOf(GUARDS), numberOf(STRANGERS)]).toEqual([101_490, 100_500]);
    await guess(store, 'name 989', { now: now + 989 });
    expect([numberOf(GUARDS), numberOf(STRANGERS)]).toEqual([100_001, 99_010]);
  });
});
