import { expect, it } from 'vitest';

import { startBot, summarize, TestServer, twoServers } from '../support/bot.js';

const ABC = 'ABCDEF';
const CODE = /^[A-HJ-NP-Z2-9]{6}$/;
const NO_PERMISSION = "❌ You don't have permission to use this command!";

it('sends the code by direct message and tells the channel, pinging the asker alone', async () => {
  const { server, say } = await startBot();
  const said = await say(server.general, server.alice, '!getcode Alice');

  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  const [direct, channel] = said;
  const code = direct?.message.content ?? '';
  expect(code).toMatch(CODE);
  expect(direct?.message.embeds).toEqual([
    {
      type: 'rich',
      title: '🎫 Your Chat Room Access Code',
      description: 'Use this code to log into the chat room!',
      color: 0x2ecc71,
      fields: [
        { name: 'Username', value: 'Alice', inline: false },
        { name: 'Access Code', value: `**${code}**`, inline: false },
        { name: 'Valid Until', value: 'This code never expires', inline: false },
      ],
      footer: { text: 'Keep this code private!' },
    },
  ]);
  expect(channel?.message.content).toBe(`✅ Access code sent to <@${server.alice.id}> via DM!`);
  expect(channel?.message.pings).toEqual({ everyone: false, users: [server.alice.id], roles: [] });
});

it('shows when a code ends in Discord’s own markup', async () => {
  const { server, say, clock } = await startBot({ settings: { CODE_TTL: '24h' } });
  const [direct] = await say(server.general, server.alice, '!getcode Alice');
  const seconds = (clock.now + 86_400_000) / 1_000;
  expect(direct?.message.embeds[0]?.fields?.[2]?.value).toBe(`<t:${seconds}:F> (<t:${seconds}:R>)`);
});

it.each([
  ['no username', '!getcode', '❌ Please provide a username! Usage: `!getcode <username>`'],
  [
    'two words',
    '!getcode Alice Smith',
    '❌ A username with a space in it needs quotation marks: `!getcode "Alice Smith"`',
  ],
  [
    'an open quote',
    '!getcode "Alice Smith',
    '❌ Quotation marks come in pairs: one right before the username and one right after it.',
  ],
  [
    'an unusable username',
    '!getcode @everyone',
    '❌ A username has 1 to 32 characters: letters, digits, `_`, `-` and `.`, with single spaces inside. Please choose another.',
  ],
  [
    'an empty username',
    '!getcode ""',
    '❌ A username has 1 to 32 characters: letters, digits, `_`, `-` and `.`, with single spaces inside. Please choose another.',
  ],
])('answers %s with a sentence and issues nothing', async (_, text, sentence) => {
  const { server, say } = await startBot();
  expect(summarize(await say(server.general, server.alice, text))).toEqual([`#general ${sentence}`]);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([
    '#general 📝 No access codes have been generated yet.',
  ]);
});

it.each([
  ['straight quotes', '!getcode "Alice Smith"', 'Alice Smith'],
  ['typographic quotes', '!getcode “Alice Smith”', 'Alice Smith'],
  ['low opening quotes', '!getcode „Alice Smith“', 'Alice Smith'],
  ['another case and more space', '!GetCode    Alice', 'Alice'],
  ['a line break', '!getcode\nAlice', 'Alice'],
  ['marks that Discord formats', '!getcode _a_', String.raw`\_a\_`],
])('takes %s', async (_, text, shown) => {
  const { server, say } = await startBot();
  const [direct] = await say(server.general, server.alice, text);
  expect(direct?.message.embeds[0]?.fields?.[0]?.value).toBe(shown);
});

