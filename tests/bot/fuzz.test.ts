import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';

import type { IncomingMessage, MessageBody, Reply } from '../../src/bot/message.js';
import { Router } from '../../src/bot/router.js';
import type { NewAnswer } from '../../src/codes/code-store.js';
import { createCommands } from '../../src/commands/commands.js';
import { createLog } from '../../src/log.js';
import { openCodes } from '../support/codes.js';

const RUNS = 100_000;

/** Discord's limits (documentation, "Message", "Embed Limits"), and what nobody may be able to forge. */
function faultOf({ content = '', embed, mention }: MessageBody, authorId: string): string | null {
  if (content === '' && embed === undefined) return 'an empty message';
  if (Array.from(content).length > 2_000) return 'a long message';
  if (mention !== undefined && mention !== authorId) return 'a ping of somebody else';
  if (/[\n\u202a-\u202e\u2066-\u2069]/.test(content)) return 'a forged line';
  if (embed === undefined) return null;
  const texts = [embed.title, embed.description, embed.footer ?? ''];
  for (const { name, value } of embed.fields) {
    if (name === '' || value === '' || name.length > 256 || value.length > 1_024) return 'a broken field';
    if (value.split('\n').length > 2) return 'a forged line in a field';
    texts.push(name, value);
  }
  return embed.fields.length > 25 || texts.join('').length > 6_000 ? 'a broken embed' : null;
}

it(`takes ${RUNS} strange commands and usernames with nothing uncaught, no ping and no broken embed`, async () => {
  // In memory where the machine has such a folder: each run commits.
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const folder = mkdtempSync(join(base, 'access-bot-fuzz-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { service, clock } = await openCodes({
    databasePath: join(folder, 'codes.db'),
    getcodeLimit: { codes: 1_000, spanMs: 1 },
    maxUsernamesPerMember: 100,
  });
  let logged = '';
  const log = createLog('error', { write: (line) => (logged += line) });
  const commands = createCommands({ codes: service, isAdministrator: async () => true, prefix: '!' });
  const pack = (_message: IncomingMessage, command: string, { to, body }: Reply): NewAnswer => ({
    command,
    channelId: 'c',
    authorId: 'a',
    to,
    sealedBody: JSON.stringify(body),
    owner: 'o',
    leasedUntil: 0,
  });
  const router = new Router({
    commands,
    prefix: '!',
    requests: service,
    outbox: { pack, keep: async () => undefined },
    log,
    clock: clock.read,
  });

  const strange = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.constantFrom(
      '@everyone',
      '@here',
      '<@&1>',
      '<@123456789012345678>',
      '`x`',
      '**b**',
      '||s||',
      '\u202e',
      '😀',
    ),
    fc.constantFrom(
      'Alice',
      'ALICE',
      'Аlice',
      'ABCDEF',
      '1',
      '2',
      '"',
      '“Alice Smith”',
      '"Alice Smith"',
      'a\nb',
    ),
    fc.string({ maxLength: 2_000 }),
  );
  const text = fc
    .tuple(
      fc.constantFrom('getcode', 'codes', 'revoke', 'help_chatroom', 'GetCode', 'x'),
      fc.array(strange, { maxLength: 3 }),
    )
    .map(([name, words]) => `!${name} ${words.join(' ')}`);
  const faults: string[] = [];
  let answered = 0;
  const judge = (typed: string, body: MessageBody, authorId: string): void => {
    answered += 1;
    const fault = faultOf(body, authorId);
    if (fault !== null) faults.push(`${fault}: ${JSON.stringify(typed)}`);
  };
  for (const [index, typed] of fc.sample(text, { numRuns: RUNS, seed: 20_261_122 }).entries()) {
    const authorId = String(100_000_000_000_000_000n + BigInt(index % 5_000));
    const answer = await router.handle({
      id: `m${index}`,
      text: typed,
      channelId: 'c',
      guildId: index % 10 === 0 ? null : 'g',
      author: { id: authorId, tag: `tag${index % 5_000}` },
      authorIsAdministrator: index % 3 === 0,
    });
    clock.advance(50);
    if (answer === null) continue;
    const { command: name, reply } = answer;
    judge(typed, reply.body, authorId);
    if (reply.to === 'channel') continue;
    const command = commands.find((one) => one.name === name);
    const told = await command?.afterwards?.(
      `m${index}`,
      index % 4 === 0 ? 'refused' : 'delivered',
      authorId,
    );
    if (told === undefined) faults.push(`no word to the channel: ${JSON.stringify(typed)}`);
    else judge(typed, told, authorId);
  }
  expect(faults).toEqual([]);
  expect(logged).toBe('');
  expect(answered).toBeGreaterThan(RUNS / 2);
});
