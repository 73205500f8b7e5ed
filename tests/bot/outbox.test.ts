import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { Outbox } from '../../src/bot/outbox.js';
import type { DiscordStandIn, StandInCalls, StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { createLog } from '../../src/log.js';
import { openValidator } from '../../src/validator/validator.js';
import { startBot, summarize, TestServer, type TestBot, type TestBotOptions } from '../support/bot.js';
import { deferred } from '../support/deferred.js';
import { temporaryFolder } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';

const LEASE_MS = 15_000;
const MINUTE_MS = 60_000;

/** A process that hangs: it never tries again what went wrong once. */
const HANGS: TestBotOptions = { wait: async () => new Promise(() => undefined) };

/** Messages are sent to a channel or read from it. */
const MESSAGES: StandInCalls = { route: '/channels/*/messages' };

type Part = 'direct message' | 'acknowledgement';

/** A bot that has hung while it sent this part of the answer to `!getcode Alice`, and another one beside it. */
async function startAfterHang(part: Part): Promise<{ dead: TestBot; next: TestBot }> {
  const server = await TestServer.start();
  const { discord, general, alice } = server;
  const dead = await startBot({ ...HANGS, server });
  const calls = { to: part === 'acknowledgement' ? general : alice };
  const recover = discord.fail(calls, 500);
  discord.say(general, alice, '!getcode Alice');
  await hung(discord, calls);
  recover();
  const next = await startBot({ server, databasePath: dead.databasePath, clock: dead.clock });
  return { dead, next };
}

/** Resolves when a bot that hangs makes no more of these calls, `before` of which succeeded. */
async function hung(discord: DiscordStandIn, calls: StandInCalls, before = 0): Promise<void> {
  // discord.js tries four times by itself, and the bot twice more before it waits.
  await expect.poll(() => discord.calls(calls).length, { interval: 5 }).toBe(before + 12);
  await discord.delivered();
}

/** A bot that has hung, and whose second direct message to Alice has arrived: it was never told so. */
async function startAfterArrival(): Promise<{ dead: TestBot; server: TestServer }> {
  const server = await TestServer.start();
  const { discord, general, alice } = server;
  const dead = await startBot({ ...HANGS, server });
  await dead.getCode(alice, 'Alice');
  const recover = discord.fail({ to: alice }, 'lose-answer');
  discord.say(general, alice, '!getcode Alice');
  await hung(discord, { to: alice }, 1);
  recover();
  server.heard();
  return { dead, server };
}

/** What the bot says when it looks for answers that were left. */
async function tend({ app, settled, server }: TestBot): Promise<string[]> {
  await app.housekeeping.tendAnswers();
  await settled();
  return summarize(server.heard());
}

/** What comes of `text`, whichever bot answers: one that hangs still hears. */
async function ask({ server, clock }: TestBot, author: StandInUser, text: string): Promise<string[]> {
  const { discord, general } = server;
  server.heard();
  clock.advance(MINUTE_MS);
  const told = discord.nextMessage(
    (message) => message.author === discord.botUser && message.channelId === general.id,
  );
  discord.say(general, author, text);
  await told;
  return summarize(server.heard());
}

async function opens({ databasePath, clock }: TestBot, username: string, code: string): Promise<boolean> {
  const validator = await openValidator({ databaseUrl: databasePath, clock: clock.read });
  const { valid } = await validator.validate(username, code);
  await validator.close();
  return valid;
}

function storedAnswers({ databasePath }: TestBot): unknown[] {
  const database = openRaw(databasePath);
  const rows = database.prepare('SELECT request_id, sealed_body FROM answers').all();
  database.close();
  return rows;
}

describe('an answer that a process left unfinished', () => {
  it('is given by another one when the lease is over, and not before', async () => {
    const { next } = await startAfterHang('direct message');
    const { alice } = next.server;
    next.clock.advance(LEASE_MS - 1);
    expect(await tend(next)).toEqual([]);
    next.clock.advance(1);
    const [direct, told, ...more] = await tend(next);
    expect(direct).toMatch(/^@alice \[🎫/);
    expect(told).toBe(`#general ✅ Access code sent to <@${alice.id}> via DM!`);
    expect(more).toEqual([]);
    const [sent] = next.server.discord.directMessages(alice);
    expect(await opens(next, 'Alice', sent?.content ?? '')).toBe(true);
    expect(storedAnswers(next)).toEqual([]);
    next.clock.advance(LEASE_MS);
    expect(await tend(next)).toEqual([]);
  });

  it('is only acknowledged when its code is known to be delivered, and no longer says the code', async () => {
    const { next } = await startAfterHang('acknowledgement');
    expect(summarize(next.server.heard())).toEqual([expect.stringMatching(/^@alice \[🎫/)]);
    expect(storedAnswers(next)).toEqual([{ request_id: expect.any(String), sealed_body: null }]);
    next.clock.advance(LEASE_MS);
    expect(await tend(next)).toEqual([expect.stringMatching(/^#general ✅ Access code sent/)]);
    expect(storedAnswers(next)).toEqual([]);
  });

  it('does not send a code that has ended since', async () => {
    const { next } = await startAfterHang('direct message');
    const { server } = next;
    await ask(next, server.admin, '!revoke Alice');
    next.clock.advance(LEASE_MS);
    expect(await tend(next)).toEqual([
      expect.stringMatching(/^#general ❌ .* Please try again in a moment\.$/),
    ]);
    expect(server.discord.directMessages(server.alice)).toEqual([]);
  });

  it('keeps its code and its username for as long as it takes, up to half an hour', async () => {
    const { next } = await startAfterHang('direct message');
    const { server, app, clock } = next;
    clock.advance(28 * MINUTE_MS);
    await app.housekeeping.endCodes();
    expect(await ask(next, server.bob, '!getcode Alice')).toEqual([expect.stringContaining('is taken')]);
    expect(await tend(next)).toEqual([
      expect.stringMatching(/^@alice \[🎫/),
      expect.stringMatching(/^#general ✅/),
    ]);
  });

  it('asks to try again when it is older, and frees the username', async () => {
    const { next } = await startAfterHang('direct message');
    const { server, clock } = next;
    clock.advance(31 * MINUTE_MS);
    expect(await tend(next)).toEqual([
      expect.stringMatching(/^#general ❌ .* Please try again in a moment\.$/),
    ]);
    expect(await ask(next, server.bob, '!getcode Alice')).toEqual([
      expect.stringMatching(/^@bob \[🎫/),
      expect.stringMatching(/^#general ✅/),
    ]);
  });

  it('is taken over when the clock was set back since, too', async () => {
    const { next } = await startAfterHang('direct message');
    next.clock.advance(-60 * MINUTE_MS);
    expect(await tend(next)).toEqual([
      expect.stringMatching(/^@alice \[🎫/),
      expect.stringMatching(/^#general ✅/),
    ]);
  });

  it('stays its own process’s for as long as that is sending it', async () => {
    const { dead, next } = await startAfterHang('direct message');
    for (let passed = 0; passed < 3 * LEASE_MS; passed += LEASE_MS / 3) {
      next.clock.advance(LEASE_MS / 3);
      expect(await tend(next)).toEqual([]);
      await dead.app.housekeeping.tendAnswers();
    }
  });

  it.each([
    ['direct message', 2],
    ['acknowledgement', 1],
  ] as const)('is left to others at once by a bot that is stopped: %s', async (part, messages) => {
    const { dead, next } = await startAfterHang(part);
    next.server.heard();
    const { discord } = dead.server;
    const recover = discord.fail(MESSAGES, 500);
    await dead.app.stop();
    expect(dead.logged()).not.toContain('Stopped without finishing everything');
    recover();
    expect(await tend(next)).toHaveLength(messages);
  });

  it.each([
    ['!getcode Alice', [/^@alice \[🎫/, /^#general ✅/]],
    ['!help_chatroom', [/^#general \[🤖/]],
  ])('is given when Discord can be reached again, however long it could not: %s', async (text, answer) => {
    const bot = await startBot();
    const { server, say, clock } = bot;
    const recover = server.discord.fail({ route: 'POST /*/*/*' }, 'reset');
    expect(await say(server.general, server.alice, text)).toEqual([]);
    for (let times = 0; times < 3; times++) {
      clock.advance(LEASE_MS);
      expect(await tend(bot)).toEqual([]);
    }
    recover();
    clock.advance(LEASE_MS);
    expect(await tend(bot)).toEqual(answer.map((line) => expect.stringMatching(line)));
    expect(storedAnswers(bot)).toEqual([]);
  });

  it.each([
    ['Discord refuses to take it again', 0],
    ['the nonce is long forgotten', 3 * 60 * MINUTE_MS],
  ])('is not sent again, nor its code taken back, when it had arrived and %s', async (_what, later) => {
    const { dead, server } = await startAfterArrival();
    const { discord, alice } = server;
    discord.fail({ to: alice }, { status: 400, code: 50_035 });
    const next = await startBot({ server, databasePath: dead.databasePath, clock: dead.clock });
    next.clock.advance(LEASE_MS + later);
    expect(await tend(next)).toEqual([expect.stringMatching(/^#general ✅/)]);
    const codes = discord.directMessages(alice).map(({ content }) => content);
    expect(codes).toHaveLength(2);
    expect(await opens(next, 'Alice', codes.at(-1) ?? '')).toBe(true);
  });

  it('does not put its code, which had arrived, in place of one that was sent since', async () => {
    const { dead, server } = await startAfterArrival();
    const { discord, alice } = server;
    const next = await startBot({ server, databasePath: dead.databasePath, clock: dead.clock });
    await ask(next, alice, '!getcode Alice');
    next.clock.advance(LEASE_MS);
    expect(await tend(next)).toEqual([expect.stringMatching(/^#general ✅/)]);
    const codes = discord.directMessages(alice).map(({ content }) => content);
    const open = await Promise.all(codes.map(async (code) => opens(next, 'Alice', code)));
    expect(open).toEqual([false, false, true]);
  });

  it.each([
    ['!getcode Alice', /^#general ✅ Access code sent/],
    ['!revoke Alice', /^#general ❌ .* was ended before you could use it\. Please ask for another\.$/],
  ])('is acknowledged as what became of its code since: %s', async (text, line) => {
    const { next } = await startAfterHang('acknowledgement');
    const { alice, admin } = next.server;
    await ask(next, text.startsWith('!getcode') ? alice : admin, text);
    next.clock.advance(LEASE_MS);
    expect(await tend(next)).toEqual([expect.stringMatching(line)]);
  });

  it('is not sent where it could not be found again, but as soon as it can', async () => {
    const bot = await startBot();
    const { server, say, clock, databasePath } = bot;
    const { discord, general, alice } = server;
    const aside = join(temporaryFolder(), 'aside.db');
    // The channel is opened, and then it cannot be remembered.
    const opening = discord.hold({ opening: alice });
    const said = say(general, alice, '!getcode Alice');
    await opening.arrived;
    renameSync(databasePath, aside);
    opening.release();
    expect(await said).toEqual([]);
    renameSync(aside, databasePath);
    clock.advance(LEASE_MS);
    expect(await tend(bot)).toEqual([
      expect.stringMatching(/^@alice \[🎫/),
      expect.stringMatching(/^#general ✅/),
    ]);
  });

  it('is kept for a bot with a good token when Discord no longer takes this one', async () => {
    const bot = await startBot();
    const { server, say, databasePath, clock } = bot;
    const recover = server.discord.fail(MESSAGES, 401);
    expect(await say(server.general, server.alice, '!getcode Alice')).toEqual([]);
    expect(bot.fatal.length).toBeGreaterThan(0);
    await bot.app.stop();
    recover();
    const next = await startBot({ server, databasePath, clock });
    clock.advance(LEASE_MS);
    expect(await tend(next)).toEqual([
      expect.stringMatching(/^@alice \[🎫/),
      expect.stringMatching(/^#general ✅/),
    ]);
  });

  it('of which nothing can be read asks to try again, and keeps no other from being finished', async () => {
    const dead = await startBot(HANGS);
    const { server, databasePath, clock } = dead;
    const { discord, general, alice, bob } = server;
    const recover = discord.fail(MESSAGES, 500);
    discord.say(general, alice, '!getcode Alice');
    await expect.poll(() => storedAnswers(dead).length).toBe(1);
    clock.advance(1);
    discord.say(general, bob, '!getcode Bob');
    await expect.poll(() => storedAnswers(dead).length).toBe(2);
    await dead.app.stop();
    recover();
    const raw = openRaw(databasePath);
    raw
      .prepare("UPDATE answers SET sealed_body = 'damaged' || sealed_body WHERE author_id = ?")
      .run(alice.id);
    raw.close();

    const next = await startBot({ server, databasePath, clock });
    await expect.poll(() => storedAnswers(next)).toEqual([]);
    expect(summarize(server.heard()).toSorted()).toEqual([
      expect.stringMatching(new RegExp(`^#general ✅ .*<@${bob.id}>`)),
      expect.stringMatching(new RegExp(`^#general ❌ <@${alice.id}>.* Please try again in a moment\\.$`)),
      expect.stringMatching(/^@bob \[🎫/),
    ]);
    expect(await next.getCode(server.admin, 'Alice')).toMatch(/^[A-Z0-9]{6}$/);
  });

  it('is finished by its own process when the database fails in between', async () => {
    const bot = await startBot();
    const { server, say, clock } = bot;
    const raw = openRaw(bot.databasePath);
    // The direct message arrives, and then its delivery cannot be noted.
    const sending = server.discord.hold({ to: server.alice });
    const saying = say(server.general, server.alice, '!getcode Alice');
    await sending.arrived;
    raw.exec('ALTER TABLE guards RENAME TO elsewhere');
    sending.release();
    const said = await saying;
    expect(summarize(said)).toEqual([expect.stringMatching(/^@alice \[🎫/)]);
    expect(bot.logged()).toContain('An answer was not finished');
    raw.exec('ALTER TABLE elsewhere RENAME TO guards');
    raw.close();
    clock.advance(LEASE_MS);
    // Discord knows the nonce, and gives back the message that it has.
    expect(await tend(bot)).toEqual([expect.stringMatching(/^#general ✅/)]);
    expect(await opens(bot, 'Alice', said[0]?.message.content ?? '')).toBe(true);
  });

  it('is given although its request came once more while the database was out of reach', async () => {
    const dead = await startBot(HANGS);
    const { server, databasePath, clock } = dead;
    const { discord, general, alice } = server;
    const aside = join(temporaryFolder(), 'aside.db');
    const recover = discord.fail(MESSAGES, 500);
    const asked = discord.say(general, alice, '!getcode Alice');
    await expect.poll(() => storedAnswers(dead).length).toBe(1);
    renameSync(databasePath, aside);
    recover();
    const deliver = discord.fail({ to: alice }, 500);
    const telling = discord.hold({ to: general });
    // As many as discord.js remembers: a repeat among them would not reach the bot.
    for (let count = 0; count < 10; count++) discord.say(general, alice, 'hello');
    discord.redeliver(asked);
    await telling.arrived;
    renameSync(aside, databasePath);
    deliver();
    telling.release();
    const told = (): string[] => discord.messages(general).map(({ content }) => content);
    await expect.poll(told).toContainEqual(expect.stringContaining('my database'));
    const recoverAgain = discord.fail(MESSAGES, 500);
    await dead.app.stop();
    recoverAgain();
    await startBot({ server, databasePath, clock });
    await expect.poll(told).toContainEqual(expect.stringMatching(/^✅/));
    expect(discord.directMessages(alice)).toHaveLength(1);
  });

  it('is finished while its process always has another one to send', async () => {
    const bot = await startBot(HANGS);
    const { server, clock, app } = bot;
    const { discord, general, alice, bob } = server;
    const raw = openRaw(bot.databasePath);
    const sending = discord.hold({ to: alice });
    const saying = bot.say(general, alice, '!getcode Alice');
    await sending.arrived;
    raw.exec('ALTER TABLE guards RENAME TO elsewhere');
    sending.release();
    const said = await saying;
    raw.exec('ALTER TABLE elsewhere RENAME TO guards');
    raw.close();
    discord.fail({ to: bob }, 500);
    discord.say(general, bob, '!getcode Bob');
    await expect.poll(() => storedAnswers(bot).length).toBe(2);
    for (let passed = 0; passed < LEASE_MS; passed += LEASE_MS / 3) {
      clock.advance(LEASE_MS / 3);
      await app.housekeeping.tendAnswers();
    }
    await expect.poll(() => storedAnswers(bot).length).toBe(1);
    expect(await opens(bot, 'Alice', said[0]?.message.content ?? '')).toBe(true);
  });
});

it('two bots on one database answer each message once', async () => {
  const server = await TestServer.start();
  const { general, admin, discord } = server;
  const first = await startBot({ server });
  const second = await startBot({ server, databasePath: first.databasePath, clock: first.clock });
  const words = [
    '!getcode Alice',
    '!getcode "no such',
    '!codes',
    '!revoke nobody',
    '!help_chatroom',
    '!revoke',
  ];
  for (const word of [...words, ...words]) {
    first.clock.advance(7_000);
    discord.say(general, admin, word);
    await first.settled();
    await second.settled();
    const said = summarize(server.heard());
    const expected =
      word.startsWith('!getcode A') || word === '!codes' ? ['@admin', '#general'] : ['#general'];
    expect({ word, where: said.map((line) => line.split(' ')[0]) }).toEqual({ word, where: expected });
  }
  expect(storedAnswers(first)).toEqual([]);
});

it('is not idle before what was sent is forgotten, also where a timer has begun that', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const begun = deferred();
  const forgotten = deferred();
  const outbox = new Outbox({
    store: {
      keepAnswer: async () => undefined,
      takeAnswers: async () => [],
      renewAnswers: async () => undefined,
      releaseAnswers: async () => undefined,
      finishAnswers: async () => {
        begun.resolve();
        await forgotten.promise;
      },
    },
    keys: { seal: (text) => text, open: (text) => text },
    commands: [],
    messenger: {
      toChannel: async () => 'delivered',
      toUser: async () => 'delivered',
      hasMessage: async () => true,
      wasAnswered: async () => true,
    },
    owner: 'o',
    clock: () => 0,
    log: createLog('fatal', { write: () => undefined }),
  });
  const author = { id: 'a', tag: 'a' };
  const message = { id: '1', text: '!x', channelId: 'c', guildId: 'g', author, authorIsAdministrator: false };
  await outbox.send(message, 'x', { to: 'channel', body: { content: 'x' } });
  vi.advanceTimersByTime(50);
  await begun.promise;
  let idle = false;
  const waiting = outbox.idle().then(() => (idle = true));
  await nextTurn();
  expect(idle).toBe(false);
  forgotten.resolve();
  await waiting;
});
