import type { Driver } from './driver.js';
import { StorageError } from './storage-error.js';

/** Wraps a driver to report an outage: when it begins, each time the error code changes, and `null` when it ends. */
export function reportOutages(driver: Driver, onChange: (error: StorageError | null) => void): Driver {
  let current: StorageError | null = null;
  let changes = 0;
  const change = (error: StorageError | null): void => {
    changes += 1;
    onChange((current = error));
  };
  async function report<T>(work: Promise<T>, endsOutage: boolean): Promise<T> {
    // What began before the last change may still succeed in an outage, or fail after it.
    const before = changes;
    try {
      const result = await work;
      if (endsOutage && current !== null && changes === before) change(null);
      return result;
    } catch (error) {
      if (error instanceof StorageError && error.code !== current?.code && changes === before) change(error);
      throw error;
    }
  }
  return {
    // Reads work on a full disk: only a transaction shows that the outage is over.
    query: async (sql, parameters) => report(driver.query(sql, parameters), false),
    transaction: async (lock, work) => report(driver.transaction(lock, work), true),
    close: async () => driver.close(),
  };
}
