import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  decideIssue,
  END_REASONS,
  reserves,
  statusOf,
  usesLeft,
  type Code,
  type CodeStatus,
  type EndReason,
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

function ended(endReason: EndReason, endedAt = NOW - 100): Partial<Code> {
  return { endReason, endedAt };
}

/** What causes each status, in order of precedence. */
const CAUSES: readonly (readonly [CodeStatus, Partial<Code>])[] = [
  ['revoked', ended('revoked')],
  ['expired', { expiresAt: NOW }],
  ['suspended', { suspendedAt: NOW - 100 }],
  ['pending', { deliveredAt: null }],
  ['used_up', { uses: 3, maxUses: 3 }],
  ['active', {}],
];

describe('statusOf', () => {
  it.each(CAUSES)('returns %s for its cause', (status, cause) => {
    expect(statusOf({ ...ACTIVE, ...cause }, NOW)).toBe(status);
  });

  it.each(
    CAUSES.flatMap(([status, cause], index) =>
      CAUSES.slice(index + 1).map(([weaker, other]) => [status, weaker, { ...other, ...cause }] as const),
    ),
  )('returns %s before %s', (status, _weaker, causes) => {
    expect(statusOf({ ...ACTIVE, ...causes }, NOW)).toBe(status);
  });

  it.each(END_REASONS)('returns %s for a code that ended by it', (reason) => {
    expect(statusOf({ ...ACTIVE, ...ended(reason) }, NOW)).toBe(reason);
  });

  it.each<[number, CodeStatus]>([
    [-1, 'active'],
    [0, 'expired'],
    [1, 'expired'],
  ])('%i ms after the expiry returns %s', (offset, status) => {
    expect(statusOf({ ...ACTIVE, expiresAt: NOW }, NOW + offset)).toBe(status);
  });

  it('keeps a code expired that was marked so, after the clock was set back', () => {
    expect(statusOf({ ...ACTIVE, expiresAt: NOW, ...ended('expired', NOW) }, NOW - DAY)).toBe('expired');
  });

  it.each<[number, number | null, CodeStatus]>([
    [0, 1, 'active'],
    [2, 3, 'active'],
    [3, 3, 'used_up'],
    [4, 3, 'used_up'],
    [1_000_000, null, 'active'],
  ])('after %i of %s uses returns %s', (uses, maxUses, status) => {
    expect(statusOf({ ...ACTIVE, uses, maxUses }, NOW)).toBe(status);
  });
});

it.each<[number, number | null, number | null]>([
  [7, null, null],
  [0, 3, 3],
  [2, 3, 1],
  [3, 3, 0],
  [4, 3, 0],
])('usesLeft after %i of %s uses returns %s', (uses, maxUses, left) => {
  expect(usesLeft({ ...ACTIVE, uses, maxUses })).toBe(left);
});

describe('reserves', () => {
  it.each<[string, Partial<Code>, boolean]>([
    ['an active code', {}, true],
    ['a pending code', { deliveredAt: null }, true],
    ['a used-up code', { uses: 1, maxUses: 1 }, true],
    ['a suspended code', { suspendedAt: NOW }, true],
    ['a suspended pending code', { suspendedAt: NOW, deliveredAt: null }, true],
    ['a revoked code', ended('revoked'), false],
    ['a replaced code', ended('replaced'), false],
    ['a withdrawn code', { ...ended('withdrawn'), deliveredAt: null }, false],
    ['a code that expired just now', { expiresAt: NOW }, true],
    ['a code that expired 30 days ago less 1 ms', { expiresAt: NOW - 30 * DAY + 1 }, true],
    ['a code that expired 30 days ago', { expiresAt: NOW - 30 * DAY }, false],
    ['a code that was marked as expired 30 days ago', ended('expired', NOW - 30 * DAY), false],
    ['a code that expired before it was delivered', { expiresAt: NOW, deliveredAt: null }, false],
    ['a code whose holder left 30 days ago less 1 ms', ended('left', NOW - 30 * DAY + 1), true],
    ['a code whose holder left 30 days ago', ended('left', NOW - 30 * DAY), false],
    ['a pending code whose holder left', { ...ended('left'), deliveredAt: null }, false],
  ])('for %s', (_what, cause, expected) => {
    expect(reserves({ ...ACTIVE, ...cause }, NOW)).toBe(expected);
  });
});

const LIMITS: IssueLimits = { codes: 3, withinMs: 10 * MINUTE, usernames: 2 };

