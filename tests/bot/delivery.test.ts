import { setImmediate as nextTurn } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { startBot, summarize, TestServer, type TestBot } from '../support/bot.js';
import { deferred } from '../support/deferred.js';
import { keep, openRaw } from '../support/raw-database.js';

const MINUTE_MS = 60_000;
/** A delivery that no process has renewed for longer than this is claimed. */
const ATTEMPT_MS = 40_000;
const DM = expect.stringMatching(/^@alice \[🎫/);
const SENT = expect.stringMatching(/^#general ✅ Access code sent to <@\d+> via DM!$/);
const ENDED = expect.stringContaining('your access code is no longer valid.');

type Step = 'DM' | 'acknowledgement';

/** A bot that waits forever before it repeats this step of `!getcode Alice`, until the fault is repaired. */
async function startHanging(step: Step): Promise<{ bot: TestBot; repair: () => void }> {
  const server = await TestServer.start();
  const { discord, general, alice } = server;
  const waits = deferred();
  const wait = async (): Promise<void> => {
    waits.resolve();
    await new Promise(() => undefined);
  };
  const bot = await startBot({ server, wait });
  const repair = discord.fail({ to: step === 'DM' ? alice : general }, 500);
  discord.say(general, alice, '!getcode Alice');
  await waits.promise;
  server.takeSaid();
  return { bot, repair };
}

/** Another bot, after one that stopped during this step of `!getcode Alice`, and after the change. */
async function startAfterStop(step: Step, change?: (server: TestServer) => void): Promise<TestBot> {
  const { bot, repair } = await startHanging(step);
  const { app, server, databasePath, clock } = bot;
  await app.stop();
  expect(bot.logged()).not.toContain('"level":50');
  repair();
  change?.(server);
  return startBot({ server, databasePath, clock });
}

/** Returns the bot's messages when it finishes interrupted deliveries. */
async function recover({ app, settled, server }: TestBot): Promise<string[]> {
  await app.tasks.recover();
  await settled();
  return summarize(server.takeSaid());
}

it('finishes a delivery that another process left 40 seconds ago', async () => {
  const bot = await startAfterStop('DM');
  bot.clock.advance(ATTEMPT_MS);
  expect(await recover(bot)).toEqual([]);
  bot.clock.advance(1);
  expect(await recover(bot)).toEqual([DM, SENT]);
  const [sent] = bot.server.discord.directMessages(bot.server.alice);
  expect(await bot.logIn('Alice', sent?.content ?? '')).toBe('valid');
  bot.clock.advance(ATTEMPT_MS + 1);
  expect(await recover(bot)).toEqual([]);
});

it('leaves a delivery to the process that renews it, and does not begin it twice', async () => {
  const { bot: first, repair } = await startHanging('DM');
  repair();
  const { server, databasePath, clock } = first;
  const second = await startBot({ server, databasePath, clock });
  for (let seconds = 0; seconds < 120; seconds += 15) {
    clock.advance(15_000);
    expect(await recover(second)).toEqual([]);
    await first.app.tasks.renew();
  }
  clock.advance(ATTEMPT_MS + 1);
  await first.app.tasks.recover();
  expect(summarize(server.takeSaid())).toEqual([]);
});

it.each([
  ['only acknowledges a code whose DM was confirmed', ATTEMPT_MS + 1, [SENT]],
  ['does not acknowledge a code that was requested more than 2 minutes ago', 2 * MINUTE_MS + 1, []],
])('%s', async (_, ms, lines) => {
  const bot = await startAfterStop('acknowledgement');
  bot.clock.advance(ms);
  expect(await recover(bot)).toEqual(lines);
  expect(bot.server.discord.directMessages(bot.server.alice)).toHaveLength(1);
});

it.each([
  ['that was revoked during its delivery', '!revoke Alice', ATTEMPT_MS + 1],
  ['after 30 minutes', '', 30 * MINUTE_MS + 1],
])('does not send a code %s, and frees its username', async (_, text, ms) => {
  const bot = await startAfterStop('DM');
  const { server, clock, say, getCode } = bot;
  await say(server.general, server.admin, text);
  clock.advance(ms);
  expect(await recover(bot)).toEqual([ENDED]);
  expect(server.discord.directMessages(server.alice)).toEqual([]);
  await getCode(server.bob, 'Alice');
});

it('says so when a code was revoked while its DM was being sent', async () => {
  const bot = await startBot();
  const { discord, general, alice, admin } = bot.server;
  const hold = discord.hold({ to: alice, times: 1 });
  discord.say(general, alice, '!getcode Alice');
  await hold.arrived;
  discord.say(general, admin, '!revoke Alice');
  await expect.poll(() => discord.messages(general).at(-1)?.content).toContain('has been revoked');
  hold.release();
  await bot.settled();
  expect(summarize(bot.server.takeSaid()).slice(1)).toEqual([DM, ENDED]);
});

it('delivers a code when its server is served again within 30 minutes', async () => {
  const bot = await startAfterStop('DM', ({ discord, guild }) => discord.removeBot(guild));
  bot.clock.advance(10 * MINUTE_MS);
  expect(await recover(bot)).toEqual([]);
  bot.server.discord.addBot(bot.server.guild);
  await bot.settled();
  const withoutWelcome = async (): Promise<string[]> =>
    (await recover(bot)).filter((line) => !line.startsWith('@owner'));
  await expect.poll(withoutWelcome).toEqual([DM, SENT]);
});

it('says nothing of a code that ended while its server was not served', async () => {
  const bot = await startAfterStop('DM', ({ discord, guild }) => discord.removeBot(guild));
  for (const ms of [30 * MINUTE_MS, ATTEMPT_MS]) {
    bot.clock.advance(ms + 1);
    await bot.app.tasks.endCodes();
    expect(await recover(bot)).toEqual([]);
  }
  expect(bot.logged().split('Finishing interrupted deliveries')).toHaveLength(2);
  expect(bot.logged()).not.toMatch(/Could not send|Cannot reply/);
});

it('delivers a code after an outage of Discord of several minutes', async () => {
  const bot = await startBot();
  const { server, say, clock } = bot;
  const repair = server.discord.fail({ route: 'POST /channels/*/messages' }, 'reset');
  expect(await say(server.general, server.alice, '!getcode Alice')).toEqual([]);
  clock.advance(ATTEMPT_MS + 1);
  expect(await recover(bot)).toEqual([]);
  repair();
  clock.advance(ATTEMPT_MS + 1);
  expect(await recover(bot)).toEqual([DM, SENT]);
});

it('activates a code whose delivery could not be recorded at first', async () => {
  const bot = await startBot();
  const { server, say, clock } = bot;
  const raw = openRaw(bot.databasePath);
  raw.exec("CREATE TRIGGER fault BEFORE UPDATE OF delivered_at ON codes BEGIN SELECT RAISE(FAIL, 'x'); END");
  const said = await say(server.general, server.alice, '!getcode Alice');
  expect(summarize(said)).toEqual([DM]);
  raw.exec('DROP TRIGGER fault');
  raw.close();
  clock.advance(ATTEMPT_MS + 1);
  // Discord recognizes the nonce of the DM.
  expect(await recover(bot)).toEqual([SENT]);
  expect(await bot.logIn('Alice', said[0]?.message.content ?? '')).toBe('valid');
});

it('leaves a delivery to a bot with a new token when Discord refuses the old one', async () => {
  const bot = await startBot();
  const { server, say, databasePath, clock } = bot;
  const repair = server.discord.fail({ route: 'POST /channels/*/messages' }, 401);
  expect(await say(server.general, server.alice, '!getcode Alice')).toEqual([]);
  expect(bot.fatal.length).toBeGreaterThan(0);
  await bot.app.stop();
  repair();
  clock.advance(ATTEMPT_MS + 1);
  await startBot({ server, databasePath, clock });
  await expect.poll(() => server.discord.messages(server.general).at(-1)?.content).toMatch(/^✅/);
  expect(summarize(server.takeSaid())).toEqual([DM, SENT]);
});

it('keeps the code that was requested last, also when an older DM is confirmed later', async () => {
  const waits = deferred();
  const released = deferred();
  const bot = await startBot({
    wait: async () => {
      waits.resolve();
      await released.promise;
    },
  });
  const { server, settled, clock, logIn } = bot;
  const { discord, general, alice } = server;
  const repair = discord.fail({ to: alice }, 'lose-answer');
  discord.say(general, alice, '!getcode Alice');
  await waits.promise;
  repair();
  expect(summarize(server.takeSaid())).toEqual([DM]);

  // Message ids decide, not the clock.
  clock.advance(-MINUTE_MS);
  const acknowledged = discord.nextMessage(({ content }) => content.startsWith('✅'));
  discord.say(general, alice, '!getcode Alice');
  await acknowledged;
  expect(summarize(server.takeSaid())).toEqual([DM, SENT]);

  released.resolve();
  await settled();
  expect(summarize(server.takeSaid())).toEqual([SENT]);
  const [older, newer] = discord.directMessages(alice).map(({ content }) => content);
  expect(await logIn('Alice', older ?? '')).toBe('replaced');
  expect(await logIn('Alice', newer ?? '')).toBe('valid');
});

it('sends the lines of other members while it repeats one that Discord did not confirm', async () => {
  const { bot, repair } = await startHanging('acknowledgement');
  const { discord, general, bob } = bot.server;
  repair();
  const line = discord.nextMessage(({ content }) => content.startsWith('✅'));
  discord.say(general, bob, '!getcode Bob');
  expect((await line).pings.users).toEqual([bob.id]);
});

it('joins no line to one that waits in another channel', async () => {
  const bot = await startBot();
  const { discord, general, thread, alice, bob, admin } = bot.server;
  const hold = discord.hold({ to: general, times: 1 });
  discord.say(general, admin, '!getcode first');
  await hold.arrived;
  discord.say(general, alice, '!getcode Alice');
  await expect.poll(() => discord.calls({ to: alice })).toHaveLength(1);
  discord.say(thread, bob, '!getcode Bob');
  await expect.poll(() => discord.messages(thread).at(-1)?.pings.users).toEqual([bob.id]);
  hold.release();
});

/**
 * Asks for a code for each of `count` members at once, and stops the bot while the channel fails.
 *
 * @param arriving this many calls to the channel have an effect, and none is answered.
 */
async function rushAndStop(count: number, arriving: number, asked: (bot: TestBot) => boolean) {
  const bot = await startBot({ wait: async () => new Promise(() => undefined) });
  const { server, databasePath, clock, app } = bot;
  const { discord, general } = server;
  const members = Array.from({ length: count }, (_, index) => server.join(`member${index}`));
  const recoveries = [
    discord.fail({ to: general, times: arriving }, 'lose-answer'),
    discord.fail({ to: general }, 500),
  ];
  for (const member of members) discord.say(general, member, `!getcode ${member.username}`);
  await expect.poll(() => asked(bot)).toBe(true);
  await app.stop();
  for (const repair of recoveries) repair();
  clock.advance(ATTEMPT_MS + 1);
  /** The indexes of the members whom the lines with this text name, in the order of the lines. */
  const named = (text: string): number[] =>
    discord
      .messages(general)
      .filter(({ author, content }) => author === discord.botUser && content.includes(text))
      .flatMap(({ pings }) => pings.users.map((id) => members.findIndex((member) => member.id === id)));
  const next = await startBot({ server, databasePath, clock, wait: async () => nextTurn() });
  const acknowledged = (): unknown => {
    const raw = openRaw(databasePath);
    const { total } = Object(
      keep(raw.prepare('SELECT count(*) AS total FROM codes WHERE acknowledged_at IS NOT NULL')).get(),
    );
    raw.close();
    return total;
  };
  return { next, members, named, acknowledged };
}

it('serves a queue of members in their order, each once, when it is stopped in the middle', async () => {
  const count = 40;
  const { next, members, named, acknowledged } = await rushAndStop(count, 0, ({ server, logged }) => {
    const isIssued = logged().split('Issued a code').length === count + 1;
    return isIssued && server.discord.calls({ to: server.general }).length >= 8;
  });
  const { discord, general } = next.server;
  await expect.poll(acknowledged).toBe(count);
  const direct = members.map((member) => discord.directMessages(member).length);
  // 10 by the bot that was stopped; 10 at once and 5 that wait for at most 10 seconds by the next one.
  const sent = Array.from({ length: 25 }, (_, index) => index);
  expect(named('via DM!')).toEqual(sent);
  expect(direct).toEqual(members.map((_, index) => (index < sent.length ? 1 : 0)));
  expect(named('Press the button')).toEqual(
    members.slice(sent.length).map((_, index) => sent.length + index),
  );
  expect(discord.messages(general).length - count).toBeLessThan(count / 2);
});

it.each([
  ['all members', Infinity, 10],
  // discord.js sends a message 4 times.
  ['only the first member', 4, 1],
])('names each member once after Discord received lines that name %s', async (_, arriving, known) => {
  const count = 10;
  const isSent = ({ server: { discord, general } }: TestBot): boolean =>
    discord.calls({ to: general }).length >= 8 &&
    discord.messages(general).flatMap(({ author, pings }) => (author.bot ? pings.users : [])).length ===
      known;
  const { named, acknowledged } = await rushAndStop(count, arriving, isSent);
  await expect.poll(acknowledged).toBe(count);
  expect(named('via DM!')).toEqual(Array.from({ length: count }, (__, index) => index));
});
