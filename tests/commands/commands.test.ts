import { expect, it } from 'vitest';

import { startBot, summarize, TestServer } from '../support/bot.js';
import { openRaw } from '../support/raw-database.js';

const ABC = 'ABCDEF';
const NEXT = ' No username with a code matches it either. To list the codes: `!codes`';
const PAGE =
  '❌ The page must be a whole number from 1, and a username with a space in it needs quotation marks: `!codes "Alice Smith" 2`';
const NOT_MENTION =
  '❌ `@alice` is not a mention. Please choose the member from the list that Discord shows, or type a username without `@`.';
const CODE = /^[A-HJ-NP-Z2-9]{6}$/;
const RULES =
  'A username has 1 to 32 characters: letters of one alphabet, digits, `_`, `-`, `.`, and single spaces and apostrophes inside. Please choose another.';
const notAllowed = (why: string): string => `❌ This username is not allowed: ${why}. ${RULES}`;
const alone = (username: string): string =>
  `❌ Please type the username alone, without \`@\`, \`<\`, \`>\`, \`*\` or backticks: \`${username}\``;
const NO_PERMISSION = "❌ You don't have permission to use this command!";

it('sends the code by DM and acknowledges it in the channel, mentioning only the author', async () => {
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

it('shows the expiry of a code as a Discord timestamp', async () => {
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
  ['an empty username', '!getcode ""', notAllowed('it is empty')],
  ['an emoji', '!getcode Alice❤️', notAllowed('it contains an emoji')],
  ['an invisible character', '!getcode Al\u200bice', notAllowed('it contains an invisible character')],
  ['two alphabets', '!getcode Аlice', notAllowed('it contains letters of two alphabets')],
  ['a forbidden character', '!getcode R&B', notAllowed('it contains the character `&`')],
  ['an accent on no letter', '!getcode x\u0332', notAllowed('it contains the character `◌\u0332`')],
  ['40 characters', `!getcode ${'a'.repeat(40)}`, notAllowed('it is too long: 40 characters')],
  ['single quotes', "!getcode 'Alice'", notAllowed('an apostrophe or an accent is not inside a word')],
  ['piled accents', '!getcode กััััั', notAllowed('it contains accents that are not part of a letter')],
  [
    'a digit before Hebrew',
    '!getcode 1שרה',
    notAllowed('a digit or sign is before letters that are read from right to left'),
  ],
  ['angle brackets', '!getcode <Alice>', alone('Alice')],
  ['backticks in quotes', '!getcode "`Alice Smith`"', alone('Alice Smith')],
  ['bold text', '!getcode **Alice**.', alone('Alice')],
  ['an at sign', '!getcode @Alice', alone('Alice')],
  ['a mention', '!getcode <@123456789012345678>', alone('Alice')],
])('refuses !getcode with %s and issues no code', async (_, text, sentence) => {
  const { server, say } = await startBot();
  expect(summarize(await say(server.general, server.alice, text))).toEqual([`#general ${sentence}`]);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([
    '#general 📝 No access codes have been generated yet.',
  ]);
});

it('refuses quotation marks that are not in pairs around whole words', async () => {
  const { server, say } = await startBot();
  const sentence = '❌ Quotation marks must be in pairs, around whole words. Example: `"Alice Smith"`';
  for (const typed of ['"Alice Smith', '"', 'Alice"', 'a"b"c', '"a"b', '"a" "b', '“a']) {
    const said = summarize(await say(server.general, server.alice, `!getcode ${typed}`));
    expect([typed, said]).toEqual([typed, [`#general ${sentence}`]]);
  }
});

it.each([
  ['straight quotes', '!getcode "Alice Smith"', 'Alice Smith'],
  ['typographic quotes', '!getcode “Alice Smith”', 'Alice Smith'],
  ['another case and more space', '!GetCode    Alice', 'Alice'],
  ['a line break', '!getcode\nAlice', 'Alice'],
  ['Markdown', '!getcode _a_', String.raw`\_a\_`],
  ['a typographic apostrophe', '!getcode O’Brien', String.raw`O\'Brien`],
  ['a full stop after it', '!getcode Alice.', 'Alice'],
  ['an ideographic full stop after it', '!getcode "アリー。"', 'アリー'],
  ['a zero-width space after the command', '!getcode\u200b Alice', 'Alice'],
  ['a word joiner before the command', '\u2060!\ufeffgetcode\u200f Alice\u00ad', 'Alice'],
  ['invisible characters at its quotes', '!getcode \u200b"\u200bAlice Smith\ufe0f"\u3164', 'Alice Smith'],
  ['a no-break space before it', '!getcode\u00a0Alice', 'Alice'],
  ['other spaces inside', '!getcode " Alice\u3000\u00a0Smith "', 'Alice Smith'],
  ['an accent apart from its letter', '!getcode Zoe\u0308', 'Zoë'],
])('accepts a username with %s', async (_, text, shown) => {
  const { server, say } = await startBot();
  const [direct] = await say(server.general, server.alice, text);
  expect(direct?.message.embeds[0]?.fields?.[0]?.value).toBe(shown);
});

it('replaces a code only when the newer one is delivered, and lists both until then', async () => {
  const { server, say, getCode, logIn } = await startBot();
  const first = await getCode(server.alice, 'Alice');
  server.discord.setDirectMessages(server.alice, 'closed');
  await say(server.general, server.alice, '!getcode Alice');
  const byName = 'Username: Alice\nRequested by: alice';
  const [old, waiting, ...more] = await listed();
  expect(old).toMatchObject({ name: `Code: ${first}`, value: byName });
  expect(waiting).toMatchObject({ value: `${byName}\nStatus: not delivered yet` });
  expect(more).toEqual([]);
  const text = waiting?.name?.replace('Code: ', '') ?? '';
  expect(await logIn('Alice', text)).toBe('unknown');

  server.discord.setDirectMessages(server.alice, 'open');
  const second = await getCode(server.alice, 'alice');
  expect((await listed()).map(({ name }) => name)).toEqual([`Code: ${text}`, `Code: ${second}`]);
  expect(summarize(await say(server.general, server.admin, `!revoke ${text}`))).toEqual([
    `#general ✅ Access code \`${text}\` for user \`alice\` has been revoked. The username is free again.`,
  ]);
  expect(await listed()).toEqual([]);

  async function listed() {
    const [direct] = await say(server.general, server.admin, '!codes');
    return direct?.message.embeds[0]?.fields ?? [];
  }
});

it('lists 10 codes per page by DM, with buttons for the other pages', async () => {
  const { server, say, getCode } = await startBot();
  const codes: string[] = [];
  for (let number = 1; number <= 21; number++) codes.push(await getCode(server.alice, `user_${number}`));

  const said = await say(server.general, server.admin, '!codes');
  expect(summarize(said)).toEqual([
    '@admin [📋 Active Access Codes]',
    `#general 📋 List of access codes sent to <@${server.admin.id}> via DM!`,
  ]);
  const list = said[0]?.message;
  const footer = { text: 'Showing 1-10 of 21 codes' };
  expect(list?.embeds[0]).toMatchObject({ description: 'Total codes: 21', color: 0x3498db, footer });
  expect(list?.embeds[0]?.fields?.[0]).toEqual({
    name: `Code: ${codes[0]}`,
    value: 'Username: user\\_1\nRequested by: alice',
    inline: false,
  });
  expect(buttons()).toEqual(['(Previous)', 'Next']);

  await server.discord.pressButton(server.admin, 'Next');
  expect(list?.embeds[0]?.footer?.text).toBe('Showing 11-20 of 21 codes');
  expect(list?.embeds[0]?.fields?.map(({ name }) => name)).toEqual(
    codes.slice(10, 20).map((code) => `Code: ${code}`),
  );
  expect(buttons()).toEqual(['Previous', 'Next']);
  await server.discord.pressButton(server.admin, 'Next');
  expect(list?.embeds[0]?.footer?.text).toBe('Showing 21-21 of 21 codes');
  expect(buttons()).toEqual(['Previous', '(Next)']);

  const [beyond] = await say(server.general, server.admin, '!codes 99');
  expect(beyond?.message.embeds[0]?.footer?.text).toBe('Showing 21-21 of 21 codes');

  function buttons(): string[] {
    const all = list?.components.flatMap(({ components }) => components) ?? [];
    return all.map(({ label, disabled }) => (disabled ? `(${label})` : label));
  }
});

it.each<[string, (server: TestServer) => unknown]>([
  ['a former administrator', ({ discord, guild, admin }) => discord.setAdministrator(guild, admin, false)],
  ['an administrator who left the server', ({ discord, guild, admin }) => discord.leave(guild, admin)],
  [
    'an administrator of another server',
    ({ discord, guild, admin }) => {
      discord.addGuild('Elsewhere', admin);
      discord.setAdministrator(guild, admin, false);
    },
  ],
  [
    'an administrator whose account was deleted',
    ({ discord }) => discord.fail({ route: 'GET /guilds/*/members/*' }, { status: 404, code: 10_013 }),
  ],
])('shows no other page to %s', async (_who, change) => {
  const { server, say, getCode } = await startBot();
  for (let number = 1; number <= 11; number++) await getCode(server.alice, `user_${number}`);
  const [list] = await say(server.general, server.admin, '!codes');
  change(server);
  const answer = await server.discord.pressButton(server.admin, 'Next');
  expect(answer).toMatchObject({ ephemeral: true, message: { content: NO_PERMISSION } });
  expect(list?.message.embeds[0]?.footer?.text).toBe('Showing 1-10 of 11 codes');
});

it('posts no codes when the administrator accepts no DMs', async () => {
  const { server, say, getCode } = await startBot();
  const code = await getCode(server.alice, 'Alice');
  server.discord.setDirectMessages(server.admin, 'closed');
  const said = await say(server.general, server.admin, '!codes');
  expect(summarize(said)).toEqual([
    `#general ❌ <@${server.admin.id}>, I couldn't send you a DM! Please enable DMs from server members.`,
  ]);
  expect(JSON.stringify(said)).not.toContain(code);
});

it('lists the codes of a username or member, also on further pages', async () => {
  const { server, say, getCode, clock } = await startBot();
  for (let number = 1; number <= 11; number++) await getCode(server.alice, `user_${number}`);
  const code = await getCode(server.bob, 'Bob Smith');
  await getCode(server.bob, '2');

  for (const [typed, names] of [
    ['"bob smith"', ['Bob Smith']],
    ['"Bob Smith" 1', ['Bob Smith']],
    ['"2"', ['2']],
    [code.toLowerCase(), ['Bob Smith']],
    [`\`${code}\``, ['Bob Smith']],
    [`<@${server.bob.id}>`, ['Bob Smith', '2']],
    [server.bob.id, ['Bob Smith', '2']],
    ['user_11', [String.raw`user\_11`]],
    [`<@!${server.alice.id}> 2`, [String.raw`user\_11`]],
    [`${server.alice.id} 9`, [String.raw`user\_11`]],
  ] as const) {
    const [direct] = await say(server.general, server.admin, `!codes ${typed}`);
    const fields = direct?.message.embeds[0]?.fields ?? [];
    const shown = fields.map(({ value }) => /(?<=Username: ).*/.exec(value ?? '')?.[0]);
    expect([typed, shown]).toEqual([typed, names]);
  }

  clock.advance(60_000);
  const [list] = await say(server.general, server.admin, `!codes <@${server.alice.id}>`);
  await server.discord.pressButton(server.admin, 'Next');
  expect(list?.message.embeds[0]?.footer?.text).toBe('Showing 11-11 of 11 codes');
  await server.discord.pressButton(server.admin, 'Previous');
  expect(list?.message.embeds[0]?.footer?.text).toBe('Showing 1-10 of 11 codes');
  await say(server.general, server.admin, `!revoke ${server.alice.id}`);
  await server.discord.pressButton(server.admin, 'Next');
  expect(list?.message).toMatchObject({
    content: `❌ <@${server.alice.id}> has no access codes on this server.`,
    embeds: [],
    components: [],
  });
});

it.each([
  ['!codes Alice Smith', PAGE],
  ['!codes 1 2 3', PAGE],
  ['!codes 0', `❌ Code \`0\` not found.${NEXT}`],
  ['!codes nobody', `❌ Code \`nobody\` not found.${NEXT}`],
  ['!codes "x` @everyone `y"', `❌ Code \`x @everyone y\` not found.${NEXT}`],
  ['!codes <@123456789012345678>', '❌ <@123456789012345678> has no access codes on this server.'],
  ['!codes <@123>', `❌ Code \`@123\` not found.${NEXT}`],
  ['!codes x<@123456789012345678>', `❌ Code \`x<@123456789012345678\` not found.${NEXT}`],
  ['!codes @alice', NOT_MENTION],
  ['!revoke @alice spam', NOT_MENTION],
  ['!revoke', '❌ Missing argument! Use `!help_chatroom` for command usage.'],
  [`!revoke ${ABC}`, `❌ Code \`${ABC}\` not found.${NEXT}`],
  ['!revoke "x` @everyone `y"', `❌ Code \`x @everyone y\` not found.${NEXT}`],
  ['!revoke "x\n✅ done"', `❌ Code \`x ✅ done\` not found.${NEXT}`],
  [`!revoke ${'x'.repeat(1_900)}`, `❌ Code \`${'x'.repeat(40)}…\` not found.${NEXT}`],
])('replies to %s with what was wrong', async (text, sentence) => {
  const { server, say, getCode } = await startBot();
  await getCode(server.alice, 'alice');
  const said = await say(server.general, server.admin, text);
  expect(summarize(said)).toEqual([`#general ${sentence}`]);
  expect(said[0]?.message.pings).toEqual({ everyone: false, users: [], roles: [] });
});

it.each([
  ['a code', (code: string) => code],
  ['a code in backticks', (code: string) => `\`${code}\``],
  ['a code in angle brackets', (code: string) => `<${code}>`],
  ['a code in two groups', (code: string) => `"${code.slice(0, 3)} ${code.slice(3)}"`],
  ['a code with a comma', (code: string) => `${code},`],
])('revokes %s', async (_, spelled) => {
  const { server, say, getCode } = await startBot();
  const code = await getCode(server.alice, 'Alice');
  expect(summarize(await say(server.general, server.admin, `!revoke ${spelled(code)}`))).toEqual([
    `#general ✅ Access code \`${code}\` for user \`Alice\` has been revoked. The username is free again.`,
  ]);
  expect(summarize(await say(server.general, server.admin, `!revoke ${code}`))).toEqual([
    `#general ❌ Code \`${code}\` not found.${NEXT}`,
  ]);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([
    '#general 📝 There are no active access codes on this server.',
  ]);
});

it('revokes the codes of a username and of a member, and replies with their number', async () => {
  const { server, say, getCode } = await startBot();
  await getCode(server.alice, 'Alice Smith');
  expect(summarize(await say(server.general, server.admin, '!revoke "alice smith"'))).toEqual([
    '#general ✅ 1 access code for user `Alice Smith` has been revoked. The username is free again.',
  ]);

  await getCode(server.alice, 'one');
  await getCode(server.alice, 'two');
  const said = await say(server.general, server.admin, `!revoke <@${server.alice.id}>`);
  expect(summarize(said)).toEqual([
    `#general ✅ 2 access codes of <@${server.alice.id}> have been revoked. The usernames are free again.`,
  ]);
  expect(said[0]?.message.pings.users).toEqual([]);
  expect(summarize(await say(server.general, server.admin, `!revoke <@!${server.alice.id}>`))).toEqual([
    `#general ❌ <@${server.alice.id}> has no access codes on this server.`,
  ]);
});

it('revokes several codes, names ten of them, and stores the other words as the reason', async () => {
  const { server, say, getCode, logIn, databasePath } = await startBot({ settings: { CODE_LENGTH: '32' } });
  const codes: string[] = [];
  for (let number = 1; number <= 12; number++) codes.push(await getCode(server.alice, `user${number}`));
  const [first = '', second = ''] = codes;
  const some = await say(server.general, server.admin, `!revoke ${first}, \`${second}\` because he left`);
  expect(summarize(some)).toEqual([
    `#general ✅ Access codes \`${first}\`, \`${second}\` for users \`user1\`, \`user2\` have been revoked. The usernames are free again. Reason (words that are not codes of this server): \`because he left\``,
  ]);
  expect([await logIn('user1', first), await logIn('user2', second)]).toEqual(['revoked', 'revoked']);
  const database = openRaw(databasePath);
  const reasons = database.prepare('SELECT reason FROM audit WHERE reason IS NOT NULL').all();
  database.close();
  expect(reasons).toEqual([{ reason: 'because he left' }, { reason: 'because he left' }]);

  for (const username of ['user1', 'user2']) codes.push(await getCode(server.alice, username));
  const [line = ''] = summarize(
    await say(server.general, server.admin, `!revoke ${codes.slice(2).join(' ')}`),
  );
  expect(line.match(/ and 2 more/g)).toHaveLength(2);
  expect(line.split(codes[11] ?? '')).toHaveLength(2);
  expect(line).not.toContain(codes[12]);
});

it('lists a full page of the longest names, each on one line', async () => {
  const { server, say, getCode } = await startBot({
    settings: { CODE_LENGTH: '32', CODE_MAX_USES: '1000000' },
  });
  const member = server.join(`\n\u2028\u202e${'*'.repeat(34)}`);
  for (let number = 0; number < 10; number++) await getCode(member, `${'_'.repeat(31)}${number}`);
  const [list] = await say(server.general, server.admin, '!codes');
  const fields = list?.message.embeds[0]?.fields ?? [];
  expect(fields).toHaveLength(10);
  for (const { value } of fields)
    expect(value).toMatch(/^Username: .*\nRequested by: [^\p{C}\p{Zl}\p{Zp}]+\nUses: 0 of [\d,]+$/u);
});

it('does not call a username free while its holder has a look-alike of it', async () => {
  const { server, say, getCode } = await startBot();
  const code = await getCode(server.alice, 'Alice');
  await getCode(server.alice, 'A1ice');
  expect(summarize(await say(server.general, server.admin, `!revoke ${code}`))).toEqual([
    `#general ✅ Access code \`${code}\` for user \`Alice\` has been revoked. A code for a look-alike, or of another server, still reserves the username.`,
  ]);
  expect(summarize(await say(server.general, server.admin, `!revoke <@${server.alice.id}>`))).toEqual([
    `#general ✅ 1 access code of <@${server.alice.id}> has been revoked. The username is free again.`,
  ]);
  await getCode(server.bob, 'Alice');
});

it('lists its commands in the help', async () => {
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
        {
          name: '!codes [username or @member] [page] (Admin)',
          value: 'View all generated access codes, or those of a username or member',
          inline: false,
        },
        {
          name: '!revoke <code, username or @member> [reason] (Admin)',
          value: 'Revoke one or more access codes, or all codes of a username or member',
          inline: false,
        },
      ],
      footer: { text: 'Chat Room Management Bot' },
    },
  ]);
});

