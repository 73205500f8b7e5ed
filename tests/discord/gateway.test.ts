import { SimpleIdentifyThrottler } from 'discord.js';
import { expect, it, onTestFinished, vi } from 'vitest';

import type { DiscordStandIn, StandInFault } from '../../src/demo/stand-in/stand-in.js';
import { DiscordSetupError } from '../../src/discord/errors.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';

const HOUR_MS = 3_600_000;
const UNAUTHORIZED = { status: 401 } as const;
const timesIn = (logged: string, sentence: string): number => logged.split(sentence).length - 1;
const whereIn = (bot: TestBot): string[] => bot.server.takeSaid().map(({ where }) => where);

it('is connected from the start to the end, except while it has no connection', async () => {
  const bot = await startBot();
  const { discord, general, alice } = bot.server;
  expect(bot.app.isConnected()).toBe(true);
  discord.dropConnections();
  discord.say(general, alice, '!getcode Alice');
  await expect.poll(() => bot.app.isConnected(), { interval: 1 }).toBe(false);
  await expect.poll(() => bot.app.isConnected(), { interval: 5 }).toBe(true);
  expect(discord.connections).toBe(1);
  await bot.settled();
  // What was said during the disconnect.
  expect(whereIn(bot)).toEqual(['@alice', '#general']);
  await bot.app.stop();
  expect(bot.app.isConnected()).toBe(false);
});

it('is connected from the resumption of a session on, before the first heartbeat', async () => {
  const server = await TestServer.start({ heartbeatIntervalMs: 3_600_000 });
  const liveness = { heartbeatMs: 500, lateMs: 500, deadMs: 3_600_000, checkMs: 20 };
  const bot = await startBot({ server, liveness });
  await expect.poll(() => bot.app.isConnected(), { interval: 5 }).toBe(false);
  server.discord.dropConnections();
  await expect.poll(() => bot.app.isConnected(), { interval: 5 }).toBe(true);
});

it('logs one line for an outage, however often it reconnects, and one when it is over', async () => {
  const bot = await startBot();
  const { discord } = bot.server;
  const comeBack = discord.goOffline();
  await expect.poll(() => timesIn(bot.logged(), 'Reconnecting to Discord')).toBe(2);
  comeBack();
  await discord.connected();
  await expect.poll(() => bot.app.isConnected()).toBe(true);
  expect(timesIn(bot.logged(), 'Lost the connection to Discord')).toBe(1);
  expect(timesIn(bot.logged(), 'Reconnected to Discord')).toBe(1);
});

it('handles messages that arrive before the servers are chosen', async () => {
  const server = await TestServer.start();
  const { discord, general, alice } = server;
  const said = discord.connected().then(() => discord.say(general, alice, '!getcode Alice'));
  const bot = await startBot({ server });
  await said;
  await bot.settled();
  expect(whereIn(bot)).toEqual(['@alice', '#general']);
});

const UNREACHABLE =
  "Cannot reach Discord. Check this machine's internet connection. Trying again every minute.";
const refused = (reason: string): string =>
  `Discord does not accept connections now (${reason}). Leave the bot running; https://discordstatus.com shows outages. Trying again every minute.`;
const gatewayAt = (url: string, remaining = 1_000): StandInFault => {
  const limit = { total: 1_000, remaining, reset_after: HOUR_MS, max_concurrency: 1 };
  return { status: 200, body: { url, shards: 1, session_start_limit: limit } };
};
const gatewayWith = ({ discord: { apiUrl } }: TestServer, remaining: number): StandInFault =>
  gatewayAt(apiUrl.replace('http', 'ws').replace('/api', '/gateway'), remaining);
const GATEWAY = { route: 'GET /gateway/bot' };

/** What fails at the start, and what the log says. Each fault ends when the returned function is called. */
const OUTAGES: readonly (readonly [string, string, (discord: DiscordStandIn) => () => void])[] = [
  ['no network', UNREACHABLE, (discord) => discord.goOffline()],
  ['no gateway', UNREACHABLE, (discord) => discord.fail(GATEWAY, gatewayAt('ws://127.0.0.1:1'))],
  [
    'no TLS at the gateway',
    UNREACHABLE,
    (discord) => discord.fail(GATEWAY, gatewayAt(discord.apiUrl.replace('http', 'wss'))),
  ],
  ['REST 502', refused('HTTP 502'), (discord) => discord.fail(GATEWAY, 502)],
  ['gateway 502', refused('HTTP 502'), (discord) => discord.refuseGateway(() => ({ status: 502 }))],
  [
    'close code 4000 after HELLO',
    refused('close code 4000'),
    (discord) => discord.refuseGateway(() => ({ close: 4000 })),
  ],
];

