import { expect, it, onTestFinished } from 'vitest';

import { DiscordStandIn } from '../../src/demo/stand-in/stand-in.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { sized } from './size.js';

const BOT = 'dist/index.js';
const BARE_BOT = 'tests/bench/bare-bot.mjs';
/** In the short form even a bot without bounds grows by only 3 MB. */
const LIMIT_MB = sized(2, 10);

const MEGABYTE = 2 ** 20;
/** Events that are sent before the test waits for the bot. */
const CHUNK = 500;
/** One message in this many is a command. Discord accepts 50 replies a second. */
const COMMAND_EVERY = 250;
/** Compiled code and the database's cache belong to the start. */
const WARM_UP = 500;

/** On SIGUSR2, a program collects garbage and prints the size of its heap in bytes. */
const PROBE = `import { setFlagsFromString } from 'node:v8';
  import { runInNewContext } from 'node:vm';
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  let count = 0;
  process.on('SIGUSR2', () => {
    gc();
    console.error('heap ' + (count += 1) + ' is ' + process.memoryUsage().heapUsed + ' bytes');
  });`;

/** Returns by how many MB the heap of a bot grows while it receives `count` messages of as many authors. */
async function measureGrowth(path: string, count: number): Promise<number> {
  const discord = await DiscordStandIn.start();
  onTestFinished(async () => discord.close());
  const guild = discord.addGuild('Big Server', discord.addUser('owner'));
  const general = discord.addChannel(guild, 'general');
  let answers = 0;
  discord.onMessage(({ author }) => {
    if (author === discord.botUser) answers += 1;
  });
  const bot = run(path, {
    cwd: temporaryFolder(),
    env: {
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      LOG_FORMAT: 'json',
      BACKUP_INTERVAL: 'off',
      NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(PROBE)}`,
    },
  });
  let probes = 0;
  /** In MB, after a garbage collection. */
  async function measureHeap(): Promise<number> {
    const words = `heap ${(probes += 1)} is `;
    bot.child.kill('SIGUSR2');
    await bot.printed(words);
    return Number.parseInt(bot.stderr().split(words)[1] ?? '') / MEGABYTE;
  }
  await discord.connected();

  let spoken = 0;
  let commands = 0;
  async function speak(messages: number): Promise<void> {
    for (const end = spoken + messages; spoken < end; spoken++) {
      const author = discord.addUser(`member${spoken}`);
      discord.join(guild, author);
      const isCommand = spoken % COMMAND_EVERY === 0;
      if (isCommand) commands += 1;
      discord.say(general, author, isCommand ? '!help_chatroom' : `A message of ${author.username}`);
      discord.leave(guild, author);
      if (spoken % CHUNK === 0) await discord.delivered();
    }
    await discord.delivered();
  }

  const answersAll = path === BOT;
  await speak(WARM_UP);
  if (answersAll) await expect.poll(() => answers).toBe(commands);
  const before = await measureHeap();
  await speak(count);
  if (answersAll) await expect.poll(() => answers).toBe(commands);
  return (await measureHeap()) - before;
}

it('keeps its heap small while it receives messages of many authors', async () => {
  expect(await measureGrowth(BOT, sized(5_000, 200_000))).toBeLessThan(LIMIT_MB);
});

it('grows by more with the default caches of discord.js (control)', async () => {
  const growth = await measureGrowth(BARE_BOT, sized(5_000, 60_000));
  expect(growth).toBeGreaterThan(LIMIT_MB);
});
