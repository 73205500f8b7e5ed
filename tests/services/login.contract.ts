import { describe, expect, it, vi } from 'vitest';

import { LoginRows } from '../../src/storage/logins.js';
import {
  admin,
  atOnce,
  DAY,
  HOUR,
  openWorld,
  throttled,
  wrongCode,
  type Engine,
  type Services,
} from './support.js';

const ALICE = { typed: 'Alice' } as const;

export function describeLogins(engine: Engine): void {
  describe('logging in', () => {
    it('counts a use in one statement that checks the code again', async () => {
      const options = { codeMaxUses: 1, codeTtlMs: HOUR };
      const { clock, codes, store, validator, issue, deliver } = await openWorld(engine, options);
      const count = async (id: string) => store.logins.redeem(id, null, clock.now);
      const used = await deliver();
      const endedMeanwhile = vi.spyOn(LoginRows.prototype, 'redeem').mockResolvedValueOnce(null);
      expect(await validator.redeem('Alice', used.text)).toEqual({ valid: false, reason: 'unknown' });
      endedMeanwhile.mockRestore();
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

    it('counts one use per idempotency key, also for repeats at once', async () => {
      const { validator, deliver, events } = await openWorld(engine, { codeMaxUses: 2 });
      const { text } = await deliver();
      const redeem = async (idempotencyKey: string) => validator.redeem('Alice', text, { idempotencyKey });
      const verdicts = await atOnce(10, async () => redeem('form 1'));
      expect(verdicts).toEqual(Array(10).fill(expect.objectContaining({ valid: true, usesLeft: 1 })));
      for (let n = 0; n < 2; n++) expect(await redeem('form 2')).toMatchObject({ usesLeft: 0 });
      expect(await redeem('form 1')).toMatchObject({ reason: 'used_up' });
      expect((await events()).filter((event) => event.startsWith('redeemed'))).toHaveLength(2);
    });

    it('rejects when the row of the code belongs to another username, or its failures cannot be read', async () => {
      const { validator, openDriver, deliver, fail } = await openWorld(engine);
      const { text } = await deliver();
      const driver = openDriver();
      await driver.query(`UPDATE codes SET username = 'Bob'`);
      await expect(validator.validate('Alice', text)).rejects.toThrow('damaged');
      await fail(1);
      await driver.query(`UPDATE failures SET times = '1,x'`);
      await expect(validator.validate('Alice', text)).rejects.toThrow('expected times');
    });
  });

  describe('throttling', () => {
    it('evaluates 10 wrong codes per username and hour, sliding', async () => {
      const { clock, validator, deliver, events, logIn, fail } = await openWorld(engine);
      const earlier = await deliver();
      const { text } = await deliver();
      expect(await logIn(earlier.text)).toBe('replaced');
      clock.advance(1_000);
      await fail(9);
      expect((await events()).at(-1)).toBe('throttled');
      expect(await logIn(text)).toBe(throttled(HOUR - 1_000));
      expect(await validator.redeem('Alice', text)).toMatchObject({ retryAfterMs: HOUR - 1_000 });
      clock.advance(HOUR - 1_000);
      expect(await logIn(text)).toBe('valid');
      await fail(1);
      expect(await logIn(text)).toBe(throttled(1_000));
      expect((await events()).filter((event) => event === 'throttled')).toHaveLength(2);
    });

    it('throttles usernames without a code too, without an audit row', async () => {
      const { validator, events, logIn, fail } = await openWorld(engine);
      await fail(10);
      expect(await logIn('AAAAAA')).toBe(throttled(HOUR));
      expect(await validator.validate('Bob', 'AAAAAA')).toMatchObject({ reason: 'unknown' });
      expect(await events()).toEqual([]);
    });

    it('evaluates 100 wrong codes until the next code, whatever logins happen', async () => {
      const { clock, codes, deliveries, issue, deliver, logIn, fail } = await openWorld(engine);
      const { text } = await deliver();
      for (let hour = 0; hour < 10; hour++) {
        expect(await logIn(text)).toBe('valid');
        await fail(10);
        clock.advance(HOUR);
      }
      expect(await logIn(text)).toBe(throttled(null));
      clock.advance(365 * DAY);
      const pending = await issue();
      expect(await logIn(text)).toBe(throttled(null));
      await deliveries.markDelivered(pending.id);
      expect(await logIn(codes.textOf(pending))).toBe('valid');
      await fail(10);
    });

    it('starts again after a code that is delivered during a guess', async () => {
      const { clock, keys, store, deliver, fail } = await openWorld(engine);
      await fail(9);
      const login = { nameHash: keys.hashName('alice'), pairHash: 'none', clientHash: null, hourHash: null };
      const { failures } = await store.logins.read(login);
      await deliver();
      const after = { times: [...failures.times, clock.now], total: failures.total + 1 };
      await store.logins.writeFailure(login.nameHash, login.nameHash, after, clock.now);
      expect((await store.logins.read(login)).failures).toEqual({ times: [clock.now], total: 1 });
      await store.logins.undoFailure(login.nameHash, []);
      expect((await store.logins.read(login)).failures).toEqual({ times: [], total: 0 });
    });
  });

  describe('a known client', () => {
    it('gets in whatever others enter and has failures of its own', async () => {
      const { validator, deliver, logIn, fail } = await openWorld(engine);
      const { text } = await deliver();
      await logIn(text, '');
      await fail(5, 'stranger');
      expect(await logIn(text, 'home')).toBe('valid');
      await fail(9, 'home');
      await fail(5, 'stranger');
      for (const client of ['stranger', undefined, ''])
        expect(await logIn(text, client)).toBe(throttled(HOUR));
      expect(await validator.redeem('Alice', text, { client: 'home' })).toHaveProperty('valid', true);
      await fail(1, 'home');
      expect(await logIn(text, 'home')).toBe(throttled(HOUR));
    });

    it('is locked out by 100 failures of its own until the next code', async () => {
      const { clock, deliver, logIn, fail } = await openWorld(engine);
      const { text } = await deliver();
      await logIn(text, 'home');
      for (let hour = 0; hour < 10; hour++) {
        await fail(10, 'home');
        clock.advance(HOUR);
      }
      expect(await logIn(text, 'home')).toBe(throttled(null));
      expect(await logIn(text)).toBe('valid');
      expect(await logIn((await deliver()).text, 'home')).toBe('valid');
    });

    it('is known for the next code of the same holder, not for the next holder', async () => {
      const { codes, deliver, logIn, fail } = await openWorld(engine);
      const first = await deliver();
      for (const client of ['home', 'work']) await logIn(first.text, client);
      const second = await deliver();
      await fail(10);
      expect(await logIn(second.text, 'home')).toBe('valid');
      await codes.revoke(admin(), ALICE, null);
      const { text } = await deliver({ holderId: '2' });
      await logIn(text, 'home');
      await fail(10);
      expect(await logIn(text, 'work')).toBe(throttled(HOUR));
      expect(await logIn(text, 'home')).toBe('valid');
    });

    it('is unknown again 90 days after its last login, or after 100 other clients', async () => {
      const { clock, validator, deliver, logIn, fail } = await openWorld(engine);
      const { text } = await deliver();
      await logIn(text, 'home');
      clock.advance(DAY);
      await logIn(text, 'home');
      clock.advance(90 * DAY);
      await validator.prune();
      await fail(10);
      expect(await logIn(text, 'home')).toBe('valid');
      clock.advance(90 * DAY + 1);
      await validator.prune();
      await fail(9);
      for (let n = 0; n <= 100; n++) {
        clock.advance(1);
        await logIn(text, `client ${n}`);
      }
      const bob = await deliver({ holderId: '2', username: 'Bob' });
      await validator.validate('Bob', bob.text, { client: 'home' });
      await fail(1);
      for (const client of ['home', 'client 0'])
        expect(await logIn(text, client)).toBe(throttled(HOUR - 101));
      for (const client of ['client 1', 'client 100']) expect(await logIn(text, client)).toBe('valid');
    });
  });

  describe('a client that is not known', () => {
    /** Enters 10 wrong codes for each username. Returns how many were evaluated. */
    async function flood({ validator }: Services, usernames: number, client: string): Promise<number> {
      let evaluated = 0;
      for (let n = 0; n < usernames * 10; n++) {
        const verdict = await validator.validate(`user ${Math.floor(n / 10)}`, wrongCode(n), { client });
        if (!verdict.valid && verdict.reason === 'unknown') evaluated += 1;
      }
      return evaluated;
    }

    it('is throttled until the next clock hour, and nobody else is', async () => {
      const world = await openWorld(engine);
      const { clock, validator, deliver, logIn } = world;
      const { text } = await deliver();
      await logIn(text, 'school');
      const bob = await deliver({ username: 'Bob', holderId: '2' });
      clock.advance(20 * 60_000);
      await flood(world, 10, 'school');
      const logBobIn = async (client?: string) => validator.redeem('Bob', bob.text, { client });
      expect(await logBobIn('school')).toMatchObject({ retryAfterMs: 40 * 60_000 });
      expect(await logBobIn('home')).toHaveProperty('valid', true);
      expect(await logBobIn()).toHaveProperty('valid', true);
      // Known at this username.
      expect(await logIn(text, 'school')).toBe('valid');
      clock.advance(40 * 60_000);
      expect(await logBobIn('school')).toHaveProperty('valid', true);
    });

    it('spends nothing by right, used-up or malformed codes, nor where it is known', async () => {
      const world = await openWorld(engine, { codeMaxUses: 1 });
      const { validator, deliver, logIn, fail } = world;
      const { text } = await deliver();
      const bob = await deliver({ username: 'Bob', holderId: '2' });
      await validator.redeem('Bob', bob.text);
      await logIn(text, 'home');
      await fail(10, 'home');
      for (let n = 0; n < 100; n++) {
        await logIn('no code', 'home');
        await validator.validate('Bob', bob.text, { client: 'home' });
      }
      expect(await flood(world, 11, 'home')).toBe(100);
    });
  });

  it('counts the usernames with wrong codes within a minute, but not those of known clients', async () => {
    const { clock, store, validator, deliver, logIn, fail } = await openWorld(engine);
    const count = async () => store.logins.countGuessed(clock.now);
    const { text } = await deliver();
    await logIn(text, 'home');
    await fail(5, 'home');
    expect(await count()).toBe(0);
    await fail(4, 'stranger');
    clock.advance(1_000);
    for (let n = 0; n < 10; n++) await validator.validate('Bob', wrongCode(n));
    expect(await count()).toBe(2);
    clock.advance(59_000);
    expect(await count()).toBe(1);
    await fail(1, 'stranger');
    expect(await count()).toBe(2);
    clock.advance(-DAY);
    expect(await count()).toBe(0);
  });

  it('prunes failures after an hour, except those for usernames with a code, and keeps 100,000', async () => {
    const { clock, validator, openDriver, codes, deliver, logIn, fail } = await openWorld(engine);
    const driver = openDriver();
    const prune = async (): Promise<unknown> => {
      await validator.prune();
      return (await driver.query('SELECT count(*) AS total FROM failures'))[0]?.['total'];
    };
    await logIn((await deliver()).text, 'home');
    await fail(10);
    await validator.validate('Bob', 'AAAAAA', { client: 'stranger' });
    clock.advance(HOUR);
    expect(await prune()).toBe(4);
    clock.advance(1);
    expect(await prune()).toBe(2);
    await driver.query(
      `INSERT INTO failures (throttle_key, name_hash, times, total, changed_at)
       WITH RECURSIVE strangers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM strangers WHERE n < 100500)
       SELECT CAST(n AS TEXT), CAST(n AS TEXT), '', 1, CAST($1 AS BIGINT) + n FROM strangers`,
      [clock.now],
    );
    expect(await prune()).toBe(100_002);
    expect(await driver.query('SELECT min(changed_at) AS oldest FROM failures WHERE total = 1')).toEqual([
      { oldest: clock.now + 501 },
    ]);
    await codes.revoke(admin(), ALICE, null);
    await deliver({ holderId: '2' });
    clock.advance(2 * HOUR);
    // The new code has reset the counters.
    expect(await prune()).toBe(0);
  });
}