/** A request of holder 1 for Alice. */
function decide(known: readonly Partial<Code>[], limits: Partial<IssueLimits> = {}, now = NOW) {
  const codes = known.map((code) => ({ ...ACTIVE, ...code }));
  return decideIssue(codes, { holderId: '1', nameHash: 'alice' }, { ...LIMITS, ...limits }, now);
}

describe('decideIssue', () => {
  it('allows a first code', () => {
    expect(decide([])).toBeNull();
  });

  it("allows another code for the holder's own username", () => {
    expect(decide([{}, { nameHash: 'bob' }])).toBeNull();
  });

  it.each([
    ['the same username', { holderId: '2' }],
    ['a look-alike', { holderId: '2', nameHash: 'a1ice' }],
    ['a username that stays reserved', { holderId: '2', ...ended('left') }],
  ])('refuses while another member has %s', (_what, code) => {
    expect(decide([code])).toEqual({ refusal: 'taken' });
  });

  it('allows a username that another member no longer reserves', () => {
    expect(decide([{ holderId: '2', ...ended('revoked') }])).toBeNull();
  });

  it('refuses a taken username before it mentions limits', () => {
    expect(decide([{ holderId: '2' }, {}, {}, {}])).toEqual({ refusal: 'taken' });
  });

  it('refuses more codes than the limit until the first of them is old enough', () => {
    const codes = [1, 2, 3].map((minutes) => ({ issuedAt: NOW - minutes * MINUTE, ...ended('replaced') }));
    const until = NOW + 7 * MINUTE;
    expect(decide(codes)).toEqual({ refusal: 'tooManyCodes', until });
    expect(decide(codes, {}, until - 1)).toEqual({ refusal: 'tooManyCodes', until });
    expect(decide(codes, {}, until)).toBeNull();
  });

  it('counts revoked codes of every username, but none that was withdrawn', () => {
    const codes = [ended('revoked'), { ...ended('left'), nameHash: 'bob' }];
    expect(decide([...codes, ended('withdrawn')])).toBeNull();
    expect(decide([...codes, ended('revoked')])).toMatchObject({ refusal: 'tooManyCodes' });
  });

  it('does not count codes from after now: the clock was set back', () => {
    const codes = [0, 1, DAY].map((ms) => ({ issuedAt: NOW + ms }));
    expect(decide(codes)).toBeNull();
    const until = NOW + LIMITS.withinMs;
    const now = { issuedAt: NOW };
    expect(decide([...codes, now, now])).toEqual({ refusal: 'tooManyCodes', until });
  });

  it('names the usernames of a member who may have no more', () => {
    const held = [
      { username: 'Bob', nameHash: 'bob' },
      { username: 'Cat', nameHash: 'cat', ...ended('expired') },
    ];
    expect(decide(held)).toEqual({ refusal: 'tooManyUsernames', usernames: ['Bob', 'Cat'] });
    expect(decide(held, { usernames: 3 })).toBeNull();
  });

  it('refuses a username exactly while a code of another member reserves it', () => {
    const change = fc.oneof(
      fc.constantFrom<Partial<Code>>({ deliveredAt: null }, { suspendedAt: NOW }, { uses: 1, maxUses: 1 }),
      fc.record({ expiresAt: fc.integer({ min: NOW - 40 * DAY, max: NOW + DAY }) }),
      fc.record({
        endReason: fc.constantFrom(...END_REASONS),
        endedAt: fc.integer({ min: NOW - 40 * DAY, max: NOW }),
      }),
    );
    const codes = fc.array(fc.tuple(fc.constantFrom('1', '2'), change), { maxLength: 5 });
    fc.assert(
      fc.property(codes, (list) => {
        const known = list.map(([holderId, changed]) => ({ ...ACTIVE, holderId, ...changed }));
        const refusal = decide(known, { codes: 100 });
        const isTaken = known.some((code) => code.holderId === '2' && reserves(code, NOW));
        expect(refusal).toEqual(isTaken ? { refusal: 'taken' } : null);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never issues more codes within any interval than the limit', () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 6 * MINUTE }), { maxLength: 60 });
    fc.assert(
      fc.property(pauses, (script) => {
        const issued: Code[] = [];
        let now = NOW;
        for (const pause of script) {
          now += pause;
          const request = { holderId: '1', nameHash: 'alice' };
          if (decideIssue(issued, request, LIMITS, now) !== null) continue;
          issued.push({ ...ACTIVE, issuedAt: now, ...ended('replaced', now) });
        }
        for (const [index, { issuedAt }] of issued.entries()) {
          expect((issued[index + 3]?.issuedAt ?? Infinity) - issuedAt).toBeGreaterThanOrEqual(
            LIMITS.withinMs,
          );
        }
      }),
    );
  });
});
