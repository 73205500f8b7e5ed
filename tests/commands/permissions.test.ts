import { expect, it } from 'vitest';

import type { StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { startBot, summarize, TestServer, type TestBot } from '../support/bot.js';

const HELP = /^HERE \[🤖 Chat Room Bot Commands\]$/;
const CODE = [/^DM \[🎫 Your Chat Room Access Code\]$/, /^HERE ✅ Access code sent to <@\d+> via DM!$/];
const TAKEN = /^HERE ❌ The username `bob`, or one that looks like it, belongs to another member\./;
const LIST = [/^DM \[📋 Active Access Codes\]$/, /^HERE 📋 List of access codes sent to <@\d+> via DM!$/];
const MISSING = /^HERE ❌ Missing argument! Use `!help_chatroom` for command usage\.$/;
const REVOKED = /^HERE ✅ 1 access code for user `bob` has been revoked\. The username is free again\.$/;
const FORBIDDEN = /^HERE ❌ You don't have permission to use this command!$/;
const NO_ROLE =
  /^HERE ❌ You need another role to get an access code\. Please ask an administrator of this server for it\.$/;
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
const WITHOUT_ROLE: Outcomes = [HELP, NO_ROLE, NO_ROLE, FORBIDDEN, FORBIDDEN, FORBIDDEN];
const WITHOUT_CODES: Outcomes = [HELP, NO_ROLE, NO_ROLE, LIST, MISSING, REVOKED];
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

/** The same with ADMIN_ROLE_IDS and GETCODE_ROLE_IDS. */
const WITH_ROLES: typeof AUTHORS = [
  ['a member without a role', ({ server }) => server.alice, WITHOUT_ROLE],
  ['a member with a role for codes', withRoles('Player'), MEMBER],
  ['a member with a role of administrators', withRoles('Moderator'), WITHOUT_CODES],
  ['a member with both roles', withRoles('Moderator', 'Player'), ADMINISTRATOR],
  ['an administrator without a role', ({ server }) => server.admin, WITHOUT_CODES],
  ['a member who lost both roles', formerModerator, WITHOUT_ROLE],
];

function withRoles(...names: readonly string[]) {
  return ({ server: { discord, guild, alice } }: TestBot): StandInUser => {
    for (const role of guild.otherRoles) discord.setRole(guild, alice, role, names.includes(role.name));
    return alice;
  };
}

function formerModerator(bot: TestBot): StandInUser {
  withRoles('Moderator', 'Player')(bot);
  bot.server.discord.say(bot.server.general, bot.server.alice, 'hello');
  return withRoles()(bot);
}

/** A bot with the roles Moderator, which administers, and Player, which gets codes. Bob is a player. */
async function startWithRoles(): Promise<TestBot> {
  const server = await TestServer.start();
  const { discord, guild } = server;
  const moderator = discord.addRole(guild, 'Moderator');
  const player = discord.addRole(guild, 'Player');
  discord.setRole(guild, server.bob, player);
  const settings = {
    ADMIN_ROLE_IDS: `111111111111111111, ${moderator.id}`,
    GETCODE_ROLE_IDS: `${player.id},111111111111111111`,
  };
  return startBot({ server, settings });
}

const CASES = [...AUTHORS, ...WITH_ROLES].flatMap(([name, authorIn, inServer], index) => {
  const start = index < AUTHORS.length ? startBot : startWithRoles;
  return [
    { name, start, place: 'general' as const, authorIn, outcomes: inServer },
    { name, start, place: 'thread' as const, authorIn, outcomes: inServer },
    ...(inServer === IGNORED ? [] : [{ name, start, place: 'dm' as const, authorIn, outcomes: BY_DM }]),
  ];
});

it.each(CASES)(
  'runs or refuses each command of $name in $place',
  async ({ name, start, place, authorIn, outcomes }) => {
    const bot = await start();
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

it.each([
  ['!getcode', NO_ROLE],
  ['!getcode a b', NO_ROLE],
  ['!codes x', FORBIDDEN],
  ['!revoke', FORBIDDEN],
])('checks the role before the arguments of %s', async (text, refusal) => {
  const bot = await startWithRoles();
  const said = summarize(await bot.say(bot.server.general, bot.server.alice, text));
  expect(said.map((line) => line.replace('#general', 'HERE'))).toEqual([expect.stringMatching(refusal)]);
});

it('does not count @everyone as a role', async () => {
  const server = await TestServer.start();
  const settings = { ADMIN_ROLE_IDS: server.guild.id, GETCODE_ROLE_IDS: server.guild.id };
  const { say } = await startBot({ server, settings });
  for (const text of ['!getcode Alice', '!codes']) {
    const said = summarize(await say(server.general, server.alice, text));
    expect(said).toEqual([expect.stringMatching(/❌ You (?:need another role|don't have permission)/)]);
  }
});

it('turns pages for a member with a role of administrators until they lose it', async () => {
  const bot = await startWithRoles();
  const { server, getCode, say } = bot;
  for (let n = 0; n < 11; n++) await getCode(server.bob, `bob${n}`);
  const moderator = withRoles('Moderator')(bot);
  await say(server.general, moderator, '!codes');
  const next = await server.discord.pressButton(moderator, 'Next');
  expect(next.message.embeds[0]?.footer?.text).toBe('Showing 11-11 of 11 codes');
  withRoles()(bot);
  const { message } = await server.discord.pressButton(moderator, 'Previous');
  expect(`HERE ${message.content}`).toMatch(FORBIDDEN);
});

it('shows a code to its holder who lost the role', async () => {
  const bot = await startWithRoles();
  const { discord, general, alice } = bot.server;
  withRoles('Player')(bot);
  discord.setDirectMessages(alice, 'closed');
  await bot.say(general, alice, '!getcode Alice');
  withRoles()(bot);
  const { message } = await discord.pressButton(alice, 'Show my code');
  expect(await bot.logIn('Alice', message.content)).toBe('valid');
});
