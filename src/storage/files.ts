import {
  closeSync,
  fsyncSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Unlike existsSync, fails when the path cannot be read. */
export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/**
 * Follows links, also to a file that does not exist. SQLite does the same: the other files of a database are beside the
 * one that a link leads to.
 */
export function locate(path: string): string {
  const found = resolve(path);
  if (exists(found)) return realpathSync(found);
  if (lstatSync(found, { throwIfNoEntry: false })?.isSymbolicLink() !== true) return found;
  return locate(resolve(realpathSync(dirname(found)), readlinkSync(found)));
}

/** Creates a missing folder, and those that it is in. */
export function makeFolder(path: string): void {
  if (exists(path)) return;
  makeFolder(dirname(path));
  mkdirSync(path, { recursive: true, mode: 0o700 });
  giveAway(path);
}

/** Gives what root created to the owner of its folder: the bot, which runs under another account, must continue. */
export function giveAway(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  lchownSync(path, uid, gid);
}

/** Makes a file's content, or the names in a folder, survive a power cut. */
export function syncToDisk(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