it('refuses a username that somebody else holds, in whatever case, and in whichever server', async () => {
  const { lobby, ...two } = await twoServers();
  const { server, say, getCode } = await startBot(two);
  await getCode(server.alice, 'Alice');
  expect(summarize(await say(server.general, server.bob, '!getcode aLICE'))).toEqual([
    '#general ❌ The username `aLICE` is taken. Please choose another, or ask an administrator of this server.',
  ]);

  const said = await say(lobby, server.bob, '!getcode alice');
  expect(said).toHaveLength(1);
  expect(said[0]?.message.content).toContain('is taken');
});

it('replaces a code only when the newer one was delivered', async () => {
  const { server, say, getCode } = await startBot();
  const first = await getCode(server.alice, 'Alice');
  server.discord.setDirectMessages(server.alice, 'closed');
  await say(server.general, server.alice, '!getcode Alice');
  expect(await listed()).toEqual([`Code: ${first}`]);

  server.discord.setDirectMessages(server.alice, 'open');
  const second = await getCode(server.alice, 'alice');
  expect(await listed()).toEqual([`Code: ${second}`]);

  async function listed(): Promise<unknown> {
    const [direct] = await say(server.general, server.admin, '!codes');
    return direct?.message.embeds[0]?.fields?.map(({ name }) => name);
  }
});

it('lists the codes by direct message, ten a page, with buttons to turn the pages', async () => {
  const { server, say, getCode, settled } = await startBot();
  const codes: string[] = [];
  for (let number = 1; number <= 21; number++) codes.push(await getCode(server.alice, `user_${number}`));

  const said = await say(server.general, server.admin, '!codes');
  expect(summarize(said)).toEqual([
    '@admin [📋 Active Access Codes]',
    `#general 📋 List of access codes sent to <@${server.admin.id}> via DM!`,
  ]);
  const list = said[0]?.message;
  if (list === undefined) throw new Error('no list');
  expect(list.embeds[0]).toMatchObject({
    description: 'Total codes: 21',
    color: 0x3498db,
    footer: { text: 'Showing 1-10 of 21 codes' },
  });
  expect(list.embeds[0]?.fields?.[0]).toEqual({
    name: `Code: ${codes[0]}`,
    value: 'Username: user\\_1\nRequested by: alice',
    inline: false,
  });
  expect(buttons()).toEqual(['(Previous)', 'Next']);

  await press('Next');
  expect(list.embeds[0]?.footer?.text).toBe('Showing 11-20 of 21 codes');
  expect(list.embeds[0]?.fields?.map(({ name }) => name)).toEqual(
    codes.slice(10, 20).map((code) => `Code: ${code}`),
  );
  expect(buttons()).toEqual(['Previous', 'Next']);
  await press('Next');
  expect(list.embeds[0]?.footer?.text).toBe('Showing 21-21 of 21 codes');
  expect(buttons()).toEqual(['Previous', '(Next)']);

  const [second] = await say(server.general, server.admin, '!codes 2');
  expect(second?.message.embeds[0]?.footer?.text).toBe('Showing 11-20 of 21 codes');
  const [beyond] = await say(server.general, server.admin, '!codes 99');
  expect(beyond?.message.embeds[0]?.footer?.text).toBe('Showing 21-21 of 21 codes');

  function buttons(): string[] {
    const all = list?.components.flatMap(({ components }) => components) ?? [];
    return all.map(({ label = '', disabled }) => (disabled ? `(${label})` : label));
  }

  async function press(label: string): Promise<void> {
    const all = list?.components.flatMap(({ components }) => components) ?? [];
    const id = all.find((button) => button.label === label)?.custom_id;
    if (list === undefined || id === undefined) throw new Error(`no button ${label}`);
    await server.discord.press(list, id, server.admin);
    await settled();
  }
});