it.each(OUTAGES)('waits at the start during %s, and says so once', async (_, sentence, begin) => {
  const server = await TestServer.start();
  const end = begin(server.discord);
  const warn = vi.spyOn(console, 'warn');
  const waits: number[] = [];
  const bot = await startBot({
    server,
    async wait(ms) {
      waits.push(ms);
      if (waits.length === 15) end();
    },
  });
  expect(bot.app.isConnected()).toBe(true);
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, ...Array<number>(9).fill(60)].map((seconds) => seconds * 1_000));
  expect(timesIn(bot.logged(), sentence)).toBe(1);
  expect(bot.logged().match(/"level":(40|50|60)/g)).toHaveLength(1);
  expect(warn.mock.calls.join()).not.toContain('memory leak');
  expect(server.discord.identifies).toBe(1);
});

it.each([
  ['3600', 3_600_000, 'at 01:00 UTC.'],
  ['99999999999', 86_400_000, 'at 00:00 UTC.'],
  ['Thu, 01 Jan 2026 01:00:00 GMT', 1_000, 'every minute.'],
])('waits at the start for as long as the gateway asks: %s', async (retryAfter, expected, again) => {
  const server = await TestServer.start();
  const headers = { 'Retry-After': retryAfter };
  const end = server.discord.refuseGateway(() => ({ status: 429, headers }));
  const waits: number[] = [];
  const bot = await startBot({
    server,
    clock: new ManualClock(),
    async wait(ms) {
      waits.push(ms);
      end();
    },
  });
  expect(waits).toEqual([expected]);
  expect(bot.logged()).toContain('Discord does not accept connections now (HTTP 429).');
  expect(bot.logged()).toContain(`Trying again ${again}`);
});

it('connects at the start although the gateway refuses every other connection', async () => {
  const server = await TestServer.start();
  let connections = 0;
  // The first of them is the probe, not a login.
  server.discord.refuseGateway(() => (connections++ % 2 === 1 ? { status: 502 } : null));
  const bot = await startBot({ server });
  expect(bot.app.isConnected()).toBe(true);
  expect(server.discord.identifies).toBe(1);
  expect(connections).toBe(3);
});

it('waits at the start until Discord allows logins again', async () => {
  const server = await TestServer.start();
  server.discord.fail({ ...GATEWAY, times: 1 }, gatewayWith(server, 0));
  const waits: number[] = [];
  const wait = async (ms: number): Promise<void> => void waits.push(ms);
  const bot = await startBot({ server, clock: new ManualClock(), wait });
  expect(waits).toEqual([HOUR_MS]);
  expect(bot.logged()).toContain('Discord allows no more logins today. The bot tries again at 01:00');
});

it('asks discord.js and Discord before each login, and spreads the logins that are left when less than half are', async () => {
  const own = vi.spyOn(SimpleIdentifyThrottler.prototype, 'waitForIdentify').mockResolvedValue();
  onTestFinished(() => own.mockRestore());
  const waits: number[] = [];
  const clock = new ManualClock();
  const wait = async (ms: number): Promise<void> => {
    waits.push(ms);
    clock.advance(ms);
  };
  const bot = await startBot({ clock, wait });
  const { discord } = bot.server;
  for (const remaining of [501, 500, 3, 0, null]) {
    const logins = discord.identifies + 1;
    // When Discord does not say how many are left, the bot logs in. discord.js asks 4 times.
    if (remaining === null) discord.fail({ ...GATEWAY, times: 4 }, 502);
    else discord.fail({ ...GATEWAY, times: 1 }, gatewayWith(bot.server, remaining));
    discord.invalidateSession(false);
    await expect.poll(() => bot.app.isConnected() && discord.identifies, { interval: 5 }).toBe(logins);
    expect(own).toHaveBeenCalledTimes(logins);
  }
  expect(waits).toEqual([HOUR_MS / 500, HOUR_MS / 3, HOUR_MS]);
  expect(bot.logged()).toContain(
    '"loginsLeft":3,"loginsPerDay":1000,"msg":"Waiting 20 minutes before the next login to Discord.',
  );
});