it.each(['??', '.*', 'bot!'])('uses the COMMAND_PREFIX %s, also in its replies', async (prefix) => {
  const { server, say } = await startBot({ settings: { COMMAND_PREFIX: prefix } });
  for (const text of ['!getcode', 'xxgetcode'])
    expect(await say(server.general, server.alice, text)).toEqual([]);
  expect(summarize(await say(server.general, server.alice, `${prefix}getcode`))).toEqual([
    `#general ❌ Please provide a username! Usage: \`${prefix}getcode <username>\``,
  ]);
});

it('ignores edits, and whatever is not a command', async () => {
  const { server, say, settled } = await startBot();
  const texts = ['hello', '!', '! getcode Alice', '!unknown', '!getcodes Alice', 'x !getcode Alice', '!help'];
  const almost = ['!!getcode A', '!get\u200bcode A', '!getcode"A"', 'getcode A', '?getcode A'];
  for (const text of [...texts, ...almost])
    expect([text, await say(server.general, server.alice, text)]).toEqual([text, []]);
  const typo = server.discord.say(server.general, server.alice, '!getcod Alice');
  server.discord.edit(typo, '!getcode Alice');
  await settled();
  expect(server.takeSaid()).toEqual([]);
});

it('replies once to a message that arrives again, also after a restart', async () => {
  const server = await TestServer.start();
  const first = await startBot({ server });
  const texts = ['!getcode Alice', '!codes', '!help_chatroom', '!revoke nobody', '!getcode'];
  const messages = texts.map((text) => server.discord.say(server.general, server.admin, text));
  await first.settled();
  const answers = server.takeSaid().length;
  expect(answers).toBe(7); // 2 for !getcode, and 2 for !codes

  for (const message of messages) server.discord.redeliver(message);
  await first.settled();
  expect(server.takeSaid()).toEqual([]);

  await first.app.stop();
  const second = await startBot({ server, databasePath: first.databasePath });
  const before = server.discord.requests.length;
  for (const message of messages) server.discord.redeliver(message);
  await second.settled();
  expect(server.takeSaid()).toEqual([]);
  expect(server.discord.requests.slice(before).filter(({ method }) => method === 'POST')).toEqual([]);
});
