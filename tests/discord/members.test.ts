import { expect, it } from 'vitest';

import type { StandInFault } from '../../src/demo/stand-in/stand-in.js';
import { startBot } from '../support/bot.js';
import { accepts } from '../support/website.js';

const MEMBER = 'GET /guilds/*/members/*';

it.each<[string, StandInFault | 'outage', boolean]>([
  ['ends the code of a member whose account was deleted', { status: 404, code: 10_013 }, false],
  ['ends no code when the server is unavailable', 'outage', true],
  ['ends no code when the lookup fails', 500, true],
  ['ends no code when Discord denies access', { status: 403, code: 50_001 }, true],
  ['ends no code when Discord does not know the server', { status: 404, code: 10_004 }, true],
])('%s', async (_, fault, isValid) => {
  const bot = await startBot();
  const { discord, guild, alice } = bot.server;
  const code = await bot.getCode(alice, 'Alice');
  discord.leave(guild, alice);
  if (fault === 'outage') discord.setGuildUnavailable(guild);
  else discord.fail({ route: MEMBER }, fault);
  await bot.settled();
  await bot.app.tasks.checkMembers();
  expect(await accepts(bot, 'Alice', code)).toBe(isValid);
  // Nobody is looked up during an outage.
  expect(bot.logged().includes('Could not check all members')).toBe(isValid && fault !== 'outage');
});

it('ends the codes of other members when one lookup fails', async () => {
  const bot = await startBot();
  const { server } = bot;
  const { discord, guild, alice, bob } = server;
  const codes = [await bot.getCode(alice, 'Alice'), await bot.getCode(bob, 'Bob')] as const;
  discord.leave(guild, alice);
  discord.leave(guild, bob);
  discord.fail({ route: `/guilds/${guild.id}/members/${alice.id}` }, 500);
  await bot.app.tasks.checkMembers();
  expect(await accepts(bot, 'Alice', codes[0])).toBe(true);
  expect(await accepts(bot, 'Bob', codes[1])).toBe(false);
  expect(bot.logged()).toContain('Could not check all members');
});

it('ends no code of a member whom the gateway omitted', async () => {
  const bot = await startBot();
  const { discord, guild, alice } = bot.server;
  const code = await bot.getCode(alice, 'Alice');
  // The gateway does not find her; REST does.
  discord.leave(guild, alice);
  discord.onCall({ route: MEMBER }, () => discord.join(guild, alice));
  await bot.app.tasks.checkMembers();
  expect(await accepts(bot, 'Alice', code)).toBe(true);
});
