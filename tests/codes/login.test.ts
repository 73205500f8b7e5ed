import fc from 'fast-check';
import { expect, it } from 'vitest';

import { END_REASONS, statusOf } from '../../src/codes/code.js';
import { decideLogin, type LoginCode } from '../../src/codes/login.js';
import { NO_FAILURES, type Failures } from '../../src/codes/throttle.js';

/** In the middle of a clock hour. */
const NOW = Date.UTC(2026, 0, 1, 0, 30);
const HALF_HOUR = 30 * 60_000;
const LOCKED: Failures = { times: Array.from({ length: 10 }, () => NOW), total: 10 };

const codes: fc.Arbitrary<LoginCode> = fc.record({
  id: fc.constant('1'),
  username: fc.constant('Alice'),
  holderId: fc.constant('1'),
  uses: fc.nat(2),
  maxUses: fc.constantFrom(null, 1, 2),
  issuedAt: fc.constantFrom(NOW, NOW - 2 * HALF_HOUR),
  // Mostly a code that is active or used up: the rest is soon refused.
  deliveredAt: fc.constantFrom(null, NOW, NOW, NOW),
  expiresAt: fc.constantFrom(null, NOW + 1, NOW + 1, NOW),
  suspendedAt: fc.constantFrom(null, null, null, NOW),
  endedAt: fc.constant(null),
  endReason: fc.constantFrom(...Array<null>(15).fill(null), ...END_REASONS),
  redemptionHash: fc.constantFrom(null, 'form 1'),
  redeemedAt: fc.constantFrom(null, NOW, NOW - 599_999, NOW - 600_000),
});
const facts = fc.record({
  code: fc.option(codes),
  failures: fc.constantFrom(NO_FAILURES, LOCKED),
  client: fc.constantFrom(null, NO_FAILURES, LOCKED),
  clientTotal: fc.constantFrom(0, 99, 100),
});
const attempts = fc.record({
  redeem: fc.boolean(),
  redemptionHash: fc.constantFrom(null, 'form 1', 'form 2'),
});

it('decideLogin accepts an active code or a repeated redemption while it is not throttled, and nothing else', () => {
  fc.assert(
    fc.property(facts, attempts, ({ code, failures, client, clientTotal }, attempt) => {
      const decision = decideLogin({ code, failures, client, clientTotal }, attempt, NOW);
      const isFlood = client === null && clientTotal === 100;
      if ((client ?? failures) === LOCKED || isFlood) {
        const ms = (client ?? failures) === LOCKED ? 2 * HALF_HOUR : HALF_HOUR;
        expect(decision).toEqual({ kind: 'throttled', ms });
        return;
      }
      const status = code === null ? null : statusOf(code, NOW);
      const isRepeat =
        attempt.redeem &&
        attempt.redemptionHash === 'form 1' &&
        code?.redemptionHash === 'form 1' &&
        [NOW, NOW - 599_999].includes(code.redeemedAt ?? 0);
      if (status === 'active' || (status === 'used_up' && isRepeat)) {
        expect(decision).toEqual({ kind: 'accepted', code, countUse: attempt.redeem && !isRepeat });
      } else {
        expect(decision).toEqual({ kind: 'refused', status, isFailure: status !== 'used_up' });
      }
    }),
    { numRuns: 5_000 },
  );
});
