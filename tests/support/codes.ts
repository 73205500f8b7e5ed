import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { parseUsername, type Username } from '../../src/codes/username.js';
import { CodeService, type AdminRequest, type CodeServiceOptions } from '../../src/services/code-service.js';
import { Deliveries } from '../../src/services/deliveries.js';
import { Validator } from '../../src/services/validator.js';
import { openStorage, type Storage } from '../../src/storage/open-storage.js';
import { ManualClock } from './clock.js';
import { temporaryFolder } from './folder.js';

export interface CodesOptions extends Partial<
  Pick<CodeServiceOptions, 'codeLength' | 'codeTtlMs' | 'codeMaxUses' | 'limits' | 'random'>
> {
  /** Default: a new database of the running test. */
  readonly databasePath?: string;
}

interface Request {
  readonly id?: string;
  readonly guildId?: string;
  readonly holderId?: string;
  readonly username?: string;
}

export interface IssuedCode {
  readonly id: string;
  readonly text: string;
}

export interface Codes {
  readonly databasePath: string;
  readonly clock: ManualClock;
  readonly storage: Storage;
  readonly service: CodeService;
  readonly deliveries: Deliveries;
  readonly validator: Validator;
  /** Issues a pending code, by default to holder 1 in guild 1 for Alice; rejects when it is refused. */
  readonly issuePending: (request?: Request) => Promise<IssuedCode>;
  /** Issues a code and delivers it. */
  readonly issueCode: (request?: Request) => Promise<IssuedCode>;
}

/** The services over a SQLite database, with a clock that stands still. */
export async function openCodes(options: CodesOptions = {}): Promise<Codes> {
  const { databasePath = join(temporaryFolder(), 'codes.db'), ...rest } = options;
  const clock = new ManualClock();
  const storage = await openStorage({
    database: { engine: 'sqlite', path: databasePath },
    secret: null,
    as: 'owner',
  });
  onTestFinished(async () => storage.close());
  const { store, keys } = storage;
  const service = new CodeService({
    store,
    keys,
    codeLength: 6,
    codeTtlMs: null,
    codeMaxUses: null,
    reservedUsernames: [],
    limits: { codes: 1_000, withinMs: 600_000, usernames: 100 },
    clock: clock.read,
    random: randomInt,
    ...rest,
  });
  const deliveries = new Deliveries({ store, clock: clock.read });
  const validator = new Validator({ store, keys, clock: clock.read });

  async function issuePending(request: Request = {}): Promise<IssuedCode> {
    const { id = nextId(), guildId = '1', holderId = '1', username = 'Alice' } = request;
    const issued = await service.issue({
      id,
      guildId,
      channelId: '1',
      holderId,
      holderTag: `holder${holderId}`,
      username: usernameOf(username),
    });
    if (issued === null || 'refusal' in issued) throw new Error(`Not issued: ${JSON.stringify(issued)}`);
    return { id, text: service.textOf(issued) };
  }

  async function issueCode(request?: Request): Promise<IssuedCode> {
    const issued = await issuePending(request);
    const status = await deliveries.markDelivered(issued.id);
    if (status !== 'active') throw new Error(`Not active: ${status}`);
    return issued;
  }

  return { databasePath, clock, storage, service, deliveries, validator, issuePending, issueCode };
}

function usernameOf(typed: string): Username {
  const username = parseUsername(typed);
  if (username === null) throw new Error(`Not a username: ${typed}`);
  return username;
}

/** A new command of an administrator of guild 1. */
export function byAdmin(): AdminRequest {
  return { id: nextId(), guildId: '1', actorId: 'admin' };
}

let ids = 1_000_000;

/** Returns Discord ids: later ones are greater. */
function nextId(): string {
  ids += 1;
  return String(ids);
}
