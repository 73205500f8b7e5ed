import { expect, it } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { startBot, type TestBot } from '../support/bot.js';

const LOOKUPS = { route: 'GET /guilds/*/members/*' } as const;

async function isValid(bot: TestBot, username: string, code: string): Promise<boolean> {
  const validator = await openValidator({ databaseUrl: bot.databasePath });
  const { valid } = await validator.validate(username, code);
  await validator.close();
  return valid;
}

it('ends the codes of a member who left, and of nobody else', async () => {
  const bot = await startBot();
  const { server } = bot;
  const alice = await bot.getCode(server.alice, 'Alice');
  const bob = await bot.getCode(server.bob, 'Bob');
  await bot.app.housekeeping.checkMembers();
  expect(await isValid(bot, 'Alice', alice)).toBe(true);

  server.discord.leave(server.guild, server.alice);
  await bot.app.housekeeping.checkMembers();
  expect(await isValid(bot, 'Alice', alice)).toBe(false);
  expect(await isValid(bot, 'Bob', bob)).toBe(true);
  expect(bot.logged()).toContain('Revoked codes of members who left');
});

it('looks at the start, and needs no privileged intent', async () => {
  const bot = await startBot();
  const { server, databasePath, clock } = bot;
  const alice = await bot.getCode(server.alice, 'Alice');
  await bot.app.stop();
  server.discord.leave(server.guild, server.alice);
  const again = await startBot({
    server,
    databasePath,
    clock,
    settings: { MEMBERSHIP_CHECK_INTERVAL: '10m' },
  });
  await expect.poll(async () => isValid(again, 'Alice', alice)).toBe(false);
});

it('revokes the codes of hundreds in batches', async () => {
  const bot = await startBot({ settings: { GETCODE_LIMIT: '1000/10m' } });
  const { server } = bot;
  const leavers = Array.from({ length: 12 }, (_, index) => server.join(`leaver${index}`));
  for (const leaver of leavers) await bot.getCode(leaver, leaver.username);
  for (const leaver of leavers) server.discord.leave(server.guild, leaver);
  const alice = await bot.getCode(server.alice, 'Alice');
  await bot.app.housekeeping.checkMembers();
  expect(await isValid(bot, 'Alice', alice)).toBe(true);
  const [list] = await bot.say(server.general, server.admin, '!codes');
  expect(list?.message.embeds[0]?.description).toBe('Total codes: 1');
});

it.each([
  ['the server is unavailable', ({ server }: TestBot) => server.discord.setGuildUnavailable(server.guild)],
  ['the bot was removed from the server', ({ server }: TestBot) => server.discord.removeBot(server.guild)],
  [
    'Discord fails when it is asked who that is',
    ({ server }: TestBot) => {
      server.discord.fail(LOOKUPS, 500);
    },
  ],
  [
    'Discord says that the bot may not ask',
    ({ server }: TestBot) => {
      server.discord.fail(LOOKUPS, { status: 403, code: 50_001 });
    },
  ],
  [
    'Discord no longer knows the server',
    ({ server }: TestBot) => {
      server.discord.fail(LOOKUPS, { status: 404, code: 10_004 });
    },
  ],
])('revokes nothing when %s', async (_, fault) => {
  const bot = await startBot();
  const { server } = bot;
  const alice = await bot.getCode(server.alice, 'Alice');
  server.discord.leave(server.guild, server.alice);
  fault(bot);
  await bot.settled();
  await bot.app.housekeeping.checkMembers();
  // A server that the bot is not in has its codes suspended.
  server.discord.addBot(server.guild);
  await bot.settled();
  expect(await isValid(bot, 'Alice', alice)).toBe(true);
});

it('ends the codes of those who left although one cannot be looked up', async () => {
  const bot = await startBot();
  const { server } = bot;
  const alice = await bot.getCode(server.alice, 'Alice');
  const bob = await bot.getCode(server.bob, 'Bob');
  server.discord.leave(server.guild, server.alice);
  server.discord.leave(server.guild, server.bob);
  server.discord.fail({ route: `GET /guilds/*/members/${server.alice.id}` }, { status: 404, code: 10_013 });
  await bot.app.housekeeping.checkMembers();
  expect(await isValid(bot, 'Alice', alice)).toBe(true);
  expect(await isValid(bot, 'Bob', bob)).toBe(false);
  expect(bot.logged()).toContain('Could not look up who is still a member');
});

it('revokes nothing of a member whom a partial answer leaves out', async () => {
  const bot = await startBot();
  const { server } = bot;
  const alice = await bot.getCode(server.alice, 'Alice');
  const { discord } = server;
  // The gateway does not find her; REST, which decides, does.
  discord.leave(server.guild, server.alice);
  discord.onCall(LOOKUPS, () => discord.join(server.guild, server.alice));
  await bot.app.housekeeping.checkMembers();
  expect(await isValid(bot, 'Alice', alice)).toBe(true);
});
