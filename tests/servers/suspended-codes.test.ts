import { expect, it } from 'vitest';

import { summarize, startBot, TestServer, twoServers } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';
import { databaseIn, EXIT_CONFIG, openWebsite, rowsIn, runBot } from './servers.js';

const SUSPENDED = { valid: false, reason: 'suspended' };

it('ends with exit 78 when ALLOWED_GUILD_IDS has a wrong digit, changes no row, and every code goes on working', async () => {
  const server = await TestServer.start();
  const { guild } = server;
  const cwd = temporaryFolder();
  const bot = await startBot({ server, databasePath: databaseIn(cwd) });
  const code = await bot.getCode(server.alice, 'Alice');
  await bot.app.stop();
  const before = rowsIn(databaseIn(cwd));

  const wrong = `${guild.id.slice(0, -1)}${(Number(guild.id.at(-1)) + 1) % 10}`;
  const refused = runBot(server, cwd, { ALLOWED_GUILD_IDS: wrong });
  expect(await refused.ended).toBe(EXIT_CONFIG);
  expect(refused.stdout()).toContain(
    `ALLOWED_GUILD_IDS lists no server that the bot is in. It is in Chat Room (${guild.id}). No code was changed. Correct ALLOWED_GUILD_IDS in .env, or invite the bot to a server that it lists: https://discord.com/oauth2/`,
  );
  expect(rowsIn(databaseIn(cwd))).toEqual(before);
  const website = await openWebsite(bot);
  expect(await website.validate('Alice', code)).toMatchObject({ valid: true });

  await runBot(server, cwd, { ALLOWED_GUILD_IDS: guild.id }).printed('is ready in 1 server');
  expect(rowsIn(databaseIn(cwd))).toEqual(before);
  expect(await website.redeem('Alice', code)).toMatchObject({ valid: true });
});

it('pauses the codes of a server that ALLOWED_GUILD_IDS stops listing, and resumes them when it lists it again', async () => {
  const { elsewhere, lobby, ...two } = await twoServers();
  const both = await startBot(two);
  const { server, databasePath, clock } = both;
  const [direct] = await both.say(lobby, server.bob, '!getcode Bob');
  const code = direct?.message.content ?? '';
  const kept = await both.getCode(server.alice, 'Alice');
  await both.app.stop();
  const website = await openWebsite(both);

  const settings = { ALLOWED_GUILD_IDS: server.guild.id };
  const one = await startBot({ server, databasePath, clock, settings });
  expect(await website.validate('Bob', code)).toEqual(SUSPENDED);
  expect(await website.redeem('Bob', code)).toEqual(SUSPENDED);
  expect(await website.validate('Alice', kept)).toMatchObject({ valid: true });
  expect(one.logged()).toContain(
    `ALLOWED_GUILD_IDS does not list Elsewhere (${elsewhere.id}), which holds 1 code. It is paused. Add ${elsewhere.id} to serve it again.`,
  );
  expect(summarize(await one.say(server.general, server.alice, '!getcode Bob'))).toEqual([
    expect.stringContaining('The username `Bob` is taken'),
  ]);
  expect(await one.say(lobby, server.bob, '!getcode Bob')).toEqual([]);
  await one.app.stop();

  const again = await startBot({ ...two, databasePath, clock });
  expect(again.logged()).toContain(`The codes of Elsewhere (${elsewhere.id}) work again`);
  expect(await website.validate('Bob', code)).toMatchObject({ valid: true, username: 'Bob' });
});

it('counts a paused code as a wrong one', async () => {
  const { lobby, ...two } = await twoServers();
  const both = await startBot(two);
  const { server, databasePath, clock } = both;
  const [direct] = await both.say(lobby, server.bob, '!getcode Bob');
  const code = direct?.message.content ?? '';
  await both.app.stop();
  await startBot({ server, databasePath, clock, settings: { ALLOWED_GUILD_IDS: server.guild.id } });
  const website = await openWebsite(both);
  for (let attempt = 1; attempt <= 10; attempt++) {
    expect(await website.validate('Bob', code)).toEqual(SUSPENDED);
  }
  expect(await website.validate('Bob', code)).toMatchObject({ reason: 'throttled' });
});

it('pauses the codes of a server that the bot is removed from, and resumes them when it is invited again', async () => {
  const bot = await startBot();
  const { server, clock, databasePath } = bot;
  const { discord, guild } = server;
  const code = await bot.getCode(server.alice, 'Alice');
  const website = await openWebsite(bot);
  const paused = `The bot is not in Chat Room (${guild.id}), which holds 1 code. It is paused. Invite the bot again: https://discord.com/oauth2/`;

  discord.removeBot(guild);
  await bot.settled();
  expect(await website.validate('Alice', code)).toEqual(SUSPENDED);
  expect(bot.logged()).toContain(paused);
  discord.addBot(guild);
  await bot.settled();
  expect(await website.validate('Alice', code)).toMatchObject({ valid: true });

  // The same across a restart.
  await bot.app.stop();
  discord.removeBot(guild);
  const lonely = await startBot({ server, clock, databasePath });
  expect(await website.validate('Alice', code)).toEqual(SUSPENDED);
  discord.addBot(guild);
  await lonely.settled();
  expect(await website.validate('Alice', code)).toMatchObject({ valid: true });
  await lonely.getCode(server.bob, 'Bob');
});

it('resumes no code that was revoked before the pause', async () => {
  const bot = await startBot();
  const { server } = bot;
  const code = await bot.getCode(server.alice, 'Alice');
  await bot.getCode(server.bob, 'Bob');
  await bot.say(server.general, server.admin, '!revoke Alice');
  server.discord.removeBot(server.guild);
  await bot.settled();
  server.discord.addBot(server.guild);
  await bot.settled();
  expect(await (await openWebsite(bot)).validate('Alice', code)).toEqual({ valid: false, reason: 'revoked' });
});

it('pauses nothing during an outage of the server', async () => {
  const bot = await startBot();
  const { server } = bot;
  const code = await bot.getCode(server.alice, 'Alice');
  const website = await openWebsite(bot);
  for (const isUnavailable of [true, false]) {
    server.discord.setGuildUnavailable(server.guild, isUnavailable);
    // Another server that the bot joins makes it compare again.
    server.discord.addGuild('Elsewhere', server.bob);
    await bot.settled();
    expect(await website.validate('Alice', code)).toMatchObject({ valid: true });
  }
  expect(bot.logged()).not.toContain('paused');
  await bot.getCode(server.bob, 'Bob');
});

it('pauses codes later when the database is locked while the bot is removed', async () => {
  const tasks: (() => void)[] = [];
  const bot = await startBot({
    every: (_ms, task) => {
      tasks.push(task);
      return () => undefined;
    },
  });
  const { server } = bot;
  const code = await bot.getCode(server.alice, 'Alice');
  const other = openRaw(bot.databasePath);
  other.exec('BEGIN IMMEDIATE');
  server.discord.removeBot(server.guild);
  await bot.settled();
  other.exec('ROLLBACK');
  other.close();
  const website = await openWebsite(bot);
  expect(await website.validate('Alice', code)).toMatchObject({ valid: true });
  for (const task of tasks) task();
  await expect.poll(async () => website.validate('Alice', code)).toEqual(SUSPENDED);
});
