import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where the codes are stored. */
export type DatabaseLocation =
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'postgres'; readonly url: string };

export const LOCATION_RULE =
  'the path of a SQLite file without ~ or variables, a file: URL or a postgres:// URL';

/** A home directory, variables, a folder, a URL, `:memory:`, quotes, control characters: no path of a file. */
const NO_FILE = /^[~:"'`]|["'`\\/]$|\$[{\w]|%\w+%|^[a-z][a-z\d+.-]+:|\p{Cc}/iu;

/**
 * Parses a DATABASE_URL: a path, a `file:` URL, or a `postgres:` URL. A relative path starts in `folder`.
 *
 * @returns `null` for anything else; do not quote it, since a URL may hold a password.
 */
export function parseDatabaseUrl(text: string, folder = process.cwd()): DatabaseLocation | null {
  const url = text.trim();
  if (/^postgres(?:ql)?:\/\//i.test(url)) return URL.canParse(url) ? { engine: 'postgres', url } : null;
  const path = parsePath(url);
  return path === null ? null : { engine: 'sqlite', path: resolve(folder, path) };
}

function parsePath(url: string): string | null {
  try {
    // The options of a URL (?mode=ro) would be part of the name.
    if (/^file:.*[?#]/is.test(url)) return null;
    let path = url;
    if (/^file:\/\//i.test(url)) path = fileURLToPath(url);
    else if (/^file:/i.test(url)) path = decodeURIComponent(url.slice('file:'.length));
    return path === '' || NO_FILE.test(path) ? null : path;
  } catch {
    return null;
  }
}
