import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import type { LoginAttempt } from '../../src/codes/code-store.js';
import { SCHEMA_VERSION } from '../../src/storage/migrations.js';
import {
  openStorage,
  SECRET_FILE_NAME,
  type Storage,
  type StorageOptions,
} from '../../src/storage/open-storage.js';
import { StorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';
import { byAdmin, openCodes, openTestStorage, nextRequestId, usernameOf } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';

const SECRET = 'a secret of the tests, which is long enough';
const OTHER_SECRET = 'another secret, which is long enough as well';

/** Permissions alone, as in `chmod`. */
function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

/** Every file of a folder by name, with its bytes. */
function contentOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map(({ name }) => [name, readFileSync(join(folder, name)).toString('latin1')]),
  );
}

/** A database that its owner made and closed, in a folder of its own; `secret: null` leaves a secret file. */
async function madeDatabase(secret: string | null = null) {
  const folder = temporaryFolder();
  const databasePath = join(folder, 'codes.db');
  const storage = await openStorage({ databasePath, secret, as: 'owner' });
  await storage.close();
  return { folder, databasePath, secretPath: join(folder, SECRET_FILE_NAME) };
}

/** Somebody at the website who redeems Alice's code. */
function redemptionOf({ keys }: Storage, text: string): LoginAttempt {
  const nameHash = keys.hashName('alice');
  return { nameHash, pairHash: keys.hashPair('alice', text), clientHash: null, redeem: true, keyHash: null };
}

function alterDatabase(path: string, sql: string): void {
  const database = openRaw(path);
  database.exec(sql);
  database.close();
}

/** The error with which the storage refuses; fails the test when it opens. */
async function refusalOf(options: StorageOptions): Promise<StorageError> {
  const refusal: unknown = await openStorage(options).then(
    async (storage) => storage.close(),
    (error: unknown) => error,
  );
  if (refusal instanceof StorageError) return refusal;
  throw new Error('No StorageError', { cause: refusal });
}

describe('openStorage, as owner', () => {
  it('makes database, secret and folder, for nobody else to read, and leaves nothing beside them', async () => {
    const parent = join(temporaryFolder(), 'new');
    const folder = join(parent, 'data');
    const databasePath = join(folder, 'codes.db');
    const storage = await openTestStorage(databasePath);
    expect(storage).toMatchObject({ created: true, databasePath });
    await storage.store.claim('1', 1);
    expect(readdirSync(folder).map((name) => [name, modeOf(join(folder, name))])).toEqual([
      [SECRET_FILE_NAME, '600'],
      ['codes.db', '600'],
      ['codes.db-shm', '600'],
      ['codes.db-wal', '600'],
      ['codes.db.marker', '600'],
    ]);
    expect([parent, folder].map(modeOf)).toEqual(['700', '700']);
    await storage.close();
    expect(readdirSync(folder)).toEqual([SECRET_FILE_NAME, 'codes.db', 'codes.db.marker']);
  });

  it('makes another secret for each database', async () => {
    const one = await madeDatabase();
    const other = await madeDatabase();
    const secret = readFileSync(one.secretPath, 'utf8').trim();
    expect(secret.length).toBeGreaterThanOrEqual(43);
    expect(readFileSync(other.secretPath, 'utf8').trim()).not.toBe(secret);
  });

  it('writes no secret file when it is given a secret', async () => {
    const { folder } = await madeDatabase(SECRET);
    expect(readdirSync(folder)).toEqual(['codes.db', 'codes.db.marker']);
  });

  it('takes the secret from the file and from CODE_SECRET alike', async () => {
    const { databasePath, secretPath } = await madeDatabase();
    const secret = readFileSync(secretPath, 'utf8').trim();
    rmSync(secretPath);
    const storage = await openTestStorage(databasePath, { secret });
    expect(storage.created).toBe(false);
  });

  it('gives a database of an earlier version its marker', async () => {
    const { databasePath, secretPath } = await madeDatabase(SECRET);
    rmSync(`${databasePath}.marker`);
    const guest = await openStorage({ databasePath, secret: SECRET, as: 'guest' });
    await guest.close();
    expect(existsSync(`${databasePath}.marker`)).toBe(false);
    const owner = await openStorage({ databasePath, secret: SECRET, as: 'owner' });
    await owner.close();
    rmSync(databasePath);
    expect(await refusalOf({ databasePath, secret: SECRET, as: 'owner' })).toMatchObject({
      code: 'DATABASE_MISSING',
    });
    expect(existsSync(secretPath)).toBe(false);
  });

  it('makes files and folder private that became readable', async () => {
    const { folder, databasePath, secretPath } = await madeDatabase();
    const first = await openTestStorage(databasePath);
    await first.store.claim('1', 1);
    const files = [databasePath, `${databasePath}-wal`, `${databasePath}-shm`, secretPath];
    for (const file of files) chmodSync(file, 0o644);
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, '.gitkeep'), '');
    await openTestStorage(databasePath);
    expect(files.map(modeOf)).toEqual(['600', '600', '600', '600']);
    expect(modeOf(folder)).toBe('700');
  });

  it("leaves a folder's mode alone when somebody else's file is in it", async () => {
    const { folder, databasePath } = await madeDatabase();
    chmodSync(folder, 0o755);
    chmodSync(databasePath, 0o644);
    writeFileSync(join(folder, 'index.html'), '', { mode: 0o644 });
    await openTestStorage(databasePath);
    expect(modeOf(folder)).toBe('755');
    expect(modeOf(databasePath)).toBe('600');
    expect(modeOf(join(folder, 'index.html'))).toBe('644');
  });

  it('makes a database whose folder exists already, and is shared', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o755);
    writeFileSync(join(folder, 'index.html'), '');
    await openTestStorage(join(folder, 'codes.db'));
    expect(modeOf(folder)).toBe('755');
  });
});

