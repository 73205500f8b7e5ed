import { expect, it } from 'vitest';

import type { StandInChannel, StandInGuild, StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { startBot, TestServer } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { databaseIn, EXIT_CONFIG, openWebsite, rowsIn, runBot } from './servers.js';

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

const timesIn = (logged: string, sentence: string): number => logged.split(sentence).length - 1;

it('gives a stranger who adds the bot to their own server no code, and the website lets them in with none', async () => {
  const bot = await startBot();
  const { server, say, getCode } = bot;
  const code = await getCode(server.alice, 'Alice');
  const { stranger, theirs, lobby } = addStranger(server);
  await bot.settled();

  const attempts = ['!getcode Moderator', '!codes', '!revoke Alice', '!help_chatroom'];
  for (const text of attempts) expect([text, await say(lobby, stranger, text)]).toEqual([text, []]);
  expect(server.discord.directMessages(stranger)).toEqual([]);

  const again = await startBot({ server, databasePath: bot.databasePath, clock: bot.clock });
  for (const text of attempts) expect([text, await again.say(lobby, stranger, text)]).toEqual([text, []]);
  const website = await openWebsite(bot);
  expect(await website.validate('Moderator', code)).toEqual({ valid: false, reason: 'unknown' });
  expect(await website.validate('Alice', code)).toMatchObject({ valid: true });

  const warning = `Ignoring Strangers Server (${theirs.id}): the bot serves only Chat Room (${server.guild.id}). If members there should get codes for your website too, set ALLOWED_GUILD_IDS=${server.guild.id},${theirs.id} in .env and start the bot again.`;
  expect([bot, again].map(({ logged }) => timesIn(logged(), warning))).toEqual([1, 1]);
});

it('ignores an administrator who presses a button in a server that is not served', async () => {
  const server = await TestServer.start();
  const { stranger, theirs, lobby } = addStranger(server);
  const settings = { ALLOWED_GUILD_IDS: `${server.guild.id},${theirs.id}` };
  const open = await startBot({ server, settings });
  server.discord.setDirectMessages(stranger, 'closed');
  const [offered] = await open.say(lobby, stranger, '!getcode Moderator');
  const button = offered?.message.components[0]?.components[0]?.custom_id;
  if (offered === undefined || button === undefined) throw new Error('no button');
  await open.app.stop();

  const { databasePath, clock } = open;
  const bot = await startBot({
    server,
    databasePath,
    clock,
    settings: { ALLOWED_GUILD_IDS: server.guild.id },
  });
  server.heard();
  server.discord.press(offered.message, button, stranger).catch(() => undefined);
  await bot.settled();
  expect(server.heard()).toEqual([]);
});

it('ends a first start in several servers with exit 78, names them and the setting, and starts once it is set', async () => {
  const server = await TestServer.start();
  const { theirs } = addStranger(server, 'Strangers\nServer\u202e');
  const cwd = temporaryFolder();
  const refused = runBot(server, cwd);
  expect(await refused.ended).toBe(EXIT_CONFIG);
  expect(refused.stdout()).toContain(
    `The bot is in 2 servers: Chat Room (${server.guild.id}), StrangersServer (${theirs.id}). Members of a server that it serves get codes for your website. Set ALLOWED_GUILD_IDS in .env to the ids of yours, with commas between them, and start the bot again.`,
  );
  await runBot(server, cwd, { ALLOWED_GUILD_IDS: server.guild.id }).printed('is ready in 2 servers');
});

it('waits for its first server, serves it, and ignores the next one', async () => {
  const server = await TestServer.start();
  const { discord } = server;
  discord.removeBot(server.guild);
  const bot = await startBot({ server });
  expect(bot.logged()).toContain('The bot is in no server yet. Invite it: https://discord.com/oauth2/');
  discord.addBot(server.guild);
  await bot.settled();
  const { stranger, lobby } = addStranger(server);
  await bot.settled();
  expect(bot.logged()).toContain(
    `The bot serves Chat Room (${server.guild.id}) and ignores servers that it joins later`,
  );
  expect(await bot.say(lobby, stranger, '!getcode Moderator')).toEqual([]);
  const code = await bot.getCode(server.alice, 'Alice');
  expect(await (await openWebsite(bot)).validate('Alice', code)).toMatchObject({ valid: true });
});

it('serves the server that all its codes belong to where it has remembered none', async () => {
  const server = await TestServer.start();
  const listed = await startBot({ server, settings: { ALLOWED_GUILD_IDS: server.guild.id } });
  const { databasePath, clock } = listed;
  await listed.getCode(server.alice, 'Alice');
  await listed.app.stop();

  const { stranger, lobby } = addStranger(server);
  const bot = await startBot({ server, databasePath, clock });
  expect(await bot.say(lobby, stranger, '!getcode Moderator')).toEqual([]);
  await bot.getCode(server.bob, 'Bob');
});

it('moves to no other server by itself: it ends with exit 78, changes no row, and names the setting', async () => {
  const server = await TestServer.start();
  const cwd = temporaryFolder();
  const first = await startBot({ server, databasePath: databaseIn(cwd) });
  const code = await first.getCode(server.alice, 'Alice');
  await first.app.stop();
  const before = rowsIn(databaseIn(cwd));

  const { stranger, theirs, lobby } = addStranger(server);
  server.discord.removeBot(server.guild);
  const refused = runBot(server, cwd);
  expect(await refused.ended).toBe(EXIT_CONFIG);
  expect(refused.stdout()).toContain(
    `The bot serves only the server ${server.guild.id} and is not in it any more. It is in Strangers Server (${theirs.id}). Invite it to ${server.guild.id} again: https://discord.com/oauth2/`,
  );
  expect(refused.stdout()).toContain(
    `To serve another server instead, set ALLOWED_GUILD_IDS=${theirs.id} in .env.`,
  );
  expect(rowsIn(databaseIn(cwd))).toEqual(before);

  server.discord.addBot(server.guild);
  const again = await startBot({ server, databasePath: first.databasePath, clock: first.clock });
  expect(await again.say(lobby, stranger, '!getcode Moderator')).toEqual([]);
  expect(await (await openWebsite(again)).validate('Alice', code)).toMatchObject({ valid: true });
});

it.each<[string, boolean, boolean, boolean]>([
  ['warns at the start that its application is public', true, false, true],
  ['does not warn of a public application when ALLOWED_GUILD_IDS is set', true, true, false],
  ['does not warn of a private application', false, false, false],
])('%s', async (_name, publicBot, isListed, warns) => {
  const server = await TestServer.start({ publicBot });
  const settings = isListed ? { ALLOWED_GUILD_IDS: server.guild.id } : {};
  const bot = await startBot({ server, settings });
  await bot.settled();
  const { id } = server.discord.botUser;
  const warning = `Anybody can invite the bot to a server of their own, because its application is public. To make it private, open https://discord.com/developers/applications/${id}, page Installation, set Install Link to None and save. Then switch off Public Bot on page Bot and save.`;
  expect(timesIn(bot.logged(), warning)).toBe(warns ? 1 : 0);
});
