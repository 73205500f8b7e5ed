export type StorageErrorCode =
  | 'DATABASE_MISSING'
  | 'DATABASE_FOREIGN'
  | 'DATABASE_DAMAGED'
  | 'DATABASE_REPLACED'
  | 'DATABASE_UNREADABLE'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_LOCKED'
  | 'DATABASE_IN_USE'
  | 'DISK_FULL'
  | 'SCHEMA_MISSING'
  | 'SCHEMA_TOO_NEW'
  | 'SCHEMA_UNRELEASED'
  | 'SECRET_MISSING'
  | 'SECRET_WRONG'
  | 'BACKUP_FAILED'
  | 'BACKUP_UNUSABLE'
  | 'RESTORE_FAILED';

/** These may pass without anybody changing a setting or a file. */
const TRANSIENT: ReadonlySet<StorageErrorCode> = new Set([
  'DATABASE_LOCKED',
  'DATABASE_REPLACED',
  'DATABASE_UNREACHABLE',
  'DISK_FULL',
]);

/**
 * The database cannot be used. `message` says what was found, in which file or setting, and what to do; `code` is
 * stable, for programs.
 */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get isTransient(): boolean {
    return TRANSIENT.has(this.code);
  }
}

/** Returns a {@link StorageError} for what SQLite or the operating system reports about `path`; others unchanged. */
export function toStorageError(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof StorageError || !('code' in error)) return error;
  const found = SENTENCES.find(([pattern]) => pattern.test(`${String(error.code)}: ${error.message}`));
  if (found === undefined) return error;
  const [, code, sentence] = found;
  return new StorageError(code, sentence(path), { cause: error });
}

export function damaged(path: string, cause: unknown): StorageError {
  return new StorageError('DATABASE_DAMAGED', damagedSentence(path), { cause });
}

const damagedSentence = (path: string): string =>
  `${path} is damaged, or not a SQLite database. Restore a backup: npm run restore FILE`;

const SENTENCES: readonly (readonly [RegExp, StorageErrorCode, (path: string) => string])[] = [
  [/^SQLITE_(?:NOTADB|CORRUPT)|^SQLITE_ERROR: no such (?:table|column)/, 'DATABASE_DAMAGED', damagedSentence],
  [
    /^(?:SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/,
    'DISK_FULL',
    (path) => `The disk of ${path} is full. Free some space; the bot continues by itself.`,
  ],
  [
    /^SQLITE_(?:BUSY|LOCKED)/,
    'DATABASE_LOCKED',
    (path) => `Another program keeps ${path} locked. Stop it; the bot continues by itself.`,
  ],
  [
    /^SQLITE_IOERR|^EIO/,
    'DATABASE_UNREADABLE',
    (path) => `The disk of ${path} cannot be read or written. Check the disk and its free space.`,
  ],
  [
    /^(?:EACCES|EPERM|EROFS|SQLITE_CANTOPEN|SQLITE_READONLY|SQLITE_PERM)/,
    'DATABASE_UNREADABLE',
    (path) =>
      `This account cannot write ${path} and its folder. Start the program from the account that the bot runs under, and check that the disk is not read-only.`,
  ],
];

/** Whether an operating system error has this code. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
