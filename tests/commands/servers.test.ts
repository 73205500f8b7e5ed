import fc from 'fast-check';
import { expect, it } from 'vitest';

import type { StandInChannel, StandInGuild } from '../../src/demo/stand-in/stand-in.js';
import { startBot, summarize, TestServer, type TestBot } from '../support/bot.js';

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
  for (const text of ['!codes', `!revoke ${code}`, '!revoke Alice', `!revoke <@${server.alice.id}>`]) {
    const said = await say(lobby, server.bob, text);
    expect(said[0]?.message.content).toMatch(/no active access codes|not found|has no access codes/);
  }
  const [list] = await say(server.general, server.admin, '!codes');
  expect(list?.message.embeds[0]?.fields?.map(({ name }) => name)).toEqual([`Code: ${code}`]);
});

it('keeps the codes of two servers apart in 150 random commands', async () => {
  const bot = await startInTwoServers();
  const { server, say, guild, lobby } = bot;
  const people = [server.alice, server.bob, server.admin];
  for (const person of people) server.discord.join(guild, person);
  server.discord.setAdministrator(guild, server.admin, true);
  const places = [server.general, lobby];
  /** The channel in which each code was requested. */
  const home = new Map<string, StandInChannel>();
  let listed = 0;
  let revoked = 0;

  const command = fc.record({
    place: fc.constantFrom(...places),
    person: fc.constantFrom(...people),
    act: fc.constantFrom('issue', 'issue', 'issue', 'list', 'revoke', 'revoke'),
    number: fc.nat({ max: 9 }),
  });
  for (const { place, person, act, number } of fc.sample(command, { numRuns: 150, seed: 20_261_122 })) {
    if (act === 'issue') {
      const [direct, line] = await say(place, person, `!getcode ${person.username}${number}`);
      if (line !== undefined) home.set(direct?.message.content ?? '', place);
    } else if (act === 'list') {
      const [list] = await say(place, server.admin, '!codes');
      for (const { name = '' } of list?.message.embeds[0]?.fields ?? []) {
        expect(home.get(name.replace('Code: ', ''))).toBe(place);
        listed += 1;
      }
    } else {
      const code = [...home.keys()][(number * 7) % (home.size || 1)] ?? 'ABCDEF';
      const [line] = summarize(await say(place, server.admin, `!revoke ${code}`));
      if (line?.includes('has been revoked') !== true) continue;
      expect(home.get(code)).toBe(place);
      revoked += 1;
    }
  }
  expect({ listed: listed > 20, revoked: revoked > 5 }).toEqual({ listed: true, revoked: true });
});
