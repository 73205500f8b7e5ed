import { expect, it } from 'vitest';

import type { StandInAnswer } from '../../src/demo/stand-in/stand-in.js';
import { startBot, type TestBot } from '../support/bot.js';

const SHOWN = '🎫 Your Chat Room Access Code';
const NOT_SHOWN = '❌ This code can no longer be shown. Please ask for another: `!getcode <username>`';

/** Requests a code for Alice while she accepts no DMs, so that the bot offers the button. */
async function requestWithoutDms({ server, say }: TestBot): Promise<void> {
  server.discord.setDirectMessages(server.alice, 'closed');
  await say(server.general, server.alice, '!getcode Alice');
  server.discord.setDirectMessages(server.alice, 'open');
}

async function press({ server, settled }: TestBot, by = server.alice): Promise<StandInAnswer> {
  const answer = await server.discord.pressButton(by, 'Show my code');
  await settled();
  return answer;
}

it('activates the code and shows it to its holder only, each time that the button is pressed', async () => {
  const bot = await startBot();
  await requestWithoutDms(bot);
  const [first, second] = [await press(bot), await press(bot)];
  for (const { ephemeral, message } of [first, second]) {
    expect(ephemeral).toBe(true);
    expect(message.embeds[0]?.title).toBe(SHOWN);
    expect(message.content).toBe(first.message.content);
  }
  expect(await bot.logIn('Alice', first.message.content)).toBe('valid');
});

it('refuses the button to everybody but the holder of the code', async () => {
  const bot = await startBot();
  await requestWithoutDms(bot);
  for (const other of [bot.server.bob, bot.server.admin, bot.server.owner]) {
    expect(await press(bot, other)).toMatchObject({
      ephemeral: true,
      message: { content: '❌ Only the member who asked for this code can see it.', embeds: [] },
    });
  }
  expect((await press(bot)).message.embeds[0]?.title).toBe(SHOWN);
});

it('shows each member whom a message names their own code', async () => {
  const bot = await startBot();
  const { discord, general, alice, bob, admin, owner } = bot.server;
  for (const member of [alice, bob, admin]) discord.setDirectMessages(member, 'closed');
  const hold = discord.hold({ to: general, times: 1 });
  discord.say(general, admin, '!getcode first');
  await hold.arrived;
  discord.say(general, alice, '!getcode one');
  await expect.poll(() => discord.calls({ to: alice })).toHaveLength(1);
  discord.say(general, alice, '!getcode two');
  discord.say(general, bob, '!getcode Bob');
  await expect.poll(() => discord.calls({ to: bob })).toHaveLength(1);
  hold.release();
  await bot.settled();
  const [both, own] = discord.messages(general).slice(-2);
  if (both === undefined || own === undefined) throw new Error('no buttons');
  expect([both, own].map(({ pings }) => pings.users)).toEqual([[alice.id, bob.id], [alice.id]]);
  const cases = [
    [both, alice, 'one'],
    [both, bob, 'Bob'],
    [both, bob, 'Bob'],
    [own, alice, 'two'],
  ] as const;
  for (const [offer, member, name] of cases) {
    const button = offer.components[0]?.components[0]?.custom_id ?? '';
    const { message } = await discord.press(offer, button, member);
    expect(message.embeds[0]?.fields?.[0]?.value).toBe(name);
    expect(await bot.logIn(name, message.content)).toBe('valid');
  }
  expect((await press(bot, owner)).message.content).toContain('Only the member who asked');
});

it.each([
  [0, SHOWN],
  [1, NOT_SHOWN],
])('shows the code for 30 minutes, also after a restart (%i ms later)', async (ms, expected) => {
  const stopped = await startBot();
  await requestWithoutDms(stopped);
  await stopped.app.stop();
  const { server, databasePath, clock } = stopped;
  const bot = await startBot({ server, databasePath, clock });
  clock.advance(30 * 60_000 + ms);
  const { message } = await press(bot);
  expect(message.embeds[0]?.title ?? message.content).toBe(expected);
});

it.each([
  ['a newer one was delivered', async (bot: TestBot) => bot.getCode(bot.server.alice, 'Alice')],
  ['it was revoked', async ({ server, say }: TestBot) => say(server.general, server.admin, '!revoke Alice')],
])('refuses to show a code after %s', async (_, end) => {
  const bot = await startBot();
  await requestWithoutDms(bot);
  await end(bot);
  expect((await press(bot)).message.content).toBe(NOT_SHOWN);
});

it.each([
  ['was lost', 50_035, 1],
  ['came from another process', 40_060, 0],
  ['came too late', 10_062, 0],
])('shows a code again when the first reply to the press %s', async (_, code, lines) => {
  const bot = await startBot();
  await requestWithoutDms(bot);
  bot.server.discord.fail({ press: bot.server.alice, times: 1 }, { status: 400, code });
  const lost = bot.server.discord.pressButton(bot.server.alice, 'Show my code');
  await bot.settled();
  expect(bot.logged().match(/Could not reply to a button press/g) ?? []).toHaveLength(lines);
  expect(await bot.logIn('Alice', (await press(bot)).message.content)).toBe('valid');
  await Promise.all([expect(lost).rejects.toThrow('closed'), bot.server.discord.close()]);
});
