import { expect, it } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { startBot, summarize, type TestBot } from '../support/bot.js';
import { openRaw } from '../support/raw-database.js';

const MINUTE_MS = 60_000;

const BUTTON = 'Show my code';

/** Asks with direct messages closed, so that the bot offers the button. */
async function askClosed({ server, say }: TestBot): Promise<void> {
  server.discord.setDirectMessages(server.alice, 'closed');
  await say(server.general, server.alice, '!getcode Alice');
}

/** Asks the validator as the website does. */
async function reasonFor(bot: TestBot, code: string): Promise<string> {
  const validator = await openValidator({ databaseUrl: bot.databasePath, clock: bot.clock.read });
  const verdict = await validator.validate('Alice', code);
  await validator.close();
  return verdict.valid ? 'valid' : verdict.reason;
}

it('shows the code to its asker alone, and makes it active by that', async () => {
  const bot = await startBot();
  const { server } = bot;
  await askClosed(bot);
  const [message] = server.discord.messages(server.general).slice(-1);
  expect(message?.content).toBe(
    `❌ <@${server.alice.id}>, I couldn't send you a DM! Please enable DMs from server members.`,
  );
  expect(message?.components[0]?.components.map(({ label }) => label)).toEqual(['Show my code']);

  const answer = await server.discord.pressButton(server.alice, BUTTON);
  await bot.settled();
  expect(answer.ephemeral).toBe(true);
  expect(answer.message.embeds[0]?.title).toBe('🎫 Your Chat Room Access Code');
  expect(await reasonFor(bot, answer.message.content)).toBe('valid');
});

it('leaves a code that was not shown worthless, and its username reserved', async () => {
  const bot = await startBot();
  const { server, say } = bot;
  await askClosed(bot);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([
    '#general 📝 No access codes have been generated yet.',
  ]);
  expect(summarize(await say(server.general, server.bob, '!getcode Alice'))[0]).toContain('is taken');
});

it('refuses the click of anybody else, administrators too', async () => {
  const bot = await startBot();
  await askClosed(bot);
  for (const stranger of [bot.server.bob, bot.server.admin, bot.server.owner]) {
    const answer = await bot.server.discord.pressButton(stranger, BUTTON);
    expect(answer).toMatchObject({
      ephemeral: true,
      message: { content: '❌ This button belongs to the member who asked for the code.', embeds: [] },
    });
  }
});

it.each([
  ['just before', 10 * MINUTE_MS - 1, '🎫 Your Chat Room Access Code'],
  ['when', 10 * MINUTE_MS, undefined],
])('shows the code or not %s 10 minutes are over', async (_, later, title) => {
  const bot = await startBot();
  await askClosed(bot);
  bot.clock.advance(later);
  const answer = await bot.server.discord.pressButton(bot.server.alice, BUTTON);
  expect(answer.message.embeds[0]?.title).toBe(title);
});

it('shows the code after a restart', async () => {
  const bot = await startBot();
  await askClosed(bot);
  await bot.app.stop();
  const { server, databasePath, clock } = bot;
  const again = await startBot({ server, databasePath, clock });
  const answer = await server.discord.pressButton(server.alice, BUTTON);
  await again.settled();
  expect(await reasonFor(again, answer.message.content)).toBe('valid');
});

it('withdraws a code that nobody claimed, and frees the username', async () => {
  const bot = await startBot();
  await askClosed(bot);
  bot.clock.advance(10 * MINUTE_MS + 1);
  await bot.app.housekeeping.endCodes();
  expect(await bot.getCode(bot.server.bob, 'Alice')).toMatch(/^\w{6}$/);
  const answer = await bot.server.discord.pressButton(bot.server.alice, BUTTON);
  expect(answer.message.content).toContain('can no longer be shown');
});

it('keeps the code that a member holds until the new one is shown', async () => {
  const bot = await startBot();
  const first = await bot.getCode(bot.server.alice, 'Alice');
  await askClosed(bot);
  expect(await reasonFor(bot, first)).toBe('valid');
  const answer = await bot.server.discord.pressButton(bot.server.alice, BUTTON);
  await bot.settled();
  expect(await reasonFor(bot, answer.message.content)).toBe('valid');
  expect(await reasonFor(bot, first)).toBe('replaced');
});

it('shows nothing that was revoked meanwhile', async () => {
  const bot = await startBot();
  await askClosed(bot);
  await bot.say(bot.server.general, bot.server.admin, '!revoke Alice');
  const answer = await bot.server.discord.pressButton(bot.server.alice, BUTTON);
  expect(answer.message.content).toContain('can no longer be shown');
});

it.each([
  ['is lost', 0],
  ['is lost, and Discord fails to say so for a while', 5],
])('makes a code active that was shown although the answer to that %s', async (_what, failures) => {
  const bot = await startBot();
  await askClosed(bot);
  const { discord, alice } = bot.server;
  const checks = { route: 'GET /webhooks/*/*/messages/@original' };
  discord.fail({ press: alice, times: 1 }, 'lose-answer');
  discord.fail({ ...checks, times: failures }, 502);
  const answer = await discord.pressButton(alice, BUTTON);
  await bot.settled();
  expect(discord.calls({ press: alice })[0]).toMatchObject({ status: null });
  expect(discord.calls(checks)).toHaveLength(failures + 1);
  expect(await reasonFor(bot, answer.message.content)).toBe('valid');
});

it.each([
  ['within the 10 minutes', 15_000],
  ['after them', 11 * MINUTE_MS],
])('makes a code active that was shown by a process that could not note it: %s', async (_when, later) => {
  const bot = await startBot();
  await askClosed(bot);
  const { discord, alice } = bot.server;
  const raw = openRaw(bot.databasePath);
  const answering = discord.hold({ press: alice });
  const pressed = discord.pressButton(alice, BUTTON);
  await answering.arrived;
  raw.exec('ALTER TABLE guards RENAME TO elsewhere');
  answering.release();
  const answer = await pressed;
  await bot.settled();
  raw.exec('ALTER TABLE elsewhere RENAME TO guards');
  raw.close();
  expect(await reasonFor(bot, answer.message.content)).toBe('unknown');
  bot.clock.advance(later);
  await bot.app.housekeeping.endCodes();
  await bot.app.housekeeping.tendAnswers();
  await bot.settled();
  expect(await reasonFor(bot, answer.message.content)).toBe('valid');
});

it('leaves a code worthless whose showing Discord did not take', async () => {
  const bot = await startBot();
  await askClosed(bot);
  const { discord, alice } = bot.server;
  discord.fail({ press: alice }, { status: 400, code: 50_035 });
  const pressed = discord.pressButton(bot.server.alice, BUTTON);
  await bot.settled();
  const body = JSON.stringify(discord.calls({ press: alice })[0]?.body);
  const shown = /"content":"(\w{6})"/.exec(body)?.[1] ?? '';
  expect(shown).toMatch(/^\w{6}$/);
  expect(await reasonFor(bot, shown)).toBe('unknown');
  await Promise.all([expect(pressed).rejects.toThrow('closed'), discord.close()]);
});
