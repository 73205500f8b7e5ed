import { describe, expect, it } from 'vitest';

import { statusOf, usesLeft, type Code, type CodeStatus } from '../../src/codes/code.js';

const NOW = Date.UTC(2026, 0, 1);

/** An active code without end. */
const ACTIVE: Code = {
  id: '1',
  guildId: '2',
  holderId: '3',
  holderTag: 'alice',
  username: 'Alice',
  issuedAt: NOW - 1_000,
  deliveredAt: NOW - 900,
  expiresAt: null,
  expiredAt: null,
  replacedAt: null,
  revokedAt: null,
  withdrawnAt: null,
  suspendedAt: null,
  uses: 0,
  maxUses: null,
};

/** What makes each status, in order of precedence. */
const CAUSES: readonly (readonly [CodeStatus, Partial<Code>])[] = [
  ['revoked', { revokedAt: NOW - 100 }],
  ['withdrawn', { withdrawnAt: NOW - 200 }],
  ['replaced', { replacedAt: NOW - 300 }],
  ['expired', { expiresAt: NOW }],
  ['suspended', { suspendedAt: NOW - 400 }],
  ['pending', { deliveredAt: null }],
  ['used_up', { uses: 3, maxUses: 3 }],
  ['active', {}],
];

describe('statusOf', () => {
  it.each(CAUSES)('is %s when nothing else happened', (status, cause) => {
    expect(statusOf({ ...ACTIVE, ...cause }, NOW)).toBe(status);
  });

  const pairs = CAUSES.flatMap(([status, cause], index) =>
    CAUSES.slice(index + 1).map(([weaker, other]) => [status, weaker, { ...other, ...cause }] as const),
  );

  it.each(pairs)('is %s rather than %s', (status, _weaker, causes) => {
    expect(statusOf({ ...ACTIVE, ...causes }, NOW)).toBe(status);
  });

  it.each<[string, number, CodeStatus]>([
    ['a millisecond before its expiry', -1, 'active'],
    ['in the millisecond of its expiry', 0, 'expired'],
    ['a millisecond after its expiry', 1, 'expired'],
  ])('%s: %i is %s', (_when, offset, status) => {
    expect(statusOf({ ...ACTIVE, expiresAt: NOW }, NOW + offset)).toBe(status);
  });

  it.each([
    ['a day before its expiry, by a clock that was set back', NOW + 86_400_000],
    ['without an expiry, which cannot be', null],
  ])('is expired for good once it was seen to be: %s', (_when, expiresAt) => {
    expect(statusOf({ ...ACTIVE, expiresAt, expiredAt: NOW + 86_400_000 }, NOW)).toBe('expired');
  });

  it.each<[number, number | null, CodeStatus]>([
    [0, 1, 'active'],
    [2, 3, 'active'],
    [3, 3, 'used_up'],
    [4, 3, 'used_up'],
    [1_000_000, null, 'active'],
  ])('after %i of %s uses is %s', (uses, maxUses, status) => {
    expect(statusOf({ ...ACTIVE, uses, maxUses }, NOW)).toBe(status);
  });
});

describe('usesLeft', () => {
  it.each<[number, number | null, number | null]>([
    [0, null, null],
    [7, null, null],
    [0, 3, 3],
    [2, 3, 1],
    [3, 3, 0],
    [4, 3, 0],
  ])('after %i of %s uses: %s', (uses, maxUses, left) => {
    expect(usesLeft({ ...ACTIVE, uses, maxUses })).toBe(left);
  });
});
