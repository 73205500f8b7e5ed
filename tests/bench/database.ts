import { randomInt } from 'node:crypto';

import { generateCodeText } from '../../src/codes/code-text.js';
import { skeletonsOf } from '../../src/codes/look-alikes.js';
import { CodeService } from '../../src/services/code-service.js';
import { Deliveries } from '../../src/services/deliveries.js';
import { Validator } from '../../src/services/validator.js';
import { parseDatabaseUrl } from '../../src/storage/database-url.js';
import type { SqlValue } from '../../src/storage/driver.js';
import { openStorage } from '../../src/storage/open-storage.js';
import { usernameOf } from '../codes/username-of.js';
import { runOn, startServer } from '../support/postgres.js';

const SECRET = 'a secret of the benchmark, which is long enough';
/** Settings of a bot over a generated database: its holders are not on the stand-in, and it would be backed up at once. */
export const SETTINGS = { CODE_SECRET: SECRET, MEMBERSHIP_CHECK_INTERVAL: 'off', BACKUP_INTERVAL: 'off' };
const CHANNEL_ID = '2';
/** In characters: 1,000,000 of them do not collide. */
const CODE_LENGTH = 12;
const DISCORD_EPOCH = 1_420_070_400_000n;
/** Codes that ended longer ago are deleted, by default after 365 days. */
const AGE_MS = 300 * 86_400_000;

/** A PostgreSQL server of the benchmark's own, whose commits survive a crash, with any number of empty databases. */
export async function startPostgres() {
  const server = await startServer(['fsync=on', 'synchronous_commit=on', 'full_page_writes=on']);

  async function create(name: string): Promise<string> {
    await runOn(server.url, `CREATE SCHEMA ${name}`);
    const url = new URL(server.url);
    url.searchParams.set('options', `-c search_path=${name}`);
    return url.href;
  }

  return { create, stop: server.stop };
}

export function isPostgres(databaseUrl: string): boolean {
  return databaseUrl.startsWith('postgres:');
}

/** An active code, as its holder knows it. */
export interface Login {
  readonly username: string;
  readonly holderId: string;
  text: string;
}

/** The services over a database, with limits that a benchmark does not meet. */
export async function openServices(databaseUrl: string, guildId = '1') {
  const database = parseDatabaseUrl(databaseUrl);
  if (database === null) throw new Error('Not a database');
  const storage = await openStorage({ database, secret: SECRET, as: 'owner' });
  const { store, keys } = storage;
  const common = { store, keys, clock: Date.now };
  const service = new CodeService({
    ...common,
    codeLength: CODE_LENGTH,
    codeTtlMs: null,
    codeMaxUses: null,
    reservedUsernames: [],
    limits: { codes: 1_000, withinMs: 600_000, usernames: 1_000 },
    random: randomInt,
  });
  const deliveries = new Deliveries(common);
  const validator = new Validator(common);

  /** What `!getcode` does to the database. */
  async function getCode(login: Login): Promise<void> {
    const { holderId } = login;
    const holder = { guildId, channelId: CHANNEL_ID, holderId, holderTag: holderId };
    const code = await service.issue({ id: newId(), ...holder, username: usernameOf(login.username) });
    if (code === null || 'refusal' in code) throw new Error(`Not issued: ${JSON.stringify(code)}`);
    await deliveries.markDelivered(code.id);
    await deliveries.markAcknowledged(code.id);
    login.text = service.textOf(code);
  }

  async function logIn(method: 'validate' | 'redeem', { username, text }: Login): Promise<void> {
    const { valid } = await validator[method](username, text);
    if (!valid) throw new Error('An issued code is not valid');
  }

  /** A new command of an administrator. */
  const byAdmin = () => ({ id: newId(), guildId, actorId: 'admin' });

  return { storage, service, getCode, logIn, byAdmin };
}

export function pick(logins: readonly Login[]): Login {
  const login = logins[randomInt(logins.length)];
  if (login === undefined) throw new Error('No codes');
  return login;
}

let lastId = 0;

