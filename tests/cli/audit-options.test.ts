import { describe, expect, it } from 'vitest';

import { parseOptions, type TypedOptions } from '../../src/cli/audit-options.js';
import { ProgramError } from '../../src/cli/program-error.js';

const NOW = Date.UTC(2026, 0, 31, 12);
const HOUR = 3_600_000;
const DEFAULTS = { since: 0, username: null, memberId: null, code: false, json: false };

/** Returns the message of the error that the options throw. */
function errorOf(typed: TypedOptions): string {
  try {
    parseOptions(typed, NOW);
  } catch (error) {
    expect(error).toBeInstanceOf(ProgramError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('The options were accepted');
}

describe('parseOptions', () => {
  it('matches everything without options', () => {
    expect(parseOptions({}, NOW)).toEqual(DEFAULTS);
  });

  it.each<[string, TypedOptions, object]>([
    ['--username', { username: 'Alice Smith' }, { username: { text: 'Alice Smith', key: 'alice smith' } }],
    ['--member', { member: '197038439483310086' }, { memberId: '197038439483310086' }],
    ['--member with a mention', { member: '<@197038439483310086>' }, { memberId: '197038439483310086' }],
    [
      '--member with an old mention',
      { member: '<@!197038439483310086>' },
      { memberId: '197038439483310086' },
    ],
    ['--code', { code: true, json: true }, { code: true, json: true }],
    ['--json', { json: true }, { json: true }],
  ])('reads %s', (_what, typed, expected) => {
    expect(parseOptions(typed, NOW)).toEqual({ ...DEFAULTS, ...expected });
  });

  it.each([
    ['90s', NOW - 90_000],
    ['5m', NOW - 300_000],
    ['24h', NOW - 24 * HOUR],
    ['7d', NOW - 7 * 24 * HOUR],
    ['2w', NOW - 14 * 24 * HOUR],
    ['2026-01-31', new Date(2026, 0, 31).getTime()],
    ['2026-01-31T12:00', new Date(2026, 0, 31, 12).getTime()],
    ['2026-01-31 12:00:05', new Date(2026, 0, 31, 12, 0, 5).getTime()],
    ['2026-01-31T12:00Z', NOW],
    ['2026-01-31T13:00+01:00', NOW],
    ['2026-01-31T12:00:00.001Z', NOW + 1],
    ['2024-02-29T00:00Z', Date.UTC(2024, 1, 29)],
  ])('reads --since %s', (typed, since) => {
    expect(parseOptions({ since: typed }, NOW)).toEqual({ ...DEFAULTS, since });
  });

  it.each([
    '',
    '24',
    '0h',
    '-1h',
    '1.5h',
    '24 h',
    '24H',
    '1y',
    'yesterday',
    '2026',
    '2026-1-31',
    '31.01.2026',
    '2026-13-01',
    '2026-01-31T25:00',
    '2026-01-31Z',
    '2026-01-31T12:00 CET',
    ' 24h',
  ])('rejects --since %j with examples', (typed) => {
    expect(errorOf({ since: typed })).toBe(
      '--since must be a duration or a date. Examples: 24h, 7d, 2026-01-31, 2026-01-31T12:00Z',
    );
  });

  it.each(['', '1', '1234567890123456', '123456789012345678901', '<@&197038439483310086>', 'alice'])(
    'rejects --member %j with an example',
    (typed) => {
      expect(errorOf({ member: typed })).toMatch(/^--member must be the id .* 197038439483310086$/);
    },
  );

  it.each(['', 'Al/ice', ' Alice', 'a'.repeat(33), 'a\nb'])('rejects --username %j', (typed) => {
    expect(errorOf({ username: typed })).toBe('--username must be a username that !getcode accepts.');
  });

  it('rejects a code in the arguments without quoting it, and names standard input', () => {
    expect(errorOf({ code: 'ABC234' })).toBe(
      '--code has no value, because other accounts can see arguments. Type the code when asked, or send it to standard input.',
    );
  });
});
