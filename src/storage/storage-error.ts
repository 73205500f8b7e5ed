export type StorageErrorCode =
  | 'DATABASE_MISSING'
  | 'DATABASE_FOREIGN'
  | 'DATABASE_DAMAGED'
  | 'DATABASE_REPLACED'
  | 'DATABASE_UNREADABLE'
  | 'DATABASE_UNREACHABLE'
  | 'DATABASE_LOCKED'
  | 'DISK_FULL'
  | 'INSTALLATION_BROKEN'
  | 'SCHEMA_UNSUPPORTED'
  | 'SECRET_MISSING'
  | 'SECRET_WRONG'
  | 'BACKUP_FAILED'
  | 'RESTORE_FAILED'
  | 'MOVE_FAILED';

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
  if (!(error instanceof Error) || error instanceof StorageError) return error;
  const text = `${'code' in error ? String(error.code) : ''}: ${error.message}`;
  const found = SENTENCES.find(([pattern]) => pattern.test(text));
  if (found === undefined) return error;
  const [, code, sentence] = found;
  return new StorageError(code, `${path} ${sentence}`, { cause: error });
}

export function damaged(path: string, cause: unknown): StorageError {
  return new StorageError('DATABASE_DAMAGED', `${path} ${DAMAGED}`, { cause });
}

const DAMAGED = 'is damaged, or not a SQLite database. Restore a backup: npm run restore FILE';

/** The sentences begin with the path. */
const SENTENCES: readonly (readonly [RegExp, StorageErrorCode, string])[] = [
  [/^SQLITE_(?:NOTADB|CORRUPT)|^SQLITE_ERROR: no such (?:table|column)/, 'DATABASE_DAMAGED', DAMAGED],
  [
    /^(?:SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/,
    'DISK_FULL',
    'cannot grow: the disk is full. Free some space; the bot continues by itself.',
  ],
  [
    /^SQLITE_(?:BUSY|LOCKED)/,
    'DATABASE_LOCKED',
    'is locked by another program. Stop that program; the bot continues by itself. If there is none, put the database on a local disk.',
  ],
  [
    /^SQLITE_(?:PROTOCOL|NOLFS|IOERR_(?:SHM|(?:RD|UN)?LOCK|CHECKRESERVEDLOCK))|^(?:ENOTSUP|ENOSYS|EPERM: .*, link |EINVAL: .*, fsync)/,
    'DATABASE_UNREADABLE',
    'needs a file system with locks, shared memory and hard links. Set DATABASE_URL to a file on a local disk.',
  ],
  [
    /^ERR_DLOPEN|^: Could not locate the bindings file/,
    'INSTALLATION_BROKEN',
    `cannot be opened: the package better-sqlite3 is not built for Node ${process.version}. Use the version of Node that installed it, or run npm ci again.`,
  ],
  [
    /^(?:E[A-Z]+:|SQLITE_(?:IOERR|CANTOPEN|READONLY|PERM))/,
    'DATABASE_UNREADABLE',
    'and its folder cannot be read or written by this account. Start the program from the account that owns them, and check the disk.',
  ],
];

/** Whether an operating system error has this code. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
