import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { loadConfig, type Config } from '../src/config.js';
import { ConfigError } from '../src/env-file.js';
import { temporaryFolder } from './support/folder.js';

const DISCORD_TOKEN = 'MTIz.Gabc-1.x_Y';
const TOKEN = 'crab_only-for-tests_0123456789abcdef';
const IDS = '81384788765712384, 12345678901234567890';
const MINUTE = 60_000;
const DAY = 86_400_000;

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
const DEFAULTS = loadConfig(new Proxy({ DISCORD_TOKEN }, RECORDING));

it('lists every setting in .env.example, and no other', () => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
  const named = [...example.matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name]) => name);
  expect(new Set(named)).toEqual(NAMES);
});

it.each(['', ' \t'])('uses the defaults for settings that are %j, without spaces around values', (blank) => {
  const blanks = Object.fromEntries([...NAMES].map((name) => [name, blank]));
  expect(loadConfig({ ...blanks, DISCORD_TOKEN: ` ${DISCORD_TOKEN}\n` })).toEqual(DEFAULTS);
});

it.each<[string, keyof Config, Readonly<Record<string, unknown>>]>([
  ['DISCORD_API_URL', 'discordApiUrl', { 'https://proxy.example/api//': 'https://proxy.example/api' }],
  ['WEBSITE_URL', 'websiteUrl', { 'https://chat.example/login': 'https://chat.example/login' }],
  ['COMMAND_PREFIX', 'commandPrefix', { 'chatbot!': 'chatbot!' }],
  ['DATABASE_URL', 'database', { '/srv/codes.db': { engine: 'sqlite', path: '/srv/codes.db' } }],
  ['DATABASE_URL', 'database', { 'postgres://a:b@c/d': { engine: 'postgres', url: 'postgres://a:b@c/d' } }],
  ['CODE_SECRET', 'codeSecret', { [TOKEN]: TOKEN }],
  ['CODE_LENGTH', 'codeLength', { 6: 6, 32: 32 }],
  ['CODE_TTL', 'codeTtlMs', { never: null, '1s': 1_000, '30m': 30 * MINUTE, '24h': DAY, '2w': 14 * DAY }],
  ['CODE_TTL', 'codeTtlMs', { '36500d': 36_500 * DAY }],
  ['CODE_MAX_USES', 'codeMaxUses', { unlimited: null, 1: 1, 1000000000: 1_000_000_000 }],
  ['GETCODE_LIMIT', 'getcodeLimit', { '1/1s': { codes: 1, withinMs: 1_000 } }],
  ['GETCODE_LIMIT', 'getcodeLimit', { '1000/7d': { codes: 1_000, withinMs: 7 * DAY } }],
  ['MAX_USERNAMES_PER_MEMBER', 'maxUsernamesPerMember', { 1: 1, 100: 100 }],
  ['RESERVED_USERNAMES', 'reservedUsernames', { none: [], 'Al, Bo': [expect.anything(), expect.anything()] }],
  ['ALLOWED_GUILD_IDS', 'allowedGuildIds', { [IDS]: new Set(IDS.split(', ')) }],
  ['ADMIN_ROLE_IDS', 'adminRoleIds', { [IDS]: new Set(IDS.split(', ')) }],
  ['GETCODE_ROLE_IDS', 'getcodeRoleIds', { [IDS]: new Set(IDS.split(', ')) }],
  ['MEMBERSHIP_CHECK_INTERVAL', 'membershipCheckIntervalMs', { off: null, '60s': MINUTE, '7d': 7 * DAY }],
  ['BACKUP_INTERVAL', 'backupIntervalMs', { off: null, '1m': MINUTE }],
  ['BACKUP_KEEP', 'backupKeep', { 1: 1, 1000: 1_000 }],
  ['AUDIT_DAYS', 'auditDays', { 1: 1, 36500: 36_500 }],
  ['HTTP_PORT', 'httpPort', { off: null }],
  ['HTTP_HOST', 'httpHost', { '0.0.0.0': '0.0.0.0', '::1': '::1' }],
  ['HTTP_TOKEN', 'httpTokens', { [TOKEN]: [TOKEN], [`${TOKEN} , ${TOKEN}+/=`]: [TOKEN, `${TOKEN}+/=`] }],
  ['LOG_LEVEL', 'logLevel', { trace: 'trace', fatal: 'fatal' }],
  ['LOG_FORMAT', 'logFormat', { json: 'json' }],
])('reads %s', (name, key, values) => {
  for (const [value, expected] of Object.entries(values))
    expect(loadConfig({ DISCORD_TOKEN, [name]: value })).toEqual({ ...DEFAULTS, [key]: expected });
});

