import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { listBackups } from '../../src/storage/backup-files.js';
import { backUp, restore, type RestoreRequest } from '../../src/storage/backups.js';
import { SCHEMA_VERSION } from '../../src/storage/migrations.js';
import { openStorage, SECRET_FILE_NAME } from '../../src/storage/open-storage.js';
import { StorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';
import { byAdmin, openCodes, type CodesOptions } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { keep, openRaw } from '../support/raw-database.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const OTHER_SECRET = 'another secret, which is long enough as well';

/** Permissions alone, as in `chmod`. */
function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

/** Every file below a folder by its path, with its bytes. */
function contentOf(folder: string): Record<string, string> {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return Object.fromEntries(
    entries
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => [
        join(parentPath, name),
        readFileSync(join(parentPath, name), 'latin1'),
      ]),
  );
}

function rootPageOf(path: string, table: string): number {
  const database = openRaw(path);
  const find = keep(database.prepare('SELECT rootpage FROM sqlite_master WHERE name = ?').pluck());
  const root = find.get(table);
  database.close();
  return Number(root);
}

/** The error with which `work` is refused; fails the test when it is not. */
async function refusalOf(work: Promise<unknown>): Promise<StorageError> {
  const refusal: unknown = await work.then(
    () => null,
    (error: unknown) => error,
  );
  if (refusal instanceof StorageError) return refusal;
  throw new Error('No StorageError', { cause: refusal });
}

/** Codes in a folder of their own: `codes.db`, its backups in `backups`. */
async function openBackedUp(options: CodesOptions = {}) {
  const folder = temporaryFolder();
  const databasePath = options.databasePath ?? join(folder, 'codes.db');
  const codes = await openCodes({ ...options, databasePath });
  const make = async (now = NOW, kept = 7) => backUp({ databasePath, keep: kept, now });
  return { ...codes, folder, backups: join(folder, 'backups'), make };
}

/** A database that Alice and Bob have codes in, closed, with a backup that knows Alice alone. */
async function madeBackup() {
  const { folder, databasePath, storage, hand, make, clock } = await openBackedUp();
  const alice = await hand({ username: 'Alice' });
  const { path: backupPath } = await make();
  const bob = await hand({ username: 'Bob', holderId: '2' });
  await storage.close();
  const secretPath = join(folder, SECRET_FILE_NAME);
  const secret = readFileSync(secretPath, 'utf8').trim();
  const request: RestoreRequest = { backupPath, databasePath, secret: null, now: NOW + HOUR_MS };
  return { folder, databasePath, backupPath, secretPath, secret, alice, bob, clock, request };
}

