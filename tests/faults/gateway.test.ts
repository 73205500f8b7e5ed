import { Events, type Client } from 'discord.js';
import { expect, it, onTestFinished } from 'vitest';

import { createClient } from '../../src/discord/client.js';
import { DiscordSetupError } from '../../src/discord/discord-bot.js';
import type { Patience } from '../../src/discord/watchdog.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { run, type Running } from '../support/process.js';
import { sized } from './size.js';

const HEARTBEAT_MS = 400;

/** Of the real one, the parts that a test cannot wait for. */
const PATIENCE: Partial<Patience> = {
  checkMs: 50,
  heartbeatMs: HEARTBEAT_MS,
  helloMs: 500,
  // Less than discord.js waits for its turn to identify: that wait must not count.
  readyMs: 2_000,
  lateMs: 300,
};

/** What the watchdog says when it notices something itself. */
const NOTICED = 'Nothing is heard on the connection';

interface Fault {
  readonly name: string;
  /** How the bot comes back: by itself it stays where nothing broke. */
  readonly back: 'stays' | 'resumes' | 'identifies';
  /** Resolves when the fault is over, or when the bot has noticed it: from then on the time counts. */
  readonly strike: (bot: TestBot) => void | Promise<void>;
}

async function noticed(bot: TestBot): Promise<void> {
  await expect.poll(() => bot.logged().includes(NOTICED), { interval: 5 }).toBe(true);
}

function closedWith(code: number, back: Fault['back']): Fault {
  return { name: `close code ${code}`, back, strike: ({ server }) => server.discord.closeGateway(code) };
}

function outage(ms: number): Fault {
  return {
    name: `an outage of ${ms / 1_000} seconds`,
    back: 'resumes',
    strike: async ({ server }) => {
      const comeBack = server.discord.goOffline();
      // The outage itself: nothing is waited for.
      await new Promise((resolve) => {
        setTimeout(resolve, ms);
      });
      comeBack();
    },
  };
}

function babble(name: string, ...messages: readonly (string | Buffer)[]): Fault {
  return {
    name,
    back: 'stays',
    strike: ({ server }) => {
      for (const message of messages) server.discord.babble(message);
    },
  };
}

/** The first ones, which show the most. */
const IN_SHORT = 2;

const FAULTS: readonly Fault[] = [
  {
    name: 'a connection that falls silent',
    back: 'resumes',
    strike: async (bot) => {
      bot.server.discord.silence({ newOnes: false });
      await noticed(bot);
    },
  },
  babble('an event that nobody can read', JSON.stringify({ op: 0, t: 'MESSAGE_CREATE', s: null, d: null })),
  {
    name: 'no HELLO',
    back: 'resumes',
    strike: async (bot) => {
      const greet = bot.server.discord.withholdHello();
      bot.server.discord.dropConnections();
      await noticed(bot);
      greet();
    },
  },
  { name: 'op 7', back: 'resumes', strike: ({ server }) => server.discord.reconnect() },
  outage(1_000),
  {
    name: 'op 9, to resume',
    back: 'resumes',
    strike: ({ server }) => server.discord.invalidateSession(true),
  },
  {
    name: 'op 9, not to resume',
    back: 'identifies',
    strike: ({ server }) => server.discord.invalidateSession(false),
  },
  { name: 'a reset', back: 'resumes', strike: ({ server }) => server.discord.dropConnections() },
  outage(10_000),
  {
    name: 'silence on every connection, old and new',
    back: 'resumes',
    strike: async (bot) => {
      const speak = bot.server.discord.silence();
      await expect.poll(() => bot.logged().split(NOTICED).length, { interval: 5 }).toBeGreaterThan(3);
      speak();
    },
  },
  {
    name: 'op 7 on a connection that no longer closes',
    back: 'resumes',
    strike: ({ server }) => {
      server.discord.reconnect();
      server.discord.silence({ newOnes: false });
    },
  },
  babble('messages that are no JSON', '', '{', 'gateway timeout', '\u0000'),
  babble('JSON that is no payload', 'null', '0', '[]', '{}', '{"op":99}', '{"op":"0","d":{}}'),
  babble('bytes', Buffer.alloc(0), Buffer.from([1, 2, 3]), Buffer.alloc(70_000, 0xff)),
  {
    name: 'bytes that are no frame',
    back: 'resumes',
    strike: ({ server }) => server.discord.scramble(Buffer.alloc(64, 0xff)),
  },
  closedWith(1_000, 'identifies'),
  closedWith(1_001, 'identifies'),
  closedWith(4_000, 'resumes'),
  closedWith(4_001, 'resumes'),
  closedWith(4_002, 'resumes'),
  closedWith(4_003, 'identifies'),
  closedWith(4_005, 'identifies'),
  closedWith(4_006, 'resumes'),
  closedWith(4_007, 'identifies'),
  closedWith(4_008, 'identifies'),
  closedWith(4_009, 'identifies'),
];

