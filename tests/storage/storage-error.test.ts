import { expect, it } from 'vitest';

import { StorageError, toStorageError } from '../../src/storage/storage-error.js';

const PATH = '/data/codes.db';

const LOCAL = 'on a local disk.';

it.each<[expected: string, isTransient: boolean, failures: readonly string[]]>([
  // SQLITE_IOERR_SHMSIZE: opening creates the shared-memory file.
  ['DISK_FULL', true, ['SQLITE_FULL', 'ENOSPC', 'EDQUOT', 'SQLITE_IOERR_SHMSIZE']],
  ['DATABASE_LOCKED', true, ['SQLITE_BUSY', 'SQLITE_BUSY_SNAPSHOT']],
  ['DATABASE_UNREADABLE', false, ['SQLITE_READONLY', 'SQLITE_READONLY_DIRECTORY', 'SQLITE_CANTOPEN']],
  ['DATABASE_UNREADABLE', false, ['SQLITE_IOERR_WRITE', 'EACCES: ', 'EROFS: ']],
  ['DATABASE_DAMAGED', false, ['SQLITE_CORRUPT_INDEX', 'SQLITE_NOTADB']],
  ['DATABASE_DAMAGED', false, ['SQLITE_ERROR: no such column: uses', 'SQLITE_ERROR: no such table: codes']],
  ['INSTALLATION_BROKEN', false, ['ERR_DLOPEN_FAILED', 'ERR_DLOPEN_DISABLED']],
  [LOCAL, false, ['SQLITE_PROTOCOL', 'SQLITE_NOLFS', 'SQLITE_IOERR_LOCK', 'SQLITE_IOERR_RDLOCK']],
  [LOCAL, false, ['SQLITE_IOERR_CHECKRESERVEDLOCK', 'SQLITE_IOERR_SHMMAP', 'SQLITE_IOERR_SHMOPEN']],
  [LOCAL, false, ["EPERM: EPERM: operation not permitted, link 'a' -> 'b'", 'ENOTSUP: ENOTSUP: , link']],
  [LOCAL, false, ["ENOSYS: ENOSYS: function not implemented, chmod 'a'", 'EINVAL: EINVAL: invalid, fsync']],
])('toStorageError explains %s (transient: %s) for %j', (expected, isTransient, failures) => {
  for (const failure of failures) {
    const [, code = '', message] = /^(\w+)(?:: (.*))?$/.exec(failure) ?? [];
    const cause = Object.assign(new Error(message ?? 'disk I/O error'), { code });
    const error = toStorageError(cause, PATH);
    if (!(error instanceof StorageError)) throw new Error('No StorageError');
    expect(error).toMatchObject({ isTransient, cause });
    expect(`${error.code}: ${error.message}`).toContain(expected);
    expect(error.message).toMatch(/^[^\n]*\/data\/codes\.db[^\n]+\. [A-Z][^\n]+$/);
  }
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