it.each<[string, StandInFault, string, boolean]>([
  ['all requests', { status: 429, retryAfter: 3_600, scope: 'global' }, 'all requests of the bot', false],
  ['its address', { status: 429, retryAfter: 3_600, scope: null }, 'all requests of the bot', false],
  ['one route', { status: 429, retryAfter: 3_600 }, 'requests to /channels/:id/messages', true],
])(
  'logs once that Discord limits %s for an hour, and is connected or not meanwhile',
  async (_, fault, what, isConnected) => {
    const bot = await startBot();
    const { discord, general, thread, alice, bob } = bot.server;
    // Not logged: it is over soon.
    discord.fail({ to: general, times: 1 }, { status: 429, retryAfter: 0.05 });
    await bot.say(general, bob, '!help_chatroom');
    // Both requests are under way when the first is answered.
    const holds = (isConnected ? [general] : [general, thread]).map((place) => {
      const hold = discord.hold({ to: place, times: 1 }, fault);
      discord.say(place, alice, '!help_chatroom');
      return hold;
    });
    await Promise.all(holds.map(async ({ arrived }) => arrived));
    for (const hold of holds) hold.release();
    const sentence = `Discord limits ${what} for 60 minutes. Leave the bot running: a restart does not end the limit.`;
    await expect.poll(() => timesIn(bot.logged(), sentence)).toBe(1);
    await discord.delivered();
    expect(bot.app.isConnected()).toBe(isConnected);
    bot.clock.advance(3_601_000);
    expect(bot.app.isConnected()).toBe(true);
    expect(timesIn(bot.logged(), 'Discord limits')).toBe(1);
  },
);

it('waits for the longer of two limits, and not for longer when the clock is set back', async () => {
  const bot = await startBot();
  const { discord, general, thread, alice } = bot.server;
  const holds = [60, 3_600].map((retryAfter, index) => {
    const to = index === 0 ? general : thread;
    const hold = discord.hold({ to, times: 1 }, { status: 429, retryAfter, scope: 'global' });
    discord.say(to, alice, '!help_chatroom');
    return hold;
  });
  await Promise.all(holds.map(async ({ arrived }) => arrived));
  for (const [index, time] of ['60 seconds', '60 minutes'].entries()) {
    holds[index]?.release();
    await expect.poll(bot.logged).toContain(`Discord limits all requests of the bot for ${time}.`);
  }
  bot.clock.advance(61_000);
  expect(bot.app.isConnected()).toBe(false);
  bot.clock.advance(-2 * HOUR_MS);
  expect(bot.app.isConnected()).toBe(true);
});

it('warns before Discord blocks the address because of rejected requests', async () => {
  const bot = await startBot();
  const { discord, general, alice } = bot.server;
  // Each command is replied to twice: with an embed and without.
  discord.fail({ to: general }, { status: 403, code: 50_013 });
  for (let commands = 0; commands < 125; commands++) {
    bot.clock.advance(7_000);
    discord.say(general, alice, '!help_chatroom');
    await discord.delivered();
  }
  await bot.settled();
  expect(bot.logged()).toMatch(
    /Discord rejected [\d,]*(?:00|50) requests within 10 minutes\. At 10,000 it blocks/,
  );
});

it('ends with a failure after more than 20 sessions in 10 minutes', async () => {
  const bot = await startBot();
  const { discord } = bot.server;
  const resume = async (): Promise<void> => {
    const before = discord.resumes;
    discord.invalidateSession(true);
    await expect.poll(() => discord.resumes, { interval: 1 }).toBe(before + 1);
    await discord.delivered();
  };
  for (let sessions = 2; sessions <= 20; sessions++) await resume();
  expect(bot.fatal).toEqual([]);
  bot.clock.advance(10 * 60_000);
  for (let sessions = 1; sessions <= 20; sessions++) await resume();
  expect(bot.fatal).toEqual([]);
  await resume();
  await expect.poll(() => bot.fatal.length).toBe(1);
  expect(bot.fatal[0]?.message).toContain('Lost the connection to Discord more than 20 times in 10 minutes');
  expect(bot.fatal[0]).not.toBeInstanceOf(DiscordSetupError);
});

it.each([
  [4004, 'click Reset Token', false],
  [4011, 'Starting again may help', true],
  [4012, 'Update the bot', false],
  [4014, 'switch on Message Content Intent', false],
])('ends when Discord closes the connection with %i', async (code, sentence, isTransient) => {
  const bot = await startBot();
  bot.server.discord.closeGateway(code);
  await expect.poll(() => bot.fatal.length).toBe(1);
  expect(bot.fatal[0]).toMatchObject({ message: expect.stringContaining(sentence), isTransient });
});

it('does not start without the message content intent', async () => {
  const starting = startBot({ server: await TestServer.start({ messageContentIntent: false }) });
  await expect(starting).rejects.toThrow(DiscordSetupError);
  await expect(starting).rejects.toThrow('switch on Message Content Intent');
});

