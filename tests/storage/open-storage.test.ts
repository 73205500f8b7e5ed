import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { isBackupDue, makeBackup } from '../../src/storage/backup.js';
import { openStorage, type Storage, type StorageOptions } from '../../src/storage/open-storage.js';
import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { StorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';
import { temporaryFolder } from '../support/folder.js';
import { damageTable, filesIn, modeOf } from '../backup/files.js';
import { openRaw } from '../support/raw-database.js';

const SECRET = 'a secret of the tests, which is long enough';
const OTHER_SECRET = 'another secret, which is long enough as well';
const GARBAGE = 'This is not a database, although its name says so.\n'.repeat(100);
const ROLES = ['owner', 'guest'] as const;

type Options = Partial<Pick<StorageOptions, 'secret' | 'as'>>;

function optionsFor(path: string, { secret = null, as = 'owner' }: Options = {}): StorageOptions {
  return { database: { engine: 'sqlite', path }, secret, as };
}

async function open(path: string, options?: Options): Promise<Storage> {
  const storage = await openStorage(optionsFor(path, options));
  onTestFinished(async () => storage.close());
  return storage;
}

/** Creates a database and closes it; `secret: null` creates a secret file. */
async function createdDatabase(secret: string | null = null) {
  const folder = temporaryFolder();
  const path = join(folder, 'codes.db');
  const storage = await openStorage(optionsFor(path, { secret }));
  await storage.close();
  return { folder, path, secretPath: join(folder, 'code-secret.key') };
}

/** Returns the error with which the storage refuses to open. */
async function refusalOf(path: string, options?: Options): Promise<StorageError> {
  const error: unknown = await open(path, options).catch((thrown: unknown) => thrown);
  if (error instanceof StorageError) return error;
  throw new Error('No StorageError', { cause: error });
}

function alter(path: string, sql: string): void {
  const database = openRaw(path);
  database.exec(sql);
  database.close();
}

describe('the first start', () => {
  it('creates the database, the secret and the folder, readable by this account only', async () => {
    const folder = join(temporaryFolder(), 'new', 'data');
    const path = join(folder, 'codes.db');
    const storage = await open(path);
    expect(storage).toMatchObject({
      isNew: true,
      name: path,
      newSecretPath: join(folder, 'code-secret.key'),
    });
    expect(readFileSync(join(folder, 'code-secret.key'), 'utf8')).toMatch(/^[\w-]{43}\n$/);
    await storage.store.requests.claim('1', 1);
    const modes = () =>
      Object.fromEntries(readdirSync(folder).map((name) => [name, modeOf(join(folder, name))]));
    expect(modes()).toEqual({
      'code-secret.key': '600',
      'codes.db': '600',
      'codes.db-shm': '600',
      'codes.db-wal': '600',
    });
    expect([folder, join(folder, '..')].map(modeOf)).toEqual(['700', '700']);
    await storage.close();
    expect(readdirSync(folder)).toEqual(['code-secret.key', 'codes.db']);
  });

  it('writes the secret to a file of its own, whatever is in its place', async () => {
    const folder = temporaryFolder();
    const elsewhere = join(temporaryFolder(), 'readable');
    writeFileSync(elsewhere, 'content', { mode: 0o644 });
    symlinkSync(elsewhere, join(folder, 'code-secret.key.new'));
    await open(join(folder, 'codes.db'));
    expect(readFileSync(elsewhere, 'utf8')).toBe('content');
    expect(modeOf(join(folder, 'code-secret.key'))).toBe('600');
  });

  it('creates no secret file when CODE_SECRET is set', async () => {
    const { folder, path } = await createdDatabase(SECRET);
    expect(readdirSync(folder)).toEqual(['codes.db']);
    expect(await open(path, { secret: SECRET })).toMatchObject({ isNew: false, newSecretPath: null });
  });

  it('creates one database and one secret when 4 bots start at once', async () => {
    for (let round = 0; round < 5; round++) {
      const path = join(temporaryFolder(), 'data', 'codes.db');
      const storages = await Promise.all(Array.from({ length: 4 }, async () => open(path)));
      expect(storages.filter(({ isNew }) => isNew)).toHaveLength(1);
      expect(new Set(storages.map(({ keys }) => keys.fingerprint)).size).toBe(1);
      for (const [n, { store }] of storages.entries())
        expect(await store.requests.claim('1', 1)).toBe(n === 0);
    }
  });

  it.each<[string, (path: string) => unknown]>([
    ['the file had content', (path) => writeFileSync(path, '')],
    ['it had created the tables', async (path) => new SqliteDriver(path, { create: true }).close()],
  ])('can be repeated after it was killed before %s', async (_what, begin) => {
    const path = join(temporaryFolder(), 'codes.db');
    await begin(path);
    expect(await open(path)).toHaveProperty('isNew', true);
  });

  it('can be repeated after it failed', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'codes.db');
    const secretPath = join(folder, 'code-secret.key');
    // A link to nowhere: the secret cannot be created.
    symlinkSync(join(folder, 'none'), secretPath);
    await refusalOf(path);
    rmSync(secretPath);
    expect(await open(path)).toMatchObject({ isNew: true, newSecretPath: secretPath });
  });
});

