import { PENDING_MS, statusOf, type Code, type CodeStatus } from '../codes/code.js';
import type { Rows, Store } from '../storage/store.js';
import { withdrawOverdue } from './code-service.js';

/** A delivery that no process has renewed for this long is free to be claimed. */
const ATTEMPT_MS = 40_000;

/** Records each step of a delivery in the row of its code. */
export class Deliveries {
  readonly #store: Store;
  readonly #clock: () => number;

  constructor(options: { readonly store: Store; readonly clock: () => number }) {
    this.#store = options.store;
    this.#clock = options.clock;
  }

  /** Activates the code that its holder received by DM. Returns its status. */
  async markDelivered(id: string): Promise<CodeStatus | null> {
    const now = this.#clock();
    const code = await this.#store.changeCodes(async (rows) => activate(rows, id, 'delivered', now));
    return code === null ? null : statusOf(code, now);
  }

  /** Activates the code that its holder asked to see within 30 minutes. Returns it, or why it is not shown. */
  async show(id: string, userId: string): Promise<Code | 'notYours' | 'gone'> {
    const now = this.#clock();
    return this.#store.changeCodes(async (rows) => {
      const found = await rows.codes.find(id);
      if (found === null) return 'gone';
      if (found.holderId !== userId) return 'notYours';
      if (found.issuedAt < now - PENDING_MS) return 'gone';
      const code = await activate(rows, id, 'shown', now);
      return code !== null && statusOf(code, now) === 'active' ? code : 'gone';
    });
  }

  /** Ends a code that its holder cannot receive. */
  async withdraw(id: string): Promise<void> {
    const now = this.#clock();
    await this.#store.changeCodes(async ({ codes, audit }) => {
      if ((await codes.withdraw(id, now)) === null) return;
      await audit.write({ at: now, event: 'withdrawn', codeId: id });
    });
  }

  /** Finishes a delivery: the channel got its line. */
  async markAcknowledged(id: string): Promise<void> {
    await this.#store.codes.acknowledge(id, this.#clock());
  }

  /** Keeps other processes from claiming these deliveries for {@link ATTEMPT_MS}. */
  async renew(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const now = this.#clock();
    await this.#store.changeCodes(async ({ codes }) => {
      for (const id of ids) await codes.renewAttempt(id, now);
    });
  }

  /** Claims the deliveries that a process which ended left unfinished. */
  async claimUnfinished(): Promise<Code[]> {
    const now = this.#clock();
    return this.#store.changeCodes(async (rows) => {
      // Otherwise an overdue code would be sent after an outage and then withdrawn.
      await withdrawOverdue(rows, now);
      return rows.codes.claimUnfinished(now - ATTEMPT_MS, now);
    });
  }
}

/** Makes a pending code active; the code of this username that was requested last wins. */
async function activate(
  { codes, audit }: Rows,
  id: string,
  how: 'delivered' | 'shown',
  now: number,
): Promise<Code | null> {
  const code = await codes.deliver(id, now, now - PENDING_MS);
  if (code === null) return codes.find(id);
  const replaced = await codes.closeReplaced(code.nameHash, now);
  await codes.resetFailures(code.nameHash, code.holderId);
  await audit.write({ at: now, event: how, codeId: id });
  for (const codeId of replaced) await audit.write({ at: now, event: 'replaced', codeId });
  return replaced.includes(id) ? { ...code, endedAt: now, endReason: 'replaced' } : code;
}