it('ends with a setup error after one 401', async () => {
  const bot = await startBot();
  const { discord, general, alice } = bot.server;
  discord.fail({ opening: alice, times: 1 }, UNAUTHORIZED);
  discord.say(general, alice, '!getcode Alice');
  await expect.poll(() => bot.fatal[0]).toBeInstanceOf(DiscordSetupError);
  expect(bot.fatal[0]?.message).toContain('click Reset Token');
});

it('continues after a 401 to the reply to a button press, which needs no token', async () => {
  const bot = await startBot();
  const { server, say } = bot;
  server.discord.setDirectMessages(server.alice, 'closed');
  await say(server.general, server.alice, '!getcode Alice');
  server.discord.fail({ press: server.alice }, UNAUTHORIZED);
  server.discord.pressButton(server.alice, 'Show my code').catch(() => undefined);
  await bot.settled();
  expect(bot.fatal).toEqual([]);
  expect(await say(server.general, server.bob, '!getcode Bob')).toHaveLength(2);
});

it('ends with a failure when no heartbeat is acknowledged for 3 intervals and 40 seconds', async () => {
  const server = await TestServer.start({ heartbeatIntervalMs: 100 });
  const liveness = { heartbeatMs: 100, lateMs: 200, deadMs: 400, checkMs: 20 };
  const clock = new ManualClock();
  const reads = vi.spyOn(clock, 'read');
  const bot = await startBot({ server, liveness, clock });
  expect(bot.app.isConnected()).toBe(true);
  // Pauses between heartbeats do not add up: as many checks in a row as these end the bot.
  await expect.poll(() => reads.mock.calls.length, { timeout: 10_000 }).toBeGreaterThan(70);
  expect(bot.fatal).toEqual([]);
  server.discord.silence();
  await expect.poll(() => bot.app.isConnected(), { interval: 5 }).toBe(false);
  expect(bot.fatal).toEqual([]);
  await expect
    .poll(() => bot.fatal[0]?.message, { interval: 5 })
    .toMatch('Discord did not respond for minutes');
  expect(bot.fatal[0]).not.toBeInstanceOf(DiscordSetupError);
  // The other side does not close the connection.
  const start = performance.now();
  await bot.app.stop();
  expect(performance.now() - start).toBeLessThan(5_000);
});

it.each<[string, string, (server: TestServer) => void]>([
  [
    'while Discord limits the whole bot',
    'Discord limits all requests',
    ({ discord, general, alice }) => {
      discord.fail({ to: general }, { status: 429, retryAfter: 3_600, scope: 'global' });
      discord.say(general, alice, '!help_chatroom');
    },
  ],
  [
    'while the bot waits before a login',
    'before the next login to Discord',
    (server) => {
      server.discord.fail(GATEWAY, gatewayWith(server, 1));
      server.discord.invalidateSession(false);
    },
  ],
])('does not count silence %s', async (_, sentence, begin) => {
  const own = vi.spyOn(SimpleIdentifyThrottler.prototype, 'waitForIdentify').mockResolvedValue();
  onTestFinished(() => own.mockRestore());
  const server = await TestServer.start({ heartbeatIntervalMs: 100 });
  const clock = new ManualClock();
  const reads = vi.spyOn(clock, 'read');
  const liveness = { heartbeatMs: 100, lateMs: 200, deadMs: 400, checkMs: 20 };
  const wait = async (): Promise<void> => new Promise(() => undefined);
  const bot = await startBot({ server, liveness, clock, wait });
  begin(server);
  await expect.poll(bot.logged).toContain(sentence);
  server.discord.silence();
  const before = reads.mock.calls.length;
  // Each check reads the clock: these are twice as many as end the bot.
  await expect.poll(() => reads.mock.calls.length - before, { timeout: 10_000 }).toBeGreaterThan(70);
  expect(bot.fatal).toEqual([]);
  clock.advance(3_601_000);
  await expect
    .poll(() => bot.fatal[0]?.message, { timeout: 10_000 })
    .toMatch('Discord did not respond for minutes');
});

it('ends with a failure when the gateway sends no HELLO', async () => {
  const server = await TestServer.start();
  server.discord.withholdHello();
  const liveness = { heartbeatMs: 50, deadMs: 100, checkMs: 10 };
  await expect(startBot({ server, liveness })).rejects.toThrow('Discord did not respond for minutes');
  expect(server.discord.identifies).toBe(0);
});
