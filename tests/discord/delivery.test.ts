import { expect, it } from 'vitest';

import { startBot, summarize } from '../support/bot.js';
import { deferred } from '../support/deferred.js';
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

it('sends one message when the answer is lost', async () => {
  const bot = await startBot();
  const { server, say } = bot;
  server.discord.fail({ to: server.alice, times: 1 }, 'lose-answer');
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(server.discord.calls({ to: server.alice })).toHaveLength(2);
  expect(await accepts(bot, 'Alice', said[0]?.message.content ?? '')).toBe(true);
});

it('retries a DM after discord.js has given up', async () => {
  const { server, say } = await startBot();
  server.discord.fail({ to: server.alice, times: DISCORD_JS_TRIES }, 502);
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice', '#general']);
  expect(server.discord.calls({ to: server.alice })).toHaveLength(DISCORD_JS_TRIES + 1);
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

it.each(['lose-answer', 'reset'] as const)(
  'keeps the code that was requested last when the DM of the one before is repeated after a %s',
  async (fault) => {
    const paused = deferred();
    const resumed = deferred();
    const bot = await startBot({
      async wait() {
        paused.resolve();
        await resumed.promise;
      },
    });
    const { server, clock } = bot;
    const { discord, general, alice } = server;
    await bot.getCode(alice, 'Alice');
    clock.advance(60_000);
    const recover = discord.fail({ to: alice }, fault);
    discord.say(general, alice, '!getcode Alice');
    await paused.promise;
    recover();
    clock.advance(7_000);
    const told = discord.nextMessage(({ content }) => content.startsWith('✅'));
    const last = discord.say(general, alice, '!getcode Alice');
    await told;
    resumed.resolve();
    await bot.settled();
    const direct = discord.directMessages(alice);
    const verdicts = await Promise.all(direct.map(async ({ content }) => accepts(bot, 'Alice', content)));
    expect(direct.filter((_, index) => verdicts[index]).map(({ nonce }) => nonce)).toEqual([last.id]);
  },
);

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

it('keeps the username reserved while Discord confirms nothing', async () => {
  const { server, say } = await startBot();
  const recover = server.discord.fail({ to: server.alice }, 'reset');
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    UNKNOWN(server.alice.id),
  ]);
  recover();
  expect(summarize(await say(server.general, server.bob, '!getcode Alice'))[0]).toContain(
    'belongs to another member',
  );
  expect((await say(server.general, server.alice, '!getcode Alice'))[0]?.where).toBe('@alice');
});

it('does not take the rejection of a repeat for a rejection of the first attempt', async () => {
  const { server, say } = await startBot();
  server.discord.fail({ to: server.alice, times: DISCORD_JS_TRIES }, 500);
  server.discord.fail({ to: server.alice }, { status: 403, code: 50_007 });
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    UNKNOWN(server.alice.id),
  ]);
});

it('knows that nothing was sent when only the DM channel could not be opened', async () => {
  const { server, say } = await startBot();
  server.discord.fail({ opening: server.alice, times: DISCORD_JS_TRIES }, 500);
  server.discord.fail({ to: server.alice }, { status: 403, code: 50_007 });
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([
    REFUSED(server.alice.id),
  ]);
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

it('delivers the code where the bot may not write in the channel, and names the permissions', async () => {
  const { server, say, logged } = await startBot();
  server.discord.setBotPermissions(server.general, 1n << 10n);
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(said.map(({ where }) => where)).toEqual(['@alice']);
  expect(logged()).toContain('Cannot reply in #general on Chat Room: the bot needs the permissions');
  expect(logged()).not.toContain(said[0]?.message.content);
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

it('leaves a DM that Discord did not confirm to the next start', async () => {
  const paused = deferred();
  const bot = await startBot({
    async wait() {
      paused.resolve();
      await new Promise(() => undefined);
    },
  });
  const { server, databasePath, clock } = bot;
  const { discord, general, alice } = server;
  const recover = discord.fail({ to: alice }, 'lose-answer');
  discord.say(general, alice, '!getcode Alice');
  await paused.promise;
  const before = discord.calls({ to: alice }).length;
  await bot.app.stop();
  expect(discord.calls({ to: alice })).toHaveLength(before);
  expect(server.takeSaid().map(({ where }) => where)).toEqual(['@alice']);

  recover();
  clock.advance(60_000);
  const line = discord.nextMessage();
  const next = await startBot({ server, databasePath, clock });
  expect((await line).content).toBe(`✅ Access code sent to <@${alice.id}> via DM!`);
  expect(discord.directMessages(alice)).toHaveLength(1);
  expect(await accepts(next, 'Alice', discord.directMessages(alice)[0]?.content ?? '')).toBe(true);
});

it('does not deliver a code that was pending for more than 30 minutes', async () => {
  const bot = await startBot({ wait: async () => new Promise(() => undefined) });
  const { server, databasePath, clock } = bot;
  const { discord, general, alice } = server;
  const recover = discord.fail({ to: alice }, 'reset');
  discord.say(general, alice, '!getcode Alice');
  await expect.poll(() => discord.calls({ to: alice }).length).toBe(DISCORD_JS_TRIES);
  await bot.app.stop();

  recover();
  clock.advance(30 * 60_000 + 1);
  const next = await startBot({ server, databasePath, clock });
  await next.app.tasks.recover();
  await next.settled();
  expect(summarize(server.takeSaid())).toEqual([
    `#general ❌ <@${alice.id}>, your access code is no longer valid. Please ask for another: \`!getcode <username>\``,
  ]);
  expect((await next.say(general, server.bob, '!getcode Alice'))[0]?.where).toBe('@bob');
});

it('renews a recovered delivery while it is in progress, so that no other bot claims it', async () => {
  const stopped = await startBot({ wait: async () => new Promise(() => undefined) });
  const { server, databasePath, clock } = stopped;
  const { discord, general, alice } = server;
  const recover = discord.fail({ to: alice }, 'reset');
  discord.say(general, alice, '!getcode Alice');
  await expect.poll(() => discord.calls({ to: alice }).length).toBe(DISCORD_JS_TRIES);
  await stopped.app.stop();
  recover();

  const hold = discord.hold({ to: alice });
  const ticks: (() => void)[] = [];
  const every = (_ms: number, task: () => void) => {
    ticks.push(task);
    return () => undefined;
  };
  clock.advance(60_000);
  const first = await startBot({ server, databasePath, clock, every });
  await hold.arrived;
  const other = await startBot({ server, databasePath, clock });
  const before = discord.calls({ to: alice }).length;
  for (let passed = 0; passed < 4; passed++) {
    clock.advance(15_000);
    for (const tick of ticks) tick();
    await first.app.tasks.renew();
    await other.app.tasks.recover();
  }
  expect(discord.calls({ to: alice })).toHaveLength(before);
  hold.release();
  await expect.poll(() => server.takeSaid().length).toBe(2);
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
