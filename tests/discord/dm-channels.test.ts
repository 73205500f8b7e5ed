import { expect, it } from 'vitest';

import type { StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { startBot, type TestBot } from '../support/bot.js';
import { deferred } from '../support/deferred.js';
import { accepts } from '../support/website.js';

const OPEN = 'POST /users/@me/channels';
const TOO_FAST = { status: 403, code: 40_003 };
const BURST = 10;
/** Those who wait for at most 10 seconds, one per 2 seconds. */
const WAITING = 5;

/** A bot whose waits end when `release` is called; they are recorded. */
async function startPaced(): Promise<{
  readonly bot: TestBot;
  readonly waits: number[];
  readonly release: () => void;
}> {
  const waits: number[] = [];
  const { promise, resolve } = deferred();
  const bot = await startBot({
    async wait(ms) {
      waits.push(ms);
      await promise;
    },
  });
  return { bot, waits, release: resolve };
}

function join({ server }: TestBot, count: number): StandInUser[] {
  return Array.from({ length: count }, (_, index) => server.join(`member${index}`));
}

/** Lets each member ask for a code, all at once. */
function askAll({ server }: TestBot, members: readonly StandInUser[]): void {
  for (const member of members) server.discord.say(server.general, member, `!getcode ${member.username}`);
}

/** Returns who has a DM: `D`, who was offered the button: `B`, and who waits: `-`. */
function results({ server: { discord, general } }: TestBot, members: readonly StandInUser[]): string {
  const offered = discord.messages(general).filter(({ components }) => components.length > 0);
  return members
    .map((member) => {
      if (discord.directMessages(member).length > 0) return 'D';
      return offered.some(({ content }) => content.includes(`<@${member.id}>`)) ? 'B' : '-';
    })
    .join('');
}

it('opens 10 DM channels at once, then one per 2 seconds, and offers the button to those who would wait longer', async () => {
  const { bot, waits, release } = await startPaced();
  // Quiet time allows no larger burst.
  bot.clock.advance(3_600_000);
  const members = join(bot, BURST + WAITING + 2);
  askAll(bot, members);
  await expect.poll(() => results(bot, members)).toBe(`${'D'.repeat(BURST)}${'-'.repeat(WAITING)}BB`);
  expect(waits).toEqual([2_000, 4_000, 6_000, 8_000, 10_000]);
  release();
  await bot.settled();
  expect(results(bot, members)).toBe(`${'D'.repeat(BURST + WAITING)}BB`);

  const last = members.at(-1) ?? bot.server.alice;
  const shown = await bot.server.discord.pressButton(last, 'Show my code');
  expect(await accepts(bot, last.username, shown.message.content)).toBe(true);
  expect(bot.server.discord.calls({ opening: last })).toEqual([]);
});

it('sends to known DM channels at once, and to a new one when 2 seconds have passed', async () => {
  const { bot, waits } = await startPaced();
  const { server, clock } = bot;
  await bot.getCode(server.alice, 'Alice');
  clock.advance(60_000);
  const members = join(bot, BURST);
  askAll(bot, members);
  await bot.settled();
  await bot.getCode(server.alice, 'Alice');
  clock.advance(2_000);
  await bot.getCode(server.bob, 'Bob');
  expect(waits).toEqual([]);
});

it('keeps the pace after the clock was set back', async () => {
  const { bot, waits } = await startPaced();
  const members = join(bot, BURST + 1);
  askAll(bot, members.slice(0, BURST));
  await bot.settled();
  bot.clock.advance(-3_600_000);
  askAll(bot, members.slice(BURST));
  await expect.poll(() => waits).toEqual([2_000]);
});

it('pauses for 2 minutes after 40003, and offers the button meanwhile', async () => {
  const { bot, waits } = await startPaced();
  const { server, clock, say } = bot;
  const { discord } = server;
  const recover = discord.fail({ route: OPEN }, TOO_FAST);
  const asked = async (name: string): Promise<string> => {
    const member = server.join(name);
    await say(server.general, member, `!getcode ${name}`);
    return `${results(bot, [member])} ${discord.calls({ opening: member }).length}`;
  };
  expect(await asked('first')).toBe('B 1');
  expect(await asked('second')).toBe('B 0');
  clock.advance(90_000);
  expect(await asked('third')).toBe('B 0');
  clock.advance(20_000);
  expect(await asked('fourth')).toBe('B 1');
  clock.advance(120_000);
  recover();
  expect(await asked('fifth')).toBe('D 1');
  expect(bot.logged().match(/(?<="pauseMs":)\d+/g)).toEqual(['120000', '120000']);
  expect(waits).toEqual([]);
});

it('counts 40003 once for channels that were being opened at the same time', async () => {
  const { bot } = await startPaced();
  const members = join(bot, BURST);
  bot.server.discord.fail({ route: OPEN }, TOO_FAST);
  askAll(bot, members);
  await bot.settled();
  expect(results(bot, members)).toBe('B'.repeat(BURST));
  expect(bot.logged().match(/(?<="pauseMs":)\d+/g)).toEqual(['120000']);
});

it('offers the button to those who waited when Discord asks for a pause', async () => {
  const { bot, waits, release } = await startPaced();
  const members = join(bot, BURST + WAITING);
  // discord.js makes one of these calls at a time.
  const { discord } = bot.server;
  const hold = discord.hold({ route: OPEN, times: 1 }, TOO_FAST);
  discord.fail({ route: OPEN }, TOO_FAST);
  askAll(bot, members);
  await expect.poll(() => waits).toHaveLength(WAITING);
  hold.release();
  await expect.poll(() => results(bot, members)).toBe('B'.repeat(BURST) + '-'.repeat(WAITING));
  release();
  await bot.settled();
  expect(results(bot, members)).toBe('B'.repeat(BURST + WAITING));
  expect(discord.calls({ route: OPEN })).toHaveLength(BURST);
});

it.each([
  ['short enough to wait', 7, 'D'],
  ['too long to wait', 60, 'B'],
])('after a 429 pauses for as long as Discord says: %s', async (_, retryAfter, result) => {
  const { bot, waits, release } = await startPaced();
  const { discord, alice } = bot.server;
  release();
  discord.fail({ opening: alice, times: 1 }, { status: 429, retryAfter });
  await bot.say(bot.server.general, alice, '!getcode Alice');
  expect(results(bot, [alice])).toBe(result);
  // discord.js adds 50 ms.
  expect(waits).toEqual(result === 'D' ? [7_050] : []);
  expect(bot.logged().match(/Discord limits/g)).toHaveLength(1);
});

it('sends the list of codes to a known DM channel during a pause, and says so where there is none', async () => {
  const { bot } = await startPaced();
  const { server, say } = bot;
  server.discord.fail({ route: OPEN }, TOO_FAST);
  await say(server.general, server.alice, '!getcode Alice');
  await server.discord.pressButton(server.alice, 'Show my code');
  const [line] = await say(server.general, server.admin, '!codes');
  expect(line?.message.content).toContain('I am sending too many DMs right now');
});
