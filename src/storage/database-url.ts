import { fileURLToPath } from 'node:url';

/** Where the codes are stored. */
export type DatabaseLocation =
  | { readonly engine: 'sqlite'; readonly path: string }
  | { readonly engine: 'postgres'; readonly url: string };

/**
 * Parses a DATABASE_URL: a path, a `file:` URL, or a `postgres:` URL.
 *
 * @returns `null` for anything else; do not quote it, since a URL may hold a password.
 */
export function parseDatabaseUrl(url: string): DatabaseLocation | null {
  if (/^postgres(?:ql)?:\/\//i.test(url)) return URL.canParse(url) ? { engine: 'postgres', url } : null;
  const path = parsePath(url);
  return path === null ? null : { engine: 'sqlite', path };
}

function parsePath(url: string): string | null {
  try {
    if (/^file:\/\//i.test(url)) return fileURLToPath(url);
    const path = /^file:/i.test(url) ? decodeURIComponent(url.slice('file:'.length)) : url;
    return path === '' || /^[a-z][a-z\d+.-]+:\/\//i.test(path) ? null : path;
  } catch {
    return null;
  }
}
