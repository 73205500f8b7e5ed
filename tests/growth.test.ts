import { Client } from 'discord.js';
import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { FloodGate } from '../src/bot/flood-gate.js';
import { endCodes, prune } from '../src/services/maintenance.js';
import { startBot } from './support/bot.js';
import { ManualClock } from './support/clock.js';
import { openCodes, type Codes } from './support/codes.js';
import { openRaw } from './support/raw-database.js';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const AUDIT_DAYS = 365;
const WRONG = 'AAAAAA';

interface Growth {
  /** What strangers or members do, as often as they like. */
  readonly drive: (codes: Codes) => Promise<unknown>;
  /** Rows afterwards. */
  readonly rows: Readonly<Record<string, number>>;
  /** When maintenance runs, and the rows that it leaves. */
  readonly after: number;
  readonly left: Readonly<Record<string, number>>;
}

async function times(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  for (let n = 0; n < count; n++) await work(n);
}

const TABLES: Readonly<Record<string, Growth>> = {
  'wrong codes for usernames without a code': {
    drive: async ({ validator }) => times(500, async (n) => validator.validate(`user ${n}`, WRONG)),
    rows: { failures: 500, audit: 0 },
    after: HOUR + 1,
    left: { failures: 0 },
  },
  '1,000 wrong codes, of which the last comes an hour later': {
    drive: async ({ validator, clock }) => {
      await times(999, async (n) => validator.validate(`user ${n}`, WRONG));
      clock.advance(HOUR + 1);
      await validator.validate('another', WRONG);
    },
    // A validator cleans up by itself.
    rows: { failures: 1 },
    after: HOUR + 1,
    left: { failures: 0 },
  },
  'wrong codes of one client': {
    drive: async ({ validator }) =>
      times(500, async (n) => validator.validate(`user ${n}`, WRONG, { client: 'flood' })),
    rows: { failures: 101 },
    after: HOUR + 1,
    left: { failures: 0 },
  },
  'wrong codes of many clients for a username with a code': {
    drive: async ({ validator, issueCode }) => {
      await issueCode();
      await times(500, async (n) => validator.validate('Alice', WRONG, { client: `client ${n}` }));
    },
    rows: { failures: 11, audit: 3 },
    after: HOUR + 1,
    left: { failures: 1 },
  },
  'wrong codes for a username with a code over 100 hours': {
    drive: async ({ validator, issueCode, clock }) => {
      await issueCode();
      await times(100, async () => {
        await times(20, async () => validator.validate('Alice', WRONG));
        clock.advance(HOUR);
      });
    },
    // Locked 10 times, then until the next code.
    rows: { failures: 1, audit: 2 + 10 },
    after: AUDIT_DAYS * DAY + 1,
    left: { failures: 1, audit: 0 },
  },
  'logins of one holder from many clients, with an unlimited code': {
    drive: async ({ validator, issueCode, clock }) => {
      const { text } = await issueCode();
      await times(300, async (n) => {
        clock.advance(1);
        await validator.redeem('Alice', text, { client: `client ${n}`, idempotencyKey: `form ${n}` });
      });
    },
    rows: { failures: 100, audit: 2 },
    after: 90 * DAY + 1,
    left: { failures: 0, codes: 1 },
  },
  'messages that were handled': {
    drive: async ({ service }) => times(500, async (n) => service.claim(String(n))),
    rows: { requests: 500 },
    after: DAY + 1,
    left: { requests: 0 },
  },
  'codes that are never opened, more than one transaction deletes': {
    drive: async ({ issue, storage, clock }) => {
      await times(1_100, async (n) => issue({ username: `user ${n}`, holderId: String(n % 10) }));
      clock.advance(HOUR);
      await endCodes(storage.store, clock.now);
    },
    rows: { codes: 1_100, requests: 1_100, look_alikes: 1_100, audit: 2_200 },
    after: AUDIT_DAYS * DAY + 1,
    left: { codes: 0, requests: 0, look_alikes: 0, audit: 0 },
  },
  'DM channels of one member over a year': {
    drive: async ({ storage }) => times(200, async (n) => storage.store.dmChannels.remember('7', String(n))),
    rows: { dm_channels: 1 },
    after: AUDIT_DAYS * DAY + 1,
    left: { dm_channels: 1 },
  },
};

describe('the database', () => {
  it.each(Object.entries(TABLES))('is bounded: %s', async (_what, { drive, rows, after, left }) => {
    const codes = await openCodes();
    const { clock, storage, validator, databasePath } = codes;
    const raw = openRaw(databasePath);
    onTestFinished(() => void raw.close());
    const count = (tables: object): object =>
      Object.fromEntries(
        Object.keys(tables).map((table) => [
          table,
          raw.prepare(`SELECT count(*) FROM ${table}`).pluck().get(),
        ]),
      );
    await drive(codes);
    expect(count(rows)).toEqual(rows);
    clock.advance(after);
    await endCodes(storage.store, clock.now);
    await prune(storage.store, clock.now - AUDIT_DAYS * DAY, clock.now);
    await validator.prune();
    expect(count(left)).toEqual(left);
  });
});

describe('memory', () => {
  it('holds the latest commands of at most 10,000 members', () => {
    const clock = new ManualClock();
    const gate = new FloodGate(clock.read);
    for (let n = 0; n < 12; n++) gate.pass('alice');
    for (let n = 0; n < 9_999; n++) gate.pass(`member ${n}`);
    expect(gate.pass('alice')).toBe('silence');
    for (let n = 0; n < 10_000; n++) gate.pass(`other ${n}`);
    expect(gate.pass('alice')).toBe('pass');
  });

  it('holds no DM channel of users who wrote to the bot', async () => {
    const logIn = vi.spyOn(Client.prototype, 'login');
    onTestFinished(() => logIn.mockRestore());
    const { server, say, settled } = await startBot();
    const [client] = logIn.mock.contexts;
    if (!(client instanceof Client)) throw new Error('The bot did not log in');
    const { size } = client.channels.cache;
    for (let n = 0; n < 50; n++) {
      const member = server.join(`member${n}`);
      server.discord.say(member, member, 'hello');
      if (n % 10 === 0) await say(member, member, '!getcode Alice');
    }
    await settled();
    expect(client.channels.cache.size).toBe(size);
  });
});
