import { statusOf, type Code, type CodeState, type CodeStatus } from './code.js';
import { clientThrottledMs, throttledMs, type Failures } from './throttle.js';

/** What a login reads of a code. */
export type LoginCode = CodeState &
  Pick<Code, 'id' | 'username' | 'holderId'> & {
    /** Keyed hash of the idempotency key of the last redemption. */
    readonly redemptionHash: string | null;
    readonly redeemedAt: number | null;
  };

/** What is stored about one login attempt. */
export interface LoginFacts {
  /** The code with this username and text. */
  readonly code: LoginCode | null;
  /** Counted for the username. */
  readonly failures: Failures;
  /** Counted for the client; `null`: it has not logged in with the holder's code before. */
  readonly client: Failures | null;
  /** Failures of the client in this clock hour, over all usernames where it is not known. */
  readonly clientTotal: number;
}

export interface LoginAttempt {
  /** Counts one use when the code is valid. */
  readonly redeem: boolean;
  /** Keyed hash of the idempotency key. */
  readonly redemptionHash: string | null;
}

export type LoginDecision =
  /** The code is not evaluated. `Infinity`: until the holder's next code. */
  | { readonly kind: 'throttled'; readonly ms: number }
  /** `status` is `null` when no such code exists. */
  | { readonly kind: 'refused'; readonly status: CodeStatus | null; readonly isFailure: boolean }
  | { readonly kind: 'accepted'; readonly code: LoginCode; readonly countUse: boolean };

/** How long a repeated redemption with the same key counts no second use: 10 minutes. */
const REDEMPTION_MEMORY_MS = 10 * 60_000;

/** Decides a login from what is stored at `now`. A known client has a counter of its own, and no other limit. */
export function decideLogin(facts: LoginFacts, attempt: LoginAttempt, now: number): LoginDecision {
  const { code, client } = facts;
  const ms =
    client === null
      ? Math.max(throttledMs(facts.failures, now), clientThrottledMs(facts.clientTotal, now))
      : throttledMs(client, now);
  if (ms > 0) return { kind: 'throttled', ms };
  if (code === null) return { kind: 'refused', status: null, isFailure: true };
  const status = statusOf(code, now);
  const isRepeat =
    attempt.redeem &&
    attempt.redemptionHash !== null &&
    attempt.redemptionHash === code.redemptionHash &&
    now < (code.redeemedAt ?? 0) + REDEMPTION_MEMORY_MS;
  if (status === 'active' || (status === 'used_up' && isRepeat))
    return { kind: 'accepted', code, countUse: attempt.redeem && !isRepeat };
  // The holder of a used-up code guesses nothing.
  return { kind: 'refused', status, isFailure: status !== 'used_up' };
}
