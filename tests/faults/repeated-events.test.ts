import { expect, it } from 'vitest';

import type { StandInMessage } from '../../src/demo/stand-in/stand-in.js';
import { TestServer } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { databaseIn, draw, readHeard, SupervisedBot } from './bots.js';
import { seededRandom } from './random.js';
import { sized } from './size.js';

/** discord.js sends one message after the other in each channel. */
const CHANNELS = 8;
/** No more requests than this wait for an answer: a bot sends 50 a second. */
const AT_A_TIME = 200;

it('handles each of many messages once, which come 1 to 5 times to two bots that are started again', async () => {
  const count = sized(100, 10_000);
  const restarts = sized(1, 5);
  const random = seededRandom(count);
  const server = await TestServer.start({ heartbeatIntervalMs: 5_000 });
  const { discord, guild } = server;
  const channels = Array.from({ length: CHANNELS }, (_, index) => discord.addChannel(guild, `room${index}`));
  const cwd = temporaryFolder();
  const first = new SupervisedBot(server, cwd);
  await first.ready();
  const second = new SupervisedBot(server, cwd);
  await second.ready();
  const bots = [first, second] as const;

  /** How many answers there are, by the id of what they answer, which their nonces begin with. */
  const answers = new Map<string, number>();
  let answered = 0;
  discord.onMessage(({ author, nonce }) => {
    if (author !== discord.botUser) return;
    const [id = 'of nobody'] = /^\d+/.exec(nonce ?? '') ?? [];
    if (!answers.has(id)) answered += 1;
    answers.set(id, (answers.get(id) ?? 0) + 1);
  });

  const asked: StandInMessage[] = [];
  const repeats: StandInMessage[] = [];
  const restartEvery = Math.ceil(count / (restarts + 1));
  for (const channel of Array.from({ length: count }, (_, index) => channels[index % CHANNELS])) {
    if (channel === undefined) throw new Error('There is no channel');
    // Everybody asks once: whoever asks often hears that it is too often.
    const member = discord.addUser(`member${asked.length}`);
    discord.join(guild, member);
    const message = discord.say(channel, member, '!help_chatroom');
    asked.push(message);
    repeats.push(...Array.from({ length: random.below(5) }, () => message));
    // Some repeats come at once, some much later.
    for (let left = random.below(5); left > 0; left--) {
      const repeat = draw(repeats, random);
      if (repeat !== undefined) discord.redeliver(repeat);
    }
    if (asked.length % restartEvery === 0 && asked.length < count) {
      // By turns a bot is told to end, and is killed.
      const bot = random.pick(bots);
      bot.end((asked.length / restartEvery) % 2 === 1 ? 'SIGTERM' : 'SIGKILL');
    }
    if (asked.length - answered >= AT_A_TIME) {
      await expect.poll(() => asked.length - answered, { interval: 20 }).toBeLessThan(AT_A_TIME);
    }
  }
  for (const repeat of repeats) discord.redeliver(repeat);

  await Promise.all(bots.map(async (bot) => bot.ready()));
  await discord.delivered();
  await expect
    .poll(
      () => {
        const heard = readHeard(databaseIn(cwd));
        for (const message of asked) if (!heard.has(message.id)) discord.redeliver(message);
        return asked.length - answered;
      },
      { interval: 500 },
    )
    .toBe(0);
  for (const message of asked.filter(() => random.chance(1 / 4))) discord.redeliver(message);
  await discord.delivered();
  await Promise.all(bots.map(async (bot) => bot.stop('SIGTERM')));
  // Discord would hide it by their nonces if both bots sent everything: only what the dead began is sent again.
  const sent = discord.requests.filter(({ path }) => path.endsWith('/messages')).length;
  expect(sent).toBeLessThan(count * 1.05 + 10);
  expect(answers).toEqual(new Map(asked.map(({ id }) => [id, 1])));
  expect(bots.flatMap(({ failures }) => failures)).toEqual([]);
});
