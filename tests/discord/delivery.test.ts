import { expect, it } from 'vitest';

import { startBot, summarize, type TestServer } from '../support/bot.js';
import { accepts } from '../support/website.js';

const REFUSED = (id: string): string =>
  `#general ❌ <@${id}>, I couldn't send you a DM! Please enable DMs from server members, or press the button within 30 minutes to see your code.`;
const FAILED = (id: string): string =>
  `#general ❌ <@${id}>, I couldn't send you a DM because Discord rejected it. Please try again in a minute.`;
const UNKNOWN = (id: string): string =>
  `#general ❌ <@${id}>, Discord did not confirm my DM to you. Press the button within 30 minutes to see your code.`;
const SHOW = 'Show my code';

/** discord.js sends a message this often; then the bot repeats it. */
const DISCORD_JS_TRIES = 4;

it.each([
  ['50007: DMs are closed', 403, 50_007],
  ['50278: no server in common', 403, 50_278],
])('offers the button after %s', async (_, status, code) => {
  const bot = await startBot();
  const { server, say } = bot;
  server.discord.fail({ to: server.alice }, { status, code });
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    REFUSED(server.alice.id),
  ]);
  expect(summarize(await say(server.general, server.bob, '!getcode Alice'))[0]).toContain(
    'belongs to another member',
  );
  const shown = await server.discord.pressButton(server.alice, SHOW);
  expect(shown.ephemeral).toBe(true);
  expect(await accepts(bot, 'Alice', shown.message.content)).toBe(true);
});

it('withdraws the code when Discord rejects the DM, so that its username is free', async () => {
  const { server, say, logged } = await startBot({ settings: { GETCODE_LIMIT: '1/10m' } });
  const accept = server.discord.fail({ to: server.alice }, { status: 400, code: 50_035 });
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    FAILED(server.alice.id),
  ]);
  accept();
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(logged()).toContain('Could not send a message');
  expect(logged()).not.toContain('requestBody');
});

it.each([
  ['when its answer is lost', 'lose-answer', 1],
  ['after discord.js has given up', 502, DISCORD_JS_TRIES],
] as const)('repeats a DM %s, and sends it once', async (_, fault, times) => {
  const bot = await startBot();
  const { discord, general, alice } = bot.server;
  discord.fail({ to: alice, times }, fault);
  const said = await bot.say(general, alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(discord.calls({ to: alice })).toHaveLength(times + 1);
  expect(await accepts(bot, 'Alice', said[0]?.message.content ?? '')).toBe(true);
});

it('takes a message that was deleted before its repeat for sent', async () => {
  const bot = await startBot();
  const { discord, general, alice } = bot.server;
  discord.fail({ to: alice, times: 1 }, 'lose-answer');
  discord.onMessage((message) => {
    if (message.channelId !== general.id) discord.delete(message);
  });
  const said = await bot.say(general, alice, '!getcode Alice');
  expect(summarize(said).at(-1)).toBe(`#general ✅ Access code sent to <@${alice.id}> via DM!`);
  expect(await accepts(bot, 'Alice', said[0]?.message.content ?? '')).toBe(true);
});

it('offers the button when Discord may have forgotten the nonce', async () => {
  const bot = await startBot();
  const { server, say, clock } = bot;
  const recover = server.discord.fail({ to: server.alice }, 500);
  server.discord.onCall({ to: server.alice }, () => clock.advance(10_000));
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    UNKNOWN(server.alice.id),
  ]);
  // Four per attempt, each of which begins within 2 minutes of the first.
  expect(server.discord.calls({ to: server.alice })).toHaveLength(12);
  recover();
  const shown = await server.discord.pressButton(server.alice, SHOW);
  expect(await accepts(bot, 'Alice', shown.message.content)).toBe(true);
});

