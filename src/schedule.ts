import type { Log } from './log.js';
import { StorageError } from './storage/storage-error.js';

/** Calls `task` every `ms` until the returned function is called. */
export type Every = (ms: number, task: () => void) => () => void;

const everyMs: Every = (ms, task) => {
  const timer = setInterval(task, ms).unref();
  return () => clearInterval(timer);
};

/** Runs tasks at the start and at intervals. A task never overlaps with itself. */
export class Schedule {
  readonly #log: Log;
  readonly #every: Every;
  readonly #stops: (() => void)[] = [];
  readonly #running = new Map<string, Promise<void>>();

  constructor({ log, every = everyMs }: { readonly log: Log; readonly every?: Every | undefined }) {
    this.#log = log;
    this.#every = every;
  }

  add(name: string, intervalMs: number, task: () => Promise<void>): void {
    this.#run(name, task);
    this.#stops.push(this.#every(intervalMs, () => this.#run(name, task)));
  }

  /** Starts nothing more and resolves when the running tasks are done. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) stop();
    await Promise.all(this.#running.values());
  }

  #run(name: string, task: () => Promise<void>): void {
    if (this.#running.has(name)) return;
    const work = task()
      .catch((error: unknown) => {
        // An outage of the database is logged once, by the storage.
        if (!(error instanceof StorageError)) this.#log.error({ err: error, task: name }, 'A task failed');
      })
      .finally(() => this.#running.delete(name));
    this.#running.set(name, work);
  }
}
