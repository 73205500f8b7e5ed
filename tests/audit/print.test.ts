import { describe, expect, it } from 'vitest';

import { formatJson, formatTable } from '../../src/audit/print.js';
import type { AuditRow } from '../../src/codes/code-store.js';

const LISTED: AuditRow = {
  // In whatever zone the tests run.
  at: new Date(2026, 0, 31, 12, 0, 5).getTime(),
  event: 'listed',
  codeId: null,
  nameHash: null,
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
  nameHash: 'hash',
  guildId: '300000000000000001',
  holderId: '100000000000000002',
  actorId: null,
  reason: 'left the server',
  username: 'Alice Smith',
};

/** What stands in the column `holder id`, by the columns of a terminal that shows `name` in `width`. */
function holderBehind(name: string, width: number): string {
  const [header = '', line = ''] = formatTable([{ ...REVOKED, username: name }]).split('\n');
  const shown = line.replace(name, '#'.repeat(width)).replace('\u200E', '');
  return shown.slice(header.indexOf('holder id')).split(' ')[0] ?? '';
}

describe('formatTable', () => {
  it('prints a header and aligned columns, without spaces at the end', () => {
    expect(formatTable([LISTED, REVOKED])).toBe(
      [
        'time                 event    username     holder id           by                  server id           code id             reason',
        '2026-01-31 12:00:05  listed                                    100000000000000009  300000000000000001',
        '2026-02-01 00:00:00  revoked  Alice Smith  100000000000000002                      300000000000000001  900000000000000001  left the server',
        '',
      ].join('\n'),
    );
  });

  it.each([
    ['Latin', 'Zoë', 3],
    ['Chinese', '愛麗絲小姐', 10],
    ['Japanese', 'アリス', 6],
    ['Korean', '앨리스', 6],
    ['Thai, with marks that take no column', 'กุ้งผัด', 4],
  ])('aligns what stands behind a name: %s', (_script, name, width) => {
    expect(holderBehind(name, width)).toBe(REVOKED.holderId);
  });

  it.each([
    ['Arabic', 'أليس'],
    ['Hebrew', 'אליס'],
  ])('ends the direction of a name in %s', (_script, name) => {
    expect(formatTable([{ ...REVOKED, username: name }])).toContain(`${name}\u200E `);
    expect(holderBehind(name, 4)).toBe(REVOKED.holderId);
  });

  it('prints more rows than a call can have arguments', () => {
    const rows = Array.from({ length: 150_000 }, () => LISTED);
    expect(formatTable(rows).split('\n')).toHaveLength(150_002);
  });
});

describe('formatJson', () => {
  it('prints every field, with the time as ISO text', () => {
    const lines = formatJson([LISTED, REVOKED]).split('\n');
    expect(lines.pop()).toBe('');
    expect(lines.map((line): unknown => JSON.parse(line))).toEqual(
      [LISTED, REVOKED].map((row) => ({ ...row, at: new Date(row.at).toISOString() })),
    );
  });

  it('prints nothing for nothing', () => {
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
  ])('shows %s in a text as an escape', (_what, raw, escaped) => {
    for (const field of ['username', 'reason', 'holderId', 'actorId', 'guildId', 'codeId']) {
      const text = format([{ ...REVOKED, [field]: `a${raw}b` }]);
      expect(text).not.toContain(raw === '\n' ? 'a\nb' : raw);
      expect(escaped.split('|').some((form) => text.includes(`a${form}`))).toBe(true);
    }
  });
});

it('leaves JSON that it escapes readable', () => {
  const username = 'a\u0085\u{E0041}\u202Eb\\';
  expect(JSON.parse(formatJson([{ ...REVOKED, username }]))).toMatchObject({ username });
});
