import { resolve } from 'node:path';

import { describe, expect, it } from 'vitest';

import { parseDatabaseUrl } from '../../src/storage/database-url.js';

describe('parseDatabaseUrl', () => {
  it.each([
    ['data/codes.db', 'data/codes.db'],
    ['./codes.db', './codes.db'],
    ['/srv/my bot/codes.db', '/srv/my bot/codes.db'],
    ['file:///srv/bot/codes.db', '/srv/bot/codes.db'],
    ['file:///srv/my%20bot/codes.db', '/srv/my bot/codes.db'],
    ['FILE:///srv/bot/codes.db', '/srv/bot/codes.db'],
    ['file:/srv/bot/codes.db', '/srv/bot/codes.db'],
    ['file:data/codes.db', 'data/codes.db'],
    [' codes.db\n', 'codes.db'],
    ["/home/o'brien/100%/$.db", "/home/o'brien/100%/$.db"],
    ['./~codes.db', './~codes.db'],
    ['/srv/bot~/codes', '/srv/bot~/codes'],
    ['C:\\bot\\codes.db', 'C:\\bot\\codes.db'],
  ])('parses the path %s', (url, path) => {
    expect(parseDatabaseUrl(url)).toEqual({ engine: 'sqlite', path: resolve(path) });
  });

  it.each(['postgres://bot:pass@localhost/codes', 'POSTGRESQL://localhost/codes'])('parses %s', (url) => {
    expect(parseDatabaseUrl(url)).toEqual({ engine: 'postgres', url });
  });

  it.each([
    ['nothing', ['', ' ', 'file:']],
    [
      'a URL of something else',
      ['mysql://localhost/codes', 'https://example.org/codes.db', 'sqlite:codes.db'],
    ],
    ['a URL of a library', ['sqlite3:///data/codes.db', 'jdbc:sqlite:codes.db', 'localhost:5432/codes']],
    ['a broken URL', ['file://host/codes.db', 'file:%zz', 'postgres://bot:pass@host:port/codes']],
    ['quotes', ['"/data/codes.db"', '"/data/codes.db', "'codes.db'"]],
    ['a home folder', ['~/bot/codes.db', '~bot/codes.db', 'file:~/codes.db']],
    ['a variable', ['$HOME/codes.db', '${HOME}/codes.db', '%APPDATA%\\codes.db']],
    [
      'memory',
      [':memory:', 'file::memory:', 'file:codes.db?mode=memory', 'file:///srv/codes.db?cache=shared'],
    ],
    ['a folder', ['data/']],
    ['control characters', ['C:\\new\ncodes.db', 'codes.db\0']],
  ])('refuses %s', (_what, urls) => {
    expect(urls.filter((url) => parseDatabaseUrl(url) !== null)).toEqual([]);
  });
});
