import { randomInt } from 'node:crypto';

import { onTestFinished } from 'vitest';

import type { Code, IssueRefusal } from '../../src/codes/code.js';
import type { Keys } from '../../src/codes/keys.js';
import { CodeService, type CodeServiceOptions } from '../../src/services/code-service.js';
import { Deliveries } from '../../src/services/deliveries.js';
import { Validator } from '../../src/services/validator.js';
import type { DatabaseLocation } from '../../src/storage/database-url.js';
import type { Driver } from '../../src/storage/driver.js';
import { openStorage } from '../../src/storage/open-storage.js';
import type { Store } from '../../src/storage/store.js';
import { usernameOf } from '../codes/username-of.js';
import { ManualClock } from '../support/clock.js';

/** What a contract needs of an engine. No test asks which one it runs on. */
export interface Engine {
  /** Returns an empty database that belongs to the running test. */
  readonly newDatabase: () => Promise<DatabaseLocation>;
  readonly openDriver: (database: DatabaseLocation) => Promise<Driver>;
}

export const SECRET = 'a secret of the tests, which is long enough';
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** Parts of a request; by default holder 1 in server 1 for Alice, with a new message id. */
export interface Wish {
  readonly id?: string;
  readonly guildId?: string;
  readonly holderId?: string;
  readonly username?: string;
}

export interface Services {
  readonly store: Store;
  readonly keys: Keys;
  readonly codes: CodeService;
  readonly deliveries: Deliveries;
  readonly validator: Validator;
  readonly request: (wish?: Wish) => Promise<Code | IssueRefusal | null>;
  /** Issues a pending code; throws when it is refused. */
  readonly issue: (wish?: Wish) => Promise<Code>;
  /** Issues a code and confirms its DM. */
  readonly deliver: (wish?: Wish) => Promise<{ readonly id: string; readonly text: string }>;
  /** The events of the audit as `event code-id`, in order. */
  readonly events: () => Promise<string[]>;
}

export interface World extends Services {
  readonly clock: ManualClock;
  readonly database: DatabaseLocation;
  /** The same services over the same database with connections of their own, as in another process. */
  readonly second: () => Promise<Services>;
}

export type WorldOptions = Partial<
  Pick<CodeServiceOptions, 'codeLength' | 'codeTtlMs' | 'codeMaxUses' | 'random'>
> & {
  readonly limits?: Partial<CodeServiceOptions['limits']>;
};

let lastId = 1_000_000;

/** Returns a new message id, greater than the ones before. */
function nextId(): string {
  lastId += 1;
  return String(lastId);
}

export function admin(guildId = '1', id = nextId()): { id: string; guildId: string; actorId: string } {
  return { id, guildId, actorId: 'admin' };
}

/** Opens an empty database and the services over it, with limits that no test meets by accident. */
export async function openWorld(engine: Engine, options: WorldOptions = {}): Promise<World> {
  const database = await engine.newDatabase();
  const clock = new ManualClock();
  const services = await openServices(database, clock, options);
  return { ...services, clock, database, second: async () => openServices(database, clock, options) };
}

async function openServices(
  database: DatabaseLocation,
  clock: ManualClock,
  { limits, ...options }: WorldOptions,
): Promise<Services> {
  const storage = await openStorage({ database, secret: SECRET, as: 'owner' });
  onTestFinished(async () => storage.close());
  const { store, keys } = storage;
  const codes = new CodeService({
    store,
    keys,
    codeLength: 6,
    codeTtlMs: null,
    codeMaxUses: null,
    reservedUsernames: [],
    random: randomInt,
    ...options,
    limits: { codes: 1_000, withinMs: 10 * MINUTE, usernames: 1_000, ...limits },
    clock: clock.read,
  });
  const deliveries = new Deliveries({ store, clock: clock.read });
  const validator = new Validator({ store, keys, clock: clock.read });

  async function request(wish: Wish = {}): Promise<Code | IssueRefusal | null> {
    const { id = nextId(), guildId = '1', holderId = '1', username = 'Alice' } = wish;
    const holderTag = `tag of ${holderId}`;
    return codes.issue({ id, guildId, channelId: '5', holderId, holderTag, username: usernameOf(username) });
  }

  async function issue(wish: Wish = {}): Promise<Code> {
    const code = await request(wish);
    if (code === null || 'refusal' in code) throw new Error(`Not issued: ${JSON.stringify(code)}`);
    return code;
  }

  async function deliver(wish: Wish = {}): Promise<{ readonly id: string; readonly text: string }> {
    const code = await issue(wish);
    await deliveries.markDelivered(code.id);
    return { id: code.id, text: codes.textOf(code) };
  }

  async function events(): Promise<string[]> {
    const rows = await store.audit.read({});
    return rows.map(({ event, codeId }) => (codeId === null ? event : `${event} ${codeId}`));
  }

  return { store, keys, codes, deliveries, validator, request, issue, deliver, events };
}

/** Calls `work` `count` times at once. */
export async function atOnce<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, async (_, index) => work(index)));
}

/** Wrong codes for Alice, all of them different. */
export function wrongCode(index: number): string {
  const digits = '23456789';
  return `ZZZ${[index >> 6, index >> 3, index].map((part) => digits.charAt(part & 7)).join('')}`;
}