describe('storage across a reopen', () => {
  it('keeps codes, uses, claims and the secret', async () => {
    const { databasePath, storage, validator, hand, issue, clock } = await openCodes({ codeMaxUses: 3 });
    const held = await hand({ username: 'Alice' });
    const pending = await issue({ username: 'Bob' });
    await validator.redeem('Alice', held.text);
    await storage.close();

    const again = await openCodes({ databasePath, clock });
    expect(again.storage.created).toBe(false);
    expect(await again.validator.validate('Alice', held.text)).toMatchObject({ valid: true, usesLeft: 2 });
    expect((await again.service.list('1', 1, 'admin')).codes).toMatchObject([
      { id: held.id, text: held.text, uses: 1 },
    ]);
    expect(await again.service.claim(held.id)).toBe(false);
    expect(await again.service.deliver(pending.id)).toBe(true);
    expect(await again.validator.validate('Bob', pending.text)).toHaveProperty('valid', true);
  });

  it('keeps what ended', async () => {
    const { databasePath, storage, service, hand, clock } = await openCodes();
    const { text } = await hand();
    await service.revoke('1', text, byAdmin());
    await storage.close();
    const { validator } = await openCodes({ databasePath, clock });
    expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'revoked' });
  });
});

describe('two storages on one database', () => {
  it('let exactly 50 of 200 uses count where 50 are allowed', async () => {
    const { databasePath, storage, hand, clock } = await openCodes({ codeMaxUses: 50 });
    const { id, text } = await hand();
    const guest = await openTestStorage(databasePath, { as: 'guest' });
    const attempt = redemptionOf(storage, text);
    const uses = await Promise.all(
      Array.from({ length: 200 }, async (_, index) =>
        (index % 2 === 0 ? storage : guest).store.login(attempt, clock.now),
      ),
    );
    expect(uses.filter((outcome) => 'accepted' in outcome && outcome.accepted)).toHaveLength(50);
    expect(await guest.store.find(id)).toHaveProperty('uses', 50);
  });

  it('give a username to one of two members who ask at once', async () => {
    const one = await openCodes();
    const other = await openCodes({ databasePath: one.databasePath, clock: one.clock });
    const ask = { guildId: '1', holderTag: 'member', username: usernameOf('Alice') };
    const answers = await Promise.all([
      one.service.issue({ ...ask, id: nextRequestId(), holderId: '1' }),
      other.service.issue({ ...ask, id: nextRequestId(), holderId: '2' }),
    ]);
    expect(answers.filter((answer) => answer === 'taken')).toHaveLength(1);
    expect(answers.filter((answer) => typeof answer === 'object' && 'text' in answer)).toHaveLength(1);
  });

  it('answer a request once', async () => {
    const one = await openCodes();
    const other = await openCodes({ databasePath: one.databasePath, clock: one.clock });
    const claims = await Promise.all([one.service.claim('5'), other.service.claim('5')]);
    expect(claims.toSorted()).toEqual([false, true]);
  });

  it('see at once what the other did', async () => {
    const { databasePath, storage, service, clock, hand } = await openCodes();
    const guest = await openTestStorage(databasePath, { as: 'guest' });
    const { text } = await hand();
    const attempt = redemptionOf(storage, text);
    expect(await guest.store.login(attempt, clock.now)).toMatchObject({ accepted: true, code: { uses: 1 } });
    await service.revoke('1', text, byAdmin());
    expect(await guest.store.login(attempt, clock.now)).toMatchObject({ accepted: false });
  });
});