it.each([
  ['does not take the rejection of a repeated DM for a rejection of the first attempt', 'to', UNKNOWN],
  ['knows that nothing was sent when only the DM channel could not be opened', 'opening', REFUSED],
] as const)('%s', async (_, call, sentence) => {
  const { server, say } = await startBot();
  const { discord, general, alice } = server;
  discord.fail(
    call === 'to' ? { to: alice, times: DISCORD_JS_TRIES } : { opening: alice, times: DISCORD_JS_TRIES },
    500,
  );
  discord.fail({ to: alice }, { status: 403, code: 50_007 });
  expect(summarize(await say(general, alice, '!getcode Alice'))).toEqual([sentence(alice.id)]);
});

it.each([
  ['that is gone', { status: 404, code: 10_003 }],
  ['of another application', { status: 403, code: 50_001 }],
])('opens a new DM channel in place of one %s, once', async (_, fault) => {
  const { server, getCode, say } = await startBot();
  await getCode(server.alice, 'Alice');
  server.discord.fail({ to: server.alice, times: 1 }, fault);
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(server.discord.calls({ opening: server.alice })).toHaveLength(2);
  server.discord.fail({ to: server.alice }, fault);
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    FAILED(server.alice.id),
  ]);
  expect(server.discord.calls({ opening: server.alice })).toHaveLength(3);
});

const VIEW = 1n << 10n;
const SEND = 1n << 11n;

it.each([
  ['general', VIEW, 'Send Messages'],
  ['thread', VIEW | SEND, 'Send Messages in Threads'],
] as const)(
  'names the permission that is missing in #%s (%i), once per hour',
  async (place, bits, missing) => {
    const { server, say, clock, logged } = await startBot();
    const { discord, general, alice } = server;
    discord.setBotPermissions(general, bits);
    const lines = (): number => logged().split('Cannot reply in').length - 1;
    for (const expected of [1, 1, 2]) {
      const said = await say(server[place], alice, '!getcode Alice');
      expect(said.map(({ where }) => where)).toEqual(['@alice']);
      expect(lines()).toBe(expected);
      expect(logged()).not.toContain(said[0]?.message.content);
      if (expected === 1) clock.advance(1_800_000);
    }
    expect(logged()).toContain(
      `Cannot reply in #${place} on Chat Room: the bot needs the permission ${missing} there. Set it in Channel settings > Permissions. Until then members get replies by DM.`,
    );
  },
);

it.each(['general', 'thread'] as const)('replies by DM where it may not write: in #%s', async (place) => {
  const { server, say } = await startBot();
  const { discord, general, admin, alice } = server;
  discord.setBotPermissions(general, place === 'general' ? VIEW : VIEW | SEND);
  const sentence = `⚠️ I cannot write in \`#${place}\` on \`Chat Room\`, so I reply here. Please tell an administrator.`;
  const replies = [
    ['!getcode', '❌ Please provide a username!'],
    ['!getcode admin', '❌ The username `admin` is reserved.'],
    ['!codes', '📝 No access codes have been generated yet.'],
    ['!revoke x', '❌ Code `x` not found.'],
    ['!help_chatroom', ''],
  ] as const;
  for (const [text, reply] of replies) {
    const said = await say(server[place], admin, text);
    expect([text, said.map(({ where }) => where)]).toEqual([text, ['@admin']]);
    expect(said[0]?.message.content).toContain(reply === '' ? sentence : `${sentence}\n\n${reply}`);
    expect(said[0]?.message.embeds).toHaveLength(reply === '' ? 1 : 0);
  }
  expect(await say(server[place], admin, '!other')).toEqual([]);
  await say(server[place], alice, '!getcode Alice');
  // The line that follows the list is not repeated by DM.
  expect(summarize(await say(server[place], admin, '!codes'))).toEqual(['@admin [📋 Active Access Codes]']);
});

it('shows by DM a code that Discord did not confirm, where it may not write in the channel', async () => {
  const bot = await startBot();
  const { discord, general, alice } = bot.server;
  discord.setBotPermissions(general, VIEW);
  const failing = discord.fail({ to: alice }, 500);
  let calls = 0;
  discord.onCall({ to: general }, () => {
    calls += 1;
    failing();
  });
  const [said] = await bot.say(general, alice, '!getcode Alice');
  expect(calls).toBe(1);
  expect(said?.where).toBe('@alice');
  const shown = await discord.pressButton(alice, SHOW);
  expect(await accepts(bot, 'Alice', shown.message.content)).toBe(true);
});

