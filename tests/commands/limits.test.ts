import { expect, it } from 'vitest';

import { startBot, summarize } from '../support/bot.js';

const LIMITED = { GETCODE_LIMIT: '3/10m' };
const MINUTE_MS = 60_000;

it('gives a member so many codes within the span, then one sentence, then silence, then codes again', async () => {
  const { server, say, getCode, clock } = await startBot({ settings: LIMITED });
  await getCode(server.alice, 'Alice');
  const first = clock.now;
  await getCode(server.alice, 'Alice');
  await getCode(server.alice, 'Alice');

  const again = Math.ceil((first + 10 * MINUTE_MS) / 1_000);
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    `#general ⏳ <@${server.alice.id}>, you have asked for several codes already. Please try again <t:${again}:R>.`,
  ]);
  expect(await say(server.general, server.alice, '!getcode Alice')).toEqual([]);
  // Others are not held up.
  await getCode(server.bob, 'Bob');

  clock.now = first + 10 * MINUTE_MS - 7_001;
  expect(await say(server.general, server.alice, '!getcode Alice')).toEqual([]);
  clock.now = first + 10 * MINUTE_MS - 7_000;
  await getCode(server.alice, 'Alice');
});

it('forgives nobody by a restart', async () => {
  const bot = await startBot({ settings: LIMITED });
  const { server, databasePath, clock } = bot;
  for (let count = 0; count < 3; count++) await bot.getCode(server.alice, 'Alice');
  await bot.app.stop();
  const again = await startBot({ server, databasePath, clock, settings: LIMITED });
  expect(summarize(await again.say(server.general, server.alice, '!getcode Alice'))[0]).toContain('⏳');
});

it('names the usernames of a member who holds as many as one may', async () => {
  const { server, say, getCode } = await startBot({ settings: { MAX_USERNAMES_PER_MEMBER: '2' } });
  await getCode(server.alice, 'one');
  await getCode(server.alice, 'Two Words');
  const said = await say(server.general, server.alice, '!getcode three');
  expect(summarize(said)).toEqual([
    `#general ❌ <@${server.alice.id}>, you hold as many usernames as one member may: \`one\`, \`Two Words\`. Please use one of them, or ask an administrator to end one.`,
  ]);
  await getCode(server.alice, 'ONE');
  await say(server.general, server.admin, '!revoke one');
  await getCode(server.alice, 'three');
});

it('lets a member renew each username, also when they hold more than one may by now', async () => {
  const bot = await startBot();
  const { server, databasePath, clock } = bot;
  await bot.getCode(server.alice, 'one');
  await bot.getCode(server.alice, 'two');
  await bot.app.stop();
  const settings = { MAX_USERNAMES_PER_MEMBER: '1' };
  const again = await startBot({ server, databasePath, clock, settings });
  await again.getCode(server.alice, 'one');
  await again.getCode(server.alice, 'two');
  expect(summarize(await again.say(server.general, server.alice, '!getcode three'))[0]).toContain('as many');
});

it.each([
  ['Cyrillic letters', 'Alice', 'Аӏісе'],
  ['a capital I for an l', 'Alice', 'AIice'],
  ['digits for letters', 'Bobo', 'B0b0'],
  ['rn for m', 'Tom', 'Torn'],
])('takes a look-alike in %s for the username that is held', async (_, held, alike) => {
  const { server, say, getCode } = await startBot();
  await getCode(server.alice, held);
  expect(summarize(await say(server.general, server.bob, `!getcode ${alike}`))).toEqual([
    `#general ❌ The username \`${alike}\` is taken. Please choose another, or ask an administrator of this server.`,
  ]);
  await getCode(server.alice, alike);
});

it('answers a member who floods once, then hears nothing for a while', async () => {
  const { server, settled, clock } = await startBot();
  for (let count = 0; count < 30; count++) server.discord.say(server.general, server.alice, '!codes');
  server.discord.say(server.general, server.bob, '!codes');
  await settled();
  const answers = summarize(server.heard());
  expect(answers.filter((answer) => answer.includes("don't have permission"))).toHaveLength(11);
  const again = Math.ceil((clock.now + MINUTE_MS) / 1_000);
  expect(answers.filter((answer) => !answer.includes("don't have permission"))).toEqual([
    `#general ⏳ <@${server.alice.id}>, that was a lot at once. Please try again <t:${again}:R>.`,
  ]);

  clock.advance(MINUTE_MS);
  server.discord.say(server.general, server.alice, '!codes');
  await settled();
  expect(server.heard()).toHaveLength(1);
});

it('shows how often a limited code was used', async () => {
  const { server, say, getCode } = await startBot({ settings: { CODE_MAX_USES: '2' } });
  await getCode(server.alice, 'Alice');
  const [list] = await say(server.general, server.admin, '!codes');
  expect(list?.message.embeds[0]?.fields?.[0]?.value).toBe(
    'Username: Alice\nRequested by: alice\nUses: 0 of 2',
  );
});

it('does not count an event that comes again', async () => {
  const { server, say, settled } = await startBot();
  const { discord, general, alice, bob } = server;
  for (let count = 0; count < 3; count++) {
    expect(summarize(await say(general, alice, '!help_chatroom'))).toHaveLength(1);
    const asked = discord.messages(general).findLast(({ author }) => author === alice);
    for (let times = 0; times < 4; times++) {
      // By itself discord.js knows the latest ten messages again.
      for (let n = 0; n < 11; n++) discord.say(general, bob, 'chat');
      if (asked !== undefined) discord.redeliver(asked);
    }
    await settled();
  }
  expect(summarize(server.heard())).toEqual([]);
  expect(summarize(await say(general, alice, '!help_chatroom'))).toEqual([expect.stringContaining('[🤖')]);
});
