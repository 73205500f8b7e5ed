/** Members whose latest commands are remembered, at most about so many. */
const MAX_MEMBERS = 10_000;

/**
 * Lets each member through `limit` times within `spanMs`. One who asks for more is told once, and hears
 * nothing until there is room again.
 */
export class FloodGate {
  readonly #limit: number;
  readonly #spanMs: number;
  readonly #clock: () => number;
  readonly #members = new Map<string, { times: number[]; told: boolean }>();

  constructor(options: { readonly limit: number; readonly spanMs: number; readonly clock: () => number }) {
    this.#limit = options.limit;
    this.#spanMs = options.spanMs;
    this.#clock = options.clock;
  }

  /** @returns `pass`, `silence`, or, once, when the member may ask again (Unix ms). */
  pass(memberId: string): 'pass' | 'silence' | number {
    const now = this.#clock();
    const member = this.#members.get(memberId) ?? { times: [], told: false };
    // Times to come are a clock's that was set back since.
    member.times = member.times.filter((time) => time > now - this.#spanMs && time <= now);
    this.#members.delete(memberId);
    this.#members.set(memberId, member);
    this.#forget();

    const [oldest = now] = member.times;
    if (member.times.length < this.#limit) {
      member.times.push(now);
      member.told = false;
      return 'pass';
    }
    if (member.told) return 'silence';
    member.told = true;
    return oldest + this.#spanMs;
  }

  /** Those who were quiet longest go first. */
  #forget(): void {
    for (const memberId of this.#members.keys()) {
      if (this.#members.size <= MAX_MEMBERS) break;
      this.#members.delete(memberId);
    }
  }
}
