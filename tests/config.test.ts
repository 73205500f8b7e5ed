import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { ConfigError, loadConfig } from '../src/config.js';

const DISCORD_TOKEN = 'MTIz.Gabc-1.x_Y';
const TOKEN = 'crab_only-for-tests_0123456789abcdef';

/** The message with which the settings are refused; fails the test when they are not. */
function refusalOf(env: Readonly<Record<string, string | undefined>>): string {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return error instanceof Error ? error.message : '';
  }
  throw new Error('The settings were accepted');
}

/** Every setting but the token, in the order in which problems are named. */
const OPTIONAL = [
  'DISCORD_API_URL',
  'COMMAND_PREFIX',
  'DATABASE_URL',
  'CODE_SECRET',
  'CODE_LENGTH',
  'CODE_TTL',
  'CODE_MAX_USES',
  'GETCODE_LIMIT',
  'MAX_USERNAMES_PER_MEMBER',
  'ALLOWED_GUILD_IDS',
  'MEMBERSHIP_CHECK_INTERVAL',
  'BACKUP_INTERVAL',
  'BACKUP_KEEP',
  'AUDIT_DAYS',
  'HTTP_PORT',
  'HTTP_HOST',
  'HTTP_TOKEN',
  'LOG_LEVEL',
  'LOG_FORMAT',
] as const;

it('has an example that names each setting, and nothing else', () => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
  const named = [...example.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(new Set(['DISCORD_TOKEN', ...OPTIONAL]));
  expect(named).toHaveLength(OPTIONAL.length + 1);
});

