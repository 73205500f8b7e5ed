import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import type { Code, IssueRefusal } from '../../src/codes/code.js';
import { CodeService, type AdminRequest, type CodeServiceOptions } from '../../src/services/code-service.js';
import { Deliveries } from '../../src/services/deliveries.js';
import { Validator } from '../../src/services/validator.js';
import { parseDatabaseUrl, type DatabaseLocation } from '../../src/storage/database-url.js';
import { openStorage, type StorageOptions } from '../../src/storage/open-storage.js';
import { usernameOf } from '../codes/username-of.js';
import { ManualClock } from './clock.js';
import { temporaryFolder } from './folder.js';

export type ServicesOptions = Partial<
  Pick<CodeServiceOptions, 'codeLength' | 'codeTtlMs' | 'codeMaxUses' | 'random'>
> & { readonly limits?: Partial<CodeServiceOptions['limits']> };

/** Parts of a request; by default holder 1 in server 1 for Alice, with a new message id. */
export interface Wish {
  readonly id?: string;
  readonly guildId?: string;
  readonly holderId?: string;
  readonly username?: string;
}

export interface IssuedCode {
  readonly id: string;
  readonly text: string;
}

export type Services = Awaited<ReturnType<typeof openServices>>;
export type Codes = Awaited<ReturnType<typeof openCodes>>;

export interface CodesOptions extends ServicesOptions {
  /** A path, or a `postgres:` URL. Default: a new database of the running test. */
  readonly databasePath?: string;
  readonly codeSecret?: string;
}

/** The services over a SQLite database, with a clock that stands still. */
export async function openCodes(options: CodesOptions = {}) {
  const { databasePath = join(temporaryFolder(), 'codes.db'), codeSecret: secret = null, ...rest } = options;
  const clock = new ManualClock();
  return {
    ...(await openServices({ database: locate(databasePath), secret }, clock, rest)),
    databasePath,
    clock,
  };
}

/** Returns the location that a path or `postgres:` URL names. */
export function locate(databaseUrl: string): DatabaseLocation {
  const database = parseDatabaseUrl(databaseUrl);
  if (database === null) throw new Error('Not a database');
  return database;
}

/** The services over a database, with limits that no test meets by accident. */
export async function openServices(
  where: Pick<StorageOptions, 'database' | 'secret'>,
  clock: ManualClock,
  { limits, ...options }: ServicesOptions,
) {
  const storage = await openStorage({ ...where, as: 'owner' });
  onTestFinished(async () => storage.close());
  const { store, keys } = storage;
  const service = new CodeService({
    store,
    keys,
    codeLength: 6,
    codeTtlMs: null,
    codeMaxUses: null,
    random: randomInt,
    ...options,
    limits: { codes: 1_000, withinMs: 600_000, usernames: 1_000, ...limits },
    reservedUsernames: [],
    clock: clock.read,
  });
  const deliveries = new Deliveries({ store, clock: clock.read });
  const validator = new Validator({ store, keys, clock: clock.read });

  async function request(wish: Wish = {}): Promise<Code | IssueRefusal | null> {
    const { username = 'Alice', ...rest } = wish;
    return service.issue({
      id: nextId(),
      guildId: '1',
      channelId: '5',
      holderId: '1',
      holderTag: `tag of ${rest.holderId ?? '1'}`,
      username: usernameOf(username),
      ...rest,
    });
  }

  /** Issues a pending code; rejects when it is refused. */
  async function issue(wish?: Wish): Promise<Code> {
    const code = await request(wish);
    if (code === null || 'refusal' in code) throw new Error(`Not issued: ${JSON.stringify(code)}`);
    return code;
  }

  async function issuePending(wish?: Wish): Promise<IssuedCode> {
    const code = await issue(wish);
    return { id: code.id, text: service.textOf(code) };
  }

  /** Issues a code and confirms its DM. */
  async function issueCode(wish?: Wish): Promise<IssuedCode> {
    const issued = await issuePending(wish);
    await deliveries.markDelivered(issued.id);
    return issued;
  }

  return { storage, service, deliveries, validator, request, issue, issuePending, issueCode };
}

/** A new command of an administrator of a server. */
export function byAdmin(guildId = '1', id = nextId()): AdminRequest {
  return { id, guildId, actorId: 'admin' };
}

let lastId = 1_000_000;

/** Returns a new message id, greater than the ones before. */
function nextId(): string {
  lastId += 1;
  return String(lastId);
}
