import { describe, expect, it } from 'vitest';

import { parseDatabaseUrl } from '../../src/storage/database-path.js';

describe('parseDatabaseUrl', () => {
  it.each([
    ['a relative path', 'data/codes.db', 'data/codes.db'],
    ['a path that begins with a dot', './codes.db', './codes.db'],
    ['an absolute path', '/srv/bot/codes.db', '/srv/bot/codes.db'],
    ['a path with a space', '/srv/my bot/codes.db', '/srv/my bot/codes.db'],
    ['an absolute file: URL', 'file:///srv/bot/codes.db', '/srv/bot/codes.db'],
    ['a file: URL with an escaped space', 'file:///srv/my%20bot/codes.db', '/srv/my bot/codes.db'],
    ['a file: URL in capitals', 'FILE:///srv/bot/codes.db', '/srv/bot/codes.db'],
    ['a short absolute file: URL', 'file:/srv/bot/codes.db', '/srv/bot/codes.db'],
    ['a relative file: URL', 'file:data/codes.db', 'data/codes.db'],
  ])('reads %s', (_what, url, path) => {
    expect(parseDatabaseUrl(url)).toBe(path);
  });

  it.each([
    ['nothing', ''],
    ['a file: URL of nothing', 'file:'],
    ['a file: URL of another host', 'file://host/codes.db'],
    ['PostgreSQL', 'postgres://bot:pass@localhost/codes'],
    ['PostgreSQL in capitals', 'POSTGRESQL://localhost/codes'],
    ['MySQL', 'mysql://localhost/codes'],
    ['a website', 'https://example.org/codes.db'],
  ])('refuses %s', (_what, url) => {
    expect(parseDatabaseUrl(url)).toBeNull();
  });
});