describe('a backup', () => {
  it('has a name that tells when it was made, and is for nobody else to read', async () => {
    const { backups, hand, make } = await openBackedUp();
    await hand();
    const made = await make();
    expect(made).toEqual({ path: join(backups, 'codes-20260102T030405Z-0001.db'), codes: 1 });
    expect(readdirSync(backups)).toEqual(['codes-20260102T030405Z-0001.db']);
    expect([modeOf(backups), modeOf(made.path)]).toEqual(['700', '600']);
  });

  it('is one file, and holds what was committed, also what is still in the WAL', async () => {
    const { folder, databasePath, storage, hand, make } = await openBackedUp();
    const { id, text } = await hand({ username: 'Alice' });
    expect(statSync(`${databasePath}-wal`).size).toBeGreaterThan(0);
    const { path } = await make();
    const alone = join(folder, 'elsewhere', 'copy.db');
    mkdirSync(join(folder, 'elsewhere'));
    copyFileSync(path, alone);
    copyFileSync(join(folder, SECRET_FILE_NAME), join(folder, 'elsewhere', SECRET_FILE_NAME));
    await storage.close();
    const { validator, service } = await openCodes({ databasePath: alone });
    expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
    expect(await service.claim(id)).toBe(false);
  });

  it.each([1, 2, 5])('deletes the oldest when there are more than %i', async (kept) => {
    const { backups, make } = await openBackedUp();
    for (let hour = 0; hour < 7; hour++) await make(NOW + hour * HOUR_MS, kept);
    const numbers = readdirSync(backups).map((name) => Number(/-(\d{4})\.db$/.exec(name)?.[1]));
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7].slice(-kept));
  });

  it('stays, as the newest, when the clock was set back, and does not collide', async () => {
    const { databasePath, make } = await openBackedUp();
    const times = [0, 0, 500, -48 * HOUR_MS, -48 * HOUR_MS + SECOND_MS].map((ms) => NOW + ms);
    for (const time of times) await make(time, 3);
    expect(listBackups(databasePath).map(({ at, number }) => [number, at])).toEqual([
      [3, Math.floor((NOW + 500) / SECOND_MS) * SECOND_MS],
      [4, NOW - 678 - 48 * HOUR_MS],
      [5, NOW - 678 - 48 * HOUR_MS + SECOND_MS],
    ]);
  });

  it('gets a name of its own beside others that are made at once', async () => {
    const { backups, make } = await openBackedUp();
    await Promise.all([make(), make(), make(), make()]);
    expect(readdirSync(backups)).toEqual(
      [1, 2, 3, 4].map((number) => `codes-20260102T030405Z-000${number}.db`),
    );
  });

  it('deletes nothing that is not one', async () => {
    const { backups, make } = await openBackedUp();
    const strangers = [
      'README',
      'codes-20260101T000000Z-0001.db.gz',
      'codes-20260101T000000Z-0001-kept.db',
      'codes-20260101T000000Z.db',
      'codes-20261301T000000Z-0001.db',
      'codes.db',
      'codes.db.unfinished.txt',
      'my-codes-20260101T000000Z-0001.db',
      'codes-20260101T000000Z-0001.sqlite',
      'others.db.0123456789ab.unfinished',
    ];
    mkdirSync(join(backups, 'codes-20260101T000000Z-0009.db'), { recursive: true });
    for (const name of strangers) {
      writeFileSync(join(backups, name), name);
      utimesSync(join(backups, name), 0, 0);
    }
    for (let hour = 0; hour < 3; hour++) await make(NOW + hour * HOUR_MS, 1);
    expect(readdirSync(backups).toSorted()).toEqual(
      [...strangers, 'codes-20260101T000000Z-0009.db', 'codes-20260102T050405Z-0003.db'].toSorted(),
    );
  });

  it('clears away what a killed process left, and not what another one is writing', async () => {
    const { backups, make } = await openBackedUp();
    mkdirSync(backups);
    const [left, written] = ['codes.db.000000000000.unfinished', 'codes.db.111111111111.unfinished'];
    for (const name of [left, written]) writeFileSync(join(backups, name), '');
    const hoursAgo = Date.now() / SECOND_MS - 7_200;
    utimesSync(join(backups, left), hoursAgo, hoursAgo);
    await make();
    expect(readdirSync(backups)).toEqual(['codes-20260102T030405Z-0001.db', written]);
  });
});

