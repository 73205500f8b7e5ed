import { expect, it } from 'vitest';

import { parseOptions, type TypedOptions } from '../../src/cli/audit-options.js';
import { ProgramError } from '../../src/cli/program-error.js';

const NOW = Date.UTC(2026, 0, 31, 12);
const HOUR = 3_600_000;
const DEFAULTS = { since: 0, username: null, memberId: null, code: false, json: false };
const ID = '197038439483310086';

/** Returns the message of the error that the options throw. */
function errorOf(typed: TypedOptions): string {
  try {
    parseOptions(typed, NOW);
  } catch (error) {
    if (error instanceof ProgramError) return error.message;
  }
  throw new Error(`Accepted: ${JSON.stringify(typed)}`);
}

it.each<[TypedOptions, object]>([
  [{}, {}],
  [{ username: 'Alice Smith' }, { username: { text: 'Alice Smith', key: 'alice smith' } }],
  [{ member: `<@!${ID}>` }, { memberId: ID }],
  [
    { code: true, json: true },
    { code: true, json: true },
  ],
  [{ since: '90s' }, { since: NOW - 90_000 }],
  [{ since: '5m' }, { since: NOW - 300_000 }],
  [{ since: '24h' }, { since: NOW - 24 * HOUR }],
  [{ since: '7d' }, { since: NOW - 7 * 24 * HOUR }],
  [{ since: '2w' }, { since: NOW - 14 * 24 * HOUR }],
  [{ since: '2026-01-31' }, { since: new Date(2026, 0, 31).getTime() }],
  [{ since: '2026-01-31T12:00' }, { since: new Date(2026, 0, 31, 12).getTime() }],
  [{ since: '2026-01-31 12:00:05' }, { since: new Date(2026, 0, 31, 12, 0, 5).getTime() }],
  [{ since: '2026-01-31T12:00Z' }, { since: NOW }],
  [{ since: '2026-01-31T13:00+01:00' }, { since: NOW }],
  [{ since: '2026-01-31T12:00:00.001Z' }, { since: NOW + 1 }],
  [{ since: '2024-02-29T00:00Z' }, { since: Date.UTC(2024, 1, 29) }],
])('reads the options %j', (typed, expected) => {
  expect(parseOptions(typed, NOW)).toEqual({ ...DEFAULTS, ...expected });
});

const DURATIONS = ['', '24', '0h', '-1h', '1.5h', '24 h', '24H', '1y', 'yesterday', ' 24h'];
const DATES = ['2026', '2026-1-31', '31.01.2026', '2026-13-01', '2026-01-31T25:00', '2026-01-31Z'];
it.each<[keyof TypedOptions, readonly string[], RegExp]>([
  ['since', [...DURATIONS, ...DATES, '2026-01-31T12:00 CET'], /^--since must be .* 24h, 7d, 2026-01-31, /],
  ['member', ['', '1', '1234567890123456', '123456789012345678901'], /^--member must be the id .*\d{17}$/],
  ['member', [`<@&${ID}>`, 'alice'], /^--member must be the id .*\d{17}$/],
  [
    'username',
    ['', 'Al/ice', ' Alice', 'a'.repeat(33), 'a\nb'],
    /^--username must be a username that !getcode/,
  ],
  ['code', ['ABC234'], /^--code has no value, because other accounts can see arguments\. Type the code when/],
])('rejects a wrong --%s without quoting it: %j', (option, values, message) => {
  for (const value of values)
    expect([value, errorOf({ [option]: value })]).toEqual([value, expect.stringMatching(message)]);
});
