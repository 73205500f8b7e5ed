import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';

import { MIN_SECRET_LENGTH } from '../codes/code-keys.js';
import { StorageError } from './storage-error.js';

/** 32 bytes as base64url: 43 characters, 256 bits. */
const SECRET_BYTES = 32;

/**
 * @returns `null` when there is no such file.
 * @throws {StorageError} SECRET_WRONG: the file is too short to hold a secret.
 */
export function readSecretFile(path: string): string | null {
  let secret: string;
  try {
    secret = readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return null;
    throw error;
  }
  if (secret.length < MIN_SECRET_LENGTH) {
    throw new StorageError(
      'SECRET_WRONG',
      `${path} is empty or cut off. Put back the copy that you kept of it.`,
    );
  }
  return secret;
}

/** Makes a secret and its file, mode 0600, through to the disk. @returns the one that stands there if another process was faster. */
export function makeSecretFile(path: string): string {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  let file: number;
  try {
    file = openSync(path, 'wx', 0o600);
  } catch (error) {
    const standing = isErrno(error, 'EEXIST') ? readSecretFile(path) : null;
    if (standing === null) throw error;
    return standing;
  }
  try {
    writeSync(file, `${secret}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return secret;
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
