import { expect, it } from 'vitest';

import type { StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { startBot, summarize, type TestBot } from '../support/bot.js';

const HELP = /^HERE \[🤖 Chat Room Bot Commands\]$/;
const CODE = [/^DM \[🎫 Your Chat Room Access Code\]$/, /^HERE ✅ Access code sent to <@\d+> via DM!$/];
const TAKEN = /^HERE ❌ The username `bob`, or one that looks like it, belongs to another member\./;
const LIST = [/^DM \[📋 Active Access Codes\]$/, /^HERE 📋 List of access codes sent to <@\d+> via DM!$/];
const MISSING = /^HERE ❌ Missing argument! Use `!help_chatroom` for command usage\.$/;
const REVOKED = /^HERE ✅ 1 access code for user `bob` has been revoked\. The username is free again\.$/;
const FORBIDDEN = /^HERE ❌ You don't have permission to use this command!$/;
const NOT_IN_DM = /^HERE ❌ Please use this command in a channel of the server, not in a direct message\.$/;

const COMMANDS = [
  '!help_chatroom',
  '!getcode mine',
  '!getcode bob',
  '!codes',
  '!revoke',
  '!revoke bob',
] as const;
type Outcomes = readonly (RegExp | readonly RegExp[])[];
const MEMBER: Outcomes = [HELP, CODE, TAKEN, FORBIDDEN, FORBIDDEN, FORBIDDEN];
const ADMINISTRATOR: Outcomes = [HELP, CODE, TAKEN, LIST, MISSING, REVOKED];
const BY_DM: Outcomes = [HELP, NOT_IN_DM, NOT_IN_DM, FORBIDDEN, FORBIDDEN, FORBIDDEN];
const IGNORED: Outcomes = COMMANDS.map(() => []);

/** Who types, how to find or make them, and the outcomes in a channel or thread. */
const AUTHORS: readonly (readonly [string, (bot: TestBot) => StandInUser, Outcomes])[] = [
  ['a member', ({ server }) => server.alice, MEMBER],
  ['an administrator', ({ server }) => server.admin, ADMINISTRATOR],
  ['the owner', ({ server }) => server.owner, ADMINISTRATOR],
  ['a former administrator', formerAdministrator, MEMBER],
  ['an administrator of another server', administratorElsewhere, MEMBER],
  ['a bot', robot, IGNORED],
  ['a webhook', ({ server }) => server.admin, IGNORED],
];

function formerAdministrator({ server }: TestBot): StandInUser {
  server.discord.setAdministrator(server.guild, server.admin, false);
  return server.admin;
}

function administratorElsewhere({ server }: TestBot): StandInUser {
  server.discord.addGuild('Elsewhere', server.alice);
  return server.alice;
}

function robot({ server }: TestBot): StandInUser {
  const user = server.discord.addUser('robot', { bot: true });
  server.discord.join(server.guild, user);
  server.discord.setAdministrator(server.guild, user, true);
  return user;
}

const CASES = AUTHORS.flatMap(([name, authorIn, inServer]) => [
  { name, place: 'general' as const, authorIn, outcomes: inServer },
  { name, place: 'thread' as const, authorIn, outcomes: inServer },
  ...(inServer === IGNORED ? [] : [{ name, place: 'dm' as const, authorIn, outcomes: BY_DM }]),
]);

it.each(CASES)(
  'runs or refuses each command of $name in $place',
  async ({ name, place, authorIn, outcomes }) => {
    const bot = await startBot();
    const { server, getCode, settled, clock } = bot;
    await getCode(server.bob, 'bob');
    const author = authorIn(bot);
    await settled();
    const [here, prefix] = place === 'dm' ? [author, `@${author.username} `] : [server[place], `#${place} `];

    for (const [index, text] of COMMANDS.entries()) {
      server.takeSaid();
      clock.advance(10_000);
      server.discord.say(here, author, text, { webhook: name === 'a webhook' });
      await settled();
      const lines = summarize(server.takeSaid()).map((line) =>
        line.replace(prefix, 'HERE ').replace(`@${author.username} `, 'DM '),
      );
      const expected = [outcomes[index] ?? []].flat().map((line) => expect.stringMatching(line));
      expect({ text, lines }).toEqual({ text, lines: expected });
    }
  },
);

it('issues no code to a stranger who asks by DM', async () => {
  const { server, say } = await startBot();
  const stranger = server.discord.addUser('stranger');
  server.discord.addGuild('Elsewhere', stranger);
  expect(summarize(await say(stranger, stranger, '!getcode x'))).toEqual([
    expect.stringContaining('Please use this command in a channel of the server'),
  ]);
});
