import { StoreOutage } from '../codes/code-store.js';

export type StorageErrorCode =
  | 'DATABASE_MISSING'
  | 'DATABASE_FOREIGN'
  | 'DATABASE_DAMAGED'
  | 'DATABASE_UNREADABLE'
  | 'DATABASE_LOCKED'
  | 'DISK_FULL'
  | 'SCHEMA_TOO_NEW'
  | 'SCHEMA_TOO_OLD'
  | 'SECRET_MISSING'
  | 'SECRET_WRONG'
  | 'SQLITE_TOO_OLD'
  | 'DATABASE_IN_USE'
  | 'BACKUP_FAILED'
  | 'BACKUP_UNUSABLE'
  | 'RESTORE_FAILED';

/**
 * The database cannot be used. `message` says in one or two sentences what was found, in which file or
 * variable, and what to do; `code` is the word to switch on.
 */
export class StorageError extends StoreOutage {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** Whether it may pass without anybody changing what the program was started with. */
  get passes(): boolean {
    const { code, cause } = this;
    return (
      code === 'DATABASE_LOCKED' || code === 'DISK_FULL' || (cause instanceof StorageError && cause.passes)
    );
  }
}

/** What SQLite or the operating system said about the database, in words; anything else as it is. */
export function inWords(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || error instanceof StorageError || !('code' in error)) return error;
  const found = WORDS.find(([pattern]) => pattern.test(`${String(error.code)}: ${error.message}`));
  if (found === undefined) return error;
  const [, code, sentence] = found;
  return new StorageError(code, sentence(path), { cause: error });
}

export function damaged(path: string, cause: Error): StorageError {
  return new StorageError('DATABASE_DAMAGED', damagedInWords(path), { cause });
}

const damagedInWords = (path: string): string =>
  `${path} is damaged, or no SQLite database. Restore a backup: npm run restore FILE.`;

const WORDS: readonly (readonly [RegExp, StorageErrorCode, (path: string) => string])[] = [
  [/^SQLITE_(?:NOTADB|CORRUPT)/, 'DATABASE_DAMAGED', damagedInWords],
  // Its version was read before: what a schema of that version has, this one has lost, or it has more.
  [
    /^SQLITE_ERROR: (?:no such|table \S+ has no column|ON CONFLICT clause|.* already exists|duplicate column)/,
    'DATABASE_DAMAGED',
    damagedInWords,
  ],
  [
    /^(?:SQLITE_FULL|SQLITE_IOERR_SHMSIZE|ENOSPC|EDQUOT)/,
    'DISK_FULL',
    (path) =>
      `The disk of ${path} is full, and nothing can be stored. Free some space: the rest goes by itself.`,
  ],
  [
    /^SQLITE_(?:BUSY|LOCKED)/,
    'DATABASE_LOCKED',
    (path) => `Another program keeps ${path} locked. End whatever has it open: the rest goes by itself.`,
  ],
  [
    /^SQLITE_IOERR|^EIO/,
    'DATABASE_UNREADABLE',
    (path) =>
      `The disk of ${path} fails, is full, or became read-only: it does not read or write. Look after it.`,
  ],
  [
    /^(?:EACCES|EPERM|EROFS|SQLITE_CANTOPEN|SQLITE_READONLY|SQLITE_PERM)/,
    'DATABASE_UNREADABLE',
    (path) =>
      `This account may not use ${path} and its folder, or they cannot be written. Start the program from the account that the bot runs under.`,
  ],
];
