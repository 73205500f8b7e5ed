import fc from 'fast-check';
import { expect, it } from 'vitest';

import { FloodGate } from '../../src/bot/flood-gate.js';
import type { MessageBody } from '../../src/bot/message.js';
import * as replies from '../../src/bot/replies.js';
import { Router } from '../../src/bot/router.js';
import { createCommands } from '../../src/commands/commands.js';
import { createLog } from '../../src/log.js';
import { openCodes } from '../support/codes.js';

const RUNS = 5_000;

/** Returns which of Discord's limits ("Message", "Embed Limits") a message breaks, or what it forges. */
function faultOf({ content = '', embed, mentions = [] }: MessageBody, authorId: string): string | null {
  if (content === '' && embed === undefined) return 'an empty message';
  if (Array.from(content).length > 2_000) return 'a long message';
  if (mentions.some((id) => id !== authorId)) return 'a ping of somebody else';
  if (/[\p{C}\p{Zl}\p{Zp}]/u.test(content)) return 'a forged line';
  if (content.split('`').length % 2 === 0) return 'an unclosed code span';
  if (embed === undefined) return null;
  const texts = [embed.title, embed.description, embed.footer ?? ''];
  for (const { name, value } of embed.fields) {
    if (name === '' || value === '' || name.length > 256 || value.length > 1_024) return 'a broken field';
    if (value.split('\n').length > 2) return 'a forged line in a field';
    texts.push(name, value);
  }
  return embed.fields.length > 25 || texts.join('').length > 6_000 ? 'a broken embed' : null;
}

const NAMES = ['Alice', 'ALICE', 'Аlice', 'ABCDEF', '1', '2', '"', '“Alice Smith”', '"Alice Smith"', 'a\nb'];
const MARKS = ['@everyone', '<@&1>', '<@123456789012345678>', '`x`', '**b**', '||s||', '\u202e', '😀'];

it(`replies to ${RUNS} random commands without an error, a foreign ping or a broken embed`, async () => {
  const { service: codes, deliveries, clock } = await openCodes();
  let logged = '';
  const log = createLog('error', { write: (line) => (logged += line) });
  const parts = { codes, deliveries, isAdministrator: async () => true, prefix: '!', websiteUrl: null, log };
  const router = new Router({
    commands: createCommands(parts),
    prefix: '!',
    codes,
    gate: new FloodGate(clock.read),
    log,
  });

  const word = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constantFrom(...MARKS),
    fc.constantFrom(...NAMES),
    fc.string({ maxLength: 2_000 }),
  );
  const command = fc.constantFrom('getcode', 'codes', 'revoke', 'help_chatroom', 'GetCode', 'x');
  const text = fc.tuple(command, fc.array(word, { maxLength: 3 }));
  const faults: string[] = [];
  let replied = 0;
  for (const [index, [name, words]] of fc.sample(text, { numRuns: RUNS, seed: 20_261_122 }).entries()) {
    const typed = `!${name} ${words.join(' ')}`;
    const authorId = String(100_000_000_000_000_000n + BigInt(index % 1_000));
    clock.advance(50);
    const reply = await router.handle({
      id: String(index),
      text: typed,
      channelId: 'c',
      guildId: index % 10 === 0 ? null : 'g',
      author: { id: authorId, tag: `tag${index % 1_000}` },
      authorIsAdministrator: index % 3 === 0,
      authorMayGetCodes: index % 7 !== 0,
    });
    if (reply === null) continue;
    replied += 1;
    if (reply.to === 'delivery') await deliveries.markDelivered(reply.code.id);
    const body =
      reply.to === 'delivery' ? replies.accessCode(reply.code, codes.textOf(reply.code), null) : reply.body;
    const fault = faultOf(body, authorId);
    if (fault !== null) faults.push(`${fault}: ${JSON.stringify(typed)}`);
  }
  expect(faults).toEqual([]);
  expect(logged).toBe('');
  expect(replied).toBeGreaterThan(RUNS / 2);
});
