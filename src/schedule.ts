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

/** Runs tasks at the start and at intervals. A task never overlaps with itself. */
export class Schedule {
  readonly #log: Log;
  readonly #every: Every;
  readonly #stops: (() => void)[] = [];
  readonly #running = new Map<string, Promise<void>>();

  constructor(log: Log, every: Every = everyMs) {
    this.#log = log;
    this.#every = every;
  }

  /** Returns a function that runs the task besides. */
  add(name: string, intervalMs: number, task: () => Promise<void>): () => void {
    const run = (): void => {
      if (!this.#running.has(name)) this.#running.set(name, this.#run(name, task));
    };
    run();
    this.#stops.push(this.#every(intervalMs, run));
    return run;
  }

  /** Starts nothing more and resolves when the running tasks are done. */
  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    await Promise.all(this.#running.values());
  }

  async #run(name: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      // An outage of the database is logged once, by the storage.
      if (!(error instanceof StorageError))
        this.#log.error({ err: error, task: name }, 'Could not run a task');
    }
    this.#running.delete(name);
  }
}
