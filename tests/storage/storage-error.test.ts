import { expect, it } from 'vitest';

import { backupFailed } from '../../src/storage/open-storage.js';
import { inWords, StorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';

const PATH = '/data/codes.db';

it.each<[string, StorageErrorCode, boolean]>([
  ['SQLITE_FULL', 'DISK_FULL', true],
  ['ENOSPC', 'DISK_FULL', true],
  // Opening makes a file of its own.
  ['SQLITE_IOERR_SHMSIZE', 'DISK_FULL', true],
  ['SQLITE_BUSY', 'DATABASE_LOCKED', true],
  ['SQLITE_BUSY_SNAPSHOT', 'DATABASE_LOCKED', true],
  ['SQLITE_READONLY', 'DATABASE_UNREADABLE', false],
  ['SQLITE_READONLY_DIRECTORY', 'DATABASE_UNREADABLE', false],
  ['SQLITE_CANTOPEN', 'DATABASE_UNREADABLE', false],
  ['SQLITE_IOERR_WRITE', 'DATABASE_UNREADABLE', false],
  ['EACCES', 'DATABASE_UNREADABLE', false],
  ['EROFS', 'DATABASE_UNREADABLE', false],
  ['SQLITE_CORRUPT_INDEX', 'DATABASE_DAMAGED', false],
  ['SQLITE_NOTADB', 'DATABASE_DAMAGED', false],
])('%s becomes a sentence about the file', (code, expected, passes) => {
  const cause = Object.assign(new Error('disk I/O error'), { code });
  const error = inWords(cause, PATH);
  if (!(error instanceof StorageError)) throw new Error('No StorageError');
  expect(error).toMatchObject({ code: expected, passes, cause });
  expect(error.message).toMatch(/^[^\n]*\/data\/codes\.db[^\n]+[.:] [A-Z][^\n]+\.$/);
});

it.each<[StorageErrorCode, boolean]>([
  ['DISK_FULL', true],
  ['DATABASE_DAMAGED', false],
])('a backup that failed over %s passes as that does: %s', (code, passes) => {
  const error = backupFailed(PATH, new StorageError(code, 'Found.'), 'It is not updated.');
  expect(error).toMatchObject({ code: 'BACKUP_FAILED', passes });
});

it.each(['no such column: uses', 'no such table: codes', 'table audit has no column named at'])(
  '%s: the schema is damaged',
  (message) => {
    const cause = Object.assign(new Error(message), { code: 'SQLITE_ERROR' });
    expect(inWords(cause, PATH)).toMatchObject({ code: 'DATABASE_DAMAGED' });
  },
);

it.each([
  new Error('no code'),
  Object.assign(new Error('near "SELCT": syntax error'), { code: 'SQLITE_ERROR' }),
  Object.assign(new Error('unique'), { code: 'SQLITE_CONSTRAINT_UNIQUE' }),
  new StorageError('SECRET_WRONG', 'Wrong.'),
  'no error',
])('leaves anything else as it is', (error) => {
  expect(inWords(error, PATH)).toBe(error);
});
