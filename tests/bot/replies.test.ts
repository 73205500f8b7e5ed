import fc from 'fast-check';
import { expect, it } from 'vitest';

import * as replies from '../../src/bot/replies.js';
import { generateCodeText, LONGEST_CODE } from '../../src/codes/code-text.js';
import type { Code } from '../../src/codes/code.js';
import { CODES_PER_PAGE } from '../../src/services/code-service.js';

const CODE: Code = {
  id: '1',
  guildId: '2',
  channelId: '3',
  holderId: '4',
  holderTag: 'alice',
  username: 'Alice',
  nameHash: '',
  encryptedText: '',
  uses: 0,
  maxUses: 1_000_000,
  issuedAt: 0,
  deliveredAt: 0,
  acknowledgedAt: 0,
  expiresAt: null,
  suspendedAt: null,
  endedAt: null,
  endReason: null,
};

it('quotes any text on one line, in code style and shortened', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (typed) => {
      for (const { content = '' } of [
        replies.usernameTaken(typed),
        replies.memberRevoked('4', { by: 'member', codes: [CODE], isFree: true }, typed),
        replies.codesRevoked(
          'x',
          { by: 'username', codes: [{ ...CODE, username: 'x' }], isFree: true },
          typed,
          '!codes',
        ),
        replies.codesRevoked(typed, { by: null, codes: [], isFree: false }, null, '!codes'),
      ]) {
        const quoted = content.split('`').filter((_, index) => index % 2 === 1);
        expect(content.split('`')).toHaveLength(2 * quoted.length + 1);
        for (const text of quoted) expect(text).toMatch(/^[^\n\p{C}]+$/u);
        expect(Array.from(content).length).toBeLessThan(250);
      }
    }),
  );
});

it('keeps a full page of the longest names within the limits of an embed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 37, maxLength: 37 }), (holderTag) => {
      const code = { ...CODE, holderTag, username: '_'.repeat(32), text: generateCodeText(LONGEST_CODE) };
      const codes = Array.from({ length: CODES_PER_PAGE }, () => code);
      const { title, description, footer, fields } = replies.codeList({
        total: 1_000_000,
        page: 1,
        pages: 100_000,
        codes,
        isUnused: false,
      });
      const texts = [title, description, footer ?? '', ...fields.flatMap(({ name, value }) => [name, value])];
      expect(texts.join('').length).toBeLessThanOrEqual(6_000);
      for (const { name, value } of fields) {
        expect(name.length).toBeLessThanOrEqual(256);
        expect(value.length).toBeLessThanOrEqual(1_024);
      }
    }),
  );
});

it('escapes all Markdown in a username', () => {
  const { embed } = replies.accessCode({ ...CODE, username: '*_~`|>#-.[]()<@1>:\\' }, 'ABCDEF', null);
  expect(embed?.fields[0]?.value).toBe(String.raw`\*\_\~\`\|\>\#\-\.\[\]\(\)\<\@1\>\:\\`);
});
