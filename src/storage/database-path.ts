import { fileURLToPath } from 'node:url';

/**
 * Reads where the database is: a path as it is, or a `file:` URL, absolute or relative.
 *
 * @returns `null` for anything else; a URL may hold a password, so it is not to be quoted back.
 */
export function parseDatabaseUrl(url: string): string | null {
  if (/^file:\/\//i.test(url)) {
    try {
      return fileURLToPath(url);
    } catch {
      return null;
    }
  }
  const path = /^file:/i.test(url) ? decode(url.slice('file:'.length)) : url;
  return path === null || path === '' || /^[a-z][a-z\d+.-]+:\/\//i.test(path) ? null : path;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
