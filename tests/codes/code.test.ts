import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  decideIssue,
  END_REASONS,
  statusOf,
  type Code,
  type CodeStatus,
  type IssueLimits,
} from '../../src/codes/code.js';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;
const DAY = 86_400_000;

/** An active code of holder 1 for Alice that never expires. */
const ACTIVE: Code = {
  id: '1',
  guildId: '2',
  channelId: '3',
  holderId: '1',
  holderTag: 'alice',
  username: 'Alice',
  nameHash: 'alice',
  encryptedText: '',
  uses: 0,
  maxUses: null,
  issuedAt: NOW - 1_000,
  deliveredAt: NOW - 900,
  acknowledgedAt: NOW - 800,
  expiresAt: null,
  suspendedAt: null,
  endedAt: null,
  endReason: null,
};

/** What causes each status, in order of precedence. */
const CAUSES: readonly (readonly [CodeStatus, Partial<Code>])[] = [
  ...END_REASONS.map((endReason) => [endReason, { endReason, endedAt: NOW - 100 }] as const),
  ['expired', { expiresAt: NOW }],
  ['withdrawn', { deliveredAt: null, issuedAt: NOW - 30 * MINUTE - 1 }],
  ['suspended', { suspendedAt: NOW - 100 }],
  ['pending', { deliveredAt: null, issuedAt: NOW - 30 * MINUTE }],
  ['used_up', { uses: 3, maxUses: 3 }],
  ['active', {}],
];

describe('statusOf', () => {
  it.each(CAUSES)('returns %s for its cause, whatever weaker causes there are', (status, cause) => {
    const weaker = CAUSES.slice(CAUSES.findIndex(([, other]) => other === cause));
    for (const [, other] of weaker) expect(statusOf({ ...ACTIVE, ...other, ...cause }, NOW)).toBe(status);
  });
});

const LIMITS: IssueLimits = { codes: 3, withinMs: 10 * MINUTE, usernames: 2 };

/** A request of holder 1 for Alice. */
function decide(known: readonly Partial<Code>[], now = NOW) {
  const codes = known.map((code) => ({ ...ACTIVE, ...code }));
  return decideIssue(codes, { holderId: '1', nameHash: 'alice' }, LIMITS, now);
}

describe('decideIssue', () => {
  it.each(CAUSES)('gives others the username of a code that is %s, or not', (status, cause) => {
    const isFree = ['revoked', 'replaced', 'withdrawn'].includes(status);
    expect(decide([{ holderId: '2', ...cause }])).toEqual(isFree ? null : { refusal: 'taken' });
  });

  it('refuses a taken username before it mentions limits', () => {
    expect(decide([{ holderId: '2' }, {}, {}, {}])).toEqual({ refusal: 'taken' });
  });

  it('does not count codes from after now: the clock was set back', () => {
    const codes = [0, 1, DAY].map((ms) => ({ issuedAt: NOW + ms }));
    expect(decide(codes)).toBeNull();
    const now = { issuedAt: NOW };
    expect(decide([...codes, now, now])).toEqual({ refusal: 'tooManyCodes', until: NOW + LIMITS.withinMs });
  });

  it('never issues more codes within any interval than the limit', () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 6 * MINUTE }), { maxLength: 60, size: 'max' });
    fc.assert(
      fc.property(pauses, (script) => {
        const issued: Partial<Code>[] = [];
        let now = NOW;
        for (const pause of script) {
          now += pause;
          if (decide(issued, now) === null)
            issued.push({ issuedAt: now, endReason: 'replaced', endedAt: now });
        }
        for (const [index, { issuedAt = 0 }] of issued.entries()) {
          const later = issued[index + LIMITS.codes]?.issuedAt ?? Infinity;
          expect(later - issuedAt).toBeGreaterThanOrEqual(LIMITS.withinMs);
        }
      }),
    );
  });
});
