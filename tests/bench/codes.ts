import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import Database from 'better-sqlite3';

import { generateCodeText } from '../../src/codes/code-text.js';
import { CODES_PER_PAGE, CodeService } from '../../src/services/code-service.js';
import { Validator } from '../../src/services/validator.js';
import { openStorage } from '../../src/storage/open-storage.js';
import { measureHttp, type Pair } from './http.js';
import { median, print, report } from './report.js';

const WARM_UP = 50_000;
const BATCHES = 40;
const VALIDATIONS_A_BATCH = 500;
const PAGES = 15;
/** In characters: 1,000,000 of them do not collide. */
const LENGTH = 12;

/** Returns the microseconds that one validation takes; `withHttp` measures the HTTP API too. */
export async function measureCodes(folder: string, count: number, withHttp: boolean): Promise<number> {
  const databasePath = join(folder, `codes-${count}`, 'access-codes.db');
  const location = { engine: 'sqlite', path: databasePath } as const;
  const storage = await openStorage({ database: location, secret: null, as: 'owner' });
  const { store, keys } = storage;

  const database = new Database(databasePath);
  const pairs = fill(database, count);
  const anyPair = (): Pair => pairs[randomInt(pairs.length)] ?? ['', ''];
  const find = database.prepare('SELECT * FROM codes WHERE pair_hash = ?');

  const validator = new Validator({ store, keys, clock: Date.now });
  for (let times = 0; times < WARM_UP; times++) await validator.validate(...anyPair());
  const ours: number[] = [];
  const bare: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const asked = Array.from({ length: VALIDATIONS_A_BATCH }, anyPair);
    let start = performance.now();
    for (const [username, code] of asked) {
      const { valid } = await validator.validate(username, code);
      if (!valid) throw new Error('An issued code is not valid');
    }
    ours.push(((performance.now() - start) * 1_000) / VALIDATIONS_A_BATCH);
    start = performance.now();
    for (const [username, code] of asked) find.get(keys.hashPair(username, code));
    bare.push(((performance.now() - start) * 1_000) / VALIDATIONS_A_BATCH);
  }
  print(`\n${count} codes`);
  // As a rate, at least 0.5 of the bare statement.
  report(
    'validation, floor: the bare statement with the same hash',
    median(ours),
    median(bare),
    'at most 2',
    'µs',
  );

  const service = new CodeService({
    store,
    keys,
    codeLength: LENGTH,
    codeTtlMs: null,
    codeMaxUses: null,
    reservedUsernames: [],
    limits: { codes: 3, withinMs: 600_000, usernames: 3 },
    clock: Date.now,
    random: randomInt,
  });
  const lastPage = Math.ceil(count / CODES_PER_PAGE);
  for (const [name, page] of [
    ['first', 1],
    ['middle', Math.ceil(lastPage / 2)],
    ['last', lastPage],
  ] as const) {
    const times: number[] = [];
    for (let tries = 0; tries < PAGES; tries++) {
      const start = performance.now();
      const by = { id: `${name}-${tries}`, guildId: 'guild', actorId: 'admin' };
      await service.list(by, page);
      times.push(performance.now() - start);
    }
    print(`!codes, ${name} page: ${median(times).toFixed(2)} ms (target for 1,000,000 codes: 50 ms)`);
  }
  database.close();
  if (withHttp) await measureHttp(databasePath, pairs);
  await storage.close();
  return median(ours);

  /** Inserts active codes of one server. */
  function fill(into: Database.Database, size: number): Pair[] {
    const filled: Pair[] = [];
    const insert = into.prepare(
      `INSERT INTO codes (id, guild_id, channel_id, holder_id, holder_tag, username, name_hash, text_hash, pair_hash,
         encrypted_text, issued_at, attempted_at, delivered_at, acknowledged_at)
       VALUES (?, 'guild', 'channel', ?, 'holder', ?, ?, ?, ?, ?, ?, 0, 0, 0)`,
    );
    into.transaction(() => {
      for (let index = 0; index < size; index++) {
        const id = String(10n ** 18n + BigInt(index));
        const username = `user${index}`;
        const text = generateCodeText(LENGTH);
        const hashes = [keys.hashText(text), keys.hashPair(username, text), keys.encrypt(text, id)];
        insert.run(id, String(index), username, keys.hashName(username), ...hashes, index);
        filled.push([username, text]);
      }
    })();
    return filled;
  }
}