describe('a later start', () => {
  it('ignores the whitespace around the secret', async () => {
    const { path, secretPath } = await createdDatabase(SECRET);
    writeFileSync(secretPath, `\n${SECRET}\r\n`);
    expect(await open(path)).toHaveProperty('isNew', false);
  });

  it('makes files private that another account could read', async () => {
    const { path, secretPath } = await createdDatabase();
    const first = await open(path);
    await first.store.requests.claim('1', 1);
    const files = [path, `${path}-wal`, `${path}-shm`, secretPath];
    for (const file of files) chmodSync(file, 0o644);
    await open(path);
    expect(files.map(modeOf)).toEqual(['600', '600', '600', '600']);
  });

  it('opens a database by a link to it, with the secret beside the file that the link leads to', async () => {
    const { folder, path } = await createdDatabase();
    const elsewhere = temporaryFolder();
    symlinkSync(path, join(elsewhere, 'first.db'));
    symlinkSync('first.db', join(elsewhere, 'link.db'));
    const link = join(elsewhere, 'link.db');
    const opened = await Promise.all(ROLES.map(async (as) => open(link, { as })));
    expect(opened.map(({ name }) => name)).toEqual([path, path]);
    expect(await opened[0]?.store.requests.claim('1', 1)).toBe(true);
    await makeBackup(link, { keep: 7, now: 1 });
    expect(isBackupDue(link, 1, 1)).toBe(false);
    expect(readdirSync(elsewhere)).toEqual(['first.db', 'link.db']);
    expect(readdirSync(folder)).toContain('backups');
  });

  it('leaves every byte and mode unchanged when a guest opens and closes the database', async () => {
    const { folder, path, secretPath } = await createdDatabase();
    chmodSync(path, 0o644);
    chmodSync(secretPath, 0o640);
    const before = filesIn(folder);
    const guest = await open(path, { as: 'guest' });
    expect(await guest.store.codes.listGuilds()).toEqual([]);
    await guest.close();
    expect(filesIn(folder)).toEqual(before);
    expect([path, secretPath].map(modeOf)).toEqual(['644', '640']);
  });
});

type Paths = Awaited<ReturnType<typeof createdDatabase>>;

