export type StorageErrorCode =
  | 'DATABASE_MISSING'
  | 'DATABASE_FOREIGN'
  | 'DATABASE_DAMAGED'
  | 'DATABASE_UNREADABLE'
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
 * The database cannot be used until somebody acts. `message` says in one or two sentences what was found,
 * in which file or variable, and what to do; `code` is the word to switch on.
 */
export class StorageError extends Error {
  override readonly name = 'StorageError';
  readonly code: StorageErrorCode;

  constructor(code: StorageErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