describe('loadConfig', () => {
  it('needs a token alone and has defaults for the rest', () => {
    expect(loadConfig({ DISCORD_TOKEN })).toEqual({
      discordToken: DISCORD_TOKEN,
      discordApiUrl: 'https://discord.com/api',
      commandPrefix: '!',
      databasePath: 'data/access-codes.db',
      codeSecret: null,
      codeLength: 6,
      codeTtlMs: null,
      codeMaxUses: null,
      getcodeLimit: { codes: 3, spanMs: 600_000 },
      maxUsernamesPerMember: 3,
      allowedGuildIds: null,
      membershipCheckIntervalMs: 600_000,
      backupIntervalMs: 86_400_000,
      backupKeep: 7,
      auditDays: 365,
      httpPort: null,
      httpHost: '127.0.0.1',
      httpTokens: [],
      logLevel: 'info',
      logFormat: null,
    });
  });

  it.each(OPTIONAL)('takes an empty or blank %s for one that is not set', (name) => {
    const defaults = loadConfig({ DISCORD_TOKEN });
    expect(loadConfig({ DISCORD_TOKEN, [name]: '' })).toEqual(defaults);
    expect(loadConfig({ DISCORD_TOKEN, [name]: ' \t' })).toEqual(defaults);
    expect(loadConfig({ DISCORD_TOKEN, [name]: undefined })).toEqual(defaults);
  });

  it('does not mind spaces around a value, nor variables of others', () => {
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
    ['DATABASE_URL', '/srv/codes.db', { databasePath: '/srv/codes.db' }],
    ['DATABASE_URL', 'file:///srv/my%20codes.db', { databasePath: '/srv/my codes.db' }],
    ['CODE_SECRET', 'x'.repeat(32), { codeSecret: 'x'.repeat(32) }],
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
    ['GETCODE_LIMIT', '1/1s', { getcodeLimit: { codes: 1, spanMs: 1_000 } }],
    ['GETCODE_LIMIT', '1000/7d', { getcodeLimit: { codes: 1_000, spanMs: 604_800_000 } }],
    ['GETCODE_LIMIT', '5/1w', { getcodeLimit: { codes: 5, spanMs: 604_800_000 } }],
    ['MAX_USERNAMES_PER_MEMBER', '1', { maxUsernamesPerMember: 1 }],
    ['MAX_USERNAMES_PER_MEMBER', '100', { maxUsernamesPerMember: 100 }],
    [
      'ALLOWED_GUILD_IDS',
      '81384788765712384, 197038439483310086,12345678901234567890',
      { allowedGuildIds: new Set(['81384788765712384', '197038439483310086', '12345678901234567890']) },
    ],
    ['ALLOWED_GUILD_IDS', '81384788765712384', { allowedGuildIds: new Set(['81384788765712384']) }],
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
  ])('refuses %s=%j in one line: what was read, what is wanted, an example', (name, value) => {
    const message = refusalOf({ DISCORD_TOKEN, [name]: value });
    expect(message).toMatch(/^[^\n]+\. Wanted: [^\n]+\. Example: [^\n]+$/);
    expect(message.startsWith(`${name} is ${JSON.stringify(value)}. `)).toBe(true);
  });

  it.each([
    ['DISCORD_TOKEN', 'Bot MTIz.hunter2.x_Y', /^DISCORD_TOKEN has a value that does not fit\. Wanted: /],
    ['DISCORD_TOKEN', '"MTIz.hunter2.x_Y"', /^DISCORD_TOKEN has a value that does not fit\. Wanted: /],
    ['CODE_SECRET', 'hunter2-hunter2-hunter2-hunter2', /^CODE_SECRET has .* Wanted: at least 32 characters/],
    [
      'DATABASE_URL',
      'postgres://bot:hunter2@localhost/codes',
      /^DATABASE_URL has .* Wanted: the path of a SQLite/,
    ],
    ['DATABASE_URL', 'mysql://bot:hunter2@localhost/codes', /^DATABASE_URL has /],
    ['DATABASE_URL', 'file://bot:hunter2@host/codes.db', /^DATABASE_URL has /],
    ['HTTP_TOKEN', 'hunter2-hunter2-hunter2-hunter2', /^HTTP_TOKEN has .* at least 32 characters/],
    ['HTTP_TOKEN', `${TOKEN},hunter2`, /^HTTP_TOKEN has /],
    ['HTTP_TOKEN', `${TOKEN},`, /^HTTP_TOKEN has /],
    ['HTTP_TOKEN', `${TOKEN},${TOKEN},hunter2-${TOKEN}`, /^HTTP_TOKEN has .* two such tokens/],
    ['HTTP_TOKEN', `hunter2 ${TOKEN}`, /^HTTP_TOKEN has /],
    ['DISCORD_API_URL', 'hunter2:8080/api', /^DISCORD_API_URL has .* without the version/],
    ['DISCORD_API_URL', 'ftp://hunter2/api', /^DISCORD_API_URL has /],
    ['DISCORD_API_URL', 'https://bot:hunter2@proxy/api/v10', /^DISCORD_API_URL has /],
    ['DISCORD_API_URL', 'https://hunter2/api/v10/', /^DISCORD_API_URL has /],
    ['DISCORD_API_URL', 'https://hunter2/api?v=10', /^DISCORD_API_URL has /],
    ['DISCORD_API_URL', 'no hunter2', /^DISCORD_API_URL has /],
  ])('refuses a wrong %s without showing it', (name, value, expected) => {
    const message = refusalOf({ DISCORD_TOKEN, [name]: value });
    expect(message).toMatch(expected);
    expect(message).not.toContain('hunter2');
    expect(message.split('\n')).toHaveLength(1);
  });

  it.each([
    ['not set', undefined],
    ['empty', ''],
    ['blank', '  '],
  ])('explains in three lines what to do when the token is %s, and that there is a demo', (_what, token) => {
    const lines = refusalOf({ DISCORD_TOKEN: token }).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^DISCORD_TOKEN is not set/);
    expect(lines[2]).toMatch(/npm run demo$/);
  });

  it('names every problem at once, and shows no secret', () => {
    const message = refusalOf({
      DISCORD_TOKEN: 'Bot hunter2',
      DISCORD_API_URL: 'x',
      COMMAND_PREFIX: 'a b',
      DATABASE_URL: 'postgres://bot:hunter2@localhost/codes',
      CODE_SECRET: 'hunter2',
      CODE_LENGTH: '5',
      CODE_TTL: '90',
      CODE_MAX_USES: '0',
      GETCODE_LIMIT: '3',
      MAX_USERNAMES_PER_MEMBER: '0',
      ALLOWED_GUILD_IDS: 'here',
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
    expect(message.split('\n').map((line) => line.replace(/ .*/, ''))).toEqual([
      'DISCORD_TOKEN',
      ...OPTIONAL,
    ]);
    expect(message).not.toContain('hunter2');
  });

  it('opens no port without a token', () => {
    expect(loadConfig({ DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: TOKEN })).toMatchObject({
      httpPort: 8_080,
      httpHost: '127.0.0.1',
      httpTokens: [TOKEN],
    });
    expect(refusalOf({ DISCORD_TOKEN, HTTP_PORT: '8080' })).toMatch(
      /^HTTP_PORT is set and HTTP_TOKEN is not, [^\n]+ npm run --silent token$/,
    );
    expect(refusalOf({ DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: ' ' })).toMatch(/^HTTP_PORT is set/);
  });

  it('names other problems beside a missing token', () => {
    const message = refusalOf({ CODE_LENGTH: '5' });
    expect(message).toMatch(/^DISCORD_TOKEN is not set/);
    expect(message).toMatch(/\nCODE_LENGTH is "5"\. [^\n]+$/);
  });
});