/** What was done to a database with a secret file; CODE_SECRET. */
const REFUSALS: readonly (readonly [
  what: string,
  code: StorageErrorCode,
  as: readonly StorageOptions['as'][],
  change: (paths: Paths) => void,
  secret?: string,
])[] = [
  ['an empty folder', 'DATABASE_MISSING', ['guest'], ({ folder }) => empty(folder)],
  ['a secret file without a database', 'DATABASE_MISSING', ['owner'], ({ path }) => rmSync(path)],
  [
    'the WAL of a database that is missing',
    'DATABASE_MISSING',
    ['owner'],
    ({ path, secretPath }) => {
      rmSync(secretPath);
      renameSync(path, `${path}-wal`);
    },
    SECRET,
  ],
  [
    'a database of another program',
    'DATABASE_FOREIGN',
    ROLES,
    ({ folder, path }) => {
      empty(folder);
      alter(path, 'CREATE TABLE users (name TEXT)');
    },
  ],
  [
    'a folder',
    'DATABASE_MISSING',
    ROLES,
    ({ path }) => {
      rmSync(path);
      mkdirSync(path);
    },
  ],
  [
    'a link to a file that does not exist',
    'DATABASE_MISSING',
    ['owner'],
    ({ folder, path }) => {
      empty(folder);
      symlinkSync('not-mounted/codes.db', path);
    },
  ],
  [
    'a link to itself',
    'DATABASE_UNREADABLE',
    ROLES,
    ({ path }) => {
      rmSync(path);
      symlinkSync(path, path);
    },
  ],
  ['a file that is not a database', 'DATABASE_DAMAGED', ROLES, ({ path }) => writeFileSync(path, GARBAGE)],
  ['an empty file', 'DATABASE_DAMAGED', ROLES, ({ path }) => truncateSync(path)],
  ['a database that was cut off', 'DATABASE_DAMAGED', ROLES, ({ path }) => truncateSync(path, 4_096)],
  ['a damaged page', 'DATABASE_DAMAGED', ['owner'], ({ path }) => damageTable(path, 'look_alikes')],
  [
    'the schema of a newer version',
    'SCHEMA_UNSUPPORTED',
    ROLES,
    ({ path }) => alter(path, `UPDATE meta SET value = '2' WHERE name = 'schema'`),
  ],
  [
    'the schema of a version before the first release',
    'SCHEMA_UNSUPPORTED',
    ROLES,
    ({ path }) => alter(path, `UPDATE meta SET name = 'schema_version' WHERE name = 'schema'`),
  ],
  ['no secret', 'SECRET_MISSING', ROLES, ({ secretPath }) => rmSync(secretPath)],
  ['another secret', 'SECRET_WRONG', ROLES, ({ secretPath }) => writeFileSync(secretPath, OTHER_SECRET)],
  ['a secret file of 31 characters', 'SECRET_WRONG', ROLES, ({ secretPath }) => truncateSync(secretPath, 31)],
  ['another CODE_SECRET', 'SECRET_WRONG', ROLES, () => undefined, OTHER_SECRET],
];

function empty(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
}

/** What the sentence of a refusal names beside a path. */
const NAMED: Partial<Record<StorageErrorCode, readonly string[]>> = {
  DATABASE_FOREIGN: ['DATABASE_URL'],
  SECRET_MISSING: ['code-secret.key', 'CODE_SECRET'],
};

describe('a start is refused', () => {
  const cases = REFUSALS.flatMap(([what, code, roles, change, secret = null]) =>
    roles.map((as) => ({ what, code, as, change, secret })),
  );

  it.each(cases)(
    'with $code for $what, as $as, and changes no byte',
    async ({ code, as, change, secret }) => {
      const paths = await createdDatabase();
      const own = readFileSync(paths.secretPath, 'utf8').trim();
      change(paths);
      const before = filesIn(paths.folder);
      const error = await refusalOf(paths.path, { secret, as });
      expect(filesIn(paths.folder)).toEqual(before);
      expect(error.code).toBe(code);
      const wrong = code === 'SECRET_WRONG' ? [secret === null ? 'code-secret.key' : 'CODE_SECRET'] : [];
      for (const word of [paths.folder, ...(NAMED[code] ?? wrong)]) expect(error.message).toContain(word);
      expect(error.message).toMatch(/^[^\n]+(?:\.|npm run restore FILE)$/);
      for (const hidden of [own.slice(0, 20), SECRET, OTHER_SECRET])
        expect(error.message).not.toContain(hidden);
    },
  );

  it('without creating a folder when a guest starts first', async () => {
    const folder = join(temporaryFolder(), 'none');
    await refusalOf(join(folder, 'codes.db'), { as: 'guest' });
    expect(existsSync(folder)).toBe(false);
  });
});
