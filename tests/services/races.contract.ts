import { setImmediate } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { openStorage } from '../../src/storage/open-storage.js';
import { locate } from '../support/codes.js';
import { atOnce, openWorld, SECRET, wrongCode, type Engine, type Services } from './support.js';

export function describeRaces(engine: Engine): void {
  describe('two processes over one database', () => {
    it('give each of 100 usernames to one of two members', async () => {
      const one = await openWorld(engine);
      const other = await one.second();
      const usernames = Array.from({ length: 100 }, (_, n) => `name ${n}`);
      const race = async ({ request, deliveries }: Services, holderId: string, names: readonly string[]) => {
        const owned: string[] = [];
        for (const username of names) {
          // Lets the other run: on SQLite a transaction does not return to the event loop.
          await setImmediate();
          const code = await request({ holderId, username });
          if (code === null || 'refusal' in code) continue;
          if ((await deliveries.markDelivered(code.id)) === 'active') owned.push(username);
        }
        return owned;
      };
      const owned = await Promise.all([race(one, '1', usernames), race(other, '2', usernames.toReversed())]);
      expect(owned.flat().toSorted()).toEqual(usernames.toSorted());
      for (const names of owned) expect(names.length).toBeGreaterThan(0);
    });

    it('give a username and its look-alikes to one of 20 members', async () => {
      const one = await openWorld(engine);
      const other = await one.second();
      const results = await atOnce(20, async (n) =>
        (n % 2 === 0 ? one : other).request({
          holderId: String(n),
          username: ['Alice', 'AIice', 'A1ice', 'ALICE'][n % 4] ?? '',
        }),
      );
      expect(results.filter((result) => result !== null && 'id' in result)).toHaveLength(1);
    });

    it('issue one code for one message', async () => {
      const one = await openWorld(engine);
      const other = await one.second();
      for (let n = 0; n < 20; n++) {
        const id = String(n);
        const results = await Promise.all([one.request({ id }), other.request({ id })]);
        expect(results.filter((result) => result !== null)).toHaveLength(1);
      }
    });

    it('evaluate at most 10 of 50 guesses at once, and not the right code after them', async () => {
      const one = await openWorld(engine);
      const other = await one.second();
      const { text } = await one.deliver();
      const verdicts = await atOnce(50, async (n) =>
        (n % 2 === 0 ? one : other).validator.validate('Alice', wrongCode(n)),
      );
      const evaluated = verdicts.filter((verdict) => !verdict.valid && verdict.reason === 'unknown');
      expect(evaluated).toHaveLength(10);
      expect(await other.validator.validate('Alice', text)).toMatchObject({ reason: 'throttled' });
    });

    it('create the tables once when both start first', async () => {
      const options = { database: locate(await engine()), secret: SECRET, as: 'owner' } as const;
      const storages = await atOnce(4, async () => openStorage(options));
      expect(storages.filter(({ isNew }) => isNew)).toHaveLength(1);
      for (const storage of storages) await storage.close();
    });
  });
}
