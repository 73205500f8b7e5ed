import { expect, it } from 'vitest';

import type { StandInChannel, StandInGuild } from '../../src/demo/stand-in/stand-in.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';

/** Bob administers the second server. */
interface Elsewhere {
  readonly guild: StandInGuild;
  readonly lobby: StandInChannel;
}

async function startInTwoServers(): Promise<TestBot & Elsewhere> {
  const server = await TestServer.start();
  const guild = server.discord.addGuild('Elsewhere', server.bob);
  const lobby = server.discord.addChannel(guild, 'lobby');
  const settings = { ALLOWED_GUILD_IDS: `${server.guild.id},${guild.id}` };
  return { ...(await startBot({ server, settings })), guild, lobby };
}

it('refuses a username that a member of another server holds', async () => {
  const { server, say, getCode, lobby } = await startInTwoServers();
  await getCode(server.alice, 'Alice');
  const [refusal, ...more] = await say(lobby, server.bob, '!getcode alice');
  expect(refusal?.message.content).toContain('belongs to another member');
  expect(more).toEqual([]);
});

it('lists and revokes only the codes of the administrator’s own server', async () => {
  const { server, say, getCode, lobby } = await startInTwoServers();
  const code = await getCode(server.alice, 'Alice');
  const none = /no active access codes|not found|has no access codes/;
  expect((await say(lobby, server.bob, '!codes'))[0]?.message.content).toMatch(none);
  for (const target of [code, 'Alice', `<@${server.alice.id}>`]) {
    for (const command of ['!codes', '!revoke']) {
      const said = await say(lobby, server.bob, `${command} ${target}`);
      expect([command, target, said[0]?.message.content]).toEqual([
        command,
        target,
        expect.stringMatching(none),
      ]);
    }
  }
  const [list] = await say(server.general, server.admin, '!codes');
  expect(list?.message.embeds[0]?.fields?.map(({ name }) => name)).toEqual([`Code: ${code}`]);
});
