import fc from 'fast-check';
import { expect, it } from 'vitest';

import { startBot, summarize, twoServers } from '../support/bot.js';
import { openCodes, usernameOf } from '../support/codes.js';

it('serves the servers that ALLOWED_GUILD_IDS names, and is silent in the others', async () => {
  const { lobby, ...two } = await twoServers();
  const open = await startBot(two);
  const { server, databasePath, clock } = open;
  await open.getCode(server.alice, 'Alice');
  await open.app.stop();

  const settings = { ALLOWED_GUILD_IDS: server.guild.id };
  const bot = await startBot({ server, databasePath, clock, settings });
  for (const text of ['!getcode Bob', '!codes', '!revoke Alice', '!help_chatroom']) {
    expect(await bot.say(lobby, server.bob, text)).toEqual([]);
  }
  expect(await bot.say(server.general, server.alice, '!help_chatroom')).toHaveLength(1);
  expect(await bot.say(server.bob, server.bob, '!help_chatroom')).toHaveLength(1);
  expect(bot.logged()).toMatch(/Ignoring Elsewhere \(\d+\): ALLOWED_GUILD_IDS does not list it/);
});

it('lets the administrator of another server turn no page of this one', async () => {
  const { server, say, getCode, settled } = await startBot();
  for (let number = 1; number <= 11; number++) await getCode(server.alice, `user${number}`);
  const [list] = await say(server.general, server.admin, '!codes');
  server.discord.addGuild('Elsewhere', server.admin);
  server.discord.setAdministrator(server.guild, server.admin, false);
  const id = list?.message.components[0]?.components[1]?.custom_id;
  if (list === undefined || id === undefined) throw new Error('no list');
  const answer = await server.discord.press(list.message, id, server.admin);
  await settled();
  expect(answer.message.content).toContain("don't have permission");
});

it('lets nothing cross from server to server in 10,000 random operations', async () => {
  const codes = await openCodes({ getcodeLimit: { codes: 1_000, spanMs: 1 }, maxUsernamesPerMember: 100 });
  const guilds = ['1', '2', '3', '4', '5'];
  /** Where each code that was issued belongs. */
  const home = new Map<string, string>();
  const texts: string[] = [];
  let crossing = 0;
  let seen = 0;

  const guild = fc.constantFrom(...guilds);
  const holder = fc.integer({ min: 1, max: 20 }).map(String);
  const operation = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('issue' as const), guild, holder }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('list' as const), guild, holder }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('revokeCode' as const), guild, holder }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('revokeHolder' as const), guild, holder }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), guild, holder }) },
  );
  const judge = (guildId: string, ended: readonly { readonly id: string }[]): void => {
    seen += ended.length;
    crossing += ended.filter(({ id }) => home.get(id) !== guildId).length;
  };
  const operations = fc.sample(operation, { numRuns: 10_000, seed: 20_261_122 });
  for (const [index, one] of operations.entries()) {
    const by = { requestId: `r${index}`, actorId: 'admin' };
    codes.clock.advance(10);
    if (one.do === 'issue') {
      const username = usernameOf(`h${one.holder}.${index % 7}`);
      const issued = await codes.service.issue({
        id: `c${index}`,
        guildId: one.guild,
        holderId: one.holder,
        holderTag: 'holder',
        username,
      });
      if (typeof issued === 'string' || !('text' in issued)) continue;
      home.set(issued.id, one.guild);
      texts.push(issued.text);
      await codes.service.deliver(issued.id);
    } else if (one.do === 'list') {
      judge(one.guild, (await codes.service.list(one.guild, 1, 'admin')).codes);
    } else if (one.do === 'leave') {
      judge(one.guild, await codes.storage.store.revokeLeaver(one.guild, one.holder, codes.clock.now));
    } else {
      const revoked =
        one.do === 'revokeHolder'
          ? await codes.service.revokeHolder(one.guild, one.holder, by)
          : await codes.service.revoke(one.guild, texts[(index * 7) % (texts.length || 1)] ?? 'none', by);
      if (revoked !== 'repeated') judge(one.guild, revoked.codes);
    }
  }
  expect(seen).toBeGreaterThan(5_000);
  expect(crossing).toBe(0);
});

it('keeps what an administrator sees apart by server', async () => {
  const { lobby, ...two } = await twoServers();
  const { server, say, getCode } = await startBot(two);
  await getCode(server.alice, 'Alice');
  expect(summarize(await say(lobby, server.bob, '!codes'))).toEqual([
    expect.stringContaining('No access codes have been generated yet.'),
  ]);
});
