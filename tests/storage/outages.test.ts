import { expect, it } from 'vitest';

import type { Driver } from '../../src/storage/driver.js';
import { reportOutages } from '../../src/storage/outages.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { deferred } from '../support/deferred.js';

const FULL = new StorageError('DISK_FULL', 'Full.');
const LOCKED = new StorageError('DATABASE_LOCKED', 'Locked.');

it('reports each other failure of an outage, and its end, by what began after the change before', async () => {
  const reports: unknown[] = [];
  let failure: Error | null = null;
  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    if (failure !== null) throw failure;
    return work();
  }
  const failing: Driver = {
    query: async () => attempt(async () => []),
    transaction: async (_lock, work) => attempt(async () => work(async () => [])),
    close: async () => undefined,
  };
  const driver = reportOutages(failing, (error) => reports.push(error?.code ?? null));
  const read = async () => driver.query('').catch((error: unknown) => error);
  const write = async () => driver.transaction('', async () => 1).catch((error: unknown) => error);

  const { promise, resolve } = deferred();
  const early = driver.transaction('', async () => promise);
  failure = FULL;
  expect(await Promise.all([write(), write(), read()])).toEqual([FULL, FULL, FULL]);
  failure = null;
  // Reads work on a full disk.
  await read();
  resolve();
  await early;
  expect(reports).toEqual(['DISK_FULL']);
  failure = LOCKED;
  expect([await write(), await write()]).toEqual([LOCKED, LOCKED]);
  failure = new TypeError('Bug');
  expect([await read(), await write()]).toEqual([failure, failure]);
  failure = null;
  const late = deferred();
  const stale = driver.transaction('', async () => late.promise.then(() => Promise.reject(LOCKED)));
  expect(await write()).toBe(1);
  await write();
  late.resolve();
  await expect(stale).rejects.toBe(LOCKED);
  expect(reports).toEqual(['DISK_FULL', 'DATABASE_LOCKED', null]);
});
