import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { expect, it } from 'vitest';

import type { StandInFault } from '../src/demo/stand-in/stand-in.js';
import { makeBackup } from '../src/storage/backup.js';
import { startBot, type TestBot } from './support/bot.js';
import { ManualClock } from './support/clock.js';
import { openWebsite } from './support/website.js';

const SECRET = 'canary-secret-canary-secret-canary';
const TOKEN = 'canary-token-canary-token-canary-token';
const KEY = 'canary-key-';
const CLIENT = 'canary-client-198.51.100.7';

/** What happens to messages that the bot sends: errors may quote the request. */
const FAULTS: readonly (readonly [string, StandInFault | null])[] = [
  ['accepts its messages', null],
  ['answers with 400', { status: 400, code: 50_035 }],
  ['answers with 403', { status: 403, code: 50_007 }],
  ['answers with 500', 500],
  ['closes the connection', 'lose-answer'],
];

/** Returns every code that the bot has put into a request, accepted or not. */
function codesIn({ server }: TestBot): Set<string> {
  const bodies = server.discord.requests.map(({ body }) => JSON.stringify(body) ?? '');
  return new Set(
    bodies.flatMap((body) => [...body.matchAll(/\*\*([A-Z2-9]{8})\*\*/g)].map(([, code = '']) => code)),
  );
}

/** Returns the content of the files in a folder. */
function bytesIn(folder: string): string {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => readFileSync(join(folder, name), 'latin1'))
    .join('\n');
}

/** Logs in as a careless website would. */
async function askOverHttp({ app }: TestBot, code: string): Promise<void> {
  const good = JSON.stringify({ username: 'Alice', code, client: CLIENT });
  const bodies = [good, good.slice(0, -2), `"${code}"`, JSON.stringify({ code, [code]: code })];
  for (const body of bodies) {
    for (const token of [TOKEN, code]) {
      await fetch(`http://127.0.0.1:${app.httpPort}/v1/redeem?code=${code}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': `${KEY}${code}`,
        },
        body,
      });
    }
  }
}

it.each(FAULTS)('leaks no code, token or secret when Discord %s', async (_, fault) => {
  // Codes of 8 characters do not occur by chance.
  const clock = new ManualClock();
  const bot = await startBot({
    clock,
    // One retry: discord.js sends at most 50 requests per second.
    wait: async () => clock.advance(120_000),
    settings: { CODE_SECRET: SECRET, CODE_LENGTH: '8', HTTP_PORT: '0', HTTP_TOKEN: TOKEN },
  });
  const { server, say, settled } = bot;
  const { discord } = server;
  await say(server.general, server.alice, '!getcode Alice');
  const routes = fault === null ? [] : ['POST /channels/*/messages', 'POST /interactions/*/*/callback'];
  const repairs = routes.map((route) => discord.fail({ route }, fault ?? 500));

  await say(server.general, server.alice, '!getcode Alice');
  discord.setDirectMessages(server.bob, 'closed');
  await say(server.general, server.bob, '!getcode Bob');
  if (fault === null) await discord.pressButton(server.bob, 'Show my code');
  await say(server.general, server.admin, '!codes');
  await say(server.general, server.alice, '!codes');
  await say(server.general, server.admin, '!revoke nobody');
  for (const repair of repairs) repair();
  await say(server.general, server.alice, '!getcode Alice');
  const codes = codesIn(bot);
  const validator = await openWebsite(bot);
  for (const code of codes) {
    await validator.redeem('Alice', code, { client: CLIENT });
    // People type their code into the box for the username.
    await validator.validate(code, code);
    await askOverHttp(bot, code);
  }
  await bot.app.tasks.prune();
  await settled();
  await makeBackup(bot.databasePath, { keep: 7, now: clock.now });

  expect(codes.size).toBeGreaterThanOrEqual(2);
  const channel = JSON.stringify([...discord.messages(server.general), ...discord.messages(server.thread)]);
  const folder = dirname(bot.databasePath);
  const backups = bytesIn(join(folder, 'backups'));
  const places = Object.entries({ log: bot.logged(), channel, files: bytesIn(folder), backups });
  // The places were read.
  expect(channel).toContain('!getcode Alice');
  for (const [place, content] of places) {
    if (place !== 'channel') expect(content).toContain(server.alice.id);
    const found = [...codes, discord.token, SECRET, CLIENT, TOKEN, KEY].filter((canary) =>
      content.toUpperCase().includes(canary.toUpperCase()),
    );
    // No more of a canary in this report than tells which one it is.
    expect([place, found.map((canary) => canary.slice(0, 2))]).toEqual([place, []]);
  }
});
