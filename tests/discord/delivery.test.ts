import { expect, it } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { startBot, summarize } from '../support/bot.js';
import { deferred } from '../support/deferred.js';

const REFUSED = (id: string): string =>
  `#general ❌ <@${id}>, I couldn't send you a DM! Please enable DMs from server members.`;
const FAILED = (id: string): string =>
  `#general ❌ <@${id}>, Discord did not take my DM just now. Please try again in a moment.`;
const UNKNOWN = (id: string): string =>
  `#general ❌ <@${id}>, Discord did not say whether my DM reached you. Please try again in a moment.`;

it.each([
  ['50007, closed', 403, 50_007, REFUSED, false],
  ['50278, no server in common', 403, 50_278, REFUSED, false],
  ['50035, a form that Discord does not take', 400, 50_035, FAILED, true],
])('answers %s with its sentence', async (_, status, code, sentence, free) => {
  const { server, say, logged } = await startBot();
  const allow = server.discord.fail({ to: server.alice }, { status, code });
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    sentence(server.alice.id),
  ]);

  allow();
  const said = await say(server.general, server.bob, '!getcode Alice');
  // Refused, the code waits to be shown, and keeps its username; not taken at all, it is withdrawn.
  expect(said[0]?.where).toBe(free ? '@bob' : '#general');
  expect(logged()).not.toContain('requestBody');
});

it('sends one message when the answer is lost, and tells of success', async () => {
  const { server, say, databasePath } = await startBot();
  server.discord.fail({ to: server.alice, times: 1 }, 'lose-answer');
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(server.discord.calls({ to: server.alice })).toHaveLength(2);
  const validator = await openValidator({ databaseUrl: databasePath });
  expect(await validator.validate('Alice', said[0]?.message.content ?? '')).toMatchObject({ valid: true });
  await validator.close();
});

it('tries again where discord.js has given up', async () => {
  const { server, say } = await startBot();
  const discordJsTries = 4;
  server.discord.fail({ to: server.alice, times: discordJsTries }, 500);
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(server.discord.calls({ to: server.alice })).toHaveLength(discordJsTries + 1);
});

it.each(['lose-answer', 'reset'] as const)(
  'lets the code count that arrived last when the first of two is tried again: %s',
  async (fault) => {
    const paused = deferred();
    const resumed = deferred();
    const bot = await startBot({
      async wait() {
        paused.resolve();
        await resumed.promise;
      },
    });
    const { server, databasePath, clock } = bot;
    const { discord, general, alice } = server;
    await bot.getCode(alice, 'Alice');
    clock.advance(60_000);
    const recover = discord.fail({ to: alice }, fault);
    discord.say(general, alice, '!getcode Alice');
    await paused.promise;
    recover();
    clock.advance(7_000);
    const told = discord.nextMessage(({ content }) => content.startsWith('✅'));
    discord.say(general, alice, '!getcode Alice');
    await told;
    resumed.resolve();
    await bot.settled();
    const validator = await openValidator({ databaseUrl: databasePath, clock: clock.read });
    const verdicts = discord
      .directMessages(alice)
      .map(async ({ content }) => validator.validate('Alice', content));
    expect((await Promise.all(verdicts)).map(({ valid }) => valid)).toEqual([false, false, true]);
    await validator.close();
  },
);

it('tries no more when Discord may have forgotten the nonce', async () => {
  const { server, say, clock } = await startBot();
  server.discord.fail({ to: server.alice }, 500);
  server.discord.onCall({ to: server.alice }, () => clock.advance(10_000));
  await say(server.general, server.alice, '!getcode Alice');
  // discord.js tries four times for one of the bot: the first ends at 40 seconds, the last begins within two minutes of that.
  expect(server.discord.calls({ to: server.alice })).toHaveLength(16);
});

it('when Discord keeps silent says that it does not know, and leaves the username with its asker', async () => {
  const { server, say } = await startBot();
  const recover = server.discord.fail({ to: server.alice }, 'reset');
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    UNKNOWN(server.alice.id),
  ]);

  recover();
  expect(summarize(await say(server.general, server.bob, '!getcode Alice'))[0]).toContain('is taken');
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said[0]?.where).toBe('@alice');
});

it('does not take a no to a second try for a no to the first', async () => {
  const { server, say } = await startBot();
  // discord.js itself tries four times; the fifth is the bot's own.
  server.discord.fail({ to: server.alice, times: 4 }, 500);
  server.discord.fail({ to: server.alice }, { status: 400, code: 50_035 });
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    UNKNOWN(server.alice.id),
  ]);
  expect(summarize(await say(server.general, server.bob, '!getcode Alice'))[0]).toContain('is taken');
});

it('opens a channel anew that is another application’s', async () => {
  const { server, getCode, say } = await startBot();
  await getCode(server.alice, 'Alice');
  server.discord.fail({ to: server.alice, times: 1 }, { status: 403, code: 50_001 });
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(server.discord.requests.filter(({ path }) => path === '/users/@me/channels')).toHaveLength(2);
});

it('delivers the code even where it may not write in the channel', async () => {
  const { server, say, logged } = await startBot();
  server.discord.setBotPermissions(server.general, 1n << 10n);
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice']);
  expect(logged()).toContain('A message was not sent');
  expect(logged()).not.toContain(said[0]?.message.content);
});

it('asks Discord for two things when it knows the member, and for three at first', async () => {
  const { server, say, settled } = await startBot();
  await settled();
  const { requests } = server.discord;
  const before = requests.length;
  await say(server.general, server.alice, '!getcode Alice');
  expect(
    requests.slice(before).map(({ method, path }) => `${method} ${path.replaceAll(/\d+/g, 'N')}`),
  ).toEqual(['POST /users/@me/channels', 'POST /channels/N/messages', 'POST /channels/N/messages']);
  const second = requests.length;
  await say(server.general, server.alice, '!getcode Alice');
  expect(requests.slice(second)).toHaveLength(2);
});

it('answers an unexpected failure with a reference that the log carries, and nothing else of it', async () => {
  // A source of randomness that is stuck repeats the first code, for ever.
  const { server, say, getCode, logged } = await startBot({ random: () => 0 });
  expect(await getCode(server.alice, 'Alice')).toBe('AAAAAA');
  const [said] = await say(server.general, server.bob, '!getcode Bob');
  const [, reference = 'none'] =
    /^❌ An error occurred\. Reference: `([0-9a-f]{8})`$/.exec(said?.message.content ?? '') ?? [];
  expect(logged()).toContain(reference);
  expect(logged()).toContain('is the source of randomness stuck?');
});

it('hears again after the connection was dropped, and what was said meanwhile', async () => {
  const { server, settled } = await startBot();
  server.discord.dropConnections();
  server.discord.say(server.general, server.alice, '!getcode Alice');
  await server.discord.connected();
  await settled();
  expect(server.heard().map(({ where }) => where)).toEqual(['@alice', '#general']);
});

it('tells of a connection that is closed for good', async () => {
  const { server, fatal, settled } = await startBot();
  server.discord.closeGateway(4014);
  await settled();
  await expect
    .poll(() => fatal.map(({ message }) => message))
    .toEqual([expect.stringContaining('Message Content Intent')]);
});
