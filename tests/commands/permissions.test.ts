import { expect, it } from 'vitest';

import type { StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { startBot, summarize, type TestBot } from '../support/bot.js';

/** Everybody who may turn up, and how they come to be that. */
const ACTORS = {
  member: ({ server }: TestBot) => server.alice,
  administrator: ({ server }: TestBot) => server.admin,
  owner: ({ server }: TestBot) => server.owner,
  'former administrator': ({ server }: TestBot) => {
    server.discord.setAdministrator(server.guild, server.admin, false);
    return server.admin;
  },
  'administrator of another server': ({ server }: TestBot) => {
    server.discord.addGuild('Elsewhere', server.alice);
    return server.alice;
  },
  bot: ({ server }: TestBot) => {
    const robot = server.discord.addUser('robot', { bot: true });
    server.discord.join(server.guild, robot);
    server.discord.setAdministrator(server.guild, robot, true);
    return robot;
  },
  webhook: ({ server }: TestBot) => server.admin,
} as const;

type Actor = keyof typeof ACTORS;

const COMMANDS = [
  '!help_chatroom',
  '!getcode mine',
  '!getcode bob',
  '!codes',
  '!revoke',
  '!revoke bob',
] as const;

/** What comes of a command: in which channel, and whether something came by direct message. */
type Outcome =
  | 'help'
  | 'code'
  | 'taken'
  | 'list'
  | 'missing'
  | 'revoked'
  | 'no permission'
  | 'not here'
  | 'silence';

const MEMBER: readonly Outcome[] = [
  'help',
  'code',
  'taken',
  'no permission',
  'no permission',
  'no permission',
];
const ADMINISTRATOR: readonly Outcome[] = ['help', 'code', 'taken', 'list', 'missing', 'revoked'];
const IN_PRIVATE: readonly Outcome[] = [
  'help',
  'not here',
  'not here',
  'no permission',
  'no permission',
  'no permission',
];
const NOBODY: readonly Outcome[] = COMMANDS.map(() => 'silence');

/** Who gets what for each of the commands, in a channel, in a thread and in a direct message. */
const TABLE: readonly (readonly [Actor, 'general' | 'thread' | 'dm', readonly Outcome[]])[] = [
  ['member', 'general', MEMBER],
  ['member', 'thread', MEMBER],
  ['member', 'dm', IN_PRIVATE],
  ['administrator', 'general', ADMINISTRATOR],
  ['administrator', 'thread', ADMINISTRATOR],
  ['administrator', 'dm', IN_PRIVATE],
  ['owner', 'general', ADMINISTRATOR],
  ['owner', 'thread', ADMINISTRATOR],
  ['owner', 'dm', IN_PRIVATE],
  ['former administrator', 'general', MEMBER],
  ['former administrator', 'thread', MEMBER],
  ['former administrator', 'dm', IN_PRIVATE],
  ['administrator of another server', 'general', MEMBER],
  ['administrator of another server', 'thread', MEMBER],
  ['administrator of another server', 'dm', IN_PRIVATE],
  ['bot', 'general', NOBODY],
  ['bot', 'thread', NOBODY],
  ['webhook', 'general', NOBODY],
  ['webhook', 'thread', NOBODY],
];

const SENTENCES: Readonly<Record<Outcome, readonly RegExp[]>> = {
  help: [/^HERE \[🤖 Chat Room Bot Commands\]$/],
  code: [/^PRIVATE \[🎫 Your Chat Room Access Code\]$/, /^HERE ✅ Access code sent to <@\d+> via DM!$/],
  taken: [/^HERE ❌ The username `bob` is taken\./],
  list: [/^PRIVATE \[📋 Active Access Codes\]$/, /^HERE 📋 List of access codes sent to <@\d+> via DM!$/],
  missing: [/^HERE ❌ Missing argument! Use `!help_chatroom` for command usage\.$/],
  revoked: [/^HERE ✅ 1 access code for user `bob` has been revoked\.$/],
  'no permission': [/^HERE ❌ You don't have permission to use this command!$/],
  'not here': [/^HERE ❌ Please use this command in a channel of the server, not in a direct message\.$/],
  silence: [],
};

it.each(TABLE)('gives the %s in %s what is theirs', async (kind, place, outcomes) => {
  const bot = await startBot();
  const { server, getCode, settled, clock } = bot;
  await getCode(server.bob, 'bob');
  const actor: StandInUser = ACTORS[kind](bot);
  await settled();
  const here = place === 'dm' ? actor : server[place];

  for (const [index, text] of COMMANDS.entries()) {
    server.heard();
    clock.advance(10_000);
    server.discord.say(here, actor, text, { webhook: kind === 'webhook' });
    await settled();
    const heard = summarize(server.heard()).map((line) => {
      const [where = '', ...rest] = line.split(' ');
      const channel = where === (place === 'dm' ? `@${actor.username}` : `#${place}`);
      return [channel ? 'HERE' : where === `@${actor.username}` ? 'PRIVATE' : where, ...rest].join(' ');
    });
    const outcome = outcomes[index] ?? 'silence';
    expect({ text, heard }).toEqual({
      text,
      heard: SENTENCES[outcome].map((sentence) => expect.stringMatching(sentence)),
    });
  }
});

it('hears nobody who is not a member, and gives them no code by direct message', async () => {
  const { server, say } = await startBot();
  const stranger = server.discord.addUser('stranger');
  expect(() => server.discord.say(server.general, stranger, '!getcode x')).toThrow('stranger');
  const elsewhere = server.discord.addGuild('Elsewhere', stranger);
  server.discord.addChannel(elsewhere, 'lobby');
  expect(summarize(await say(stranger, stranger, '!getcode x'))).toEqual([
    expect.stringContaining('Please use this command in a channel of the server'),
  ]);
});
