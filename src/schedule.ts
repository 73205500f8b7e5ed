import type { Log } from './log.js';
import { StorageError } from './storage/storage-error.js';

/** Resolves after `ms`, or when `signal` is aborted. */
export type Wait = (ms: number, signal?: AbortSignal) => Promise<void>;

/** Calls `task` every `ms` until the returned function is called. */
export type Every = (ms: number, task: () => void) => () => void;

const everyMs: Every = (ms, task) => {
  const timer = setInterval(task, ms).unref();
  return () => clearInterval(timer);
};

/** Runs tasks at the start, at intervals, and on demand. */
export class Schedule {
  readonly #log: Log;
  readonly #every: Every;
  readonly #stops: (() => void)[] = [];
  readonly #running = new Set<Promise<void>>();

  constructor(log: Log, every: Every = everyMs) {
    this.#log = log;
    this.#every = every;
  }

  /** Runs a task now and at intervals, unless it is still running. */
  add(name: string, intervalMs: number, task: () => Promise<void>): void {
    let isRunning = false;
    const run = async (): Promise<void> => {
      if (isRunning) return;
      isRunning = true;
      await this.run(name, task);
      isRunning = false;
    };
    void run();
    this.#stops.push(this.#every(intervalMs, () => void run()));
  }

  /** Runs a task now. Never rejects. */
  async run(name: string, task: () => Promise<void>): Promise<void> {
    const work = task().catch((error: unknown) => {
      // An outage of the database is logged once, by the storage.
      if (!(error instanceof StorageError))
        this.#log.error({ err: error, task: name }, 'Could not run a task');
    });
    this.#running.add(work);
    await work;
    this.#running.delete(work);
  }

  /** Starts nothing more and resolves when the running tasks are done. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await Promise.all(this.#running);
  }
}
