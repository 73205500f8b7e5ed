/** How long what may take until the bot no longer believes that it hears Discord; all in ms. */
export interface Patience {
  /** Between two looks. */
  readonly checkMs: number;
  /** The heartbeat interval, as long as Discord has not said it. */
  readonly heartbeatMs: number;
  /** From the start of a connection to Discord's HELLO. */
  readonly helloMs: number;
  /** From HELLO to READY or RESUMED, beside the wait for a turn to identify. discord.js gives READY 15 seconds. */
  readonly readyMs: number;
  /** How much later than one interval a heartbeat may be acknowledged. */
  readonly lateMs: number;
  /** How much longer than 3 intervals nothing may be heard until the process has to end. */
  readonly deafMs: number;
}

export const PATIENCE: Patience = {
  checkMs: 1_000,
  heartbeatMs: 45_000,
  helloMs: 10_000,
  readyMs: 20_000,
  lateMs: 10_000,
  deafMs: 40_000,
};

/** Where a connection stands. `away`: there is none, and none is being made for now. */
type Phase = 'away' | 'connecting' | 'greeted' | 'hearing';

/** What is to be done: nothing; make a new connection; end the process. */
export type Finding = 'fine' | 'broken' | 'deaf';

/**
 * Watches one connection to the gateway. discord.js itself takes a connection that fell silent for a good
 * one for up to two minutes, and one that cannot be made it tries for ever.
 *
 * It counts the time between two looks itself: a process that was stopped for a while is not deaf for that.
 */
export class Watchdog {
  readonly #patience: Patience;
  #heartbeatMs: number;
  #phase: Phase = 'away';
  /** Since the phase began; while it hears, since the last sign of life. */
  #inPhaseMs = 0;
  /** Since the last sign of life of a session. */
  #deafMs = 0;

  constructor(patience: Patience) {
    this.#patience = patience;
    this.#heartbeatMs = patience.heartbeatMs;
  }

  /** READY or RESUMED on the connection of this moment, and no heartbeat is overdue. */
  get hears(): boolean {
    return this.#phase === 'hearing';
  }

  connecting(): void {
    this.#enter('connecting');
  }

  greeted(): void {
    this.#enter('greeted');
  }

  /** READY, RESUMED, or the acknowledgement of a heartbeat. */
  alive(): void {
    this.#enter('hearing');
    this.#deafMs = 0;
  }

  acknowledged(): void {
    // One that comes before READY tells nothing about the session.
    if (this.hears) this.alive();
  }

  gone(): void {
    this.#enter('away');
  }

  beatsEvery(ms: number): void {
    this.#heartbeatMs = ms;
  }

  /** @param waits whether nothing is heard on purpose: then no time passes. */
  look(waits: boolean): Finding {
    const { checkMs, deafMs } = this.#patience;
    if (waits) return 'fine';
    this.#inPhaseMs += checkMs;
    this.#deafMs += checkMs;
    if (this.#deafMs > 3 * this.#heartbeatMs + deafMs) return 'deaf';
    return this.#inPhaseMs > this.#limitMs() ? 'broken' : 'fine';
  }

  #limitMs(): number {
    const { helloMs, readyMs, lateMs } = this.#patience;
    switch (this.#phase) {
      case 'away':
        return Infinity;
      case 'connecting':
        return helloMs;
      case 'greeted':
        return readyMs;
      case 'hearing':
        return this.#heartbeatMs + lateMs;
    }
  }

  #enter(phase: Phase): void {
    this.#phase = phase;
    this.#inPhaseMs = 0;
  }
}
