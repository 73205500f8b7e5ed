import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { CodeService, type CodeServiceOptions, type IssuedCode } from '../../src/codes/code-service.js';
import { CodeValidator } from '../../src/codes/code-validator.js';
import { parseUsername, type Username } from '../../src/codes/username.js';
import { openStorage, type Storage, type StorageOptions } from '../../src/storage/open-storage.js';
import { ManualClock } from './clock.js';
import { temporaryFolder } from './folder.js';

/** Opens a storage, as its owner unless told otherwise, and closes it when the running test ends. */
export async function openTestStorage(
  databasePath: string,
  { secret = null, as = 'owner' }: Partial<Pick<StorageOptions, 'secret' | 'as'>> = {},
): Promise<Storage> {
  const storage = await openStorage({ databasePath, secret, as });
  onTestFinished(async () => storage.close());
  return storage;
}

export function usernameOf(typed: string): Username {
  const username = parseUsername(typed);
  if (username === null) throw new Error(`No username: ${typed}`);
  return username;
}

export interface CodesOptions extends Partial<
  Pick<CodeServiceOptions, 'codeLength' | 'codeTtlMs' | 'codeMaxUses' | 'random'>
> {
  /** Default: a new database of the running test's own. */
  readonly databasePath?: string;
  readonly clock?: ManualClock;
  /** Default: more than any test asks for. */
  readonly getcodeLimit?: CodeServiceOptions['getcodeLimit'];
  readonly maxUsernamesPerMember?: number;
}

interface Wish {
  readonly id?: string;
  readonly guildId?: string;
  readonly holderId?: string;
  readonly username?: string;
}

export interface Codes {
  readonly databasePath: string;
  readonly clock: ManualClock;
  readonly storage: Storage;
  readonly service: CodeService;
  readonly validator: CodeValidator;
  /** Issues a code, by default to holder 1 in guild 1 for Alice; throws where none is issued. */
  readonly issue: (wish?: Wish) => Promise<IssuedCode>;
  /** Issues a code and delivers it. */
  readonly hand: (wish?: Wish) => Promise<IssuedCode>;
}

let requests = 0;

/** The domain over a real database, under a clock that stands still. */
export async function openCodes(options: CodesOptions = {}): Promise<Codes> {
  const { databasePath = join(temporaryFolder(), 'codes.db'), clock = new ManualClock() } = options;
  const { codeLength = 6, codeTtlMs = null, codeMaxUses = null, random = randomInt } = options;
  const { getcodeLimit = { codes: 1_000, spanMs: 600_000 }, maxUsernamesPerMember = 100 } = options;
  const storage = await openTestStorage(databasePath);
  const { store, keys } = storage;
  const service = new CodeService({
    store,
    keys,
    codeLength,
    codeTtlMs,
    codeMaxUses,
    getcodeLimit,
    maxUsernamesPerMember,
    clock: clock.read,
    random,
  });
  const validator = new CodeValidator({ store, keys, clock: clock.read });

  async function issue(wish: Wish = {}): Promise<IssuedCode> {
    const { id = nextRequestId(), guildId = '1', holderId = '1', username = 'Alice' } = wish;
    const holderTag = `holder${holderId}`;
    const issued = await service.issue({
      id,
      guildId,
      holderId,
      holderTag,
      username: usernameOf(username),
    });
    if (typeof issued === 'object' && 'text' in issued) return issued;
    throw new Error(`Not issued: ${JSON.stringify(issued)}`);
  }

  async function hand(wish?: Wish): Promise<IssuedCode> {
    const issued = await issue(wish);
    if (!(await service.deliver(issued.id))) throw new Error('Not delivered');
    return issued;
  }

  return { databasePath, clock, storage, service, validator, issue, hand };
}

/** An administrator's command, one that was not heard before. */
export function byAdmin(requestId = nextRequestId()): { requestId: string; actorId: string } {
  return { requestId, actorId: 'admin' };
}

/** Ids of one length, as Discord's are: their order as text is their order in time. */
export function nextRequestId(): string {
  requests += 1;
  return String(1_000_000 + requests);
}