/** Returns the id of a new message on Discord. */
function newId(): string {
  return idAt(Date.now(), ++lastId);
}

function idAt(at: number, n: number): string {
  return String(((BigInt(at) - DISCORD_EPOCH) << 22n) + BigInt(n));
}

const CODES = `codes (id, guild_id, channel_id, holder_id, holder_tag, username, name_hash, text_hash, pair_hash,
  encrypted_text, issued_at, attempted_at, delivered_at, acknowledged_at, ended_at, end_reason)`;
const AUDIT = 'audit (at, event, code_id)';
const FAILURES = 'failures (throttle_key, name_hash, times, total, changed_at)';
const LOOK_ALIKES = 'look_alikes (skeleton, name_hash)';

/**
 * Creates a database with the last 300 days of a server. Of 10 codes 7 are active, and one each was replaced, revoked,
 * and ended because its holder left; 9 usernames belong to 6 members; every 20th username has failures. Returns the
 * active codes.
 */
export async function createDatabase(databaseUrl: string, guildId: string, count: number): Promise<Login[]> {
  const { storage } = await openServices(databaseUrl);
  const { driver, keys } = storage;
  if (!isPostgres(databaseUrl)) {
    // Of this connection only. Otherwise pages are written to disk again and again.
    await driver.query('PRAGMA synchronous = OFF');
    await driver.query('PRAGMA cache_size = -2000000');
  }
  const logins: Login[] = [];
  const since = Date.now() - AGE_MS;
  const rows: Record<string, SqlValue[][]> = {};
  const put = (into: string, ...values: SqlValue[]): void => void (rows[into] ??= []).push(values);

  function add(index: number): void {
    const place = index % 10;
    const decade = Math.floor(index / 10);
    // The first code of 10 was replaced by the second.
    const person = Math.max(place, 1);
    const username = usernameOf(`Anna ${decade * 10 + person}`);
    const holderId = String(10n ** 17n + BigInt(decade * 6 + Math.floor((person * 2) / 3)));
    const issuedAt = since + Math.floor((AGE_MS * index) / count);
    const id = idAt(issuedAt, index % 4_096);
    const text = generateCodeText(CODE_LENGTH);
    const nameHash = keys.hashName(username.key);
    const endReason = ['replaced', null, 'revoked', 'left'][place] ?? null;
    const endedAt = endReason === null ? null : issuedAt + 3_600_000;
    const hashes = [keys.hashText(text), keys.hashPair(username.key, text), keys.encrypt(text, id)];
    const owner = [guildId, CHANNEL_ID, holderId, `member${holderId}`, username.text, nameHash];
    put(CODES, id, ...owner, ...hashes, issuedAt, issuedAt, issuedAt, issuedAt, endedAt, endReason);
    if (endReason === null) logins.push({ username: username.text, holderId, text });
    put(AUDIT, issuedAt, 'issued', id);
    put(AUDIT, issuedAt, 'delivered', id);
    if (endReason !== null) put(AUDIT, endedAt, endReason, id);
    for (const skeleton of skeletonsOf(username)) put(LOOK_ALIKES, skeleton, nameHash);
    if (index % 20 === 1) put(FAILURES, nameHash, nameHash, String(issuedAt), 1, issuedAt);
    put('dm_channels (user_id, channel_id)', holderId, holderId);
  }

  await driver.transaction('codes', async (query) => {
    for (let index = 0; index < count; index++) {
      add(index);
      if ((index + 1) % 100 !== 0) continue;
      for (const [into, some] of Object.entries(rows)) {
        let parameter = 0;
        const values = some.map((row) => `(${row.map(() => `$${++parameter}`).join(', ')})`).join(', ');
        await query(`INSERT INTO ${into} VALUES ${values} ON CONFLICT DO NOTHING`, some.splice(0).flat());
      }
    }
  });
  // As autovacuum does within minutes.
  if (isPostgres(databaseUrl)) await driver.query('VACUUM ANALYZE');
  await storage.close();
  return logins;
}
