import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it, onTestFinished } from 'vitest';

import { openTestStorage } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';

const RACER = fileURLToPath(new URL('../support/name-racer.ts', import.meta.url));
const TSX = import.meta.resolve('tsx');

/** Another process that asks for usernames as `holderId`. */
async function startRacer(databasePath: string, holderId: string) {
  const child = fork(RACER, [databasePath, holderId], { execArgv: ['--import', TSX] });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill();
    await ended;
  });
  await once(child, 'message');
  return async (usernames: readonly string[]): Promise<string[]> => {
    const answered = once(child, 'message');
    child.send(usernames);
    const [got]: unknown[] = await Promise.race([
      answered,
      ended.then(() => {
        throw new Error('The racer ended before it answered');
      }),
    ]);
    return Array.isArray(got) ? got.map(String) : [];
  };
}

it('1,000 usernames that two processes want have one owner each', async () => {
  const databasePath = join(temporaryFolder(), 'codes.db');
  const { store, keys } = await openTestStorage(databasePath);
  const racers = await Promise.all(['1', '2'].map(async (holderId) => startRacer(databasePath, holderId)));
  const owners = new Map<string, string[]>();
  for (let round = 0; round < 20; round++) {
    const usernames = Array.from({ length: 50 }, (_, index) => `name ${round} ${index}`);
    // From both ends, so that neither is always first.
    const orders = [usernames, usernames.toReversed()];
    const got = await Promise.all(racers.map(async (race, index) => race(orders[index] ?? [])));
    for (const [index, names] of got.entries()) {
      for (const name of names) owners.set(name, [...(owners.get(name) ?? []), String(index + 1)]);
    }
  }
  expect(owners.size).toBe(1_000);
  expect([...owners.values()].filter(({ length }) => length > 1)).toEqual([]);
  expect(new Set([...owners.values()].flat())).toEqual(new Set(['1', '2']));

  const held = await store.listHeld('1', Date.UTC(2026, 0, 1), { offset: 0, limit: 2_000 });
  expect(Object.fromEntries(held.map(({ username, holderId }) => [username, [holderId]]))).toEqual(
    Object.fromEntries(owners),
  );
  expect(held).toHaveLength(1_000);
  expect(keys.open(held[0]?.sealedText ?? '', held[0]?.id ?? '')).toHaveLength(6);
});
