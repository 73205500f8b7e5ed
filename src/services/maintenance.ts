import { RESERVATION_MS } from '../codes/code.js';
import type { Store } from '../storage/store.js';
import { withdrawPending } from './code-service.js';

/** Discord repeats an event within minutes. */
const REQUEST_MEMORY_MS = 24 * 3_600_000;
/** Keeps the transaction short; the next run deletes more. */
const CODES_PER_PRUNE = 1_000;

/** Ends codes that expired, and codes that nobody received in time. */
export async function endCodes(store: Store, now: number): Promise<void> {
  await store.changeCodes(async (rows) => {
    await withdrawPending(rows, now);
    for (const codeId of await rows.codes.expire(now)) {
      await rows.audit.write({ at: now, event: 'expired', codeId });
    }
  });
}

/**
 * Deletes what is older than the audit may be, and claimed messages of more than a day ago. A code that ended is kept
 * for as long as it may reserve its username.
 */
export async function prune(store: Store, auditSince: number, now: number): Promise<void> {
  await store.requests.prune(now - REQUEST_MEMORY_MS);
  await store.audit.prune(auditSince);
  const endedBefore = Math.min(auditSince, now - RESERVATION_MS);
  await store.changeCodes(async ({ codes }) => {
    const nameHashes = await codes.prune(endedBefore, CODES_PER_PRUNE);
    for (const nameHash of new Set(nameHashes)) await codes.pruneLookAlikes(nameHash);
  });
}