describe('a backup that fails', () => {
  it.each<[string, StorageErrorCode, (path: string) => void]>([
    ['there is no database', 'DATABASE_MISSING', (path) => rmSync(path)],
    ['the database is empty', 'DATABASE_DAMAGED', (path) => truncateSync(path)],
    ['the database is garbage', 'DATABASE_DAMAGED', (path) => writeFileSync(path, 'garbage'.repeat(1_000))],
    ['the database is cut off', 'DATABASE_DAMAGED', (path) => truncateSync(path, 8 * 4_096)],
    [
      'a table is damaged',
      'DATABASE_DAMAGED',
      (path) => {
        const root = rootPageOf(path, 'codes');
        writeFileSync(path, readFileSync(path).fill(0xa5, (root - 1) * 4_096, root * 4_096));
      },
    ],
    [
      'rows were lost that an index still knows',
      'BACKUP_FAILED',
      (path) => {
        // The last page of the table claims to have one row: SQLite copies that without a word.
        const bytes = readFileSync(path);
        const root = (rootPageOf(path, 'codes') - 1) * 4_096;
        const last = (bytes.readUInt32BE(root + 8) - 1) * 4_096;
        expect(bytes.readUInt16BE(last + 3)).toBeGreaterThan(1);
        bytes.writeUInt16BE(1, last + 3);
        writeFileSync(path, bytes);
      },
    ],
    [
      'it does not know its secret',
      'BACKUP_FAILED',
      (path) => {
        const database = openRaw(path);
        database.exec("DELETE FROM meta WHERE name = 'secret_fingerprint'");
        database.close();
      },
    ],
    [
      'the folder is a file',
      'BACKUP_FAILED',
      (path) => {
        rmSync(join(path, '..', 'backups'), { recursive: true });
        writeFileSync(join(path, '..', 'backups'), '');
      },
    ],
  ])('because %s says so in one sentence and changes no other', async (_what, code, spoil) => {
    const { folder, databasePath, storage, hand, make } = await openBackedUp();
    for (let count = 0; count < 55; count++) await hand({ username: `name${count}` });
    for (let hour = 0; hour < 3; hour++) await make(NOW + hour * HOUR_MS);
    await storage.close();
    spoil(databasePath);
    const before = contentOf(folder);
    const error = await refusalOf(backUp({ databasePath, keep: 1, now: NOW + 9 * HOUR_MS }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^[^\n]+\.$/);
    expect(error.message).toContain(databasePath);
    const after = contentOf(folder);
    for (const part of ['-wal', '-shm']) delete after[databasePath + part];
    expect(after).toEqual(before);
  });
});

describe('restore', () => {
  it('says nothing again that was still to be said when the backup was made', async () => {
    const { databasePath, storage, make, clock } = await openBackedUp();
    const answer = {
      command: 'getcode',
      channelId: '1',
      authorId: '1',
      to: 'channel',
      sealedBody: 'x',
      owner: 'x',
      leasedUntil: 0,
    } as const;
    await storage.store.claim('77', NOW, answer);
    const { path } = await make(NOW);
    expect(await storage.store.takeAnswers('y', NOW, NOW, 1)).toHaveLength(1);
    await storage.close();
    await restore({ backupPath: path, databasePath, secret: null, now: NOW + HOUR_MS });
    const { store } = (await openCodes({ databasePath, clock })).storage;
    expect(await store.takeAnswers('y', NOW, NOW, 1)).toEqual([]);
    expect(await store.claim('77', NOW)).toBe(false);
  });

  it('brings back what the backup knows, and keeps what stood there', async () => {
    const { folder, databasePath, backupPath, alice, bob, clock, request } = await madeBackup();
    const backup = readFileSync(backupPath);
    const old = contentOf(folder)[databasePath];
    const restored = await restore(request);
    const replacedPath = `${databasePath}.replaced-20260102T040405Z`;
    expect(restored).toEqual({
      databasePath,
      codes: 1,
      madeAt: NOW - 678,
      lastEntryAt: clock.now,
      replacedPath,
      undone: { issued: 1, ended: 0 },
    });
    expect(readdirSync(folder)).toEqual([
      'backups',
      SECRET_FILE_NAME,
      'codes.db',
      'codes.db.marker',
      'codes.db.replaced-20260102T040405Z',
    ]);
    expect(readFileSync(backupPath)).toEqual(backup);
    expect([databasePath, replacedPath].map(modeOf)).toEqual(['600', '600']);
    // Its header tells that it is not in WAL mode any more; for the rest it is the same.
    expect(readFileSync(replacedPath, 'latin1').slice(100)).toBe(old?.slice(100));
    const now = await openCodes({ databasePath, clock });
    expect(await now.validator.validate('Alice', alice.text)).toHaveProperty('valid', true);
    expect(await now.validator.validate('Bob', bob.text)).toEqual({ valid: false, reason: 'unknown' });
    await now.storage.close();

    // The way back is the same way.
    expect(await restore({ ...request, backupPath: replacedPath })).toMatchObject({
      codes: 2,
      madeAt: null,
      replacedPath: `${replacedPath}-2`,
      undone: { issued: 0, ended: 0 },
    });
    const again = await openCodes({ databasePath, clock });
    expect(await again.validator.validate('Bob', bob.text)).toHaveProperty('valid', true);
  });

  it('counts what it undoes', async () => {
    const { databasePath, storage, service, hand, issue, make } = await openBackedUp();
    const [revoked] = [await hand({ username: 'Alice' }), await hand({ username: 'Bob' }), await issue()];
    const { path: backupPath } = await make();
    await service.revoke('1', revoked.text, byAdmin());
    await hand({ username: 'Bob' });
    await hand({ username: 'Carol' });
    await storage.close();
    const restored = await restore({ backupPath, databasePath, secret: null, now: NOW });
    expect(restored).toMatchObject({ codes: 3, undone: { issued: 2, ended: 2 } });
  });

  it.each<[string, (path: string) => void]>([
    ['is missing', (path) => rmSync(path)],
    ['is empty', (path) => truncateSync(path)],
    ['is garbage', (path) => writeFileSync(path, 'garbage'.repeat(10_000))],
    ['is cut off', (path) => truncateSync(path, 4_096)],
    [
      'has damaged pages',
      (path) => {
        const bytes = readFileSync(path);
        writeFileSync(path, bytes.fill(0xa5, 4_096));
      },
    ],
  ])('works where the database %s', async (_what, spoil) => {
    const { databasePath, alice, clock, request } = await madeBackup();
    spoil(databasePath);
    const wasThere = existsSync(databasePath);
    const spoilt = wasThere ? readFileSync(databasePath, 'latin1') : '';
    const { replacedPath, undone } = await restore(request);
    expect([replacedPath === null, undone]).toEqual([!wasThere, null]);
    const kept = replacedPath === null ? '' : readFileSync(replacedPath, 'latin1');
    expect(kept.slice(100)).toBe(spoilt.slice(100));
    const { validator } = await openCodes({ databasePath, clock });
    expect(await validator.validate('Alice', alice.text)).toHaveProperty('valid', true);
  });

  it('makes the folder, and takes the secret that it is given', async () => {
    const { backupPath, secret, request } = await madeBackup();
    const databasePath = join(temporaryFolder(), 'new', 'data', 'codes.db');
    await restore({ ...request, databasePath, secret });
    expect(readdirSync(join(databasePath, '..'))).toEqual(['codes.db']);
    expect([modeOf(join(databasePath, '..')), modeOf(databasePath)]).toEqual(['700', '600']);
    expect(existsSync(backupPath)).toBe(true);
  });

  it('makes private what lay open', async () => {
    const { backupPath, databasePath, request } = await madeBackup();
    chmodSync(backupPath, 0o644);
    await restore(request);
    expect([modeOf(backupPath), modeOf(databasePath)]).toEqual(['644', '600']);
  });

  it('lets nothing of the WAL of a lost database into the one that comes', async () => {
    const { folder, databasePath, secret, alice, clock, request } = await madeBackup();
    // The WAL of a database that is almost the same: SQLite would take it.
    const twinPath = join(temporaryFolder(), 'twin.db');
    await restore({ ...request, databasePath: twinPath, secret });
    const twin = openRaw(twinPath);
    twin.pragma('journal_mode = WAL');
    twin.exec('DELETE FROM codes');
    const wal = readFileSync(`${twinPath}-wal`);
    twin.close();

    const lose = (): void => {
      rmSync(databasePath, { force: true });
      writeFileSync(`${databasePath}-wal`, wal);
    };
    const held = async (): Promise<boolean> => {
      const codes = await openCodes({ databasePath, clock });
      const { valid } = await codes.validator.validate('Alice', alice.text);
      await codes.storage.close();
      return valid;
    };
    lose();
    await restore(request);
    expect(await held()).toBe(true);
    expect(readdirSync(folder)).toContain('codes.db.replaced-20260102T040405Z-wal');
    // The control: copied by hand beside that WAL, the backup loses its code.
    lose();
    copyFileSync(request.backupPath, databasePath);
    expect(await held()).toBe(false);
  });

  it('takes the backup of an older schema: the bot updates it', async () => {
    const { backupPath, databasePath, request } = await madeBackup();
    const backup = openRaw(backupPath);
    backup.exec(`UPDATE meta SET value = '0' WHERE name = 'schema_version'`);
    backup.close();
    expect(await restore(request)).toMatchObject({ databasePath, codes: 1 });
  });
});

interface Spoilt extends RestoreRequest {
  readonly secretPath: string;
}

const REFUSALS: readonly (readonly [
  string,
  StorageErrorCode,
  string,
  (made: Spoilt) => Partial<RestoreRequest>,
])[] = [
  ['no file', 'BACKUP_UNUSABLE', 'no file', () => ({ backupPath: '/nowhere/at-all.db' })],
  ['a folder', 'BACKUP_UNUSABLE', 'no file', ({ backupPath }) => ({ backupPath: join(backupPath, '..') })],
  [
    'the database itself',
    'BACKUP_UNUSABLE',
    'the database itself',
    ({ databasePath }) => ({ backupPath: databasePath }),
  ],
  ['an empty file', 'BACKUP_UNUSABLE', 'no backup', ({ backupPath }) => (truncateSync(backupPath), {})],
  [
    'text',
    'BACKUP_UNUSABLE',
    'no backup',
    ({ backupPath }) => (writeFileSync(backupPath, 'DISCORD_TOKEN=\n'.repeat(1_000)), {}),
  ],
  ['a part', 'BACKUP_UNUSABLE', 'damaged', ({ backupPath }) => (truncateSync(backupPath, 40_000), {})],
  [
    'damaged pages',
    'BACKUP_UNUSABLE',
    'damaged',
    ({ backupPath }) => (writeFileSync(backupPath, readFileSync(backupPath).fill(0xa5, 8_192)), {}),
  ],
  [
    'a damaged page that nobody would read for a long time',
    'BACKUP_UNUSABLE',
    'damaged',
    ({ backupPath }) => {
      const root = rootPageOf(backupPath, 'look_alikes');
      writeFileSync(backupPath, readFileSync(backupPath).fill(0xa5, (root - 1) * 4_096, root * 4_096));
      return {};
    },
  ],
  [
    "another program's database",
    'BACKUP_UNUSABLE',
    'no backup of this program',
    ({ backupPath }) => {
      rmSync(backupPath);
      const other = openRaw(backupPath);
      other.exec('CREATE TABLE codes (id TEXT); CREATE TABLE meta (name TEXT, value TEXT)');
      other.close();
      return {};
    },
  ],
  [
    'a database with a part of it beside it',
    'BACKUP_UNUSABLE',
    '-wal',
    ({ backupPath }) => (writeFileSync(`${backupPath}-wal`, 'part'), {}),
  ],
  [
    'a newer schema',
    'SCHEMA_TOO_NEW',
    'newer version of this program',
    ({ backupPath }) => {
      const backup = openRaw(backupPath);
      backup.exec(`UPDATE meta SET value = '${SCHEMA_VERSION + 1}' WHERE name = 'schema_version'`);
      backup.close();
      return {};
    },
  ],
  ['another CODE_SECRET', 'SECRET_WRONG', 'CODE_SECRET', () => ({ secret: OTHER_SECRET })],
  [
    'another secret file',
    'SECRET_WRONG',
    SECRET_FILE_NAME,
    ({ secretPath }) => (writeFileSync(secretPath, OTHER_SECRET), {}),
  ],
  ['no secret', 'SECRET_MISSING', SECRET_FILE_NAME, ({ secretPath }) => (rmSync(secretPath), {})],
];

describe('restore refuses', () => {
  it.each(REFUSALS)('%s: %s, and changes no byte', async (_what, code, words, spoil) => {
    const { folder, secret, secretPath, request } = await madeBackup();
    const spoilt = { ...request, ...spoil({ ...request, secretPath }) };
    const before = contentOf(folder);
    const error = await refusalOf(restore(spoilt));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(error.message).toMatch(/^[^\n]+\.$/);
    for (const hidden of [secret, OTHER_SECRET]) expect(error.message).not.toContain(hidden);
    expect(contentOf(folder)).toEqual(before);
  });

  it('to take the place of what another program has there', async () => {
    const { folder, databasePath, request } = await madeBackup();
    rmSync(databasePath);
    const other = openRaw(databasePath);
    other.exec('CREATE TABLE users (name TEXT)');
    other.close();
    const before = contentOf(folder);
    expect((await refusalOf(restore(request))).code).toBe('DATABASE_FOREIGN');
    expect(contentOf(folder)).toEqual(before);
  });

  it('with a sentence where there is no place for it', async () => {
    const { folder, secretPath, secret, request } = await madeBackup();
    const before = contentOf(folder);
    const inTheWay = { ...request, databasePath: join(secretPath, 'codes.db'), secret };
    const { code, message } = await refusalOf(restore(inTheWay));
    expect([code, message]).toEqual([
      'RESTORE_FAILED',
      expect.stringMatching(/^[^\n]+ could not be restored: [^\n]+\.$/),
    ]);
    expect(contentOf(folder)).toEqual(before);
  });

  it('while a bot or a website has the database open, and goes through when it has not', async () => {
    await Promise.all(
      (['owner', 'guest'] as const).map(async (as) => {
        const { databasePath, request } = await madeBackup();
        const storage = await openStorage({ databasePath, secret: null, as });
        const { code, message } = await refusalOf(restore(request));
        expect([code, message]).toEqual(['DATABASE_IN_USE', expect.stringContaining('Stop the bot')]);
        expect(await storage.store.countHeld('1', NOW)).toBe(2);
        await storage.close();
        expect(await restore(request)).toMatchObject({ codes: 1 });
      }),
    );
  });

  it.each<[string, (path: string) => void]>([
    ['deleted', (path) => rmSync(path)],
    ['emptied', (path) => truncateSync(path)],
    ['overwritten', (path) => writeFileSync(path, 'garbage'.repeat(1_000))],
  ])('while a bot may still run on a database that was %s', async (_what, spoil) => {
    const { databasePath, alice, clock, request } = await madeBackup();
    const bot = await openStorage({ databasePath, secret: null, as: 'owner' });
    spoil(databasePath);
    const { code, message } = await refusalOf(restore(request));
    expect([code, message]).toEqual([
      'DATABASE_IN_USE',
      expect.stringContaining(`move ${databasePath}-shm to another folder`),
    ]);
    await bot.close().catch(() => undefined);
    // As a killed bot leaves them.
    rmSync(`${databasePath}-shm`, { force: true });
    await restore(request);
    const { validator } = await openCodes({ databasePath, clock });
    expect(await validator.validate('Alice', alice.text)).toHaveProperty('valid', true);
  });
});
