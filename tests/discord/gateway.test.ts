import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

import { Events, type Client } from 'discord.js';
import { expect, it, onTestFinished } from 'vitest';

import { createClient } from '../../src/discord/client.js';
import { DiscordSetupError } from '../../src/discord/discord-bot.js';
import { Gateway } from '../../src/discord/gateway.js';
import type { Patience } from '../../src/discord/watchdog.js';
import type { DiscordStandIn } from '../../src/demo/stand-in/stand-in.js';
import { createLog } from '../../src/log.js';
import { startBot, TestServer } from '../support/bot.js';

/** The production client alone. */
function createWatched(
  { apiUrl }: DiscordStandIn,
  patience: Partial<Patience>,
): { readonly client: Client; readonly deaf: readonly Error[]; readonly logged: () => string } {
  let text = '';
  const log = createLog('trace', { write: (line) => (text += line) });
  const gateway = new Gateway({ log, patience });
  const deaf: Error[] = [];
  gateway.onDeaf = (error) => deaf.push(error);
  const client = createClient(apiUrl, gateway);
  onTestFinished(async () => client.destroy());
  return { client, deaf, logged: () => text };
}

it('hears from the start to the end, but not while it has no connection', async () => {
  const bot = await startBot();
  const { discord } = bot.server;
  expect(bot.app.hears()).toBe(true);
  discord.dropConnections();
  await expect.poll(() => bot.app.hears(), { interval: 1 }).toBe(false);
  await expect.poll(() => bot.app.hears(), { interval: 5 }).toBe(true);
  expect(discord.connections).toBe(1);
  await bot.app.stop();
  expect(bot.app.hears()).toBe(false);
});

it('aborts a handshake that is under way when it stops', async () => {
  const silent = createServer();
  const connected = once(silent, 'connection');
  onTestFinished(() => void silent.close());
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const address = silent.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const server = await TestServer.start({ resumeUrl: `ws://127.0.0.1:${port}` });
  const bot = await startBot({ server });

  server.discord.dropConnections();
  const [socket]: Socket[] = await connected;
  if (socket === undefined) throw new Error('Nothing connected');
  socket.on('error', () => undefined);
  const aborted = new Promise<boolean>((resolve) => {
    socket.once('close', () => resolve(true));
    // Of a client that left the connection open, this makes an uncaught exception.
    const timeout = setTimeout(() => {
      resolve(false);
      socket.resetAndDestroy();
    }, 5_000);
    onTestFinished(() => clearTimeout(timeout));
  });
  await bot.app.stop();
  expect(await aborted).toBe(true);
});

it('knows the interval of heartbeats that Discord said', async () => {
  const { discord } = await TestServer.start({ heartbeatIntervalMs: 100 });
  // Before Discord has said it, silence would be noticed after 45 seconds.
  const { client, logged } = createWatched(discord, { checkMs: 20, lateMs: 60 });
  const told = new Promise<void>((resolve) => {
    client.on(Events.Debug, (text) => {
      if (text.includes('starting to beat')) resolve();
    });
  });
  await client.login(discord.token);
  await told;
  const speak = discord.silence({ newOnes: false });
  await expect.poll(logged, { interval: 5 }).toContain('making another one');
  speak();
});

it('ends over one 401 to a lookup of members', async () => {
  const bot = await startBot();
  const { server } = bot;
  await bot.getCode(server.alice, 'Alice');
  server.discord.leave(server.guild, server.alice);
  server.discord.fail({ route: 'GET /guilds/*/members/*' }, 401);
  await bot.app.housekeeping.checkMembers();
  expect(bot.fatal[0]).toBeInstanceOf(DiscordSetupError);
  expect(bot.fatal[0]?.message).toContain('click Reset Token');
});

it('goes on over a 401 to the answer to a press, which needs no token', async () => {
  const bot = await startBot();
  const { server, say } = bot;
  server.discord.setDirectMessages(server.alice, 'closed');
  await say(server.general, server.alice, '!getcode Alice');
  server.discord.fail({ press: server.alice }, 401);
  const answer = server.discord.pressButton(server.alice, 'Show my code').catch(() => 'none');
  await bot.settled();
  expect(bot.fatal).toEqual([]);
  expect(await say(server.general, server.bob, '!getcode Bob')).toHaveLength(2);
  await server.discord.close();
  expect(await answer).toBe('none');
});

it('waits before it logs in when few logins are left, and says so', async () => {
  const server = await TestServer.start();
  const { discord } = server;
  const url = discord.apiUrl.replace('http', 'ws').replace('/api', '/gateway');
  const limit = { total: 1_000, remaining: 3, reset_after: 3 * 3_600_000, max_concurrency: 1 };
  discord.fail(
    { route: 'GET /gateway/bot' },
    { status: 200, body: { url, shards: 1, session_start_limit: limit } },
  );
  const patience = { checkMs: 1, deafMs: 5, heartbeatMs: 1 };
  const { client, logged, deaf } = createWatched(discord, patience);
  const login = client.login(discord.token).catch(() => undefined);
  await expect.poll(logged).toContain('Connects to Discord only in 3600 seconds');
  expect(logged()).toContain('"loginsLeft":3');
  await client.destroy();
  await login;
  // It was not taken for deaf, and did not connect when it was told to end.
  expect([discord.identifies, deaf]).toEqual([0, []]);
});
