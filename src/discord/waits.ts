import { StoppedError } from '../bot/delivery.js';

/** Waits that end when the bot stops. */
export class Waits {
  readonly #wait: (ms: number) => Promise<void>;
  readonly #stopping = new AbortController();

  constructor(wait: (ms: number) => Promise<void>) {
    this.#wait = wait;
  }

  /** @throws {StoppedError} when the bot stops meanwhile. */
  async wait(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    await waitUnlessAborted(this.#wait, ms, signal);
    if (signal.aborted) throw new StoppedError('The bot stops');
  }

  stop(): void {
    this.#stopping.abort();
  }
}

/** Resolves after `ms`, or when `signal` is aborted. */
export async function waitUnlessAborted(
  wait: (ms: number) => Promise<void>,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  let onAbort: () => void = () => undefined;
  const aborted = new Promise<void>((resolve) => {
    onAbort = resolve;
  });
  signal.addEventListener('abort', onAbort);
  await Promise.race([wait(ms), aborted]);
  signal.removeEventListener('abort', onAbort);
}
