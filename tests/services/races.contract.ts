import { setImmediate } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { openStorage } from '../../src/storage/open-storage.js';

import { atOnce, openWorld, wrongCode, type Engine, type Services } from './support.js';

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

    it('see the changes of each other at once', async () => {
      const one = await openWorld(engine, { codeMaxUses: 5 });
      const other = await one.second();
      const { text } = await one.deliver();
      expect(await other.validator.redeem('Alice', text)).toMatchObject({ usesLeft: 4 });
      expect(await one.validator.redeem('Alice', text)).toMatchObject({ usesLeft: 3 });
      await one.codes.revoke({ id: '7', guildId: '1', actorId: '9' }, { memberId: '1' }, null);
      expect(await other.validator.validate('Alice', text)).toMatchObject({ reason: 'revoked' });
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

    it('redeem each of 50 one-time codes once', async () => {
      const one = await openWorld(engine, { codeMaxUses: 1 });
      const other = await one.second();
      const texts: string[] = [];
      for (let n = 0; n < 50; n++) texts.push((await one.deliver({ username: `name ${n}` })).text);
      const counts = await Promise.all(
        texts.map(async (text, n) => {
          const verdicts = await atOnce(4, async (i) =>
            (i % 2 === 0 ? one : other).validator.redeem(`name ${n}`, text),
          );
          return verdicts.filter(({ valid }) => valid).length;
        }),
      );
      expect(counts).toEqual(Array(50).fill(1));
    });

    it('over-use one-time codes when a use is counted by SELECT and UPDATE (control)', async () => {
      const one = await openWorld(engine, { codeMaxUses: 1 });
      const drivers = [await engine.openDriver(one.database), await engine.openDriver(one.database)];
      const ids: string[] = [];
      for (let n = 0; n < 50; n++) ids.push((await one.deliver({ username: `name ${n}` })).id);
      const redeem = async (n: number, id: string): Promise<boolean> => {
        const driver = drivers[n % 2];
        const rows = await driver?.query('SELECT uses FROM codes WHERE id = $1', [id]);
        if (rows?.[0]?.['uses'] !== 0) return false;
        await driver?.query('UPDATE codes SET uses = uses + 1 WHERE id = $1', [id]);
        return true;
      };
      const results = await Promise.all(ids.map(async (id) => atOnce(4, async (n) => redeem(n, id))));
      expect(results.flat().filter(Boolean).length).toBeGreaterThan(50);
    });

    it('create the tables once when both start first', async () => {
      for (let round = 0; round < 3; round++) {
        const database = await engine.newDatabase();
        const options = { database, secret: 'x'.repeat(40), as: 'owner' } as const;
        const storages = await atOnce(4, async () => openStorage(options));
        expect(storages.filter(({ isNew }) => isNew)).toHaveLength(1);
        for (const [n, { store }] of storages.entries()) {
          expect(await store.requests.claim('7', 1)).toBe(n === 0);
        }
        for (const storage of storages) await storage.close();
      }
    });
  });
}
