import { expect, it } from 'vitest';

import type { StandInMessage } from '../../src/demo/stand-in/stand-in.js';
import { TestServer } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { databaseIn, draw, readHeard, SupervisedBot, writeDmChannels } from './bots.js';
import { seededRandom } from './random.js';
import { sized } from './size.js';

/** discord.js sends the messages of a channel one after the other. */
const CHANNELS = 8;
/** At most this many requests wait for a reply: a bot sends 50 messages a second. */
const AT_A_TIME = 200;

it('sends each code once, although two bots receive each message 1 to 5 times while they are restarted', async () => {
  const count = sized(60, 5_000);
  const restarts = sized(1, 5);
  const random = seededRandom(count);
  const server = await TestServer.start({ heartbeatIntervalMs: 5_000 });
  const { discord, guild } = server;
  const channels = Array.from({ length: CHANNELS }, (_, index) => discord.addChannel(guild, `room${index}`));
  const members = Array.from({ length: count }, (_, index) => server.join(`member${index}`));
  const cwd = temporaryFolder();
  const first = new SupervisedBot(server, cwd);
  await first.ready();
  const second = new SupervisedBot(server, cwd);
  await second.ready();
  const bots = [first, second] as const;
  await writeDmChannels(
    databaseIn(cwd),
    members.map((member) => [member.id, discord.say(member, member, 'Hello, bot').channelId]),
  );

  /** The number of DMs by their nonce, the id of the request; and of the lines in a channel that name a member. */
  const sent = new Map<string, number>();
  discord.onMessage(({ author, nonce, guildId, pings }) => {
    if (author !== discord.botUser) return;
    for (const key of guildId === null ? [nonce ?? ''] : pings.users) sent.set(key, (sent.get(key) ?? 0) + 1);
  });

  const asked: StandInMessage[] = [];
  const repeats: StandInMessage[] = [];
  const restartEvery = Math.ceil(count / (restarts + 1));
  const waiting = (): number => asked.length - sent.size / 2;
  for (const [index, member] of members.entries()) {
    const message = discord.say(
      channels[index % CHANNELS] ?? server.general,
      member,
      `!getcode ${member.username}`,
    );
    asked.push(message);
    repeats.push(...Array.from({ length: random.below(5) }, () => message));
    // Some repeats arrive at once, some much later.
    for (let left = random.below(5); left > 0; left--) {
      const repeat = draw(repeats, random);
      if (repeat !== undefined) discord.redeliver(repeat);
    }
    if (asked.length % restartEvery === 0 && asked.length < count) {
      random.pick(bots).end((asked.length / restartEvery) % 2 === 1 ? 'SIGTERM' : 'SIGKILL');
    }
    if (waiting() >= AT_A_TIME) await expect.poll(waiting, { interval: 20 }).toBeLessThan(AT_A_TIME);
  }
  for (const repeat of repeats) discord.redeliver(repeat);

  await Promise.all(bots.map(async (bot) => bot.ready()));
  await discord.delivered();
  const poll = async (): Promise<number> => {
    const heard = await readHeard(databaseIn(cwd));
    for (const message of asked) if (!heard.has(message.id)) discord.redeliver(message);
    return waiting();
  };
  await expect.poll(poll, { interval: 500 }).toBe(0);
  for (const message of asked.filter(() => random.chance(1 / 4))) discord.redeliver(message);
  await discord.delivered();
  await Promise.all(bots.map(async (bot) => bot.stop('SIGTERM')));
  // Nonces would hide it if both bots sent everything.
  expect(discord.calls({ route: 'POST /channels/*/messages' }).length).toBeLessThan(2 * count * 1.05 + 10);
  expect(sent).toEqual(new Map(asked.flatMap(({ id, author }) => [id, author.id]).map((key) => [key, 1])));
  expect(bots.flatMap(({ failures }) => failures)).toEqual([]);
});
