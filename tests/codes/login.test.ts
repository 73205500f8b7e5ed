import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { END_REASONS, type CodeStatus } from '../../src/codes/code.js';
import { decideLogin, type LoginAttempt, type LoginCode, type LoginFacts } from '../../src/codes/login.js';
import { NO_FAILURES, type Failures } from '../../src/codes/throttle.js';

const NOW = Date.UTC(2026, 0, 1);
const ACTIVE: LoginCode = {
  id: '1',
  username: 'Alice',
  holderId: '1',
  uses: 0,
  maxUses: null,
  deliveredAt: NOW - 1_000,
  expiresAt: null,
  suspendedAt: null,
  endedAt: null,
  endReason: null,
  redemptionHash: null,
  redeemedAt: null,
};
const FACTS: LoginFacts = { code: ACTIVE, failures: NO_FAILURES, client: null, clientTotal: 0 };
const LOCKED: Failures = { times: Array.from({ length: 10 }, () => NOW), total: 10 };
const VALIDATE: LoginAttempt = { redeem: false, redemptionHash: null };
const REDEEM: LoginAttempt = { redeem: true, redemptionHash: null };
const REPEAT: LoginAttempt = { redeem: true, redemptionHash: 'form 1' };

function decide(facts: Partial<LoginFacts>, attempt = VALIDATE, now = NOW) {
  return decideLogin({ ...FACTS, ...facts }, attempt, now);
}

