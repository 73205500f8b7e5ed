import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { describe, expect, it } from 'vitest';

import { loadConfig } from '../src/config.js';
import { ConfigError } from '../src/env-file.js';
import { temporaryFolder } from './support/folder.js';

const DISCORD_TOKEN = 'MTIz.Gabc-1.x_Y';
const TOKEN = 'crab_only-for-tests_0123456789abcdef';

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
    expect(loadConfig({ DISCORD_TOKEN, [name]: '' })).toEqual(defaults);
    expect(loadConfig({ DISCORD_TOKEN, [name]: ' \t' })).toEqual(defaults);
    expect(loadConfig({ DISCORD_TOKEN, [name]: undefined })).toEqual(defaults);
  });

  it('ignores spaces around a value and other variables', () => {
    expect(loadConfig({ DISCORD_TOKEN: ` ${DISCORD_TOKEN}\n`, CODE_LENGTH: ' 8 ', PATH: '/bin' })).toEqual({
      ...loadConfig({ DISCORD_TOKEN }),
      codeLength: 8,
    });
  });

  it.each<[string, string, object]>([
    ['DISCORD_API_URL', 'http://127.0.0.1:8080/api', { discordApiUrl: 'http://127.0.0.1:8080/api' }],
    [
      'DISCORD_API_URL',
      'https://proxy.example/discord//',
      { discordApiUrl: 'https://proxy.example/discord' },
    ],
    ['COMMAND_PREFIX', '?', { commandPrefix: '?' }],
    ['COMMAND_PREFIX', 'chatbot!', { commandPrefix: 'chatbot!' }],
    ['DATABASE_URL', '/srv/codes.db', { database: { engine: 'sqlite', path: '/srv/codes.db' } }],
    [
      'DATABASE_URL',
      'file:///srv/my%20codes.db',
      { database: { engine: 'sqlite', path: '/srv/my codes.db' } },
    ],
    [
      'DATABASE_URL',
      'postgres://bot:pw@host/db',
      { database: { engine: 'postgres', url: 'postgres://bot:pw@host/db' } },
    ],
    ['CODE_SECRET', '01234567'.repeat(4), { codeSecret: '01234567'.repeat(4) }],
    ['CODE_LENGTH', '6', { codeLength: 6 }],
    ['CODE_LENGTH', '32', { codeLength: 32 }],
    ['CODE_TTL', 'never', { codeTtlMs: null }],
    ['CODE_TTL', '1s', { codeTtlMs: 1_000 }],
    ['CODE_TTL', '30m', { codeTtlMs: 1_800_000 }],
    ['CODE_TTL', '24h', { codeTtlMs: 86_400_000 }],
    ['CODE_TTL', '30d', { codeTtlMs: 2_592_000_000 }],
    ['CODE_TTL', '2w', { codeTtlMs: 1_209_600_000 }],
    ['CODE_TTL', '36500d', { codeTtlMs: 3_153_600_000_000 }],
    ['CODE_MAX_USES', 'unlimited', { codeMaxUses: null }],
    ['CODE_MAX_USES', '1', { codeMaxUses: 1 }],
    ['CODE_MAX_USES', '1000000000', { codeMaxUses: 1_000_000_000 }],
    ['GETCODE_LIMIT', '1/1s', { getcodeLimit: { codes: 1, withinMs: 1_000 } }],
    ['GETCODE_LIMIT', '1000/7d', { getcodeLimit: { codes: 1_000, withinMs: 604_800_000 } }],
    ['GETCODE_LIMIT', '5/1w', { getcodeLimit: { codes: 5, withinMs: 604_800_000 } }],
    ['MAX_USERNAMES_PER_MEMBER', '1', { maxUsernamesPerMember: 1 }],
    ['MAX_USERNAMES_PER_MEMBER', '100', { maxUsernamesPerMember: 100 }],
    [
      'ALLOWED_GUILD_IDS',
      '81384788765712384, 197038439483310086,12345678901234567890',
      { allowedGuildIds: new Set(['81384788765712384', '197038439483310086', '12345678901234567890']) },
    ],
    ['ALLOWED_GUILD_IDS', '81384788765712384', { allowedGuildIds: new Set(['81384788765712384']) }],
    [
      'ADMIN_ROLE_IDS',
      '81384788765712384, 197038439483310086',
      { adminRoleIds: new Set(['81384788765712384', '197038439483310086']) },
    ],
    ['GETCODE_ROLE_IDS', '81384788765712384', { getcodeRoleIds: new Set(['81384788765712384']) }],
    ['MEMBERSHIP_CHECK_INTERVAL', 'off', { membershipCheckIntervalMs: null }],
    ['MEMBERSHIP_CHECK_INTERVAL', '60s', { membershipCheckIntervalMs: 60_000 }],
    ['MEMBERSHIP_CHECK_INTERVAL', '1m', { membershipCheckIntervalMs: 60_000 }],
    ['MEMBERSHIP_CHECK_INTERVAL', '7d', { membershipCheckIntervalMs: 604_800_000 }],
    ['BACKUP_INTERVAL', 'off', { backupIntervalMs: null }],
    ['BACKUP_INTERVAL', '1m', { backupIntervalMs: 60_000 }],
    ['BACKUP_INTERVAL', '7d', { backupIntervalMs: 604_800_000 }],
    ['BACKUP_KEEP', '1', { backupKeep: 1 }],
    ['BACKUP_KEEP', '1000', { backupKeep: 1_000 }],
    ['AUDIT_DAYS', '1', { auditDays: 1 }],
    ['AUDIT_DAYS', '36500', { auditDays: 36_500 }],
    ['HTTP_PORT', 'off', { httpPort: null }],
    ['HTTP_HOST', '0.0.0.0', { httpHost: '0.0.0.0' }],
    ['HTTP_HOST', '::1', { httpHost: '::1' }],
    ['HTTP_TOKEN', TOKEN, { httpTokens: [TOKEN] }],
    ['HTTP_TOKEN', `${TOKEN} , ${TOKEN}+/=`, { httpTokens: [TOKEN, `${TOKEN}+/=`] }],
    ['LOG_LEVEL', 'trace', { logLevel: 'trace' }],
    ['LOG_LEVEL', 'fatal', { logLevel: 'fatal' }],
    ['WEBSITE_URL', 'https://chat.example/login', { websiteUrl: 'https://chat.example/login' }],
    ['LOG_FORMAT', 'pretty', { logFormat: 'pretty' }],
    ['LOG_FORMAT', 'json', { logFormat: 'json' }],
  ])('reads %s=%s', (name, value, expected) => {
    expect(loadConfig({ DISCORD_TOKEN, [name]: value })).toEqual({
      ...loadConfig({ DISCORD_TOKEN }),
      ...expected,
    });
  });

  it.each([
    ['COMMAND_PREFIX', 'more than 8'],
    ['COMMAND_PREFIX', '123456789'],
    ['COMMAND_PREFIX', 'a b'],
    ['COMMAND_PREFIX', '`'],
    ['COMMAND_PREFIX', '@'],
    ['COMMAND_PREFIX', '<'],
    ['COMMAND_PREFIX', '\\'],
    ['COMMAND_PREFIX', '"'],
    ['COMMAND_PREFIX', '！'],
    ['CODE_LENGTH', '5'],
    ['CODE_LENGTH', '33'],
    ['CODE_LENGTH', '6.5'],
    ['CODE_LENGTH', '-6'],
    ['CODE_LENGTH', '1e1'],
    ['CODE_LENGTH', '0x10'],
    ['CODE_LENGTH', 'six'],
    ['CODE_LENGTH', '9'.repeat(400)],
    ['CODE_TTL', '90'],
    ['CODE_TTL', '-5m'],
    ['CODE_TTL', '1M'],
    ['CODE_TTL', '1d garbage'],
    ['CODE_TTL', '0s'],
    ['CODE_TTL', '1.5h'],
    ['CODE_TTL', '1h30m'],
    ['CODE_TTL', '1 h'],
    ['CODE_TTL', '1y'],
    ['CODE_TTL', '1ms'],
    ['CODE_TTL', 'm'],
    ['CODE_TTL', 'Never'],
    ['CODE_TTL', '36501d'],
    ['CODE_TTL', '99999999999999d'],
    ['CODE_TTL', '1h\n1h'],
    ['CODE_MAX_USES', '0'],
    ['CODE_MAX_USES', '-1'],
    ['CODE_MAX_USES', '1.5'],
    ['CODE_MAX_USES', 'infinite'],
    ['CODE_MAX_USES', '1000000001'],
    ['GETCODE_LIMIT', '3'],
    ['GETCODE_LIMIT', '3/10'],
    ['GETCODE_LIMIT', '/10m'],
    ['GETCODE_LIMIT', '3/'],
    ['GETCODE_LIMIT', '0/10m'],
    ['GETCODE_LIMIT', '1001/10m'],
    ['GETCODE_LIMIT', '3/0m'],
    ['GETCODE_LIMIT', '3/8d'],
    ['GETCODE_LIMIT', '3/10m/1h'],
    ['GETCODE_LIMIT', '3/10m/'],
    ['GETCODE_LIMIT', '3 / 10m'],
    ['GETCODE_LIMIT', '10m/3'],
    ['GETCODE_LIMIT', 'unlimited'],
    ['MAX_USERNAMES_PER_MEMBER', '0'],
    ['MAX_USERNAMES_PER_MEMBER', '101'],
    ['MAX_USERNAMES_PER_MEMBER', '1.5'],
    ['MAX_USERNAMES_PER_MEMBER', 'unlimited'],
    ['ALLOWED_GUILD_IDS', 'Chat Room'],
    ['ALLOWED_GUILD_IDS', '1234567890123456'],
    ['ALLOWED_GUILD_IDS', '123456789012345678901'],
    ['ALLOWED_GUILD_IDS', '81384788765712384,'],
    ['ALLOWED_GUILD_IDS', ',81384788765712384'],
    ['ALLOWED_GUILD_IDS', '81384788765712384;197038439483310086'],
    ['ALLOWED_GUILD_IDS', '81384788765712384 197038439483310086'],
    ['ALLOWED_GUILD_IDS', '*'],
    ['ADMIN_ROLE_IDS', 'Moderator'],
    ['ADMIN_ROLE_IDS', '@everyone'],
    ['ADMIN_ROLE_IDS', '<@&81384788765712384>'],
    ['ADMIN_ROLE_IDS', '81384788765712384,'],
    ['GETCODE_ROLE_IDS', 'none'],
    ['GETCODE_ROLE_IDS', '0'],
    ['MEMBERSHIP_CHECK_INTERVAL', '59s'],
    ['MEMBERSHIP_CHECK_INTERVAL', '8d'],
    ['MEMBERSHIP_CHECK_INTERVAL', '0m'],
    ['MEMBERSHIP_CHECK_INTERVAL', '10'],
    ['MEMBERSHIP_CHECK_INTERVAL', 'never'],
    ['BACKUP_INTERVAL', '59s'],
    ['BACKUP_INTERVAL', '8d'],
    ['BACKUP_INTERVAL', '24'],
    ['BACKUP_INTERVAL', 'never'],
    ['BACKUP_KEEP', '0'],
    ['BACKUP_KEEP', '1001'],
    ['BACKUP_KEEP', 'all'],
    ['AUDIT_DAYS', '0'],
    ['AUDIT_DAYS', '36501'],
    ['AUDIT_DAYS', '30d'],
    ['AUDIT_DAYS', 'never'],
    ['HTTP_PORT', '65536'],
    ['HTTP_PORT', '-1'],
    ['HTTP_PORT', 'on'],
    ['HTTP_HOST', 'http://localhost'],
    ['HTTP_HOST', '127.0.0.1 ::1'],
    ['LOG_LEVEL', 'verbose'],
    ['LOG_LEVEL', 'silent'],
    ['LOG_FORMAT', 'xml'],
  ])('rejects %s=%j in one line with the rule, the value and an example', (name, value) => {
    const message = errorOf({ DISCORD_TOKEN, [name]: value });
    expect(message).toMatch(/^[A-Z_]+ must be [^\n]+, but is "[^\n]+"\. Example: [^\n]+$/);
    expect(message).toContain(`, but is ${JSON.stringify(value)}. `);
    expect(message.startsWith(`${name} must be `)).toBe(true);
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

  it.each([
    ['ALLOWED_GUILD_ID', 'ALLOWED_GUILD_IDS'],
    ['ALOWED_GUILD_IDS', 'ALLOWED_GUILD_IDS'],
    ['ALLOWED_GUILDS', 'ALLOWED_GUILD_IDS'],
    ['GETCODE_ROLES', 'GETCODE_ROLE_IDS'],
    ['CODE_TLL', 'CODE_TTL'],
    ['CODE_TTLS', 'CODE_TTL'],
    ['COED_TTL', 'CODE_TTL'],
    ['code_ttl', 'CODE_TTL'],
    ['Code_Max_Use', 'CODE_MAX_USES'],
    ['CODE-SECRET', 'CODE_SECRET'],
    ['DATABSE_URL', 'DATABASE_URL'],
    ['DISCORD_TOKENS', 'DISCORD_TOKEN'],
    ['HTTP_PROT', 'HTTP_PORT'],
    ['CODE_SECRETS_FILE', 'CODE_SECRET_FILE'],
    ['ADMIN_ROLE_ID', 'ADMIN_ROLE_IDS'],
    ['http_port', 'HTTP_PORT'],
  ])('refuses the variable %s, which is almost %s', (name, setting) => {
    const message = `${name} is not a setting. Rename it to ${setting}, or remove it.`;
    expect(errorOf({ DISCORD_TOKEN, [name]: 'hunter2' })).toBe(message);
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
    const message = errorOf({
      DISCORD_TOKEN: 'Bot hunter2',
      DISCORD_API_URL: 'x',
      WEBSITE_URL: 'chat.example',
      COMMAND_PREFIX: 'a b',
      DATABASE_URL: 'mysql://bot:hunter2@localhost/codes',
      NEW_DATABASE_URL: 'mysql://bot:hunter2@localhost/codes',
      CODE_SECRET: 'hunter2',
      CODE_LENGTH: '5',
      CODE_TTL: '90',
      CODE_MAX_USES: '0',
      GETCODE_LIMIT: '3',
      MAX_USERNAMES_PER_MEMBER: '0',
      RESERVED_USERNAMES: 'a b c  d',
      ALLOWED_GUILD_IDS: 'here',
      ADMIN_ROLE_IDS: 'x',
      GETCODE_ROLE_IDS: 'x',
      MEMBERSHIP_CHECK_INTERVAL: '1s',
      BACKUP_INTERVAL: '1s',
      BACKUP_KEEP: '0',
      AUDIT_DAYS: '0',
      HTTP_PORT: 'on',
      HTTP_HOST: 'a b',
      HTTP_TOKEN: 'hunter2',
      LOG_LEVEL: 'loud',
      LOG_FORMAT: 'xml',
    });
    const names = [...NAMES].filter((name) => !name.endsWith('_FILE'));
    expect(message.split('\n').map((line) => line.replace(/ .*/, ''))).toEqual(names);
    expect(message).not.toContain('hunter2');
  });

  it.each([
    'MTIzNDU2Nzg5MDEyMzQ1Njc4.Gabc-1.x_Y',
    TOKEN,
    'ab12'.repeat(16),
    'postgres://bot:hunter2@db.example/codes',
  ])('does not quote %s in the place of another setting', (secret) => {
    const secrets = /^(?:DISCORD_TOKEN|CODE_SECRET|HTTP_TOKEN|(?:NEW_)?DATABASE_URL)(?:_FILE)?$/;
    for (const name of [...NAMES].filter((each) => !secrets.test(each)))
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
