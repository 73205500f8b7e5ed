/** A clock that stands still until a test moves it. */
export class ManualClock {
  /** Unix ms. */
  now: number;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.now = now;
  }

  readonly read = (): number => this.now;

  advance(ms: number): void {
    this.now += ms;
  }
}
