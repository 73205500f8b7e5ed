import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { isBackupDue, makeBackup } from '../../src/storage/backup.js';
import type { StorageErrorCode } from '../../src/storage/storage-error.js';
import { openCodes, type Codes } from '../support/codes.js';
import { keep, openRaw } from '../support/raw-database.js';
import { damageTable, filesIn, modeOf, rootPageOf } from './files.js';

const NOW = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface BackedUp extends Codes {
  readonly folder: string;
  readonly backUp: (now?: number, kept?: number) => ReturnType<typeof makeBackup>;
}

async function openBackedUp(): Promise<BackedUp> {
  const codes = await openCodes();
  return {
    ...codes,
    folder: join(dirname(codes.databasePath), 'backups'),
    backUp: async (now = NOW, kept = 7) => makeBackup(codes.databasePath, { keep: kept, now }),
  };
}

describe('makeBackup', () => {
  it('names a backup by its time in UTC, readable for this account only', async () => {
    const { folder, issueCode, backUp } = await openBackedUp();
    await issueCode();
    const path = join(folder, 'codes-20260102T030405678Z.db');
    expect(await backUp()).toEqual({ path, codes: 1 });
    expect(readdirSync(folder)).toEqual(['codes-20260102T030405678Z.db']);
    expect([modeOf(folder), modeOf(path)]).toEqual(['700', '600']);
  });

  it('keeps the newest backups', async () => {
    const { folder, backUp } = await openBackedUp();
    for (let hour = 0; hour < 4; hour++) await backUp(NOW + hour * HOUR_MS, 2);
    const hours = readdirSync(folder).map((name) => Number(/T(\d\d)/.exec(name)?.[1]));
    expect(hours).toEqual([5, 6]);
  });

  it('deletes backups with a later time first when the clock was set back', async () => {
    const { folder, backUp } = await openBackedUp();
    for (const day of [9, 10, 1, 2]) await backUp(Date.UTC(2026, 0, day), 3);
    const days = readdirSync(folder).map((name) => Number(/-\d{6}(\d\d)T/.exec(name)?.[1]));
    expect(days).toEqual([1, 2, 10]);
  });

  it('deletes the unfinished backup of a process that was killed, and no other files', async () => {
    const { folder, backUp } = await openBackedUp();
    const others = [
      'README',
      'codes-20260101T000000000Z.db.gz',
      'codes-20260101T000000000Z-kept.db',
      'codes-20260101T000000Z.db',
      'codes.db',
      'codes.db.new.txt',
      'my-codes-20260101T000000000Z.db',
      'codes-20260101T000000000Z.sqlite',
      'others-20260101T000000000Z.db.new',
    ];
    mkdirSync(folder);
    for (const name of [...others, 'codes-20260101T030405678Z.db.new'])
      writeFileSync(join(folder, name), name);
    for (let hour = 0; hour < 3; hour++) await backUp(NOW + hour * HOUR_MS, 1);
    expect(readdirSync(folder).toSorted()).toEqual([...others, 'codes-20260102T050405678Z.db'].toSorted());
  });

  it.each<[string, StorageErrorCode, (path: string) => void]>([
    ['there is no database', 'DATABASE_MISSING', (path) => rmSync(path)],
    ['the database is empty', 'DATABASE_DAMAGED', (path) => truncateSync(path)],
    ['a table is damaged', 'DATABASE_DAMAGED', (path) => damageTable(path, 'codes')],
    [
      'rows are missing that an index lists',
      'BACKUP_FAILED',
      (path) => {
        // The last page of the table claims to have one row: VACUUM reports no error.
        const bytes = readFileSync(path);
        const root = (rootPageOf(path, 'codes') - 1) * 4_096;
        const last = (bytes.readUInt32BE(root + 8) - 1) * 4_096;
        expect(bytes.readUInt16BE(last + 3)).toBeGreaterThan(1);
        bytes.writeUInt16BE(1, last + 3);
        writeFileSync(path, bytes);
      },
    ],
    [
      'its schema is unknown',
      'BACKUP_FAILED',
      (path) => openRaw(path).exec("DELETE FROM meta WHERE name = 'schema'").close(),
    ],
    [
      'the folder is a file',
      'BACKUP_FAILED',
      (path) => {
        rmSync(join(dirname(path), 'backups'), { recursive: true });
        writeFileSync(join(dirname(path), 'backups'), '');
      },
    ],
  ])('fails because %s and leaves earlier backups unchanged', async (_why, code, damage) => {
    const { databasePath, storage, issueCode, backUp } = await openBackedUp();
    for (let count = 0; count < 55; count++) await issueCode({ username: `name${count}` });
    for (let hour = 0; hour < 3; hour++) await backUp(NOW + hour * HOUR_MS);
    await storage.close();
    damage(databasePath);
    const before = filesIn(dirname(databasePath));
    await expect(backUp(NOW + 9 * HOUR_MS, 1)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(/^[^\n]+$/),
    });
    const after = filesIn(dirname(databasePath));
    for (const part of ['-wal', '-shm']) after.delete(databasePath + part);
    expect(after).toEqual(before);
  });
});

it('isBackupDue returns whether the newest backup is as old as the interval, or from after now', async () => {
  const { databasePath, backUp } = await openBackedUp();
  const isDue = (now: number) => isBackupDue(databasePath, DAY_MS, now);
  expect(isDue(NOW)).toBe(true);
  await backUp(NOW);
  expect([NOW, NOW + DAY_MS - 1, NOW + DAY_MS, NOW - 5 * DAY_MS].map(isDue)).toEqual([
    false,
    false,
    true,
    true,
  ]);
  await backUp(NOW - 5 * DAY_MS);
  expect(isDue(NOW - 5 * DAY_MS + HOUR_MS)).toBe(false);
});

it('makes consistent backups while codes are issued', async () => {
  const { issuePending, backUp } = await openBackedUp();
  const issued: string[] = [];
  const issueMore = async (count: number): Promise<void> => {
    for (let more = 0; more < count; more++) {
      const number = issued.length;
      issued.push((await issuePending({ username: `name ${number}`, holderId: `${number}` })).id);
    }
  };
  await issueMore(100);
  for (let round = 0; round < 3; round++) {
    const [{ path, codes }] = await Promise.all([backUp(NOW + round), issueMore(100)]);
    const copy = openRaw(path);
    const all = (sql: string): unknown[] => keep(copy.prepare(sql).pluck()).all();
    const ids = all('SELECT id FROM codes ORDER BY id');
    expect(ids).toEqual(issued.slice(0, codes));
    expect(codes).toBeGreaterThanOrEqual(100 * (round + 1));
    expect(all("SELECT code_id FROM audit WHERE event = 'issued' ORDER BY code_id")).toEqual(ids);
    expect(all('SELECT id FROM requests ORDER BY id')).toEqual(ids);
    copy.close();
  }
});
