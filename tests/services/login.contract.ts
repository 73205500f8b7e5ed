import { describe, expect, it } from 'vitest';

import { Validator } from '../../src/services/validator.js';
import type { Driver } from '../../src/storage/driver.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { Store } from '../../src/storage/store.js';
import {
  admin,
  atOnce,
  DAY,
  HOUR,
  openWorld,
  wrongCode,
  type Engine,
  type Services,
  type World,
} from './support.js';

const UNKNOWN = { valid: false, reason: 'unknown' };
const ALICE = { typed: 'Alice' } as const;

function throttled(retryAfterMs: number | null) {
  return { valid: false, reason: 'throttled', retryAfterMs };
}

/** Enters `count` wrong codes for Alice, each of which must be evaluated. */
async function fail({ validator }: Services, count: number, client?: string): Promise<void> {
  for (let n = 0; n < count; n++) {
    expect(await validator.validate('Alice', wrongCode(n), { client })).toEqual(UNKNOWN);
  }
}

/** Enters 100 wrong codes, 10 per hour. */
async function failHundredTimes(world: World, client?: string): Promise<void> {
  for (let hour = 0; hour < 10; hour++) {
    await fail(world, 10, client);
    world.clock.advance(HOUR);
  }
}

export function describeLogins(engine: Engine): void {
  describe('logging in', () => {
    it('accepts the username and code in any case, whatever decorates them', async () => {
      const { validator, deliver } = await openWorld(engine);
      const { text } = await deliver({ username: 'Alice Smith' });
      const expected = {
        valid: true,
        username: 'Alice Smith',
        discordUserId: '1',
        expiresAt: null,
        usesLeft: null,
      };
      expect(await validator.validate('Alice Smith', text)).toEqual(expected);
      expect(await validator.validate(' aLICE\u00a0 sMITH\u200b\n', `**\t${text.toLowerCase()} **`)).toEqual(
        expected,
      );
      expect(await validator.redeem('Alice Smith', text)).toEqual(expected);
    });

    it('ignores a full stop after a username, unless an earlier version issued it', async () => {
      const { validator, deliver, store, codes } = await openWorld(engine);
      const older = await deliver({ username: 'Alice.' });
      const alice = await deliver({ username: 'Alice', holderId: '2' });
      const brien = await deliver({ username: "O'Brien", holderId: '3' });
      const bob = await deliver({ username: 'Bob', holderId: '4' });
      for (const [typed, { text }, username] of [
        ['Alice.', older, 'Alice.'],
        ['alice. ', older, 'Alice.'],
        ['Alice', alice, 'Alice'],
        ['Alice..', alice, 'Alice'],
        ['O’BRIEN.', brien, "O'Brien"],
        ['Bob.', bob, 'Bob'],
      ] as const) {
        expect(await validator.validate(typed, text)).toMatchObject({ valid: true, username });
      }
      expect(await validator.validate('Alice.', alice.text)).toEqual(UNKNOWN);
      for (const [index] of Array.from({ length: 10 }).entries())
        await validator.validate('Bob.', wrongCode(index));
      expect(await validator.validate('Bob', bob.text)).toMatchObject({ reason: 'throttled' });

      expect(await codes.revoke(admin(), { typed: 'alice.' }, null)).toMatchObject({
        codes: [{ id: older.id }],
      });
      expect(await codes.revoke(admin(), { typed: 'alice.' }, null)).toMatchObject({
        codes: [{ id: alice.id }],
      });
      expect(await store.codes.countUsernames()).toBe(2);
    });

    it('refuses the code of another username', async () => {
      const { validator, deliver } = await openWorld(engine);
      const { text } = await deliver();
      await deliver({ username: 'Bob' });
      expect(await validator.validate('Bob', text)).toEqual(UNKNOWN);
      expect(await validator.validate('Alicia', text)).toEqual(UNKNOWN);
    });

    it('returns the expiry and refuses the code from then on', async () => {
      const { clock, validator, deliver } = await openWorld(engine, { codeTtlMs: HOUR });
      const { text } = await deliver();
      const expiresAt = clock.now + HOUR;
      expect(await validator.validate('Alice', text)).toMatchObject({ valid: true, expiresAt });
      clock.now = expiresAt;
      expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'expired' });
    });

    it('counts uses for redeem only and refuses a used-up code', async () => {
      const { validator, deliver, events } = await openWorld(engine, { codeMaxUses: 2 });
      const { id, text } = await deliver();
      const before = await events();
      expect(await validator.redeem('Alice', text)).toMatchObject({ usesLeft: 1 });
      expect(await validator.validate('Alice', text)).toMatchObject({ usesLeft: 1 });
      expect(await validator.redeem('Alice', text)).toMatchObject({ usesLeft: 0 });
      expect(await validator.redeem('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
      expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'used_up' });
      expect((await events()).slice(before.length)).toEqual([`redeemed ${id}`, `redeemed ${id}`]);
    });

    it('lets exactly 12 of 50 redemptions at once count when 12 are allowed', async () => {
      const { validator, deliver } = await openWorld(engine, { codeMaxUses: 12 });
      const { text } = await deliver();
      const verdicts = await atOnce(50, async () => validator.redeem('Alice', text));
      expect(verdicts.filter(({ valid }) => valid)).toHaveLength(12);
    });

    it('counts a use in one statement that checks the code again', async () => {
      const { clock, codes, store, issue, deliver } = await openWorld(engine, {
        codeMaxUses: 1,
        codeTtlMs: HOUR,
      });
      const count = async (id: string) => store.logins.redeem(id, null, clock.now);
      const used = await deliver();
      expect([await count(used.id), await count(used.id)]).toEqual([1, null]);
      expect(await count((await issue()).id)).toBeNull();
      const revoked = await deliver({ holderId: '2', username: 'Bob' });
      await codes.revoke(admin(), { memberId: '2' }, null);
      expect(await count(revoked.id)).toBeNull();
      const suspended = await deliver({ username: 'Cat' });
      await store.codes.suspend('1', clock.now);
      expect(await count(suspended.id)).toBeNull();
      const expired = await deliver({ username: 'Dan' });
      clock.advance(HOUR);
      expect(await count(expired.id)).toBeNull();
    });

    it.each([
      ['a number', 7],
      ['nothing', undefined],
      ['an object', {}],
    ])('refuses %s instead of text', async (_what, value) => {
      const { validator } = await openWorld(engine);
      // As a website in JavaScript may call it.
      const call = async (method: 'validate' | 'redeem', ...args: unknown[]): Promise<unknown> =>
        Reflect.apply(Reflect.get(validator, method), validator, args);
      expect(await call('validate', value, 'ABC234')).toEqual(UNKNOWN);
      expect(await call('redeem', 'Alice', value, null)).toEqual(UNKNOWN);
    });

    it('rejects when the row of the code belongs to another username', async () => {
      const world = await openWorld(engine);
      const { text } = await world.deliver();
      const driver = await engine.openDriver(world.database);
      await driver.query(`UPDATE codes SET username = 'Bob'`);
      await expect(world.validator.validate('Alice', text)).rejects.toThrow('damaged');
    });
  });

  describe('an idempotency key', () => {
    it('counts one use, also for repeats at once', async () => {
      const { validator, deliver } = await openWorld(engine, { codeMaxUses: 2 });
      const { text } = await deliver();
      const options = { idempotencyKey: 'form 1' };
      const verdicts = await atOnce(10, async () => validator.redeem('Alice', text, options));
      expect(verdicts).toEqual(Array(10).fill(expect.objectContaining({ valid: true, usesLeft: 1 })));
      expect(await validator.redeem('Alice', text, { idempotencyKey: 'form 2' })).toMatchObject({
        usesLeft: 0,
      });
      expect(await validator.redeem('Alice', text, { idempotencyKey: 'form 2' })).toMatchObject({
        usesLeft: 0,
      });
      expect(await validator.redeem('Alice', text, options)).toMatchObject({ reason: 'used_up' });
    });

    it('is remembered for 10 minutes and while the code is good', async () => {
      const { clock, codes, validator, deliver } = await openWorld(engine, { codeMaxUses: 1 });
      const { text } = await deliver();
      const redeem = async () => validator.redeem('Alice', text, { idempotencyKey: 'form 1' });
      expect(await redeem()).toHaveProperty('valid', true);
      clock.advance(599_999);
      expect(await redeem()).toHaveProperty('valid', true);
      clock.advance(1);
      expect(await redeem()).toMatchObject({ reason: 'used_up' });
      clock.advance(-1);
      await codes.revoke(admin(), ALICE, null);
      expect(await redeem()).toMatchObject({ reason: 'revoked' });
    });
  });

  describe('throttling', () => {
    it('evaluates 10 wrong codes per username and hour, sliding', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver, events } = world;
      const { text } = await deliver();
      await fail(world, 1);
      clock.advance(1_000);
      await fail(world, 9);
      expect((await events()).at(-1)).toBe('throttled');
      expect(await validator.validate('Alice', text)).toEqual(throttled(HOUR - 1_000));
      expect(await validator.redeem('Alice', text)).toEqual(throttled(HOUR - 1_000));
      clock.advance(HOUR - 1_000);
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
      await fail(world, 1);
      expect(await validator.validate('Alice', text)).toEqual(throttled(1_000));
      expect((await events()).filter((event) => event === 'throttled')).toHaveLength(2);
    });

    it('evaluates at most 10 of 50 guesses at once', async () => {
      const { validator } = await openWorld(engine);
      const verdicts = await atOnce(50, async (n) => validator.validate('Alice', wrongCode(n)));
      expect(verdicts.filter((verdict) => !verdict.valid && verdict.reason === 'unknown')).toHaveLength(10);
    });

    it('throttles usernames without a code too, without an audit row', async () => {
      const world = await openWorld(engine);
      await fail(world, 10);
      expect(await world.validator.validate('Alice', 'AAAAAA')).toEqual(throttled(HOUR));
      expect(await world.validator.validate('Bob', 'AAAAAA')).toEqual(UNKNOWN);
      expect(await world.events()).toEqual([]);
    });

    it('counts no malformed input, nor codes that are used up', async () => {
      const { validator, deliver } = await openWorld(engine, { codeMaxUses: 1 });
      const { text } = await deliver();
      await validator.redeem('Alice', text);
      for (let n = 0; n < 20; n++) {
        expect(await validator.validate('Alice', text)).toMatchObject({ reason: 'used_up' });
        expect(await validator.validate('Alice', 'too short')).toEqual(UNKNOWN);
      }
    });

    it('counts codes that ended or were not delivered', async () => {
      const { codes, validator, issue, deliver } = await openWorld(engine);
      const { text } = await deliver();
      await codes.revoke(admin(), ALICE, null);
      const pending = codes.textOf(await issue());
      for (let n = 0; n < 5; n++) {
        expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'revoked' });
        expect(await validator.validate('Alice', pending)).toEqual(UNKNOWN);
      }
      expect(await validator.validate('Alice', text)).toEqual(throttled(HOUR));
    });

    it('evaluates 100 wrong codes until the next code, whatever logins happen', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver } = world;
      const first = await deliver();
      for (let hour = 0; hour < 10; hour++) {
        expect(await validator.validate('Alice', first.text)).toHaveProperty('valid', true);
        await fail(world, 10);
        clock.advance(HOUR);
      }
      expect(await validator.validate('Alice', first.text)).toEqual(throttled(null));
      clock.advance(365 * DAY);
      expect(await validator.validate('Alice', first.text)).toEqual(throttled(null));
      const pending = await world.issue();
      expect(await validator.validate('Alice', first.text)).toEqual(throttled(null));
      await world.deliveries.markDelivered(pending.id);
      expect(await validator.validate('Alice', world.codes.textOf(pending))).toHaveProperty('valid', true);
      await fail(world, 10);
    });

    it('evaluates no code after the clock was set back, until the holder gets a new one', async () => {
      const world = await openWorld(engine);
      await fail(world, 10);
      world.clock.advance(-DAY);
      expect(await world.validator.validate('Alice', 'AAAAAA')).toEqual(throttled(HOUR));
      const { text } = await world.deliver();
      expect(await world.validator.validate('Alice', text)).toHaveProperty('valid', true);
    });

    it('starts again after a code that is delivered during a guess', async () => {
      const world = await openWorld(engine);
      const { clock, keys, store, deliver } = world;
      await fail(world, 9);
      const login = { nameHash: keys.hashName('alice'), pairHash: 'none', clientHash: null, hourHash: null };
      const { failures } = await store.logins.read(login);
      await deliver();
      const after = { times: [...failures.times, clock.now], total: failures.total + 1 };
      await store.logins.writeFailure(login.nameHash, login.nameHash, after, clock.now);
      expect((await store.logins.read(login)).failures).toEqual({ times: [clock.now], total: 1 });
    });
  });

  describe('a known client', () => {
    it('gets in whatever others enter and has failures of its own', async () => {
      const world = await openWorld(engine);
      const { validator, deliver } = world;
      const { text } = await deliver();
      expect(await validator.validate('Alice', text, { client: 'home' })).toHaveProperty('valid', true);
      await fail(world, 10, 'stranger');
      expect(await validator.validate('Alice', text, { client: 'stranger' })).toEqual(throttled(HOUR));
      expect(await validator.validate('Alice', text)).toEqual(throttled(HOUR));
      expect(await validator.redeem('Alice', text, { client: 'home' })).toHaveProperty('valid', true);
      await fail(world, 10, 'home');
      expect(await validator.validate('Alice', text, { client: 'home' })).toEqual(throttled(HOUR));
    });

    it('leaves the failures of others alone', async () => {
      const world = await openWorld(engine);
      const { validator, deliver } = world;
      const { text } = await deliver();
      await fail(world, 9);
      await validator.validate('Alice', text, { client: 'home' });
      await fail(world, 9, 'home');
      await fail(world, 1);
      expect(await validator.validate('Alice', text)).toEqual(throttled(HOUR));
      expect(await validator.validate('Alice', text, { client: 'home' })).toHaveProperty('valid', true);
    });

    it('is locked out by 100 failures of its own until the next code', async () => {
      const world = await openWorld(engine);
      const { validator, deliver } = world;
      const { text } = await deliver();
      await validator.validate('Alice', text, { client: 'home' });
      await failHundredTimes(world, 'home');
      expect(await validator.validate('Alice', text, { client: 'home' })).toEqual(throttled(null));
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
      const next = await deliver();
      expect(await validator.validate('Alice', next.text, { client: 'home' })).toHaveProperty('valid', true);
    });

    it('is known at one username only', async () => {
      const world = await openWorld(engine);
      const { validator, deliver } = world;
      const bob = await deliver({ username: 'Bob' });
      const { text } = await deliver();
      await validator.validate('Bob', bob.text, { client: 'home' });
      await fail(world, 10);
      expect(await validator.validate('Alice', text, { client: 'home' })).toEqual(throttled(HOUR));
    });

    it('is known for the next code of the same holder, not for the next holder', async () => {
      const world = await openWorld(engine);
      const { codes, validator, deliver } = world;
      await validator.validate('Alice', (await deliver()).text, { client: 'home' });
      const second = await deliver();
      await fail(world, 10);
      expect(await validator.validate('Alice', second.text, { client: 'home' })).toHaveProperty(
        'valid',
        true,
      );
      await codes.revoke(admin(), ALICE, null);
      const next = await deliver({ holderId: '2' });
      await fail(world, 10);
      expect(await validator.validate('Alice', next.text, { client: 'home' })).toEqual(throttled(HOUR));
      world.clock.advance(HOUR);
      expect(await validator.validate('Alice', next.text, { client: 'home' })).toHaveProperty('valid', true);
      await fail(world, 10);
      expect(await validator.validate('Alice', next.text, { client: 'home' })).toHaveProperty('valid', true);
    });

    it('is unknown again 90 days after its last login, which is recorded once a day', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver } = world;
      const { text } = await deliver();
      await validator.validate('Alice', text, { client: 'home' });
      clock.advance(DAY);
      await validator.validate('Alice', text, { client: 'home' });
      clock.advance(90 * DAY);
      await validator.prune();
      await fail(world, 10);
      expect(await validator.validate('Alice', text, { client: 'home' })).toHaveProperty('valid', true);
      clock.advance(90 * DAY + 1);
      await validator.prune();
      await fail(world, 10);
      expect(await validator.validate('Alice', text, { client: 'home' })).toEqual(throttled(HOUR));
    });

    it.each(['', undefined])('is not recognized by %j', async (client) => {
      const world = await openWorld(engine);
      const { text } = await world.deliver();
      await world.validator.validate('Alice', text, { client });
      await fail(world, 10);
      expect(await world.validator.validate('Alice', text, { client })).toEqual(throttled(HOUR));
    });
  });

  describe('a client that is not known', () => {
    /** Enters 10 wrong codes for each username. Returns how many were evaluated. */
    async function flood({ validator }: Services, usernames: number, client?: string): Promise<number> {
      let evaluated = 0;
      for (let n = 0; n < usernames * 10; n++) {
        const verdict = await validator.validate(`user ${Math.floor(n / 10)}`, wrongCode(n), { client });
        if (!verdict.valid && verdict.reason === 'unknown') evaluated += 1;
      }
      return evaluated;
    }

    it('locks no more than 10 of 1,000 usernames with 10,000 wrong codes in an hour', async () => {
      const world = await openWorld(engine);
      expect(await flood(world, 1_000, 'flood')).toBe(100);
      let locked = 0;
      for (let n = 0; n < 1_000; n++) {
        const verdict = await world.validator.validate(`user ${n}`, 'AAAAAA');
        if (!verdict.valid && verdict.reason === 'throttled') locked += 1;
      }
      expect(locked).toBe(10);
    });

    it('is throttled until the next clock hour, and nobody else is', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver } = world;
      const { text } = await deliver();
      await validator.validate('Alice', text, { client: 'school' });
      const bob = await deliver({ username: 'Bob', holderId: '2' });
      clock.advance(20 * 60_000);
      await flood(world, 10, 'school');
      for (const method of ['validate', 'redeem'] as const) {
        const client = 'school';
        expect(await validator[method]('Bob', bob.text, { client })).toEqual(throttled(40 * 60_000));
        expect(await validator[method]('Bob', bob.text, { client: 'home' })).toHaveProperty('valid', true);
        expect(await validator[method]('Bob', bob.text)).toHaveProperty('valid', true);
        // Known at this username.
        expect(await validator[method]('Alice', text, { client })).toHaveProperty('valid', true);
      }
      clock.advance(40 * 60_000);
      expect(await validator.validate('Bob', bob.text, { client: 'school' })).toHaveProperty('valid', true);
    });

    it('spends nothing by right, used-up or malformed codes, nor where it is known', async () => {
      const world = await openWorld(engine, { codeMaxUses: 1 });
      const { validator, deliver } = world;
      const { text } = await deliver();
      const bob = await deliver({ username: 'Bob', holderId: '2' });
      await validator.redeem('Bob', bob.text);
      await validator.validate('Alice', text, { client: 'home' });
      await fail(world, 10, 'home');
      for (let n = 0; n < 100; n++) {
        await validator.validate('Alice', 'no code', { client: 'home' });
        await validator.validate('Bob', bob.text, { client: 'home' });
      }
      expect(await flood(world, 11, 'home')).toBe(100);
    });
  });

  it('counts the usernames with wrong codes within a minute, but not those of known clients', async () => {
    const world = await openWorld(engine);
    const { clock, store, validator, deliver } = world;
    const count = async () => store.logins.countGuessed(clock.now);
    const { text } = await deliver();
    await validator.validate('Alice', text, { client: 'home' });
    await fail(world, 5, 'home');
    expect(await count()).toBe(0);
    await fail(world, 4, 'stranger');
    clock.advance(1_000);
    for (let n = 0; n < 10; n++) await validator.validate('Bob', wrongCode(n));
    expect(await count()).toBe(2);
    clock.advance(59_000);
    expect(await count()).toBe(1);
    clock.advance(-DAY);
    expect(await count()).toBe(0);
  });

  describe('pruning failures', () => {
    async function countFailures(driver: Driver): Promise<unknown> {
      const [row] = await driver.query('SELECT count(*) AS total FROM failures');
      return row?.['total'];
    }

    it('deletes those of clients and of usernames without a code after an hour, and keeps the others', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver } = world;
      const driver = await engine.openDriver(world.database);
      await deliver();
      await fail(world, 10);
      await validator.validate('Bob', 'AAAAAA', { client: 'stranger' });
      clock.advance(HOUR);
      await validator.prune();
      expect(await countFailures(driver)).toBe(3);
      clock.advance(1);
      await validator.prune();
      expect(await countFailures(driver)).toBe(1);
    });

    it('deletes counters that a new code has reset', async () => {
      const world = await openWorld(engine);
      const { clock, codes, validator, deliver } = world;
      const driver = await engine.openDriver(world.database);
      const { text } = await deliver();
      await validator.validate('Alice', text, { client: 'home' });
      await fail(world, 3);
      await codes.revoke(admin(), ALICE, null);
      await deliver({ holderId: '2' });
      expect(await countFailures(driver)).toBe(2);
      clock.advance(HOUR + 1);
      await validator.prune();
      expect(await countFailures(driver)).toBe(0);
    });

    it('keeps the latest 100,000 of usernames without a code', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver } = world;
      const driver = await engine.openDriver(world.database);
      await deliver();
      await fail(world, 10);
      await driver.query(
        `INSERT INTO failures (throttle_key, name_hash, times, total, changed_at)
         WITH RECURSIVE strangers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM strangers WHERE n < 100500)
         SELECT CAST(n AS TEXT), CAST(n AS TEXT), '', 1, CAST($1 AS BIGINT) + n FROM strangers`,
        [clock.now],
      );
      await validator.prune();
      expect(await countFailures(driver)).toBe(100_001);
      expect(await driver.query('SELECT min(changed_at) AS oldest FROM failures WHERE total = 1')).toEqual([
        { oldest: clock.now + 501 },
      ]);
    });

    it('happens after every 1,000 refused logins', async () => {
      const { clock, validator, database } = await openWorld(engine);
      const driver = await engine.openDriver(database);
      for (let n = 0; n < 999; n++) await validator.validate(`name ${n}`, 'AAAAAA');
      clock.advance(HOUR + 1);
      await validator.validate('another', 'AAAAAA');
      expect(await countFailures(driver)).toBe(1);
    });
  });

  describe('while failures cannot be counted', () => {
    async function openFailing() {
      const world = await openWorld(engine);
      const { text } = await world.deliver();
      const driver = await engine.openDriver(world.database);
      const disk = { isFull: false };
      const failing: Driver = {
        ...driver,
        close: async () => driver.close(),
        transaction: async (lock, work) =>
          driver.transaction(lock, async (query) =>
            work(async (sql, parameters) => {
              if (disk.isFull && !/^\s*SELECT/.test(sql)) throw new StorageError('DISK_FULL', 'Full.');
              return query(sql, parameters);
            }),
          ),
      };
      const { keys, clock } = world;
      const validator = new Validator({ store: new Store(failing), keys, clock: clock.read });
      return { world, text, disk, validator };
    }

    it('lets nobody in after a failure that was not stored, until a write is committed', async () => {
      const { text, disk, validator } = await openFailing();
      disk.isFull = true;
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
      await expect(validator.validate('Alice', 'AAAAAA')).rejects.toMatchObject({ code: 'DISK_FULL' });
      await expect(validator.validate('Alice', text)).rejects.toMatchObject({ code: 'DISK_FULL' });
      await expect(validator.validate('Bob', 'AAAAAA')).rejects.toMatchObject({ code: 'DISK_FULL' });
      disk.isFull = false;
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
      disk.isFull = true;
      expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
    });

    it('lets nobody in whose login was queued before the failure', async () => {
      const { text, disk, validator } = await openFailing();
      disk.isFull = true;
      const codes = ['AAAAAA', ...Array.from({ length: 20 }, () => text)];
      const results = await Promise.allSettled(codes.map(async (code) => validator.validate('Alice', code)));
      expect(results.filter(({ status }) => status === 'fulfilled')).toEqual([]);
    });
  });
}
