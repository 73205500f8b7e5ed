import { describe, expect, it } from 'vitest';

import { formatJson, formatTable } from '../../src/cli/audit-format.js';
import type { AuditRow } from '../../src/storage/audit.js';

const LISTED: AuditRow = {
  // Local time.
  at: new Date(2026, 0, 31, 12, 0, 5).getTime(),
  event: 'listed',
  codeId: null,
  guildId: '300000000000000001',
  holderId: null,
  actorId: '100000000000000009',
  reason: null,
  username: null,
};
const REVOKED: AuditRow = {
  at: new Date(2026, 1, 1, 0, 0, 0, 999).getTime(),
  event: 'revoked',
  codeId: '900000000000000001',
  guildId: '300000000000000001',
  holderId: '100000000000000002',
  actorId: null,
  reason: 'left the server',
  username: 'Alice Smith',
};

describe('formatTable', () => {
  it('prints a header and aligned columns without trailing spaces', () => {
    expect(formatTable([LISTED, REVOKED])).toBe(
      [
        'time                 event    holder id           by                  server id           code id             username     reason',
        '2026-01-31 12:00:05  listed                       100000000000000009  300000000000000001',
        '2026-02-01 00:00:00  revoked  100000000000000002                      300000000000000001  900000000000000001  Alice Smith  left the server',
        '',
      ].join('\n'),
    );
  });

  it('prints 150,000 rows', () => {
    const rows = Array.from({ length: 150_000 }, () => LISTED);
    expect(formatTable(rows).split('\n')).toHaveLength(150_002);
  });
});

describe('formatJson', () => {
  it('prints every field, the time in ISO 8601', () => {
    const lines = formatJson([LISTED, REVOKED]).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual(
      [LISTED, REVOKED].map((row) => ({ ...row, at: new Date(row.at).toISOString() })),
    );
  });

  it('prints nothing without rows', () => {
    expect(formatJson([])).toBe('');
  });
});

describe.each([
  ['the table', formatTable],
  ['JSON', formatJson],
])('%s', (_format, format) => {
  it.each([
    ['a line feed', '\n', '\\n|\\u000a'],
    ['an escape', '\u001B[2J', '\\u001b'],
    ['a control sequence of one character', '\u009B2J', '\\u009b'],
    ['a next line', '\u0085', '\\u0085'],
    ['a line separator', '\u2028', '\\u2028'],
    ['an override of direction', '\u202E', '\\u202e'],
    ['an invisible tag', '\u{E0041}', '\\udb40\\udc41'],
  ])('escapes %s', (_what, raw, escaped) => {
    for (const field of ['username', 'reason', 'holderId', 'actorId', 'guildId', 'codeId']) {
      const text = format([{ ...REVOKED, [field]: `a${raw}b` }]);
      expect(text).not.toContain(raw === '\n' ? 'a\nb' : raw);
      expect(escaped.split('|').some((form) => text.includes(`a${form}`))).toBe(true);
    }
  });
});

it('prints JSON that parses to the original text', () => {
  const username = 'a\u0085\u{E0041}\u202Eb\\';
  expect(JSON.parse(formatJson([{ ...REVOKED, username }]))).toMatchObject({ username });
});
