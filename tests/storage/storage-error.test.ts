import { expect, it } from 'vitest';

import { StorageError, toStorageError, type StorageErrorCode } from '../../src/storage/storage-error.js';

const PATH = '/data/codes.db';

it.each<[StorageErrorCode, boolean, readonly string[]]>([
  // SQLITE_IOERR_SHMSIZE: opening creates the shared-memory file.
  ['DISK_FULL', true, ['SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'SQLITE_IOERR_SHMSIZE']],
  ['DATABASE_LOCKED', true, ['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT']],
  ['DATABASE_UNREADABLE', false, ['SQLITE_READONLY', 'SQLITE_READONLY_DIRECTORY', 'SQLITE_CANTOPEN']],
  ['DATABASE_UNREADABLE', false, ['SQLITE_IOERR_WRITE', 'EACCES', 'EROFS', 'SQLITE_PROTOCOL']],
  ['DATABASE_DAMAGED', false, ['SQLITE_CORRUPT_INDEX', 'SQLITE_NOTADB']],
  ['INSTALLATION_BROKEN', false, ['ERR_DLOPEN_FAILED', 'ERR_DLOPEN_DISABLED']],
])('toStorageError returns %s (transient: %s) for %j', (expected, isTransient, codes) => {
  for (const code of codes) {
    const cause = Object.assign(new Error('disk I/O error'), { code });
    const error = toStorageError(cause, PATH);
    if (!(error instanceof StorageError)) throw new Error('No StorageError');
    expect(error).toMatchObject({ code: expected, isTransient, cause });
    expect(error.message).toMatch(/^[^\n]*\/data\/codes\.db[^\n]+\. [A-Z][^\n]+$/);
  }
});

it.each([
  ['SQLITE_ERROR', 'no such column: uses', 'DATABASE_DAMAGED'],
  ['SQLITE_ERROR', 'no such table: codes', 'DATABASE_DAMAGED'],
  ['SQLITE_PROTOCOL', 'locking protocol', 'on a local disk.'],
  ['SQLITE_NOLFS', 'large file support is disabled', 'on a local disk.'],
  ['SQLITE_IOERR_LOCK', 'disk I/O error', 'on a local disk.'],
  ['SQLITE_IOERR_RDLOCK', 'disk I/O error', 'on a local disk.'],
  ['SQLITE_IOERR_CHECKRESERVEDLOCK', 'disk I/O error', 'on a local disk.'],
  ['SQLITE_IOERR_SHMMAP', 'disk I/O error', 'on a local disk.'],
  ['SQLITE_IOERR_SHMOPEN', 'disk I/O error', 'on a local disk.'],
  ['SQLITE_IOERR_SHMLOCK', 'disk I/O error', 'on a local disk.'],
  ['EPERM', "EPERM: operation not permitted, link 'a' -> 'b'", 'on a local disk.'],
  ['ENOTSUP', "ENOTSUP: operation not supported on socket, link 'a' -> 'b'", 'on a local disk.'],
  ['ENOSYS', "ENOSYS: function not implemented, chmod 'a'", 'on a local disk.'],
  ['EINVAL', 'EINVAL: invalid argument, fsync', 'on a local disk.'],
])('toStorageError explains %s: %s', (code, message, expected) => {
  const error = toStorageError(Object.assign(new Error(message), { code }), PATH);
  if (!(error instanceof StorageError)) throw new Error('No StorageError');
  expect(`${error.code}: ${error.message}`).toContain(expected);
});

it.each([
  new Error('no code'),
  Object.assign(new Error('near "SELCT": syntax error'), { code: 'SQLITE_ERROR' }),
  Object.assign(new Error('unique'), { code: 'SQLITE_CONSTRAINT_UNIQUE' }),
  new StorageError('SECRET_WRONG', 'Wrong.'),
  'no error',
])('toStorageError returns %s unchanged', (error) => {
  expect(toStorageError(error, PATH)).toBe(error);
});
