import { expect, it } from 'vitest';

import { StorageError, toStorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';

const PATH = '/data/codes.db';

it.each<[string, StorageErrorCode, boolean]>([
  ['SQLITE_FULL', 'DISK_FULL', true],
  ['ENOSPC', 'DISK_FULL', true],
  ['EDQUOT', 'DISK_FULL', true],
  // Opening creates the shared-memory file.
  ['SQLITE_IOERR_SHMSIZE', 'DISK_FULL', true],
  ['SQLITE_BUSY', 'DATABASE_LOCKED', true],
  ['SQLITE_BUSY_SNAPSHOT', 'DATABASE_LOCKED', true],
  ['SQLITE_READONLY', 'DATABASE_UNREADABLE', false],
  ['SQLITE_READONLY_DIRECTORY', 'DATABASE_UNREADABLE', false],
  ['SQLITE_CANTOPEN', 'DATABASE_UNREADABLE', false],
  ['SQLITE_IOERR_WRITE', 'DATABASE_UNREADABLE', false],
  ['EACCES', 'DATABASE_UNREADABLE', false],
  ['EROFS', 'DATABASE_UNREADABLE', false],
  ['SQLITE_PROTOCOL', 'DATABASE_UNREADABLE', false],
  ['SQLITE_CORRUPT_INDEX', 'DATABASE_DAMAGED', false],
  ['SQLITE_NOTADB', 'DATABASE_DAMAGED', false],
  ['ERR_DLOPEN_FAILED', 'INSTALLATION_BROKEN', false],
  ['ERR_DLOPEN_DISABLED', 'INSTALLATION_BROKEN', false],
])('toStorageError turns %s into %s', (code, expected, isTransient) => {
  const cause = Object.assign(new Error('disk I/O error'), { code });
  const error = toStorageError(cause, PATH);
  if (!(error instanceof StorageError)) throw new Error('No StorageError');
  expect(error).toMatchObject({ code: expected, isTransient, cause });
  expect(error.message).toMatch(/^[^\n]*\/data\/codes\.db[^\n]+\. [A-Z][^\n]+$/);
});

it.each(['no such column: uses', 'no such table: codes'])(
  'toStorageError finds the damage in %j',
  (message) => {
    const cause = Object.assign(new Error(message), { code: 'SQLITE_ERROR' });
    expect(toStorageError(cause, PATH)).toMatchObject({ code: 'DATABASE_DAMAGED' });
  },
);

it.each([
  new Error('no code'),
  Object.assign(new Error('near "SELCT": syntax error'), { code: 'SQLITE_ERROR' }),
  Object.assign(new Error('unique'), { code: 'SQLITE_CONSTRAINT_UNIQUE' }),
  new StorageError('SECRET_WRONG', 'Wrong.'),
  'no error',
])('toStorageError returns %s unchanged', (error) => {
  expect(toStorageError(error, PATH)).toBe(error);
});

it.each([
  ['SQLITE_PROTOCOL', 'locking protocol'],
  ['SQLITE_NOLFS', 'large file support is disabled'],
  ['SQLITE_IOERR_LOCK', 'disk I/O error'],
  ['SQLITE_IOERR_RDLOCK', 'disk I/O error'],
  ['SQLITE_IOERR_CHECKRESERVEDLOCK', 'disk I/O error'],
  ['SQLITE_IOERR_SHMMAP', 'disk I/O error'],
  ['SQLITE_IOERR_SHMOPEN', 'disk I/O error'],
  ['SQLITE_IOERR_SHMLOCK', 'disk I/O error'],
  ['EPERM', "EPERM: operation not permitted, link 'a' -> 'b'"],
  ['ENOTSUP', "ENOTSUP: operation not supported on socket, link 'a' -> 'b'"],
  ['ENOSYS', "ENOSYS: function not implemented, chmod 'a'"],
  ['EINVAL', 'EINVAL: invalid argument, fsync'],
])('toStorageError finds an unsuitable file system in %s: %s', (code, message) => {
  const error = toStorageError(Object.assign(new Error(message), { code }), PATH);
  expect(error).toMatchObject({ message: expect.stringContaining('on a local disk.') });
});
