import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { MIN_SECRET_LENGTH } from '../codes/keys.js';
import { giveAway } from './files.js';
import { StorageError } from './storage-error.js';

/** 256 bits: 43 characters in base64url. */
const SECRET_BYTES = 32;

/** Returns the path of the secret that belongs to a SQLite database when CODE_SECRET is not set. */
export function secretPathOf(databasePath: string): string {
  return join(dirname(databasePath), 'code-secret.key');
}

/**
 * Returns the secret, or `null` when there is no such file.
 *
 * @throws {StorageError} SECRET_WRONG: the file is too short.
 */
export function readSecretFile(path: string): string | null {
  if (!existsSync(path)) return null;
  const secret = readFileSync(path, 'utf8').trim();
  if (secret.length >= MIN_SECRET_LENGTH) return secret;
  throw new StorageError('SECRET_WRONG', `${path} is empty or cut off. Put your copy of it there.`);
}

/** Creates a secret and its file, which must not exist: complete or not at all, mode 0600, synced to disk. */
export function createSecretFile(path: string): string {
  const secret = randomBytes(SECRET_BYTES).toString('base64url');
  const unfinished = `${path}.new`;
  try {
    // Left by a process that was killed, or the file or link of another account, which could read the secret.
    rmSync(unfinished, { force: true });
    writeFileSync(unfinished, `${secret}\n`, { mode: 0o600, flush: true, flag: 'wx' });
    giveAway(unfinished);
    // Unlike a rename, this replaces nothing.
    linkSync(unfinished, path);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return secret;
}
