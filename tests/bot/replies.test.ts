import fc from 'fast-check';
import { expect, it } from 'vitest';

import * as replies from '../../src/bot/replies.js';
import { CODES_PER_PAGE } from '../../src/codes/code-service.js';
import { generateCodeText, LONGEST_CODE } from '../../src/codes/code-text.js';

const anything = fc.string({ unit: 'binary', maxLength: 300 });

it('keeps whatever is quoted inside its code style, on one line, and short', () => {
  fc.assert(
    fc.property(anything, (typed) => {
      for (const { content = '' } of [
        replies.usernameTaken(typed),
        replies.revoked(typed, { by: null, codes: [] }),
      ]) {
        expect(content.split('`')).toHaveLength(3);
        expect(content.split('`')[1]).toMatch(/^[^\n\p{C}]+$/u);
        expect(Array.from(content).length).toBeLessThan(200);
      }
    }),
  );
});

it('fits a full page of the longest names into Discord’s limits', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 37, maxLength: 37 }), (holderTag) => {
      const code = {
        id: '1',
        guildId: '2',
        holderId: '3',
        holderTag,
        username: '_'.repeat(32),
        uses: 0,
        maxUses: null,
        issuedAt: 0,
        deliveredAt: 0,
        expiresAt: null,
        expiredAt: null,
        replacedAt: null,
        revokedAt: null,
        withdrawnAt: null,
        suspendedAt: null,
        text: generateCodeText(LONGEST_CODE),
      };
      const codes = Array.from({ length: CODES_PER_PAGE }, () => code);
      const embed = replies.codeList({ total: 1_000_000, page: 1, pages: 100_000, offset: 0, codes });
      const texts = [
        embed.title,
        embed.description,
        embed.footer ?? '',
        ...embed.fields.flatMap(({ name, value }) => [name, value]),
      ];
      expect(texts.join('').length).toBeLessThanOrEqual(6_000);
      for (const { name, value } of embed.fields) {
        expect(name.length).toBeLessThanOrEqual(256);
        expect(value.length).toBeLessThanOrEqual(1_024);
      }
    }),
  );
});

it('escapes every mark that Discord formats', () => {
  const { embed } = replies.accessCode({
    id: '1',
    username: '*_~`|>#-.[]()<@1>:\\',
    text: 'ABCDEF',
    expiresAt: null,
  });
  expect(embed?.fields[0]?.value).toBe(String.raw`\*\_\~\`\|\>\#\-\.\[\]\(\)\<\@1\>\:\\`);
});
