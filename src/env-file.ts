import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { parse, populate } from 'dotenv';

/** The settings are wrong. `message` lists every problem, one per line, and contains no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(...problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** The `.env` that was read. */
export interface EnvFile {
  /** Relative paths in settings start here. */
  readonly folder: string;
  readonly lookedIn: readonly string[];
  /** `null`: there is none in the folders `lookedIn`. */
  readonly text: string | null;
}

/** The same from `src` and from `dist`. */
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'this account may not read it',
  EISDIR: 'it is a folder',
  ENOENT: 'it is a link to a file that does not exist',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not in UTF-8. Save it as UTF-8',
};

/**
 * Adds the variables of the first `.env` in `folders` to `env`; variables that are set already win.
 *
 * @throws {ConfigError} it exists and cannot be read.
 */
export function loadEnvFile(env: NodeJS.ProcessEnv, folders = [process.cwd(), PACKAGE]): EnvFile {
  const lookedIn = [...new Set(folders.map((folder) => resolve(folder)))];
  for (const folder of lookedIn) {
    const text = readText(join(folder, '.env'));
    if (text === null) continue;
    populate(env, parse(text));
    return { folder, lookedIn, text };
  }
  return { folder: process.cwd(), lookedIn, text: null };
}

/** Returns a warning when other accounts can read the file. */
export function warnIfShared({ folder }: EnvFile): string | null {
  const path = join(folder, '.env');
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o077) === 0) return null;
  return `Other accounts on this machine can read the secrets in ${path}. Run: chmod 600 "${path}"`;
}

/**
 * Returns the text of a UTF-8 file, or `null` when there is no such file.
 *
 * @throws {ConfigError} names the file and the reason.
 */
export function readText(path: string): string | null {
  let code = 'ERR_ENCODING_INVALID_ENCODED_DATA';
  try {
    // Unlike existsSync, finds links to nowhere and files that cannot be read.
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return null;
    const text = new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path));
    // UTF-16 without a byte order mark.
    if (!text.includes('\0')) return text;
  } catch (error) {
    code = String(Reflect.get(Object(error), 'code'));
  }
  throw new ConfigError(`Cannot read ${path}: ${REASONS[code] ?? code}.`);
}

/** Finds settings whose value dotenv cuts off at a #, and settings on lines that it ignores. */
export function findIgnored({ folder, text }: EnvFile, settings: readonly string[]): string[] {
  if (text === null) return [];
  const path = join(folder, '.env');
  const values = parse(text);
  // A # that does not begin a comment: after a character, or at the beginning of the value.
  const uncut = parse(text.replaceAll(/(?<=\S|^[^=\n]*=[^\S\n]*)#/gm, '\0'));
  return settings.flatMap((name) => {
    if (uncut[name]?.replaceAll('\0', '#') !== values[name])
      return `${name} in ${path} ends at a #. If the # belongs to the value, put single quotes around the value. If it begins a comment, move the comment to a line of its own.`;
    if (values[name] === undefined && new RegExp(`^[^#=\\n]*\\b${name}\\b`, 'm').test(text))
      return `${path} has ${name} on a line that is not ${name}=value. Correct the line.`;
    return [];
  });
}
