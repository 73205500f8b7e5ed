import fc from 'fast-check';
import { expect, it } from 'vitest';

import * as replies from '../../src/bot/replies.js';
import { generateCodeText, LONGEST_CODE } from '../../src/codes/code-text.js';
import type { Code } from '../../src/codes/code.js';
import { usernameFault } from '../../src/codes/username.js';
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

const REVOKED = { texts: [], codes: [CODE], isFree: true };

it('quotes any text on one line, in code style and shortened', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (typed) => {
      for (const { content = '' } of [
        replies.usernameTaken(typed),
        replies.codesRevoked({ memberId: '4' }, { ...REVOKED, by: 'member', reason: typed }, '!codes'),
        replies.codesRevoked({}, { ...REVOKED, by: 'username', reason: typed }, '!codes'),
        replies.codesRevoked({}, { ...REVOKED, by: 'code', texts: ['ABC234'], reason: typed }, '!codes'),
        replies.codesNotFound({ typed }, '!codes'),
        { content: replies.refusals.notMention(typed) },
        { content: replies.refusals.decorated(typed) },
      ]) {
        const quoted = content.split('`').filter((_, index) => index % 2 === 1);
        expect(content.split('`')).toHaveLength(2 * quoted.length + 1);
        for (const text of quoted) expect(text).toMatch(/^[^\n\p{C}]+$/u);
        expect(Array.from(content).length).toBeLessThan(300);
      }
    }),
  );
});

it('names at most ten of the codes that were revoked, and their number', () => {
  const texts = Array.from({ length: 200 }, () => generateCodeText(LONGEST_CODE));
  const codes = texts.map((text) => ({ ...CODE, username: text, nameHash: text }));
  const { content = '' } = replies.codesRevoked(
    {},
    { ...REVOKED, by: 'code', texts, codes, reason: null },
    '!codes',
  );
  expect(content.split(texts[9] ?? '')).toHaveLength(3);
  expect(content.match(/ and 190 more/g)).toHaveLength(2);
  expect(content.length).toBeLessThan(2_000);
});

it('names the character that a username cannot have, on one line and in code style', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 80 }), (typed) => {
      const fault = usernameFault(typed) ?? 'empty';
      const sentence = replies.refusals.invalidUsername(fault);
      expect(sentence).toMatch(
        /^❌ This username is not allowed: [^\n\p{C}]+\. A username has 1 to 32 characters/u,
      );
      expect(sentence.split('`').length % 2).toBe(1);
    }),
    { numRuns: 2_000 },
  );
});

it('keeps a full page of the longest names within the limits of an embed, and each name on one line', () => {
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
        expect(value).toMatch(
          /^Username: .*\nRequested by: [^\p{C}\p{Zl}\p{Zp}]+(?:\n(?:Status|Uses): [\w ]+)*$/u,
        );
      }
    }),
  );
});

it('escapes all Markdown in a username', () => {
  const { embed } = replies.accessCode({ ...CODE, username: '*_~`|>#-.[]()<@1>:\\' }, 'ABCDEF', null);
  expect(embed?.fields[0]?.value).toBe(String.raw`\*\_\~\`\|\>\#\-\.\[\]\(\)\<\@1\>\:\\`);
});

it('joins messages that differ in whom they mention, as long as they fit into one', () => {
  const ids = Array.from({ length: 100 }, (_, index) => String(10n ** 19n + BigInt(index)));
  const [a = '', b = ''] = ids;
  const both = replies.joinReplies(replies.codeSent(a), replies.codeSent(b));
  expect(both).toEqual({ content: `✅ Access code sent to <@${a}>, <@${b}> via DM!`, mentions: [a, b] });
  expect(replies.joinReplies(both ?? {}, replies.codeSent(b))).toBeNull();
  const differing = [replies.codeListSent(b), replies.help([]), replies.notYourButton()];
  for (const other of differing) expect(replies.joinReplies(replies.codeSent(a), other)).toBeNull();
  expect(replies.joinReplies(replies.help([]), replies.help([]))).toBeNull();
  for (const reply of [replies.codeSent, replies.codeNotSent.bind(null, 'delayed')]) {
    let joined = reply(a);
    let named = 1;
    for (const id of ids.slice(1)) {
      const next = replies.joinReplies(joined, reply(id));
      if (next === null) break;
      joined = next;
      named += 1;
    }
    expect(joined.content?.length).toBeLessThanOrEqual(2_000);
    expect([joined.mentions, named > 70]).toEqual([ids.slice(0, named), true]);
  }
});
