import { PENDING_MS, statusOf, type Code, type CodeStatus } from '../codes/code.js';
import type { Rows, Store } from '../storage/store.js';

/** A delivery that no process has renewed for this long is free to be claimed. */
const ATTEMPT_MS = 40_000;

/** Codes of one member; the setting allows fewer. */
const MAX_HELD = 1_000;

/** Records each step of a delivery in the row of its code. */
export class Deliveries {
  readonly #store: Store;
  readonly #clock: () => number;
  /** Ids of codes that the next commit acknowledges. */
  readonly #acknowledged: string[] = [];
  #commit: Promise<void> | null = null;

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
      const own = found.holderId === userId ? found : await findOffered(rows, found, userId, now);
      if (own === null) return 'notYours';
      if (own.issuedAt < now - PENDING_MS) return 'gone';
      const code = await activate(rows, own.id, 'shown', now);
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

  /** Finishes a delivery: the channel got its line. One commit for all members whom a line names. */
  async markAcknowledged(id: string): Promise<void> {
    this.#acknowledged.push(id);
    this.#commit ??= this.#acknowledge();
    await this.#commit;
  }

  /** Keeps other processes from claiming these deliveries for {@link ATTEMPT_MS}. */
  async renew(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const now = this.#clock();
    await this.#store.changeCodes(async ({ codes }) => {
      for (const id of ids) await codes.renewAttempt(id, now);
    });
  }

  /** Claims the deliveries that a process which ended left unfinished, in the order of the requests. */
  async claimUnfinished(): Promise<Code[]> {
    const now = this.#clock();
    const codes = await this.#store.changeCodes(async (rows) =>
      rows.codes.claimUnfinished(now - ATTEMPT_MS, now),
    );
    return codes.toSorted((a, b) => (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
  }

  async #acknowledge(): Promise<void> {
    await Promise.resolve();
    this.#commit = null;
    await this.#store.codes.acknowledge(this.#acknowledged.splice(0), this.#clock());
  }
}

/** Finds the presser's own code for the button of another member: a message that names several has one button. */
async function findOffered({ codes }: Rows, { guildId }: Code, userId: string, now: number) {
  const all = await codes.list(guildId, 'holder_id', userId, now, MAX_HELD, 0);
  const recent = all.filter(({ issuedAt }) => issuedAt >= now - PENDING_MS);
  return recent.findLast(({ deliveredAt }) => deliveredAt === null) ?? recent.at(-1) ?? null;
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