/** For tests that take long because discord.js itself waits: once in the full form, otherwise not at all. */
const IN_FULL = ['in full'].slice(0, sized(0, 1));

const LIMIT_MS = { stays: sized(10_000, 2_000), resumes: sized(10_000, 2_000), identifies: 10_000 } as const;

const took: string[] = [];

it.each(FAULTS.slice(0, sized(IN_SHORT, FAULTS.length)))(
  '$name: the bot $back, and answers once',
  async ({ name, back, strike }) => {
    const server = await TestServer.start({ heartbeatIntervalMs: HEARTBEAT_MS });
    const bot = await startBot({ server, patience: PATIENCE });
    const { discord, general, alice, bob } = server;
    const before = { identifies: discord.identifies, resumes: discord.resumes };

    const struck = Promise.resolve(strike(bot));
    // A new session begins with what is said from then on.
    if (back !== 'identifies') discord.say(general, alice, '!getcode Meanwhile');
    await struck;
    const start = performance.now();
    await expect
      .poll(() => bot.app.hears() && (back === 'stays' || discord[back] > before[back]), {
        interval: 2,
      })
      .toBe(true);
    const ms = Math.round(performance.now() - start);
    took.push(`${name}: ${back} in ${ms} ms`);
    expect(ms).toBeLessThan(LIMIT_MS[back]);

    bot.clock.advance(10_000);
    discord.say(general, bob, '!getcode After');
    await bot.settled();
    const acknowledged = server.heard().filter(({ where }) => where === '#general');
    expect(acknowledged.map(({ message }) => message.content)).toEqual(
      (back === 'identifies' ? [bob] : [alice, bob]).map(
        ({ id }) => `✅ Access code sent to <@${id}> via DM!`,
      ),
    );
    expect(discord.identifies).toBe(back === 'identifies' ? 2 : 1);
    expect(bot.fatal).toEqual([]);
  },
);

it('tells how long that took', () => {
  if (sized(0, 1) === 1) process.stdout.write(`${took.join('\n')}\n`);
  expect(took).toHaveLength(sized(IN_SHORT, FAULTS.length));
});