describe('the files', () => {
  it('hold usernames, but no code and no secret', async () => {
    const { databasePath, storage, hand, issue } = await openCodes({ codeLength: 12 });
    const issued = [await hand({ username: 'Alice' }), await hand({ username: 'Alina' }), await issue()];
    const folder = join(databasePath, '..');
    const secret = readFileSync(join(folder, SECRET_FILE_NAME), 'utf8').trim();
    const whileOpen = contentOf(folder);
    await storage.close();
    for (const content of [whileOpen, contentOf(folder)]) {
      const { [SECRET_FILE_NAME]: _secret, ...files } = content;
      const bytes = Object.values(files).join('');
      expect(bytes).toContain('Alina');
      for (const { text } of issued) expect(bytes.toUpperCase()).not.toContain(text);
      expect(bytes).not.toContain(secret);
    }
  });
});

interface Refusal {
  readonly what: string;
  readonly code: StorageErrorCode;
  /** Whether the message names the database, the secret file, the variable. */
  readonly names: readonly ('database' | 'secret file' | 'marker' | 'CODE_SECRET' | 'DATABASE_URL')[];
  readonly as: readonly StorageOptions['as'][];
  /** Spoils a database that was made with a secret file. @returns the secret to open it with. */
  readonly spoil: (paths: { databasePath: string; secretPath: string }) => string | null;
}

const BOTH = ['owner', 'guest'] as const;