it.each<[string, readonly string[]]>([
  ['COMMAND_PREFIX', ['123456789', 'a b', '`', '@', '<', '\\', '"', '！']],
  ['CODE_LENGTH', ['5', '33', '6.5', '-6', '1e1', '0x10', 'six', '9'.repeat(400)]],
  ['CODE_TTL', ['90', '-5m', '1M', '1d garbage', '0s', '1.5h', '1h30m', '1 h', '1y', '1ms', 'm', 'Never']],
  ['CODE_TTL', ['36501d', '99999999999999d', '1h\n1h']],
  ['CODE_MAX_USES', ['0', '1000000001']],
  ['GETCODE_LIMIT', ['3', '3/10', '/10m', '3/', '0/10m', '1001/10m', '3/0m', '3/8d', '3/10m/1h', '10m/3']],
  ['MAX_USERNAMES_PER_MEMBER', ['0', '101']],
  ['RESERVED_USERNAMES', ['admin,', 'a/b']],
  ['ALLOWED_GUILD_IDS', ['Chat Room', '1234567890123456', '123456789012345678901', '*', `${IDS},`]],
  ['ADMIN_ROLE_IDS', ['Moderator', '@everyone', '<@&81384788765712384>', IDS.replace(',', ';')]],
  ['GETCODE_ROLE_IDS', ['none']],
  ['MEMBERSHIP_CHECK_INTERVAL', ['59s', '8d', '10', 'never']],
  ['BACKUP_INTERVAL', ['59s', '8d']],
  ['BACKUP_KEEP', ['0', '1001']],
  ['AUDIT_DAYS', ['0', '36501']],
  ['HTTP_PORT', ['65536', '-1', 'on']],
  ['HTTP_HOST', ['http://localhost', '127.0.0.1 ::1']],
  ['LOG_LEVEL', ['verbose']],
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
  ['DISCORD_TOKEN', '81384788765712384.hunter2', 'the client secret are something else'],
  ['CODE_SECRET', 'hunter2-hunter2-hunter2-hunter2', 'at least 32 characters'],
  ['CODE_SECRET', 'hunter2'.repeat(8), '8 of them different'],
  ['CODE_SECRET', `hunter2-${TOKEN}\nCODE_TTL=30d`, 'on one line'],
  ['DATABASE_URL', '~/hunter2/codes.db', 'without ~ or variables'],
  ['DATABASE_URL', 'postgres://bot:hunter2@:99999/codes', 'a postgres:// URL'],
  ['DATABASE_URL', 'file://bot:hunter2@host/codes.db', 'the path of a SQLite file'],
  ['DATABASE_URL', 'mysql://bot:hunter2@localhost/codes', 'the path of a SQLite file'],
  ['HTTP_TOKEN', 'hunter2-hunter2-hunter2-hunter2', 'at least 32 characters'],
  ['HTTP_TOKEN', `${TOKEN},${'hunter2'.repeat(8)}`, '8 of them different'],
  ['HTTP_TOKEN', `${TOKEN},hunter2`, 'at least 32 characters'],
  ['HTTP_TOKEN', `${TOKEN},`, 'at least 32 characters'],
  ['HTTP_TOKEN', `${TOKEN},${TOKEN},hunter2-${TOKEN}`, 'two such tokens'],
  ['HTTP_TOKEN', `hunter2 ${TOKEN}`, 'only letters'],
  ['DISCORD_API_URL', 'hunter2:8080/api', 'http or https'],
  ['DISCORD_API_URL', 'https://bot:hunter2@proxy/api/v10/', 'without the version'],
  ['DISCORD_API_URL', 'https://hunter2/api?v=10', 'http or https'],
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
  ['CODE_TTL', ['CODE_TLL', 'CODE_TTLS', 'COED_TTL', 'code_ttl']],
  ['CODE_SECRET', ['CODE-SECRET']],
  ['CODE_SECRET_FILE', ['CODE_SECRETS_FILE']],
  ['HTTP_PORT', ['HTTP_PROT']],
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
  expect(loadConfig({ ...process.env, ...env, DISCORD_TOKEN })).toEqual(DEFAULTS);
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

it.each(['', ' '])('rejects HTTP_PORT with the HTTP_TOKEN %j', (token) => {
  expect(errorOf({ DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: token })).toMatch(
    /^HTTP_PORT is set but HTTP_TOKEN is not: [^\n]+ npm run --silent token$/,
  );
});

describe.each([
  ['DISCORD_TOKEN', DISCORD_TOKEN, { discordToken: DISCORD_TOKEN }],
  ['CODE_SECRET', `"${TOKEN}#"`, { codeSecret: `"${TOKEN}#"` }],
  ['HTTP_TOKEN', TOKEN, { httpTokens: [TOKEN], httpPort: 8_080 }],
])('%s_FILE', (name, secret, expected) => {
  const others = { DISCORD_TOKEN, HTTP_PORT: '8080', HTTP_TOKEN: TOKEN, [name]: ' ' };
  const fileWith = (content: string): string => {
    const path = join(temporaryFolder(), 'secret');
    writeFileSync(path, content);
    return path;
  };
  const errorWith = (file: string): string => errorOf({ ...others, [`${name}_FILE`]: file });

  it.each(['', '\r\n'])('names a file with the value before %j', (end) => {
    const path = fileWith(secret + end);
    expect(loadConfig({ ...others, [`${name}_FILE`]: path })).toMatchObject(expected);
    const file = { folder: dirname(path), lookedIn: [], text: '' };
    expect(loadConfig({ ...others, [`${name}_FILE`]: 'secret' }, file)).toMatchObject(expected);
  });

  it('is refused beside the value itself, and when it cannot be used', () => {
    const message = errorOf({ ...others, [name]: TOKEN, [`${name}_FILE`]: fileWith(secret) });
    expect(message).toBe(`${name} and ${name}_FILE are both set. Remove one of them.`);
    const folder = temporaryFolder();
    expect(errorWith(folder)).toBe(`Cannot read ${folder}: it is a folder.`);
    const missing = join(folder, 'secret');
    expect(errorWith(missing)).toBe(`${name}_FILE: ${missing} does not exist.`);
    const empty = fileWith(' \n');
    expect(errorWith(empty)).toBe(`${name}_FILE: ${empty} is empty.`);
  });

  it('never quotes what may be the secret', () => {
    expect(errorWith(fileWith('hunter2 x'))).toMatch(new RegExp(`^${name} must be (?:(?!hunter2).)*$`));
    const message = `${name}_FILE must be the path of a file with the value. Begin a relative path with ./`;
    expect(errorWith(secret.replaceAll('"', ''))).toBe(message);
  });
});
