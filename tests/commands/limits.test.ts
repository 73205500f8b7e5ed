import { expect, it } from 'vitest';

import { startBot, summarize } from '../support/bot.js';

const LIMITED = { GETCODE_LIMIT: '3/10m' };
const MINUTE_MS = 60_000;

it('refuses a member more codes than GETCODE_LIMIT allows, until the interval is over', async () => {
  const { server, say, getCode, clock } = await startBot({ settings: LIMITED });
  // Not a whole second: the time in the refusal is rounded up.
  clock.advance(1);
  await getCode(server.alice, 'Alice');
  const first = clock.now;
  await getCode(server.alice, 'Alice');
  await getCode(server.alice, 'Alice');

  const until = Math.ceil((first + 10 * MINUTE_MS) / 1_000);
  const refusal = `#general ⏳ <@${server.alice.id}>, you have asked for too many codes. Please try again <t:${until}:R>.`;
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([refusal]);
  // Other members are not affected.
  await getCode(server.bob, 'Bob');

  clock.now = first + 10 * MINUTE_MS - 7_001;
  expect(summarize(await say(server.general, server.alice, '!getcode Alice'))).toEqual([refusal]);
  clock.now = first + 10 * MINUTE_MS - 7_000;
  await getCode(server.alice, 'Alice');
});

it('lists the usernames of a member who may have no more', async () => {
  const { server, say, getCode } = await startBot({ settings: { MAX_USERNAMES_PER_MEMBER: '2' } });
  await getCode(server.alice, 'one');
  await getCode(server.alice, 'Two Words');
  const said = await say(server.general, server.alice, '!getcode three');
  expect(summarize(said)).toEqual([
    `#general ❌ <@${server.alice.id}>, you already have 2 usernames: \`one\`, \`Two Words\`. Use one of them, or ask an administrator to revoke one.`,
  ]);
  await getCode(server.alice, 'ONE');
  await say(server.general, server.admin, '!revoke one');
  await getCode(server.alice, 'three');
});

it('replies once to a member who sends commands too fast, and ignores the next ones', async () => {
  const { server, settled, clock } = await startBot();
  for (let count = 0; count < 30; count++) server.discord.say(server.general, server.alice, '!codes');
  server.discord.say(server.general, server.bob, '!codes');
  await settled();
  const lines = summarize(server.takeSaid());
  const refusals = lines.filter((line) => line.includes("don't have permission"));
  expect(refusals).toHaveLength(11);
  const until = Math.ceil((clock.now + MINUTE_MS) / 1_000);
  expect(lines.filter((line) => !refusals.includes(line))).toEqual([
    `#general ⏳ <@${server.alice.id}>, you are sending commands too fast. Please try again <t:${until}:R>.`,
  ]);

  // The second time after the clock was set back.
  for (const ms of [MINUTE_MS, -60 * MINUTE_MS]) {
    clock.advance(ms);
    for (let count = 0; count < 30; count++) server.discord.say(server.general, server.alice, '!codes');
    await settled();
    expect(server.takeSaid()).toHaveLength(11);
  }
});

it('counts a button press as a command', async () => {
  const { server, say, settled } = await startBot();
  const { discord, general, alice } = server;
  discord.setDirectMessages(alice, 'closed');
  await say(general, alice, '!getcode Alice');
  const press = async () => discord.pressButton(alice, 'Show my code');
  for (let presses = 1; presses <= 9; presses++) expect((await press()).message.embeds).toHaveLength(1);
  const { ephemeral, message } = await press();
  expect([ephemeral, message.content]).toEqual([true, expect.stringContaining('commands too fast')]);
  server.takeSaid();
  press().catch(() => undefined);
  await settled();
  expect(server.takeSaid()).toEqual([]);
});
