import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { expect, it, onTestFinished } from 'vitest';

import { openDoor, TOKEN } from '../http/door.js';
import { openTestStorage } from '../support/codes.js';
import { keep, openRaw } from '../support/raw-database.js';
import { sized } from './size.js';

const REDEEMER = fileURLToPath(new URL('../support/redeemer.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

type Pair = readonly [username: string, code: string];

/** Active codes for one use each, straight into the table. */
async function fill(databasePath: string, count: number): Promise<Pair[]> {
  const { keys } = await openTestStorage(databasePath, { as: 'guest' });
  const database = openRaw(databasePath);
  const insert = database.prepare(
    `INSERT INTO codes (id, guild_id, holder_id, holder_tag, username, name_hash, text_hash, pair_hash,
       sealed_text, max_uses, uses, issued_at, delivered_at) VALUES (?, '1', '1', 'x', ?, ?, ?, ?, 'x', 1, 0, 1, 1)`,
  );
  keep(insert);
  const pairs = Array.from({ length: count }, (_, index): Pair => {
    const digits = Array.from(index.toString(8).padStart(6, '0'), (digit) => Number(digit) + 2);
    return [`user${index}`, digits.join('')];
  });
  database.transaction(() => {
    for (const [username, code] of pairs) {
      const hashes = [keys.hashName(username), keys.hashText(code), keys.hashPair(username, code)];
      insert.run(username, username, ...hashes);
    }
  })();
  database.close();
  return pairs;
}

/** A website in another process. @returns how many of the pairs it was told were good. */
async function startWebsite(door: readonly string[]): Promise<(pairs: readonly Pair[]) => Promise<number>> {
  const child = fork(REDEEMER, door, { execArgv: ['--import', TSX] });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await ended;
  });
  await once(child, 'message');
  return async (pairs) => {
    const answered = once(child, 'message');
    child.send(pairs);
    const died = ended.then(() => {
      throw new Error('A website ended before it answered');
    });
    const [good]: unknown[] = await Promise.race([answered, died]);
    return Number(good);
  };
}

it('lets each of many one-time codes in once, at two websites with HTTP and two with the module', async () => {
  const { bot, url } = await openDoor();
  const count = sized(200, 5_000);
  const pairs = await fill(bot.databasePath, count);
  const doors = [[url, TOKEN], [url, TOKEN], [bot.databasePath], [bot.databasePath]];
  const websites = await Promise.all(doors.map(startWebsite));
  // In two orders, so that all four meet at the same codes and nobody is always first.
  const orders = [pairs, pairs.toReversed(), pairs.toReversed(), pairs];
  const good = await Promise.all(websites.map(async (redeem, index) => redeem(orders[index] ?? [])));
  expect(good.reduce((sum, wins) => sum + wins, 0)).toBe(count);
});
