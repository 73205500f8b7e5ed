import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import Database from 'better-sqlite3';

import { CODES_PER_PAGE, CodeService } from '../../src/codes/code-service.js';
import { generateCodeText } from '../../src/codes/code-text.js';
import { CodeValidator } from '../../src/codes/code-validator.js';
import { openStorage } from '../../src/storage/open-storage.js';
import { measureHttp, type Pair } from './http.js';
import { median, print, report } from './report.js';

const WARM_UP = 50_000;
const BATCHES = 40;
const VALIDATIONS_A_BATCH = 500;
const PAGES = 15;
/** Long enough that a million of them do not collide. */
const LENGTH = 12;

/** @param withHttp whether it is measured over HTTP, too. @returns microseconds that one validation takes. */
export async function measureCodes(folder: string, count: number, withHttp: boolean): Promise<number> {
  const databasePath = join(folder, `codes-${count}`, 'access-codes.db');
  const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
  const { store, keys } = storage;

  const database = new Database(databasePath);
  const pairs = fill(database, count);
  const anyPair = (): Pair => pairs[randomInt(pairs.length)] ?? ['', ''];
  const find = database.prepare('SELECT * FROM codes WHERE pair_hash = ?');

  const validator = new CodeValidator({ store, keys, clock: Date.now });
  // Until the cache is as warm as it gets.
  for (let times = 0; times < WARM_UP; times++) await validator.validate(...anyPair());
  const ours: number[] = [];
  const bare: number[] = [];
  for (let batch = 0; batch < BATCHES; batch++) {
    const asked = Array.from({ length: VALIDATIONS_A_BATCH }, anyPair);
    let start = performance.now();
    for (const [username, code] of asked) {
      const { valid } = await validator.validate(username, code);
      if (!valid) throw new Error('A code that was issued is not valid');
    }
    ours.push(((performance.now() - start) * 1_000) / VALIDATIONS_A_BATCH);
    start = performance.now();
    for (const [username, code] of asked) find.get(keys.hashPair(username, code));
    bare.push(((performance.now() - start) * 1_000) / VALIDATIONS_A_BATCH);
  }
  print(`\n${count} codes`);
  // As a rate: half the bare rate is twice the bare time.
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
    getcodeLimit: { codes: 3, spanMs: 600_000 },
    maxUsernamesPerMember: 3,
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
      await service.list('guild', page, 'admin');
      times.push(performance.now() - start);
    }
    print(`!codes, ${name} page: ${median(times).toFixed(2)} ms (target for 1,000,000 codes: 50 ms)`);
  }
  database.close();
  if (withHttp) await measureHttp(databasePath, pairs);
  await storage.close();
  return median(ours);

  /** Active codes of one server, straight into the table. */
  function fill(into: Database.Database, size: number): Pair[] {
    const filled: Pair[] = [];
    const insert = into.prepare(
      `INSERT INTO codes (id, guild_id, holder_id, holder_tag, username, name_hash, text_hash, pair_hash,
         sealed_text, uses, issued_at, delivered_at) VALUES (?, 'guild', ?, 'holder', ?, ?, ?, ?, ?, 0, ?, ?)`,
    );
    into.transaction(() => {
      for (let index = 0; index < size; index++) {
        const id = String(10n ** 18n + BigInt(index));
        const username = `user${index}`;
        const text = generateCodeText(LENGTH);
        const hashes = [keys.hashText(text), keys.hashPair(username, text), keys.seal(text, id)];
        insert.run(id, String(index), username, keys.hashName(username), ...hashes, index, index);
        filled.push([username, text]);
      }
    })();
    return filled;
  }
}