describe('decideLogin', () => {
  it.each([
    [VALIDATE, false],
    [REDEEM, true],
  ])('accepts an active code and counts a use only for redeem', (attempt, countUse) => {
    expect(decide({}, attempt)).toEqual({ kind: 'accepted', code: ACTIVE, countUse });
  });

  it.each<[CodeStatus, Partial<LoginCode>]>([
    ['pending', { deliveredAt: null }],
    ['expired', { expiresAt: NOW }],
    ['suspended', { suspendedAt: NOW }],
    ...END_REASONS.map((reason): [CodeStatus, Partial<LoginCode>] => [
      reason,
      { endReason: reason, endedAt: NOW },
    ]),
  ])('refuses a code that is %s and counts a failure', (status, cause) => {
    const refused = { kind: 'refused', status, isFailure: true };
    expect(decide({ code: { ...ACTIVE, ...cause } })).toEqual(refused);
    expect(decide({ code: { ...ACTIVE, ...cause } }, REDEEM)).toEqual(refused);
  });

  it('refuses an unknown code and counts a failure', () => {
    expect(decide({ code: null })).toEqual({ kind: 'refused', status: null, isFailure: true });
  });

  it.each<[string, Partial<LoginFacts>, number]>([
    ['after 100 wrong codes', { clientTotal: 100 }, 600_000],
    ['where the username is locked for longer', { clientTotal: 100, failures: LOCKED }, 3_600_000 - 1],
  ])('throttles a client until the next clock hour %s', (_when, facts, ms) => {
    const now = NOW + 3_000_000;
    const failures = { times: facts.failures?.times.map(() => now - 1) ?? [], total: 10 };
    expect(decide({ ...facts, failures }, VALIDATE, now)).toEqual({ kind: 'throttled', ms });
    expect(decide({ ...facts, failures: NO_FAILURES, clientTotal: 99 }, VALIDATE, now).kind).toBe('accepted');
    expect(decide({ ...facts, failures, client: NO_FAILURES }, VALIDATE, now).kind).toBe('accepted');
  });

  it('refuses a used-up code without counting a failure', () => {
    const code = { ...ACTIVE, uses: 1, maxUses: 1 };
    expect(decide({ code }, REDEEM)).toEqual({ kind: 'refused', status: 'used_up', isFailure: false });
  });

  it('evaluates no code while the username is throttled', () => {
    expect(decide({ failures: LOCKED })).toEqual({ kind: 'throttled', ms: 3_600_000 });
    expect(decide({ code: null, failures: LOCKED })).toEqual({ kind: 'throttled', ms: 3_600_000 });
    const used = { ...ACTIVE, redemptionHash: 'form 1', redeemedAt: NOW };
    expect(decide({ code: used, failures: LOCKED }, REPEAT)).toEqual({ kind: 'throttled', ms: 3_600_000 });
  });

  it('counts the failures of a known client apart from those of the username', () => {
    expect(decide({ failures: LOCKED, client: NO_FAILURES })).toMatchObject({ kind: 'accepted' });
    expect(decide({ client: LOCKED })).toMatchObject({ kind: 'throttled' });
    expect(decide({ code: null, failures: LOCKED, client: NO_FAILURES })).toMatchObject({ isFailure: true });
  });

  describe('for a redemption with an idempotency key', () => {
    const redeemed = { ...ACTIVE, uses: 1, maxUses: 1, redemptionHash: 'form 1', redeemedAt: NOW };

    it.each<[string, Partial<LoginCode>, LoginAttempt, number, string]>([
      ['accepts a repeat of a used-up code', {}, REPEAT, 0, 'again'],
      ['accepts a repeat within 10 minutes', {}, REPEAT, 599_999, 'again'],
      ['accepts a repeat of a code with uses left', { maxUses: 5 }, REPEAT, 0, 'again'],
      ['counts a use after 10 minutes', { maxUses: 5 }, REPEAT, 600_000, 'counted'],
      ['refuses a used-up code after 10 minutes', {}, REPEAT, 600_000, 'used_up'],
      ['counts a use for another key', { maxUses: 5 }, { ...REPEAT, redemptionHash: 'form 2' }, 0, 'counted'],
      ['counts a use without a key', { maxUses: 5, redemptionHash: null }, REDEEM, 0, 'counted'],
      ['refuses a repeat of a revoked code', { endReason: 'revoked', endedAt: NOW }, REPEAT, 0, 'revoked'],
      ['refuses a repeat of an expired code', { expiresAt: NOW }, REPEAT, 0, 'expired'],
      ['refuses a repeat of a suspended code', { suspendedAt: NOW }, REPEAT, 0, 'suspended'],
      ['refuses to validate a used-up code', {}, { ...REPEAT, redeem: false }, 0, 'used_up'],
    ])('%s', (_what, cause, attempt, afterMs, expected) => {
      const decision = decide({ code: { ...redeemed, ...cause } }, attempt, NOW + afterMs);
      const shown = {
        accepted: () => ('countUse' in decision && decision.countUse ? 'counted' : 'again'),
        refused: () => ('status' in decision ? decision.status : null),
        throttled: () => 'throttled',
      };
      expect(shown[decision.kind]()).toBe(expected);
    });
  });

  it('accepts nothing but an active code or a repeated redemption, and only while it is not throttled', () => {
    const times = fc.option(fc.constantFrom(NOW - 1, NOW, NOW + 1), { nil: null });
    const codes = fc.record({
      ...Object.fromEntries(Object.entries(ACTIVE).map(([key, value]) => [key, fc.constant(value)])),
      uses: fc.nat(2),
      maxUses: fc.constantFrom(null, 1, 2),
      deliveredAt: times,
      expiresAt: times,
      suspendedAt: times,
      endReason: fc.constantFrom(null, null, ...END_REASONS),
      redemptionHash: fc.constantFrom(null, 'form 1'),
      redeemedAt: times,
    });
    const failures = fc.constantFrom(NO_FAILURES, LOCKED);
    fc.assert(
      fc.property(codes, failures, fc.constantFrom(VALIDATE, REDEEM, REPEAT), (changed, counter, attempt) => {
        const code = { ...ACTIVE, ...changed };
        const decision = decideLogin({ ...FACTS, code, failures: counter }, attempt, NOW);
        const isOpen =
          code.endReason === null &&
          code.suspendedAt === null &&
          code.deliveredAt !== null &&
          counter !== LOCKED;
        const isCurrent = code.expiresAt === null || code.expiresAt > NOW;
        const hasUses = code.maxUses === null || code.uses < code.maxUses;
        const isRepeat = attempt === REPEAT && code.redemptionHash === 'form 1' && code.redeemedAt !== null;
        expect(decision.kind === 'accepted').toBe(isOpen && isCurrent && (hasUses || isRepeat));
      }),
      { numRuns: 3_000 },
    );
  });
});