it('shows no page to somebody who is no administrator any more', async () => {
  const { server, say, getCode, settled } = await startBot();
  for (let number = 1; number <= 11; number++) await getCode(server.alice, `user_${number}`);
  const [list] = await say(server.general, server.admin, '!codes');
  const id = list?.message.components[0]?.components[1]?.custom_id;
  if (list === undefined || id === undefined) throw new Error('no list');

  server.discord.setAdministrator(server.guild, server.admin, false);
  const answer = await server.discord.press(list.message, id, server.admin);
  await settled();
  expect(answer).toMatchObject({ ephemeral: true, message: { content: NO_PERMISSION } });
  expect(list.message.embeds[0]?.footer?.text).toBe('Showing 1-10 of 11 codes');
});

it('tells an administrator who takes no direct messages, and shows the codes nowhere', async () => {
  const { server, say, getCode } = await startBot();
  const code = await getCode(server.alice, 'Alice');
  server.discord.setDirectMessages(server.admin, 'closed');
  const said = await say(server.general, server.admin, '!codes');
  expect(summarize(said)).toEqual([
    `#general ❌ <@${server.admin.id}>, I couldn't send you a DM! Please enable DMs from server members.`,
  ]);
  expect(JSON.stringify(said)).not.toContain(code);
});

it.each(['!codes x', '!codes 0', '!codes -1', '!codes 1 2', '!codes 1e3'])(
  'answers %s with what a page is',
  async (text) => {
    const { server, say } = await startBot();
    expect(summarize(await say(server.general, server.admin, text))).toEqual([
      '#general ❌ A page is a number from 1: `!codes 2`',
    ]);
  },
);

it.each([
  ['its code', (code: string) => code],
  ['its code in small letters', (code: string) => code.toLowerCase()],
])('revokes by %s', async (_, spelled) => {
  const { server, say, getCode } = await startBot();
  const code = await getCode(server.alice, 'Alice');
  expect(summarize(await say(server.general, server.admin, `!revoke ${spelled(code)}`))).toEqual([
    `#general ✅ Access code \`${code}\` for user \`Alice\` has been revoked.`,
  ]);
  expect(summarize(await say(server.general, server.admin, `!revoke ${code}`))).toEqual([
    `#general ❌ Code \`${code}\` not found.`,
  ]);
});

it('revokes by username and by member, and says how many', async () => {
  const { server, say, getCode } = await startBot();
  await getCode(server.alice, 'Alice Smith');
  expect(summarize(await say(server.general, server.admin, '!revoke "alice smith"'))).toEqual([
    '#general ✅ 1 access code for user `Alice Smith` has been revoked.',
  ]);

  await getCode(server.alice, 'one');
  await getCode(server.alice, 'two');
  const said = await say(server.general, server.admin, `!revoke <@${server.alice.id}>`);
  expect(summarize(said)).toEqual([`#general ✅ 2 access codes of <@${server.alice.id}> have been revoked.`]);
  expect(said[0]?.message.pings.users).toEqual([]);
  expect(summarize(await say(server.general, server.admin, `!revoke <@!${server.alice.id}>`))).toEqual([
    `#general ❌ <@${server.alice.id}> holds no access code of this server.`,
  ]);
});

it.each([
  ['nothing', '!revoke', '❌ Missing argument! Use `!help_chatroom` for command usage.'],
  ['an unknown code', `!revoke ${ABC}`, `❌ Code \`${ABC}\` not found.`],
  [
    'words without quotes',
    '!revoke Alice Smith',
    '❌ A username with a space in it needs quotation marks: `!revoke "Alice Smith"`',
  ],
  ['a try to ping', '!revoke "x` @everyone `y"', '❌ Code `x @everyone y` not found.'],
  ['a try to forge a line', '!revoke "x\n✅ done"', '❌ Code `x ✅ done` not found.'],
  ['a very long word', `!revoke ${'x'.repeat(1_900)}`, `❌ Code \`${'x'.repeat(40)}…\` not found.`],
])('answers a revocation of %s', async (_, text, sentence) => {
  const { server, say } = await startBot();
  const said = await say(server.general, server.admin, text);
  expect(summarize(said)).toEqual([`#general ${sentence}`]);
  expect(said[0]?.message.pings).toEqual({ everyone: false, users: [], roles: [] });
});

