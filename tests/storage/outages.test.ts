import { expect, it } from 'vitest';

import type { Driver } from '../../src/storage/driver.js';
import { reportOutages } from '../../src/storage/outages.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { deferred } from '../support/deferred.js';

const FULL = new StorageError('DISK_FULL', 'Full.');
const LOCKED = new StorageError('DATABASE_LOCKED', 'Locked.');

/** A driver that fails with `failure`, and what was reported about it. */
function openFailing() {
  const state: { failure: Error | null } = { failure: null };
  const reports: (string | null)[] = [];
  async function attempt<T>(result: T): Promise<T> {
    if (state.failure !== null) throw state.failure;
    return result;
  }
  const failing: Driver = {
    query: async () => attempt([]),
    transaction: async (_lock, work) => {
      await attempt(null);
      return work(async () => []);
    },
    close: async () => undefined,
  };
  const driver = reportOutages(failing, (error) => reports.push(error?.code ?? null));
  const query = async () => driver.query('').catch(() => null);
  const transaction = async () => driver.transaction('', async () => 1).catch(() => null);
  return { state, reports, driver, query, transaction };
}

it('reports the first failure of an outage, each other failure, and the end', async () => {
  const { state, reports, query, transaction } = openFailing();
  await transaction();
  expect(reports).toEqual([]);
  state.failure = FULL;
  await Promise.all([transaction(), transaction(), query()]);
  expect(reports).toEqual(['DISK_FULL']);
  state.failure = LOCKED;
  await transaction();
  state.failure = null;
  await transaction();
  await transaction();
  expect(reports).toEqual(['DISK_FULL', 'DATABASE_LOCKED', null]);
});

it('does not report the end of an outage for a read: reads work on a full disk', async () => {
  const { state, reports, query } = openFailing();
  state.failure = FULL;
  await query();
  state.failure = null;
  await query();
  expect(reports).toEqual(['DISK_FULL']);
});

it('does not report the end of an outage for a transaction that began before it', async () => {
  const { state, reports, driver, transaction } = openFailing();
  const { promise, resolve } = deferred();
  const early = driver.transaction('', async () => promise);
  state.failure = LOCKED;
  await transaction();
  resolve();
  await early;
  expect(reports).toEqual(['DATABASE_LOCKED']);
  state.failure = null;
  await transaction();
  expect(reports).toEqual(['DATABASE_LOCKED', null]);
});

it('rejects with the error and does not report programming errors', async () => {
  const { state, reports, driver } = openFailing();
  state.failure = new TypeError('Bug');
  await expect(driver.query('')).rejects.toThrow('Bug');
  await expect(driver.transaction('', async () => 1)).rejects.toThrow('Bug');
  expect(reports).toEqual([]);
});
