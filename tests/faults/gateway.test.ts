import { setTimeout as pause } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { startBotProcess } from './bots.js';
import { sized } from './size.js';

const HEARTBEAT_MS = 400;

interface Fault {
  readonly name: string;
  /** How the bot comes back: `stays` where nothing breaks. */
  readonly back: 'stays' | 'resumes' | 'identifies';
  /** Resolves when the fault is over. */
  readonly strike: (bot: TestBot) => void | Promise<void>;
  /** Default: 10 s. */
  readonly withinMs?: number;
}

function closedWith(code: number, back: Fault['back']): Fault {
  return { name: `close code ${code}`, back, strike: ({ server }) => server.discord.closeGateway(code) };
}

function garbage(name: string, ...messages: readonly (string | Buffer)[]): Fault {
  return {
    name,
    back: 'stays',
    strike: ({ server }) => messages.forEach((message) => server.discord.babble(message)),
  };
}

/** These run in the short form, too. */
const IN_SHORT = 4;

const FAULTS: readonly Fault[] = [
  { name: 'op 7', back: 'resumes', strike: ({ server }) => server.discord.reconnect() },
  { name: 'a reset', back: 'resumes', strike: ({ server }) => server.discord.dropConnections() },
  {
    name: 'op 9, not to resume',
    back: 'identifies',
    strike: ({ server }) => server.discord.invalidateSession(false),
  },
  garbage('JSON that is no payload', 'null', '0', '[]', '{}', '{"op":99}', '{"op":"0","d":{}}'),
  {
    name: 'op 9, to resume',
    back: 'resumes',
    strike: ({ server }) => server.discord.invalidateSession(true),
  },
  garbage('messages that are not JSON', '', '{', 'gateway timeout', '\u0000'),
  garbage('bytes', Buffer.alloc(0), Buffer.from([1, 2, 3]), Buffer.alloc(70_000, 0xff)),
  {
    name: 'bytes that are no frame',
    back: 'resumes',
    strike: ({ server }) => server.discord.scramble(Buffer.alloc(64, 0xff)),
  },
  {
    name: 'an outage of 10 seconds',
    back: 'identifies',
    strike: async ({ server }) => {
      const comeBack = server.discord.goOffline();
      await pause(10_000);
      comeBack();
    },
  },
  {
    // discord.js notices it after 2 heartbeats, and waits 30 s for the connection to close.
    name: 'a silent connection',
    back: 'resumes',
    strike: ({ server }) => server.discord.silence({ newOnes: false }),
    withinMs: 45_000,
  },
  {
    // discord.js waits 60 s.
    name: 'a connection without HELLO',
    back: 'identifies',
    strike: async ({ server }) => {
      const greet = server.discord.withholdHello();
      server.discord.dropConnections();
      await pause(2_000);
      greet();
    },
    withinMs: 75_000,
  },
  ...[1_000, 1_001, 4_003, 4_005, 4_007, 4_008, 4_009].map((code) => closedWith(code, 'identifies')),
  ...[4_000, 4_001, 4_002, 4_006].map((code) => closedWith(code, 'resumes')),
];

it.each(FAULTS.slice(0, sized(IN_SHORT, FAULTS.length)))(
  'after $name the bot $back, and handles each message once',
  async ({ back, strike, withinMs = 10_000 }) => {
    const server = await TestServer.start({ heartbeatIntervalMs: HEARTBEAT_MS });
    const bot = await startBot({ server });
    const { discord, general, alice, bob } = server;
    const before = { identifies: discord.identifies, resumes: discord.resumes };

    const struck = Promise.resolve(strike(bot));
    // A new session does not repeat what was said before it.
    if (back !== 'identifies') discord.say(general, alice, '!getcode Meanwhile');
    await struck;
    const isBack = (): boolean => bot.app.isConnected() && (back === 'stays' || discord[back] > before[back]);
    await expect.poll(isBack, { interval: 2, timeout: withinMs }).toBe(true);

    bot.clock.advance(10_000);
    discord.say(general, bob, '!getcode After');
    await bot.settled();
    const acknowledged = server.takeSaid().filter(({ where }) => where === '#general');
    expect(acknowledged.map(({ message }) => message.content)).toEqual(
      (back === 'identifies' ? [bob] : [alice, bob]).map(
        ({ id }) => `✅ Access code sent to <@${id}> via DM!`,
      ),
    );
    expect(discord.identifies).toBe(back === 'identifies' ? 2 : 1);
    expect(bot.fatal).toEqual([]);
  },
);

it('ends the process with exit 78 within 5 seconds after close code 4004, although other things are open', async () => {
  const server = await TestServer.start();
  // A server that nobody closes keeps a Node process alive.
  const listen = "import { createServer } from 'node:http'; createServer().listen(0, '127.0.0.1');";
  const options = `--import=data:text/javascript,${encodeURIComponent(listen)}`;
  const bot = startBotProcess(server, temporaryFolder(), { NODE_OPTIONS: options });
  await bot.printed('is ready');
  const start = performance.now();
  server.discord.closeGateway(4_004);
  expect(await bot.ended).toBe(78);
  expect(performance.now() - start).toBeLessThan(sized(30_000, 5_000));
  expect(bot.stdout()).toContain('click Reset Token');
  expect(bot.stdout()).not.toContain(server.discord.token);
});