it('logs that a member can be reached neither in the channel nor by DM, and reads further commands', async () => {
  const { server, say, logged } = await startBot();
  const { discord, general, alice, bob } = server;
  discord.setBotPermissions(general, VIEW);
  discord.setDirectMessages(alice, 'closed');
  expect(await say(general, alice, '!getcode')).toEqual([]);
  expect(logged()).toContain(
    `"userId":"${alice.id}","result":"refused","msg":"Could not send the reply by DM either"`,
  );
  expect((await say(general, bob, '!getcode'))[0]?.where).toBe('@bob');
});

it.each<[string, (server: TestServer) => void, string[], string]>([
  [
    'the member left',
    ({ discord, guild, alice }) => discord.leave(guild, alice),
    ['#general'],
    '"codes":1,"msg":"Ended the codes of members who left"',
  ],
  [
    'the bot was removed from the server',
    ({ discord, guild }) => discord.removeBot(guild),
    [],
    'Its codes are suspended. Invite the bot again',
  ],
  [
    'the channel was deleted',
    ({ discord, general }) => void discord.fail({ to: general }, { status: 404, code: 10_003 }),
    ['@alice'],
    'Cannot reply in',
  ],
])('acts on it and says it once when %s during a delivery', async (_, end, places, sentence) => {
  const bot = await startBot();
  const { server, app, logged } = bot;
  const { discord, general, alice } = server;
  const hold = discord.hold({ to: alice });
  discord.say(general, alice, '!getcode Alice');
  await hold.arrived;
  end(server);
  hold.release();
  await bot.settled();
  expect(server.takeSaid().map(({ where }) => where)).toEqual(places);
  const [direct] = discord.directMessages(alice);
  if (direct !== undefined) expect(await accepts(bot, 'Alice', direct.content)).toBe(true);
  for (let round = 0; round < 2; round++) {
    await app.tasks.checkServers();
    await app.tasks.checkMembers();
    await app.tasks.recover();
  }
  expect(logged().split(sentence).length - 1).toBe(1);
  expect(logged()).not.toContain('"stack"');
});

it('replies with plain text where the bot may not embed links', async () => {
  const { server, say } = await startBot();
  server.discord.setBotPermissions(server.general, (1n << 10n) | (1n << 11n));
  const [help] = await say(server.general, server.alice, '!help_chatroom');
  expect(help?.message.embeds).toEqual([]);
  expect(help?.message.content).toContain('**🤖 Chat Room Bot Commands**');
  expect(help?.message.content).toContain('!getcode');
});

it('makes 3 REST calls for a new member and 2 for a known one', async () => {
  const { server, say } = await startBot();
  const posts = (): string[] =>
    server.discord.requests
      .filter(({ method }) => method !== 'GET')
      .map(({ method, path }) => `${method} ${path.replaceAll(/\d+/g, 'N')}`);
  await say(server.general, server.alice, '!getcode Alice');
  const first = ['POST /users/@me/channels', 'POST /channels/N/messages', 'POST /channels/N/messages'];
  expect(posts()).toEqual(first);
  await say(server.general, server.alice, '!getcode Alice');
  expect(posts().slice(first.length)).toEqual(first.slice(1));
});

it('replies to an unexpected error with a reference that is also in the log', async () => {
  // A random source that is stuck repeats the first code.
  const { server, say, getCode, logged } = await startBot({ random: () => 0 });
  expect(await getCode(server.alice, 'Alice')).toBe('AAAAAA');
  const [said] = await say(server.general, server.bob, '!getcode Bob');
  const [, reference = 'none'] =
    /^❌ An error occurred\. .*send an administrator this reference: `([0-9a-f]{8})`$/.exec(
      said?.message.content ?? '',
    ) ?? [];
  expect(logged()).toContain(reference);
  expect(logged()).toContain('the random source does not work');
});