const REFUSALS: readonly Refusal[] = [
  {
    what: 'no database and no secret file',
    code: 'DATABASE_MISSING',
    names: ['database'],
    as: ['guest'],
    spoil({ databasePath, secretPath }) {
      rmSync(databasePath);
      rmSync(secretPath);
      return null;
    },
  },
  {
    what: 'no database and a given secret',
    code: 'DATABASE_MISSING',
    names: ['database'],
    as: ['guest'],
    spoil({ databasePath }) {
      rmSync(databasePath);
      return SECRET;
    },
  },
  {
    what: 'a secret file alone',
    code: 'DATABASE_MISSING',
    names: ['database', 'secret file'],
    as: ['owner'],
    spoil({ databasePath }) {
      rmSync(databasePath);
      return null;
    },
  },
  {
    what: 'a marker alone, beside a secret that is given',
    code: 'DATABASE_MISSING',
    names: ['database', 'marker'],
    as: ['owner'],
    spoil({ databasePath, secretPath }) {
      const secret = readFileSync(secretPath, 'utf8').trim();
      rmSync(databasePath);
      rmSync(secretPath);
      return secret;
    },
  },
  {
    what: 'the log of a database alone',
    code: 'DATABASE_MISSING',
    names: ['database'],
    as: ['owner'],
    spoil({ databasePath, secretPath }) {
      rmSync(secretPath);
      rmSync(`${databasePath}.marker`);
      renameSync(databasePath, `${databasePath}-wal`);
      return SECRET;
    },
  },
  {
    what: "another program's database",
    code: 'DATABASE_FOREIGN',
    names: ['database', 'DATABASE_URL'],
    as: BOTH,
    spoil({ databasePath }) {
      rmSync(databasePath);
      alterDatabase(databasePath, 'CREATE TABLE users (name TEXT)');
      return null;
    },
  },
  {
    what: 'a folder',
    code: 'DATABASE_FOREIGN',
    names: ['database', 'DATABASE_URL'],
    as: BOTH,
    spoil({ databasePath }) {
      rmSync(databasePath);
      mkdirSync(databasePath);
      return SECRET;
    },
  },
  {
    what: 'garbage and no secret',
    code: 'DATABASE_DAMAGED',
    names: ['database'],
    as: BOTH,
    spoil({ databasePath, secretPath }) {
      writeFileSync(databasePath, 'This is no database, although somebody named it one.\n'.repeat(100));
      rmSync(secretPath);
      return null;
    },
  },
  {
    what: 'a database of 0 bytes',
    code: 'DATABASE_DAMAGED',
    names: ['database', 'secret file'],
    as: BOTH,
    spoil({ databasePath }) {
      truncateSync(databasePath);
      return null;
    },
  },
  {
    what: 'garbage',
    code: 'DATABASE_DAMAGED',
    names: ['database'],
    as: BOTH,
    spoil({ databasePath }) {
      writeFileSync(databasePath, 'This is no database, although somebody named it one.\n'.repeat(100));
      return null;
    },
  },
  {
    what: 'a database that was cut off',
    code: 'DATABASE_DAMAGED',
    names: ['database'],
    as: BOTH,
    spoil({ databasePath }) {
      truncateSync(databasePath, 4096);
      return null;
    },
  },
  {
    what: 'the schema of a newer program',
    code: 'SCHEMA_TOO_NEW',
    names: ['database'],
    as: BOTH,
    spoil({ databasePath }) {
      alterDatabase(
        databasePath,
        `UPDATE meta SET value = ${SCHEMA_VERSION + 1} WHERE name = 'schema_version'`,
      );
      return null;
    },
  },
  {
    what: 'the schema of an older program',
    code: 'SCHEMA_TOO_OLD',
    names: ['database'],
    as: ['guest'],
    spoil({ databasePath }) {
      alterDatabase(
        databasePath,
        `UPDATE meta SET value = ${SCHEMA_VERSION - 1} WHERE name = 'schema_version'`,
      );
      return null;
    },
  },
  {
    what: 'no secret',
    code: 'SECRET_MISSING',
    names: ['database', 'secret file', 'CODE_SECRET'],
    as: BOTH,
    spoil({ secretPath }) {
      rmSync(secretPath);
      return null;
    },
  },
  {
    what: 'the secret file of another database',
    code: 'SECRET_WRONG',
    names: ['database', 'secret file'],
    as: BOTH,
    spoil({ secretPath }) {
      writeFileSync(secretPath, `${OTHER_SECRET}\n`);
      return null;
    },
  },
  {
    what: 'a secret file that was cut off',
    code: 'SECRET_WRONG',
    names: ['secret file'],
    as: BOTH,
    spoil({ secretPath }) {
      truncateSync(secretPath, 20);
      return null;
    },
  },
  {
    what: 'an empty secret file',
    code: 'SECRET_WRONG',
    names: ['secret file'],
    as: BOTH,
    spoil({ secretPath }) {
      truncateSync(secretPath);
      return null;
    },
  },
  {
    what: 'another CODE_SECRET',
    code: 'SECRET_WRONG',
    names: ['database', 'CODE_SECRET'],
    as: BOTH,
    spoil: () => OTHER_SECRET,
  },
];

describe('openStorage at the first start', () => {
  it.each([null, SECRET])(
    'by several at once makes one database and one secret (given: %s)',
    async (secret) => {
      for (let round = 0; round < 10; round++) {
        const folder = temporaryFolder();
        const databasePath = join(folder, 'data', 'codes.db');
        const openings = Array.from({ length: 4 }, async () => openTestStorage(databasePath, { secret }));
        const storages = await Promise.all(openings);
        const fingerprints = new Set(storages.map(({ keys }) => keys.fingerprint));
        expect(fingerprints.size).toBe(1);
        expect(readdirSync(join(folder, 'data')).filter((name) => name.includes('.new'))).toEqual([]);
      }
    },
  );

  it('takes what a crash left unfinished for no database', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'codes.db.0123456789ab.new'), 'half');
    const storage = await openTestStorage(join(folder, 'codes.db'));
    expect(storage.created).toBe(true);
  });
});

