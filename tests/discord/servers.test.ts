import { expect, it, onTestFinished } from 'vitest';

import type { StandInChannel, StandInGuild, StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';
import { startBotProcess } from '../faults/bots.js';
import { accepts, openWebsite } from '../support/website.js';

const EXIT_CONFIG = 78;

/** A stranger, and the server of their own that they add the bot to. */
interface Stranger {
  readonly stranger: StandInUser;
  readonly theirs: StandInGuild;
  readonly lobby: StandInChannel;
}

function addStranger({ discord }: TestServer, name = 'Strangers Server'): Stranger {
  const stranger = discord.addUser('stranger');
  const theirs = discord.addGuild(name, stranger);
  return { stranger, theirs, lobby: discord.addChannel(theirs, 'lobby') };
}

/** Every row of the codes and of the audit. */
function rowsIn(databasePath: string): unknown {
  const database = openRaw(databasePath);
  try {
    return ['codes', 'audit'].map((table) => database.prepare(`SELECT * FROM ${table}`).all());
  } finally {
    database.close();
  }
}

const timesIn = ({ logged }: TestBot, sentence: string): number => logged().split(sentence).length - 1;

it('gives a stranger who adds the bot to their own server no code', async () => {
  const bot = await startBot();
  const { server, say, getCode } = bot;
  const code = await getCode(server.alice, 'Alice');
  const { stranger, theirs, lobby } = addStranger(server);
  await bot.settled();

  const attempts = ['!getcode Moderator', '!codes', '!revoke Alice', '!help_chatroom'];
  for (const text of attempts) expect([text, await say(lobby, stranger, text)]).toEqual([text, []]);
  expect(server.discord.directMessages(stranger)).toEqual([]);
  expect(bot.logged()).not.toContain('Could not decide');

  const again = await startBot({ server, databasePath: bot.databasePath, clock: bot.clock });
  for (const text of attempts) expect([text, await again.say(lobby, stranger, text)]).toEqual([text, []]);
  const website = await openWebsite(bot);
  expect(await website.validate('Moderator', code)).toEqual({ valid: false, reason: 'unknown' });
  expect(await website.validate('Alice', code)).toMatchObject({ valid: true });

  const warning = `Ignoring Strangers Server (${theirs.id}): the bot serves only Chat Room (${server.guild.id}). If members there should get codes for your website too, set ALLOWED_GUILD_IDS=${server.guild.id},${theirs.id} in .env and start the bot again.`;
  expect([bot, again].map((each) => timesIn(each, warning))).toEqual([1, 1]);
});

it('ignores button presses in a server that is not served', async () => {
  const server = await TestServer.start();
  const { stranger, theirs, lobby } = addStranger(server);
  const settings = { ALLOWED_GUILD_IDS: `${server.guild.id},${theirs.id}` };
  const open = await startBot({ server, settings });
  server.discord.setDirectMessages(stranger, 'closed');
  await open.say(lobby, stranger, '!getcode Stranger');
  await open.app.stop();

  const { databasePath, clock } = open;
  const only = { ALLOWED_GUILD_IDS: server.guild.id };
  const bot = await startBot({ server, databasePath, clock, settings: only });
  server.takeSaid();
  expect(server.discord.labels(stranger)).toEqual(['Show my code']);
  server.discord.pressButton(stranger, 'Show my code').catch(() => undefined);
  await bot.settled();
  expect(server.takeSaid()).toEqual([]);
});

it('ends a first start in several servers with exit 78, and starts once ALLOWED_GUILD_IDS is set', async () => {
  const server = await TestServer.start();
  const { theirs } = addStranger(server, 'Strangers\nServer\u202e');
  const cwd = temporaryFolder();
  const refused = startBotProcess(server, cwd);
  expect(await refused.ended).toBe(EXIT_CONFIG);
  expect(refused.stdout()).toContain(
    `The bot is in 2 servers: Chat Room (${server.guild.id}), Strangers\\\\u000aServer\\\\u202e (${theirs.id}). Members of a server that it serves get codes for your website. Set ALLOWED_GUILD_IDS in .env to the ids of yours, with commas between them, and start the bot again.`,
  );
  await startBotProcess(server, cwd, { ALLOWED_GUILD_IDS: server.guild.id }).printed('is ready');
});

it('serves the first server that it joins, remembers it, and ignores the next one', async () => {
  const server = await TestServer.start();
  const { discord } = server;
  discord.removeBot(server.guild);
  const bot = await startBot({ server });
  expect(bot.logged()).toContain('The bot is in no server yet. Invite it: https://discord.com/oauth2/');
  discord.addBot(server.guild);
  const { stranger, lobby } = addStranger(server);
  await bot.settled();
  await expect
    .poll(bot.logged)
    .toContain(`The bot serves Chat Room (${server.guild.id}) and ignores servers that it joins later`);
  expect(bot.logged()).not.toContain('Could not decide');
  await bot.app.stop();

  const { databasePath, clock } = bot;
  const again = await startBot({ server, databasePath, clock });
  expect(await again.say(lobby, stranger, '!getcode Moderator')).toEqual([]);
  expect(await accepts(again, 'Alice', await again.getCode(server.alice, 'Alice'))).toBe(true);
});

it('serves the server that all its codes belong to when ALLOWED_GUILD_IDS is removed', async () => {
  const server = await TestServer.start();
  // Discord lists the other server first.
  const { stranger, theirs, lobby } = addStranger(server);
  const listed = await startBot({ server, settings: { ALLOWED_GUILD_IDS: theirs.id } });
  const { databasePath, clock } = listed;
  await listed.say(lobby, stranger, '!getcode Stranger');
  await listed.app.stop();

  const bot = await startBot({ server, databasePath, clock });
  expect(await bot.say(server.general, server.alice, '!getcode Alice')).toEqual([]);
  expect(await bot.say(lobby, stranger, '!getcode Stranger')).toHaveLength(2);
});

it('does not move to another server by itself: it changes no row and names the setting', async () => {
  const { server, app, getCode, databasePath, clock } = await startBot();
  const code = await getCode(server.alice, 'Alice');
  await app.stop();
  const before = rowsIn(databasePath);

  const { stranger, theirs, lobby } = addStranger(server);
  server.discord.removeBot(server.guild);
  const { id } = server.guild;
  await expect(startBot({ server, databasePath, clock })).rejects.toThrow(
    new RegExp(
      String.raw`The bot serves only the server ${id} and is not in it any more\. It is in Strangers Server \(${theirs.id}\)\. Invite it to ${id} again: https://discord\.com/oauth2/.* To serve another server instead, set ALLOWED_GUILD_IDS=${theirs.id} in \.env\.`,
    ),
  );
  expect(rowsIn(databasePath)).toEqual(before);

  server.discord.addBot(server.guild);
  const again = await startBot({ server, databasePath, clock });
  expect(await again.say(lobby, stranger, '!getcode Moderator')).toEqual([]);
  expect(await accepts(again, 'Alice', code)).toBe(true);
});

it('does not start when ALLOWED_GUILD_IDS lists no server of the bot, and changes no row', async () => {
  const { server, app, getCode, databasePath } = await startBot();
  await getCode(server.alice, 'Alice');
  await app.stop();
  const before = rowsIn(databasePath);
  const settings = { ALLOWED_GUILD_IDS: '123456789012345678' };
  await expect(startBot({ server, databasePath, settings })).rejects.toThrow(
    `ALLOWED_GUILD_IDS lists no server that the bot is in. It is in Chat Room (${server.guild.id}). No code was changed.`,
  );
  expect(rowsIn(databasePath)).toEqual(before);
});

it('suspends the codes of a server that ALLOWED_GUILD_IDS no longer lists, and resumes them', async () => {
  const server = await TestServer.start();
  const { stranger, theirs, lobby } = addStranger(server);
  const both = { ALLOWED_GUILD_IDS: `${server.guild.id},${theirs.id}` };
  const first = await startBot({ server, settings: both });
  const { databasePath, clock } = first;
  const [direct] = await first.say(lobby, stranger, '!getcode Stranger');
  const code = direct?.message.content ?? '';
  for (let n = 0; n < 10; n++) await first.say(lobby, stranger, `!getcode stranger${n}`);
  await first.say(lobby, stranger, '!codes');
  await first.app.stop();

  const only = { ALLOWED_GUILD_IDS: server.guild.id };
  const second = await startBot({ server, databasePath, clock, settings: only });
  expect(await (await openWebsite(second)).validate('Stranger', code)).toEqual({
    valid: false,
    reason: 'suspended',
  });
  expect(await second.say(lobby, stranger, '!getcode Stranger')).toEqual([]);
  // Under the list that its administrator received before.
  const { message } = await server.discord.pressButton(stranger, 'Next');
  expect(message).toMatchObject({ content: expect.stringContaining("don't have permission"), embeds: [] });
  expect(second.logged()).toContain(
    `ALLOWED_GUILD_IDS does not list Strangers Server (${theirs.id}). Its codes are suspended. Add ${theirs.id} to serve it again.`,
  );
  await second.app.stop();

  const third = await startBot({ server, databasePath, clock, settings: both });
  expect(await accepts(third, 'Stranger', code)).toBe(true);
  expect(third.logged()).toContain(`The codes of Strangers Server (${theirs.id}) work again`);
});

it('suspends the codes while the bot is removed from its server, but not during an outage', async () => {
  const bot = await startBot();
  const { server } = bot;
  const { discord, guild } = server;
  const code = await bot.getCode(server.alice, 'Alice');
  discord.setGuildUnavailable(guild);
  await bot.settled();
  await bot.app.tasks.checkServers();
  expect(await accepts(bot, 'Alice', code)).toBe(true);
  discord.setGuildUnavailable(guild, false);

  discord.removeBot(guild);
  await expect.poll(async () => accepts(bot, 'Alice', code)).toBe(false);
  const suspended = `"codes":1,"msg":"The bot is not in Chat Room (${guild.id}). Its codes are suspended.`;
  expect(timesIn(bot, suspended)).toBe(1);
  discord.addBot(guild);
  await expect.poll(async () => accepts(bot, 'Alice', code)).toBe(true);
  expect(timesIn(bot, `"codes":1,"msg":"The codes of Chat Room (${guild.id}) work again"`)).toBe(1);
});

it('tells the owner of the server that it joins what to do next, but not of one that it ignores', async () => {
  const server = await TestServer.start();
  const { discord, guild, owner } = server;
  discord.removeBot(guild);
  const bot = await startBot({ server, settings: { ALLOWED_GUILD_IDS: guild.id } });
  discord.setDirectMessages(owner, 'closed');
  discord.addBot(guild);
  await expect.poll(() => timesIn(bot, 'Could not send a DM to the owner of the server')).toBe(1);
  discord.setDirectMessages(owner, 'open');
  discord.removeBot(guild);
  await bot.settled();
  discord.addBot(guild);
  await expect.poll(() => discord.messages(owner)).toHaveLength(1);
  expect(discord.messages(owner)[0]?.content).toBe(
    '👋 I am now on `Chat Room`. Members type `!getcode <username>` in a channel and get an access code for the chat room by DM.\nTry it yourself. `!help_chatroom` lists the commands.',
  );
  const { stranger, theirs } = addStranger(server);
  discord.addBot(theirs);
  await expect.poll(() => timesIn(bot, 'Ignoring Strangers Server')).toBe(1);
  await bot.settled();
  expect(discord.messages(stranger)).toEqual([]);
});

it('names the channels in which it lacks permissions, once at the start', async () => {
  const server = await TestServer.start();
  const { discord, guild } = server;
  for (let n = 1; n <= 7; n++) discord.setBotPermissions(discord.addChannel(guild, `quiet${n}`), 0n);
  const bot = await startBot({ server });
  const missing = '(View Channel, Send Messages, Embed Links, Send Messages in Threads)';
  const quiet = [1, 2, 3, 4, 5].map((n) => `#quiet${n} ${missing}`).join(', ');
  const warning = `The bot lacks permissions in Chat Room (${guild.id}): ${quiet}, 2 more. Set them in Channel settings > Permissions.`;
  expect(timesIn(bot, warning)).toBe(1);
  expect(timesIn(bot, '#general')).toBe(0);
});

it('shows the help command as its status', async () => {
  const bot = await startBot({ settings: { COMMAND_PREFIX: '?' } });
  expect(bot.server.discord.presence).toMatchObject({ activities: [{ state: '?help_chatroom', type: 4 }] });
});

it('suspends the codes of a server that the bot left while the database could not be written', async () => {
  const checks: (() => void)[] = [];
  const bot = await startBot({
    every: (ms, task) => {
      if (ms === 60_000) checks.push(task);
      return () => undefined;
    },
  });
  const code = await bot.getCode(bot.server.alice, 'Alice');
  const raw = openRaw(bot.databasePath);
  onTestFinished(() => void raw.close());
  raw.exec(`CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'full'); END`);
  bot.server.discord.removeBot(bot.server.guild);
  await expect.poll(() => timesIn(bot, 'Could not run a task')).toBe(1);
  expect(await accepts(bot, 'Alice', code)).toBe(true);
  raw.exec('DROP TRIGGER full');
  for (const check of checks) check();
  await expect.poll(async () => accepts(bot, 'Alice', code)).toBe(false);
});

it.each<[string, boolean, boolean, boolean]>([
  ['warns at the start that its application is public', true, false, true],
  ['does not warn of a public application when ALLOWED_GUILD_IDS is set', true, true, false],
  ['does not warn of a private application', false, false, false],
])('%s', async (_name, publicBot, isListed, warns) => {
  const server = await TestServer.start({ publicBot });
  const settings = isListed ? { ALLOWED_GUILD_IDS: server.guild.id } : {};
  const bot = await startBot({ server, settings });
  const { id } = server.discord.botUser;
  const warning = `Anybody can invite the bot to a server of their own, because its application is public. To make it private, open https://discord.com/developers/applications/${id}, page Installation, set Install Link to None and save. Then switch off Public Bot on page Bot and save.`;
  // By then, Discord has answered what it was asked at the start.
  await bot.getCode(server.alice, 'Alice');
  await expect.poll(() => timesIn(bot, warning)).toBe(warns ? 1 : 0);
});
