import type { ScheduledBackups } from './backup/scheduled-backups.js';
import { StoreOutage, type CodeStore } from './codes/code-store.js';
import { RESERVATION_MS } from './codes/code-service.js';
import type { Outbox } from './bot/outbox.js';
import { checkMembership, type Members } from './codes/membership.js';
import type { Log } from './log.js';

/** A third of the lease of an answer. */
const TEND_MS = 5_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Calls `task` again and again, each time after `ms`, until what it returns is called. */
export type Every = (ms: number, task: () => void) => () => void;

const everyMs: Every = (ms, task) => {
  const timer = setInterval(task, ms).unref();
  return () => clearInterval(timer);
};

export interface HousekeepingOptions {
  readonly store: CodeStore;
  readonly members: Members;
  readonly outbox: Pick<Outbox, 'tend'>;
  /** Stores what an outage kept from being stored before. */
  readonly servers: { readonly update: () => Promise<void> };
  /** `null`: holders are not looked up. */
  readonly membershipCheckIntervalMs: number | null;
  readonly auditDays: number;
  /** `null`: no backups are made. */
  readonly backups: Pick<ScheduledBackups, 'intervalMs' | 'isDue' | 'make'> | null;
  readonly clock: () => number;
  /** Default: by timers that keep no process alive. */
  readonly every?: Every | undefined;
  readonly log: Log;
}

/** What has to be done from time to time. Each task runs at the start too, and never twice at once. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #stops: (() => void)[] = [];
  readonly #underWay = new Set<string>();
  #stopped = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#every(TEND_MS, 'tend answers', async () => this.tendAnswers());
    this.#every(MINUTE_MS, 'update servers', async () => this.#options.servers.update());
    this.#every(MINUTE_MS, 'end codes', async () => this.endCodes());
    this.#every(HOUR_MS, 'prune', async () => this.prune());
    const { membershipCheckIntervalMs, backups } = this.#options;
    // How old the newest is decides, not how long the bot has been running.
    if (backups !== null) {
      this.#every(Math.min(backups.intervalMs, HOUR_MS), 'back up', async () => this.backUp());
    }
    if (membershipCheckIntervalMs !== null) {
      this.#every(membershipCheckIntervalMs, 'check members', async () => this.checkMembers());
    }
  }

  /** Starts nothing more. What is under way is not waited for: it ends whole or not at all. */
  stop(): void {
    this.#stopped = true;
    for (const stop of this.#stops.splice(0)) stop();
  }

  /** Keeps the answers that are being sent, and takes over those that were left unfinished. */
  async tendAnswers(): Promise<void> {
    await this.#options.outbox.tend();
  }

  /** Marks what has expired, and withdraws what nobody claimed. */
  async endCodes(): Promise<void> {
    const { store, clock } = this.#options;
    const now = clock();
    await store.expire(now);
    await store.withdrawUnclaimed(now - RESERVATION_MS, now);
  }

  /** Forgets what is too old to keep. */
  async prune(): Promise<void> {
    const { store, clock, auditDays } = this.#options;
    const now = clock();
    await store.prune(now - auditDays * DAY_MS, now);
  }

  /** Ends the codes of those who left. */
  async checkMembers(): Promise<void> {
    const { store, members, clock, log } = this.#options;
    for (const { guildId, revoked, error } of await checkMembership(store, members, clock)) {
      if (revoked > 0) log.info({ guildId, revoked }, 'Revoked codes of members who left');
      if (error !== null) log.warn({ guildId, err: error }, 'Could not look up who is still a member');
    }
  }

  /** Makes a backup if it is time for one. */
  async backUp(): Promise<void> {
    const { backups, clock, log } = this.#options;
    const now = clock();
    if (backups === null) return;
    try {
      if (!backups.isDue(now)) return;
      const { path, codes } = await backups.make(now);
      log.info({ path, codes }, 'Made a backup');
    } catch (error) {
      log.error(error instanceof Error ? error.message : 'No backup could be made');
    }
  }

  #every(ms: number, name: string, task: () => Promise<void>): void {
    this.#attempt(name, task);
    const { every = everyMs } = this.#options;
    this.#stops.push(every(ms, () => this.#attempt(name, task)));
  }

  #attempt(name: string, task: () => Promise<void>): void {
    if (this.#underWay.has(name)) return;
    this.#underWay.add(name);
    void task()
      .catch((error: unknown) => {
        // Of an outage the storage tells, once.
        if (!this.#stopped && !(error instanceof StoreOutage))
          this.#options.log.error({ err: error, task: name }, 'Housekeeping failed');
      })
      .finally(() => this.#underWay.delete(name));
  }
}