/** The bot as a process, in which something else would go on for ever. */
async function startProcess(): Promise<{ readonly bot: Running; readonly server: TestServer }> {
  const server = await TestServer.start();
  const { token, apiUrl } = server.discord;
  const listen = "import { createServer } from 'node:http'; createServer().listen(0, '127.0.0.1');";
  const bot = run('dist/index.js', {
    cwd: temporaryFolder(),
    env: {
      DISCORD_TOKEN: token,
      DISCORD_API_URL: apiUrl,
      LOG_FORMAT: 'json',
      BACKUP_INTERVAL: 'off',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(listen)}`,
    },
  });
  await bot.printed('is ready in');
  return { bot, server };
}

const FATAL: readonly (readonly [name: string, says: string, strike: (server: TestServer) => void])[] = [
  [
    'REST 401 to a message',
    'click Reset Token',
    ({ discord, general, alice }) => {
      discord.fail({ route: 'POST /channels/*/messages' }, 401);
      discord.say(general, alice, '!getcode Alice');
    },
  ],
  [
    'REST 401 to the opening of direct messages',
    'click Reset Token',
    ({ discord, general, alice }) => {
      discord.fail({ opening: alice }, 401);
      discord.say(general, alice, '!getcode Alice');
    },
  ],
  ['close code 4004', 'click Reset Token', ({ discord }) => discord.closeGateway(4004)],
  ['close code 4010', 'update the bot', ({ discord }) => discord.closeGateway(4010)],
  ['close code 4011', 'start it again', ({ discord }) => discord.closeGateway(4011)],
  ['close code 4012', 'update the bot', ({ discord }) => discord.closeGateway(4012)],
  ['close code 4013', 'update the bot', ({ discord }) => discord.closeGateway(4013)],
  ['close code 4014', 'switch on Message Content Intent', ({ discord }) => discord.closeGateway(4014)],
  ['a token that was taken back', 'click Reset Token', ({ discord }) => discord.revokeToken()],
];

it.each(FATAL.slice(0, sized(1, FATAL.length)))(
  '%s ends the process with code 78 within 5 seconds, also with a server open',
  async (_, says, strike) => {
    const { bot, server } = await startProcess();
    const start = performance.now();
    strike(server);
    expect(await bot.ended).toBe(78);
    expect(performance.now() - start).toBeLessThan(sized(30_000, 5_000));
    expect(bot.stdout()).toContain(says);
    expect(bot.stdout()).not.toContain(server.discord.token);
  },
);

it('ends as a failure, not as a setting, when nothing helps against silence', async () => {
  const server = await TestServer.start({ heartbeatIntervalMs: 100 });
  const patience = { ...PATIENCE, heartbeatMs: 100, helloMs: 200, lateMs: 100, deafMs: 500 };
  const bot = await startBot({ server, patience });
  expect(bot.app.hears()).toBe(true);
  server.discord.silence();
  await expect.poll(() => bot.fatal.length, { interval: 5 }).toBe(1);
  expect(bot.fatal[0]?.message).toMatch('Nothing was heard from Discord');
  expect(bot.fatal[0]).not.toBeInstanceOf(DiscordSetupError);
  expect(bot.app.hears()).toBe(false);
  // Neither does it wait for the other side to say goodbye.
  const start = performance.now();
  await bot.app.stop();
  expect(performance.now() - start).toBeLessThan(3_000);
});

it('does not wait for ever for a gateway that never greets it', async () => {
  const server = await TestServer.start();
  server.discord.withholdHello();
  const patience = { ...PATIENCE, heartbeatMs: 100, helloMs: 200, deafMs: 300 };
  await expect(startBot({ server, patience })).rejects.toThrow('Nothing was heard from Discord');
  expect(server.discord.identifies).toBe(0);
});

// The controls: the same client without the watchdog.

async function startBare(server: TestServer): Promise<{ readonly client: Client; readonly heard: string[] }> {
  const { discord } = server;
  const client = createClient(discord.apiUrl);
  // Only while connected: of an unfinished handshake discord.js leaves the error without a listener.
  onTestFinished(async () => client.destroy());
  const heard: string[] = [];
  client.on(Events.MessageCreate, ({ content }) => heard.push(content));
  client.on(Events.ShardError, () => undefined);
  const ready = new Promise((resolve) => {
    client.once(Events.ClientReady, resolve);
  });
  await client.login(discord.token);
  await ready;
  return { client, heard };
}

it('control: without the watchdog, a connection that falls silent is taken for a good one', async () => {
  const server = await TestServer.start({ heartbeatIntervalMs: 100 });
  const { discord, general, alice } = server;
  const { client, heard } = await startBare(server);
  const zombie = new Promise<void>((resolve) => {
    client.on(Events.Debug, (text) => {
      if (text.includes('Zombie connection')) resolve();
    });
  });
  const speak = discord.silence({ newOnes: false });
  discord.say(general, alice, 'hello');
  await zombie;
  // It has noticed by now, and waits for an answer to its goodbye. With the watchdog, this is time enough.
  const back = discord.nextMessage(() => false);
  const patience = new Promise((resolve) => {
    setTimeout(resolve, sized(500, 5_000), 'deaf');
  });
  expect(await Promise.race([back, patience])).toBe('deaf');
  expect([heard, discord.resumes, client.isReady()]).toEqual([[], 0, true]);
  speak();
  await discord.connected();
});

it('control: without the watchdog, a bot whose token was taken back takes itself for ready', async () => {
  const server = await TestServer.start();
  const { client } = await startBare(server);
  const closed = new Promise((resolve) => {
    client.once(Events.ShardDisconnect, resolve);
  });
  server.discord.closeGateway(4004);
  await closed;
  expect([client.isReady(), server.discord.connections]).toEqual([true, 0]);
});

it.each(IN_FULL)('control: without the watchdog, what is said during an outage is lost', async () => {
  const server = await TestServer.start();
  const { discord, general, alice } = server;
  const { client, heard } = await startBare(server);
  const refused = new Promise<void>((resolve) => {
    client.on(Events.Debug, (text) => {
      if (text.includes('Failed to connect to the gateway')) resolve();
    });
  });
  const comeBack = discord.goOffline();
  discord.say(general, alice, 'meanwhile');
  await refused;
  comeBack();
  await discord.connected();
  discord.say(general, alice, 'after');
  await discord.delivered();
  expect([heard, discord.identifies]).toEqual([['after'], 2]);
});

/** Closes every connection as soon as it is heard, for `ms`. @returns how often it was. */
async function closeEach(server: TestServer, ms: number): Promise<number> {
  const { discord } = server;
  const before = discord.resumes;
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await discord.connected();
    discord.closeGateway(4000);
  }
  return discord.resumes - before;
}

it.each(IN_FULL)('slows down when every connection is closed at once', async () => {
  const bot = await startBot();
  const control = await TestServer.start();
  await startBare(control);
  const [resumes, controlResumes] = await Promise.all(
    [bot.server, control].map(async (server) => closeEach(server, 10_000)),
  );
  expect(resumes).toBeGreaterThan(4);
  expect(resumes).toBeLessThan(11);
  expect(bot.fatal).toEqual([]);
  expect(controlResumes).toBeGreaterThan(15);
  await control.discord.connected();
});

it.each(IN_FULL)('resumes elsewhere when it cannot at the address for that', async () => {
  const server = await TestServer.start({ resumeUrl: 'ws://127.0.0.1:1' });
  const bot = await startBot({ server, patience: PATIENCE });
  const { discord, general, alice } = server;
  discord.dropConnections();
  discord.say(general, alice, '!getcode Meanwhile');
  await discord.connected();
  await bot.settled();
  expect([discord.identifies, discord.resumes, server.heard().length]).toEqual([1, 1, 2]);
});

it.each(IN_FULL)('gives up a session for which a RESUME gets no answer', async () => {
  const server = await TestServer.start({ heartbeatIntervalMs: HEARTBEAT_MS });
  const bot = await startBot({ server, patience: { ...PATIENCE, readyMs: 200 } });
  const { discord, general, alice } = server;
  discord.ignoreResumes();
  discord.dropConnections();
  await expect.poll(() => discord.identifies, { interval: 5 }).toBe(2);
  await expect.poll(() => bot.app.hears()).toBe(true);
  discord.say(general, alice, '!getcode Alice');
  await bot.settled();
  expect(server.heard()).toHaveLength(2);
});