it('keeps the codes of two servers apart', async () => {
  const { lobby, ...two } = await twoServers();
  const { server, say, getCode } = await startBot(two);
  const code = await getCode(server.alice, 'Alice');

  const attempts = ['!codes', `!revoke ${code}`, '!revoke Alice', `!revoke <@${server.alice.id}>`];
  for (const attempt of attempts) {
    const said = await say(lobby, server.bob, attempt);
    expect(said[0]?.message.content).toMatch(/No access codes|not found|holds no/);
  }
  const [list] = await say(server.general, server.admin, '!codes');
  expect(list?.message.embeds[0]?.fields?.map(({ name }) => name)).toEqual([`Code: ${code}`]);
});

it('explains itself from the very list of its commands', async () => {
  const { server, say } = await startBot();
  const [help] = await say(server.general, server.alice, '!help_chatroom');
  expect(help?.message.embeds).toEqual([
    {
      type: 'rich',
      title: '🤖 Chat Room Bot Commands',
      description: 'Commands for managing chat room access',
      color: 0x9b59b6,
      fields: [
        { name: '!getcode <username>', value: 'Generate an access code for the chat room', inline: false },
        { name: '!codes (Admin)', value: 'View all generated access codes', inline: false },
        { name: '!revoke <code> (Admin)', value: 'Revoke a specific access code', inline: false },
      ],
      footer: { text: 'Chat Room Management Bot' },
    },
  ]);
});

it('listens to another prefix, and names it', async () => {
  const { server, say } = await startBot({ settings: { COMMAND_PREFIX: '??' } });
  expect(summarize(await say(server.general, server.alice, '!getcode'))).toEqual([]);
  expect(summarize(await say(server.general, server.alice, '??getcode'))).toEqual([
    '#general ❌ Please provide a username! Usage: `??getcode <username>`',
  ]);
});

it('knows a former administrator by the next message', async () => {
  const { server, say } = await startBot();
  server.discord.setAdministrator(server.guild, server.admin, false);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([`#general ${NO_PERMISSION}`]);
});

it.each([
  'hello',
  '!',
  '! getcode Alice',
  '!unknown',
  '!getcodes Alice',
  'x !getcode Alice',
  '?getcode Alice',
  '!help',
])('is silent at %s', async (text) => {
  const { server, say } = await startBot();
  expect(await say(server.general, server.alice, text)).toEqual([]);
});

it('is silent to bots, webhooks and edits', async () => {
  const { server, say, settled } = await startBot();
  const robot = server.discord.addUser('robot', { bot: true });
  server.discord.join(server.guild, robot);
  expect(await say(server.general, robot, '!getcode robot')).toEqual([]);

  server.discord.say(server.general, server.alice, '!getcode hook', { webhook: true });
  const typo = server.discord.say(server.general, server.alice, '!getcod Alice');
  server.discord.edit(typo, '!getcode Alice');
  await settled();
  expect(server.heard()).toEqual([]);
});

it('answers a message once, however often it arrives, and after a restart', async () => {
  const server = await TestServer.start();
  const first = await startBot({ server });
  const texts = ['!getcode Alice', '!codes', '!help_chatroom', '!revoke nobody', '!getcode'];
  const messages = texts.map((text) => server.discord.say(server.general, server.admin, text));
  await first.settled();
  const answers = server.heard().length;
  expect(answers).toBe(6); // a code makes two

  for (const message of messages) server.discord.redeliver(message);
  await first.settled();
  expect(server.heard()).toEqual([]);

  await first.app.stop();
  const second = await startBot({ server, databasePath: first.databasePath });
  const before = server.discord.requests.length;
  for (const message of messages) server.discord.redeliver(message);
  await second.settled();
  expect(server.heard()).toEqual([]);
  expect(server.discord.requests.slice(before).filter(({ method }) => method === 'POST')).toEqual([]);
});
