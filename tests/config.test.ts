import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { describe, expect, it } from 'vitest';

import { loadConfig, type Config } from '../src/config.js';
import { ConfigError } from '../src/env-file.js';
import { temporaryFolder } from './support/folder.js';

const DISCORD_TOKEN = 'MTIz.Gabc-1.x_Y';
const TOKEN = 'crab_only-for-tests_0123456789abcdef';
const IDS = ['81384788765712384', '12345678901234567890'] as const;

const SECRETS = /^(?:DISCORD_TOKEN|CODE_SECRET|HTTP_TOKEN|(?:NEW_)?DATABASE_URL)(?:_FILE)?$/;

/** Returns the message of the error that the settings throw. */
function errorOf(env: Readonly<Record<string, string | undefined>>): string {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('The settings were accepted');
}

/** The settings that loadConfig reads, in its order. */
const NAMES = new Set<string>();
const RECORDING = {
  get: (env: Readonly<Record<string, string>>, name: string): unknown => (
    NAMES.add(name),
    Reflect.get(env, name)
  ),
};
loadConfig(new Proxy({ DISCORD_TOKEN }, RECORDING));

it('lists every setting in .env.example, and no other', () => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
  const named = [...example.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(NAMES);
});

describe('loadConfig', () => {
  it('requires the token only', () => {
    expect(loadConfig({ DISCORD_TOKEN })).toEqual({
      discordToken: DISCORD_TOKEN,
      discordApiUrl: 'https://discord.com/api',
      websiteUrl: null,
      commandPrefix: '!',
      database: { engine: 'sqlite', path: resolve('data/access-codes.db') },
      newDatabase: null,
      codeSecret: null,
      codeLength: 6,
      codeTtlMs: null,
      codeMaxUses: null,
      getcodeLimit: { codes: 3, withinMs: 600_000 },
      maxUsernamesPerMember: 3,
      reservedUsernames: ['admin', 'administrator', 'moderator', 'mod', 'system', 'owner', 'support'].map(
        (name) => ({ text: name, key: name }),
      ),
      allowedGuildIds: null,
      adminRoleIds: null,
      getcodeRoleIds: null,
      membershipCheckIntervalMs: 600_000,
      backupIntervalMs: 86_400_000,
      backupKeep: 7,
      auditDays: 365,
      httpPort: null,
      httpHost: '127.0.0.1',
      httpTokens: [],
      logLevel: 'info',
      logFormat: 'pretty',
    });
  });

  it.each([...NAMES].slice(1))('uses the default for an empty or blank %s', (name) => {
    const defaults = loadConfig({ DISCORD_TOKEN });
    for (const blank of ['', ' \t', undefined])
      expect(loadConfig({ DISCORD_TOKEN, [name]: blank })).toEqual(defaults);
  });

  it('ignores spaces around a value and other variables', () => {
    expect(loadConfig({ DISCORD_TOKEN: ` ${DISCORD_TOKEN}\n`, CODE_LENGTH: ' 8 ', PATH: '/bin' })).toEqual({
      ...loadConfig({ DISCORD_TOKEN }),
      codeLength: 8,
    });
  });

  it.each<[string, keyof Config, Readonly<Record<string, unknown>>]>([
    [
      'DISCORD_API_URL',
      'discordApiUrl',
      {
        'http://127.0.0.1:8080/api': 'http://127.0.0.1:8080/api',
        'https://proxy.example/discord//': 'https://proxy.example/discord',
      },
    ],
    ['COMMAND_PREFIX', 'commandPrefix', { '?': '?', 'chatbot!': 'chatbot!' }],
    [
      'DATABASE_URL',
      'database',
      {
        '/srv/codes.db': { engine: 'sqlite', path: '/srv/codes.db' },
        'file:///srv/my%20codes.db': { engine: 'sqlite', path: '/srv/my codes.db' },
        'postgres://bot:pw@host/db': { engine: 'postgres', url: 'postgres://bot:pw@host/db' },
      },
    ],
    ['CODE_SECRET', 'codeSecret', { [TOKEN]: TOKEN }],
    ['CODE_LENGTH', 'codeLength', { 6: 6, 32: 32 }],
    [
      'CODE_TTL',
      'codeTtlMs',
      {
        never: null,
        '1s': 1_000,
        '30m': 1_800_000,
        '24h': 86_400_000,
        '30d': 2_592_000_000,
        '2w': 1_209_600_000,
        '36500d': 3_153_600_000_000,
      },
    ],
    ['CODE_MAX_USES', 'codeMaxUses', { unlimited: null, 1: 1, 1000000000: 1_000_000_000 }],
    [
      'GETCODE_LIMIT',
      'getcodeLimit',
      {
        '1/1s': { codes: 1, withinMs: 1_000 },
        '1000/7d': { codes: 1_000, withinMs: 604_800_000 },
        '5/1w': { codes: 5, withinMs: 604_800_000 },
      },
    ],
    ['MAX_USERNAMES_PER_MEMBER', 'maxUsernamesPerMember', { 1: 1, 100: 100 }],
    [
      'ALLOWED_GUILD_IDS',
      'allowedGuildIds',
      { [IDS.join(', ')]: new Set(IDS), [IDS.join(',')]: new Set(IDS), [IDS[0]]: new Set([IDS[0]]) },
    ],
    ['ADMIN_ROLE_IDS', 'adminRoleIds', { [IDS.join(', ')]: new Set(IDS) }],
    ['GETCODE_ROLE_IDS', 'getcodeRoleIds', { [IDS[0]]: new Set([IDS[0]]) }],
    [
      'MEMBERSHIP_CHECK_INTERVAL',
      'membershipCheckIntervalMs',
      { off: null, '60s': 60_000, '1m': 60_000, '7d': 604_800_000 },
    ],
    ['BACKUP_INTERVAL', 'backupIntervalMs', { off: null, '1m': 60_000, '7d': 604_800_000 }],
    ['BACKUP_KEEP', 'backupKeep', { 1: 1, 1000: 1_000 }],
    ['AUDIT_DAYS', 'auditDays', { 1: 1, 36500: 36_500 }],
    ['HTTP_PORT', 'httpPort', { off: null }],
    ['HTTP_HOST', 'httpHost', { '0.0.0.0': '0.0.0.0', '::1': '::1' }],
    ['HTTP_TOKEN', 'httpTokens', { [TOKEN]: [TOKEN], [`${TOKEN} , ${TOKEN}+/=`]: [TOKEN, `${TOKEN}+/=`] }],
    ['LOG_LEVEL', 'logLevel', { trace: 'trace', fatal: 'fatal' }],
    ['LOG_FORMAT', 'logFormat', { pretty: 'pretty', json: 'json' }],
    ['WEBSITE_URL', 'websiteUrl', { 'https://chat.example/login': 'https://chat.example/login' }],
  ])('reads %s', (name, key, values) => {
    const defaults = loadConfig({ DISCORD_TOKEN });
    for (const [value, expected] of Object.entries(values))
      expect(loadConfig({ DISCORD_TOKEN, [name]: value })).toEqual({ ...defaults, [key]: expected });
  });

  it.each<[string, readonly string[]]>([
    ['COMMAND_PREFIX', ['more than 8', '123456789', 'a b', '`', '@', '<', '\\', '"', '！']],
    ['CODE_LENGTH', ['5', '33', '6.5', '-6', '1e1', '0x10', 'six', '9'.repeat(400)]],
    ['CODE_TTL', ['90', '-5m', '1M', '1d garbage', '0s', '1.5h', '1h30m', '1 h', '1y', '1ms', 'm', 'Never']],
    ['CODE_TTL', ['36501d', '99999999999999d', '1h\n1h']],
    ['CODE_MAX_USES', ['0', '-1', '1.5', 'infinite', '1000000001']],
    ['GETCODE_LIMIT', ['3', '3/10', '/10m', '3/', '0/10m', '1001/10m', '3/0m', '3/8d', '3/10m/1h']],
    ['GETCODE_LIMIT', ['3/10m/', '3 / 10m', '10m/3', 'unlimited']],
    ['MAX_USERNAMES_PER_MEMBER', ['0', '101', '1.5', 'unlimited']],
    ['ALLOWED_GUILD_IDS', ['Chat Room', '1234567890123456', '123456789012345678901', '*']],
    ['ALLOWED_GUILD_IDS', [`${IDS[0]},`, `,${IDS[0]}`, IDS.join(';'), IDS.join(' ')]],
    ['ADMIN_ROLE_IDS', ['Moderator', '@everyone', '<@&81384788765712384>', '81384788765712384,']],
    ['GETCODE_ROLE_IDS', ['none', '0']],
    ['MEMBERSHIP_CHECK_INTERVAL', ['59s', '8d', '0m', '10', 'never']],
    ['BACKUP_INTERVAL', ['59s', '8d', '24', 'never']],
    ['BACKUP_KEEP', ['0', '1001', 'all']],
    ['AUDIT_DAYS', ['0', '36501', '30d', 'never']],
    ['HTTP_PORT', ['65536', '-1', 'on']],
    ['HTTP_HOST', ['http://localhost', '127.0.0.1 ::1']],
    ['LOG_LEVEL', ['verbose', 'silent']],
    ['LOG_FORMAT', ['xml']],
  ])('rejects a wrong %s in one line with the rule, the value and an example: %j', (name, values) => {
    for (const value of values) {
      const message = errorOf({ DISCORD_TOKEN, [name]: value });
      expect(message).toMatch(new RegExp(`^${name} must be [^\\n]+, but is "[^\\n]+"\\. Example: [^\\n]+$`));
      expect(message).toContain(`, but is ${JSON.stringify(value)}. `);
    }
  });

  it.each([
    ['DISCORD_TOKEN', 'Bot MTIz.hunter2.x_Y', 'three parts'],
    ['DISCORD_TOKEN', '"MTIz.hunter2.x_Y', 'three parts'],
    ['DISCORD_TOKEN', 'hunter2', 'the client secret are something else'],
    ['DISCORD_TOKEN', '81384788765712384.hunter2', 'three parts'],
    ['CODE_SECRET', 'hunter2-hunter2-hunter2-hunter2', 'at least 32 characters'],
    ['CODE_SECRET', 'hunter2'.repeat(8), '8 of them different'],
    ['CODE_SECRET', `hunter2-${TOKEN}\nCODE_TTL=30d`, 'on one line'],
    ['DATABASE_URL', '~/hunter2/codes.db', 'without ~ or variables'],
    ['DATABASE_URL', 'postgres://bot:hunter2@:99999/codes', 'a postgres:// URL'],
    ['DATABASE_URL', 'mysql://bot:hunter2@localhost/codes', 'the path of a SQLite file'],
    ['DATABASE_URL', 'file://bot:hunter2@host/codes.db', 'the path of a SQLite file'],
    ['HTTP_TOKEN', 'hunter2-hunter2-hunter2-hunter2', 'at least 32 characters'],
    ['HTTP_TOKEN', 'hunter2'.repeat(8), '8 of them different'],
    ['HTTP_TOKEN', `${TOKEN},${'hunter2'.repeat(8)}`, '8 of them different'],
    ['HTTP_TOKEN', `${TOKEN},hunter2`, 'at least 32 characters'],
    ['HTTP_TOKEN', `${TOKEN},`, 'at least 32 characters'],
    ['HTTP_TOKEN', `${TOKEN},${TOKEN},hunter2-${TOKEN}`, 'two such tokens'],
    ['HTTP_TOKEN', `hunter2 ${TOKEN}`, 'only letters'],
    ['DISCORD_API_URL', 'hunter2:8080/api', 'http or https'],
    ['DISCORD_API_URL', 'ftp://hunter2/api', 'http or https'],
    ['DISCORD_API_URL', 'https://bot:hunter2@proxy/api/v10', 'without the version'],
    ['DISCORD_API_URL', 'https://hunter2/api/v10/', 'without the version'],
    ['DISCORD_API_URL', 'https://hunter2/api?v=10', 'http or https'],
    ['DISCORD_API_URL', 'no hunter2', 'http or https'],
  ])('rejects a wrong %s without quoting it', (name, value, rule) => {
    const message = errorOf({ DISCORD_TOKEN, [name]: value });
    expect(message).toMatch(new RegExp(`^${name} must be [^\\n]+$`));
    expect(message).toContain(rule);
    expect(message).not.toContain('hunter2');
  });

  it.each([...NAMES])('refuses %s in quotes', (name) => {
    const [quote = '"'] = name.endsWith('S') ? "'" : '"';
    const message = `${name} is in quotes. Remove them: docker run --env-file, for example, keeps them.`;
    expect(errorOf({ DISCORD_TOKEN, [name]: `${quote}hunter2${quote}` })).toBe(message);
    expect(errorOf({ DISCORD_TOKEN, [name]: ` ${quote}${quote} ` })).toBe(message);
  });

  it.each<[string, readonly string[]]>([
    ['ALLOWED_GUILD_IDS', ['ALLOWED_GUILD_ID', 'ALOWED_GUILD_IDS', 'ALLOWED_GUILDS']],
    ['GETCODE_ROLE_IDS', ['GETCODE_ROLES']],
    ['ADMIN_ROLE_IDS', ['ADMIN_ROLE_ID']],
    ['CODE_TTL', ['CODE_TLL', 'CODE_TTLS', 'COED_TTL', 'code_ttl']],
    ['CODE_MAX_USES', ['Code_Max_Use']],
    ['CODE_SECRET', ['CODE-SECRET']],
    ['CODE_SECRET_FILE', ['CODE_SECRETS_FILE']],
    ['DATABASE_URL', ['DATABSE_URL']],
    ['DISCORD_TOKEN', ['DISCORD_TOKENS']],
    ['HTTP_PORT', ['HTTP_PROT', 'http_port']],
  ])('refuses variables that are almost %s', (setting, names) => {
    for (const name of names) {
      const message = `${name} is not a setting. Rename it to ${setting}, or remove it.`;
      expect(errorOf({ DISCORD_TOKEN, [name]: 'hunter2' })).toBe(message);
    }
  });

  it('ignores the variables of other programs', () => {
    const names =
      `HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy NODE_ENV HOST PORT HOSTNAME PGHOST PGPORT TZ TERM TOKEN
      DATABASE_URL_FILE DATABASE DB_URL MAX_MEMORY LOG_FILE LOGNAME LOG_DIR HTTPS_PORT HTTPS_HOST SECRET BACKUP_DIR
      GUILD_ID CODE CODESPACES GITHUB_TOKEN npm_config_loglevel DISCORD_CLIENT_ID DISCORD_GUILD_ID`.split(
        /\s+/,
      );
    const env = Object.fromEntries(names.map((name) => [name, 'x']));
    const defaults = loadConfig({ DISCORD_TOKEN });
    expect(loadConfig({ ...env, DISCORD_TOKEN })).toEqual(defaults);
    expect(loadConfig({ ...process.env, DISCORD_TOKEN })).toEqual(defaults);
  });

  it('lists every problem and quotes no secret', () => {
    const names = [...NAMES].filter((name) => !name.endsWith('_FILE'));
    const wrong = (name: string): string => (SECRETS.test(name) ? 'mysql://bot:hunter2@[' : 'a b  c');
    const message = errorOf(Object.fromEntries(names.map((name) => [name, wrong(name)])));
    expect(message.split('\n').map((line) => line.replace(/ .*/, ''))).toEqual(names);
    expect(message).not.toContain('hunter2');
  });

  it.each([
    'MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabc-1.x_Y',
    TOKEN,
    'ab12'.repeat(16),
    'postgres://bot:hunter2@db.example/codes',
  ])('does not quote %s in the place of another setting', (secret) => {
    for (const name of [...NAMES].filter((each) => !SECRETS.test(each)))
      expect(errorOf({ DISCORD_TOKEN, [name]: `a "${secret}`, CODE_LENGTH: 'x' })).not.toContain(secret);
  });

  describe.each([
    ['DISCORD_TOKEN', DISCORD_TOKEN, { discordToken: DISCORD_TOKEN }],
    ['CODE_SECRET', `"${TOKEN}#"`, { codeSecret: `"${TOKEN}#"` }],
    ['HTTP_TOKEN', TOKEN, { httpTokens: [TOKEN], httpPort: 8_080 }],
  ])('%s_FILE', (name, secret, expected) => {
    const others = { DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: TOKEN, [name]: ' ' };
    const fileWith = (content: string | Buffer): string => {
      const path = join(temporaryFolder(), 'secret');
      writeFileSync(path, content);
      return path;
    };
    const errorWith = (file: string): string => errorOf({ ...others, [`${name}_FILE`]: file });

    it.each(['', '\n', '\r\n'])('names a file with the value before %j', (end) => {
      const path = fileWith(secret + end);
      expect(loadConfig({ ...others, [`${name}_FILE`]: path })).toMatchObject(expected);
      const file = { folder: dirname(path), lookedIn: [], text: '' };
      expect(loadConfig({ ...others, [`${name}_FILE`]: 'secret' }, file)).toMatchObject(expected);
    });

    it('is refused beside the value itself', () => {
      const message = errorOf({ ...others, [name]: TOKEN, [`${name}_FILE`]: fileWith(secret) });
      expect(message).toBe(`${name} and ${name}_FILE are both set. Remove one of them.`);
    });

    it('is refused with its path and the reason when it cannot be used', () => {
      const folder = temporaryFolder();
      const missing = join(folder, 'secret');
      expect(errorWith(missing)).toBe(`${name}_FILE: ${missing} does not exist.`);
      const empty = fileWith(' \n');
      expect(errorWith(empty)).toBe(`${name}_FILE: ${empty} is empty.`);
      expect(errorWith(folder)).toBe(`Cannot read ${folder}: it is a folder.`);
      const utf16 = fileWith(Buffer.from(secret, 'utf16le'));
      expect(errorWith(utf16)).toBe(`Cannot read ${utf16}: it is not in UTF-8. Save it as UTF-8.`);
    });

    it('never quotes what may be the secret', () => {
      expect(errorWith(fileWith('hunter2 x'))).toMatch(new RegExp(`^${name} must be (?:(?!hunter2).)*$`));
      const message = `${name}_FILE must be the path of a file with the value. Begin a relative path with ./`;
      expect(errorWith(secret.replaceAll('"', ''))).toBe(message);
    });
  });

  it('rejects HTTP_PORT without HTTP_TOKEN', () => {
    expect(loadConfig({ DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: TOKEN })).toMatchObject({
      httpPort: 8_080,
      httpHost: '127.0.0.1',
      httpTokens: [TOKEN],
    });
    expect(errorOf({ DISCORD_TOKEN, HTTP_PORT: '8080' })).toMatch(
      /^HTTP_PORT is set but HTTP_TOKEN is not: [^\n]+ npm run --silent token$/,
    );
    expect(errorOf({ DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: ' ' })).toMatch(/^HTTP_PORT is set/);
  });

  it('lists other problems beside a missing token', () => {
    const message = errorOf({ CODE_LENGTH: '5' });
    expect(message).toMatch(/^DISCORD_TOKEN is not set/);
    expect(message).toMatch(/\nCODE_LENGTH must be [^\n]+$/);
  });
});