/** Opens and closes. @returns the code of the refusal, or `null` when there was none. */
async function codeOfRefusal(databasePath: string): Promise<StorageErrorCode | null> {
  try {
    const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
    await storage.close();
    return null;
  } catch (error) {
    if (error instanceof StorageError) return error.code;
    throw error;
  }
}

it('openStorage finds a damaged page before anybody relies on it', async () => {
  const { databasePath } = await madeDatabase();
  const codes = await openCodes({ databasePath });
  for (let count = 0; count < 100; count++) await codes.issue({ username: `name${count}` });
  await codes.storage.close();
  const keep = readFileSync(databasePath);
  const pages = statSync(databasePath).size / 4096;
  let refused = 0;
  for (let page = 1; page < pages; page++) {
    const bytes = Buffer.from(keep);
    bytes.fill(0xa5, page * 4096, (page + 1) * 4096);
    writeFileSync(databasePath, bytes);
    const code = await codeOfRefusal(databasePath);
    if (code === 'DATABASE_DAMAGED') refused++;
    else expect(code).toBeNull();
  }
  expect(pages).toBeGreaterThan(20);
  // A page that is free holds nothing, and nothing is lost with it.
  expect(refused).toBeGreaterThan(pages - 4);
});

describe('openStorage refuses', () => {
  const cases = REFUSALS.flatMap((refusal) => refusal.as.map((as) => ({ ...refusal, as })));

  it.each(cases)('$what, as $as: $code', async ({ code, names, as, spoil }) => {
    const paths = await madeDatabase();
    const ours = readFileSync(paths.secretPath, 'utf8').trim();
    const secret = spoil(paths);
    const error = await refusalOf({ databasePath: paths.databasePath, secret, as });
    expect(error.code).toBe(code);
    const named = {
      database: error.message.includes(paths.databasePath),
      marker: error.message.includes(`${paths.databasePath}.marker`),
      'secret file': error.message.includes(paths.secretPath),
      CODE_SECRET: error.message.includes('CODE_SECRET'),
      DATABASE_URL: error.message.includes('DATABASE_URL'),
    };
    for (const name of names) expect(named).toHaveProperty(name, true);
    expect(error.message).toMatch(/^[^\n]+\.$/);
    for (const hidden of [ours, ours.slice(0, 20), SECRET, OTHER_SECRET]) {
      expect(error.message).not.toContain(hidden);
    }
  });

  it.each(cases)('$what, as $as, and changes no byte', async ({ as, spoil }) => {
    const paths = await madeDatabase();
    const secret = spoil(paths);
    const before = contentOf(paths.folder);
    await refusalOf({ databasePath: paths.databasePath, secret, as });
    expect(contentOf(paths.folder)).toEqual(before);
  });

  it('what it refused before, until the right file is back', async () => {
    const { databasePath, secretPath } = await madeDatabase();
    const secret = readFileSync(secretPath);
    writeFileSync(secretPath, OTHER_SECRET);
    await refusalOf({ databasePath, secret: null, as: 'owner' });
    writeFileSync(secretPath, secret);
    expect(await openTestStorage(databasePath)).toHaveProperty('created', false);
  });
});

describe('openStorage, as guest', () => {
  it('creates nothing where there is nothing, not even the folder', async () => {
    const folder = join(temporaryFolder(), 'none');
    await refusalOf({ databasePath: join(folder, 'codes.db'), secret: SECRET, as: 'guest' });
    expect(existsSync(folder)).toBe(false);
  });

  it('leaves every byte and every mode as it was', async () => {
    const { folder, databasePath, secretPath } = await madeDatabase();
    for (const [path, mode] of [
      [folder, 0o755],
      [databasePath, 0o644],
      [secretPath, 0o640],
    ] as const) {
      chmodSync(path, mode);
    }
    const before = contentOf(folder);
    const guest = await openTestStorage(databasePath, { as: 'guest' });
    expect(guest.created).toBe(false);
    expect(await guest.store.countHeld('1', 1)).toBe(0);
    await guest.close();
    expect(contentOf(folder)).toEqual(before);
    expect([folder, databasePath, secretPath].map(modeOf)).toEqual(['755', '644', '640']);
  });
});
