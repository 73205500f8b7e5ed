import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

import { LONGEST_CODE, SHORTEST_CODE } from './codes/code-text.js';
import { MIN_SECRET_LENGTH } from './codes/keys.js';
import { parseUsername, type Username } from './codes/username.js';
import { parseDatabaseUrl, type DatabaseLocation } from './storage/database-url.js';

export interface Config {
  readonly discordToken: string;
  /** REST base without the version and without a slash at its end. */
  readonly discordApiUrl: string;
  readonly commandPrefix: string;
  readonly database: DatabaseLocation;
  /** `null`: in a file beside the SQLite database. */
  readonly codeSecret: string | null;
  readonly codeLength: number;
  /** `null`: codes never expire. */
  readonly codeTtlMs: number | null;
  /** `null`: unlimited. */
  readonly codeMaxUses: number | null;
  /** How many codes one member gets within an interval. */
  readonly getcodeLimit: { readonly codes: number; readonly withinMs: number };
  readonly maxUsernamesPerMember: number;
  /** Nobody gets a code for these usernames, or for their look-alikes. */
  readonly reservedUsernames: readonly Username[];
  /** The servers that the bot serves; `null`: the one server that it is in. */
  readonly allowedGuildIds: ReadonlySet<string> | null;
  /** How often the bot checks whether holders are still members; `null`: never. */
  readonly membershipCheckIntervalMs: number | null;
  /** `null`: the bot makes no backups. */
  readonly backupIntervalMs: number | null;
  /** How many backups to keep. */
  readonly backupKeep: number;
  readonly auditDays: number;
  /** `null`: no HTTP API. 0: any free port. */
  readonly httpPort: number | null;
  readonly httpHost: string;
  /** One, or two while one replaces the other; empty only without the HTTP API. */
  readonly httpTokens: readonly string[];
  readonly logLevel: LogLevel;
  /** `null`: pretty on a terminal, otherwise JSON. */
  readonly logFormat: LogFormat | null;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
const FORMATS = ['pretty', 'json'] as const;
export type LogLevel = (typeof LEVELS)[number];
export type LogFormat = (typeof FORMATS)[number];

/** The settings are wrong. `message` lists every problem, one per line, and contains no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const DAY_MS = 86_400_000;
const UNIT_MS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
]);
const MAX_DURATION_MS = 100 * 365 * DAY_MS;
const MAX_USES = 1_000_000_000;
const MIN_TOKEN_LENGTH = 32;
const MAX_TOKENS = 2;

const DEFAULT_API_URL = 'https://discord.com/api';
const DEFAULT_RESERVED_USERNAMES = 'admin, administrator, moderator, mod, system, owner, support';
const DEFAULT_DATABASE: DatabaseLocation = { engine: 'sqlite', path: 'data/access-codes.db' };

const INTERVAL = 'off, or a duration from 1m to 7d: a whole number with s, m, h, d or w';

/** What each setting must be, for the person who set it, and an example of it. */
const RULES = {
  DISCORD_TOKEN: [
    "a bot's token, which has three parts with dots between them (the application id, the public key and the client secret are something else)",
    'what the developer portal shows at your application > Bot > Reset Token',
  ],
  DISCORD_API_URL: ['an http or https URL without the version at its end', 'http://127.0.0.1:8080/api'],
  COMMAND_PREFIX: ['1 to 8 ASCII characters without spaces and without ` " @ < > \\', '?'],
  DATABASE_URL: ['the path of a SQLite file, a file: URL or a postgres:// URL', 'data/access-codes.db'],
  CODE_SECRET: [
    `at least ${MIN_SECRET_LENGTH} characters that nobody can guess`,
    'what this prints: openssl rand -hex 32',
  ],
  CODE_LENGTH: [`a whole number from ${SHORTEST_CODE} to ${LONGEST_CODE}`, '8'],
  CODE_TTL: ['never, or a duration of at most 36500d: a whole number with s, m, h, d or w', '30d'],
  CODE_MAX_USES: [`unlimited, or a whole number from 1 to ${MAX_USES}`, '1'],
  GETCODE_LIMIT: ['a number of codes from 1 to 1000, a slash, and a duration of at most 7d', '3/10m'],
  MAX_USERNAMES_PER_MEMBER: ['a whole number from 1 to 100', '3'],
  RESERVED_USERNAMES: ['none, or usernames separated by commas', 'admin, moderator, The Chat Team'],
  ALLOWED_GUILD_IDS: [
    'server ids separated by commas (switch on User Settings > Advanced > Developer Mode, right-click the server, Copy Server ID)',
    '81384788765712384,197038439483310086',
  ],
  MEMBERSHIP_CHECK_INTERVAL: [INTERVAL, '10m'],
  BACKUP_INTERVAL: [INTERVAL, '24h'],
  BACKUP_KEEP: ['a whole number from 1 to 1000', '7'],
  AUDIT_DAYS: ['a whole number of days from 1 to 36500', '365'],
  HTTP_PORT: ['off, or a port number from 0 to 65535', '8080'],
  HTTP_HOST: ['an IP address or host name of this machine', '127.0.0.1'],
  HTTP_TOKEN: [
    `at least ${MIN_TOKEN_LENGTH} characters, only letters, digits and - . _ ~ + / =, or two such tokens with a comma between them`,
    'what this prints: npm run --silent token',
  ],
  LOG_LEVEL: [`one of ${LEVELS.join(', ')}`, 'info'],
  LOG_FORMAT: [`one of ${FORMATS.join(', ')}`, 'json'],
} as const satisfies Readonly<Record<string, readonly [mustBe: string, example: string]>>;

type SettingName = keyof typeof RULES;

/** Never quoted. A URL may contain a password. */
const SECRETS: ReadonlySet<SettingName> = new Set([
  'DISCORD_TOKEN',
  'CODE_SECRET',
  'HTTP_TOKEN',
  'DATABASE_URL',
  'DISCORD_API_URL',
] as const);

/** Returns the value of a setting, or `undefined` when the text breaks its rule. */
type Parse<T> = (text: string) => T | undefined;
type Env = Readonly<Record<string, string | undefined>>;
/** Reads one setting, or records a problem and returns the fallback. */
type Read = <T>(name: SettingName, parse: Parse<T>, fallback: T) => T;

/**
 * Reads the settings. An empty variable counts as unset.
 *
 * @throws {ConfigError} lists every problem.
 */
export function loadConfig(env: Env): Config {
  return load(env, (read, problems) => {
    if (!env['DISCORD_TOKEN']?.trim()) problems.push(tokenMissing());
    const config = {
      discordToken: read('DISCORD_TOKEN', matching(/^[\w-]+\.[\w-]+\.[\w-]+$/), ''),
      discordApiUrl: read('DISCORD_API_URL', parseApiUrl, DEFAULT_API_URL),
      commandPrefix: read('COMMAND_PREFIX', matching(/^[!#-;=?A-[\]-_a-~]{1,8}$/), '!'),
      ...readStorage(read),
      codeLength: read('CODE_LENGTH', wholeNumber(SHORTEST_CODE, LONGEST_CODE), SHORTEST_CODE),
      codeTtlMs: read('CODE_TTL', orNull('never', parseDurationMs), null),
      codeMaxUses: read('CODE_MAX_USES', orNull('unlimited', wholeNumber(1, MAX_USES)), null),
      getcodeLimit: read('GETCODE_LIMIT', parseLimit, { codes: 3, withinMs: 600_000 }),
      maxUsernamesPerMember: read('MAX_USERNAMES_PER_MEMBER', wholeNumber(1, 100), 3),
      reservedUsernames: read(
        'RESERVED_USERNAMES',
        parseUsernames,
        parseUsernames(DEFAULT_RESERVED_USERNAMES) ?? [],
      ),
      allowedGuildIds: read('ALLOWED_GUILD_IDS', parseIds, null),
      membershipCheckIntervalMs: read('MEMBERSHIP_CHECK_INTERVAL', orNull('off', parseInterval), 600_000),
      backupIntervalMs: read('BACKUP_INTERVAL', orNull('off', parseInterval), DAY_MS),
      auditDays: read('AUDIT_DAYS', wholeNumber(1, 36_500), 365),
      httpPort: read('HTTP_PORT', orNull('off', wholeNumber(0, 65_535)), null),
      httpHost: read('HTTP_HOST', matching(/^[\w.:-]{1,253}$/), '127.0.0.1'),
      httpTokens: read('HTTP_TOKEN', parseTokens, []),
      logLevel: read('LOG_LEVEL', oneOf(LEVELS), 'info'),
      logFormat: read('LOG_FORMAT', oneOf(FORMATS), null),
    };
    if (config.httpPort !== null && !env['HTTP_TOKEN']?.trim()) {
      problems.push(
        'HTTP_PORT is set but HTTP_TOKEN is not: anybody who reaches the port could try codes. Set HTTP_TOKEN, here and in your website, to what this prints: npm run --silent token',
      );
    }
    return config;
  });
}

/**
 * Reads the settings of programs that do not log in to Discord.
 *
 * @throws {ConfigError} lists every problem.
 */
export function loadStorageConfig(env: Env): Pick<Config, 'database' | 'codeSecret' | 'backupKeep'> {
  return load(env, readStorage);
}

function readStorage(read: Read): ReturnType<typeof loadStorageConfig> {
  return {
    database: read('DATABASE_URL', (text) => parseDatabaseUrl(text) ?? undefined, DEFAULT_DATABASE),
    codeSecret: read('CODE_SECRET', (text) => (text.length < MIN_SECRET_LENGTH ? undefined : text), null),
    backupKeep: read('BACKUP_KEEP', wholeNumber(1, 1_000), 7),
  };
}

function load<T>(env: Env, readAll: (read: Read, problems: string[]) => T): T {
  const problems: string[] = [];
  const read: Read = (name, parse, fallback) => {
    const text = env[name]?.trim() ?? '';
    if (text === '') return fallback;
    const value = parse(text);
    if (value !== undefined) return value;
    const [mustBe, example] = RULES[name];
    const found = SECRETS.has(name) ? '' : `, but is ${JSON.stringify(text)}`;
    problems.push(`${name} must be ${mustBe}${found}. Example: ${example}`);
    return fallback;
  };
  const config = readAll(read, problems);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return config;
}

function tokenMissing(): string {
  const path = resolve('.env');
  return [
    existsSync(path)
      ? `DISCORD_TOKEN is not set: ${path} exists, but DISCORD_TOKEN is missing or empty there.`
      : `DISCORD_TOKEN is not set: there is no file ${path}. The bot reads .env in the folder where you start it: copy .env.example to .env there.`,
    "Put your bot's token into it: https://discord.com/developers/applications > your application > Bot > Reset Token.",
    'To try the bot without Discord: npm run demo',
  ].join('\n');
}

function matching(pattern: RegExp): Parse<string> {
  return (text) => (pattern.test(text) ? text : undefined);
}

function oneOf<T extends string>(words: readonly T[]): Parse<T> {
  return (text) => words.find((word) => word === text);
}

function orNull<T>(word: string, parse: Parse<T>): Parse<T | null> {
  return (text) => (text === word ? null : parse(text));
}

function wholeNumber(min: number, max: number): Parse<number> {
  return (text) =>
    /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
}

/** Stricter than libraries, which accept `90`, `-5m` or `1d garbage`. */
export function parseDurationMs(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,12})([smhdw])$/.exec(text) ?? [];
  const duration = Number(count) * (UNIT_MS.get(unit) ?? 0);
  return duration > 0 && duration <= MAX_DURATION_MS ? duration : undefined;
}

/** Parses a number of codes and an interval: 3/10m. */
function parseLimit(text: string): Config['getcodeLimit'] | undefined {
  const [count = '', interval = '', ...more] = text.split('/');
  const codes = wholeNumber(1, 1_000)(count);
  const withinMs = parseDurationMs(interval);
  if (codes === undefined || withinMs === undefined || withinMs > 7 * DAY_MS || more.length > 0)
    return undefined;
  return { codes, withinMs };
}

/** setTimeout and setInterval fail above 24 days. */
function parseInterval(text: string): number | undefined {
  const interval = parseDurationMs(text);
  return interval === undefined || interval < 60_000 || interval > 7 * DAY_MS ? undefined : interval;
}

function parseUsernames(text: string): readonly Username[] | undefined {
  if (text === 'none') return [];
  const usernames = text.split(',').map((username) => parseUsername(username.trim()));
  return usernames.every((username) => username !== null) ? usernames : undefined;
}

function parseIds(text: string): ReadonlySet<string> | undefined {
  const ids = text.split(',').map((id) => id.trim());
  return ids.every((id) => /^\d{17,20}$/.test(id)) ? new Set(ids) : undefined;
}

/** A Bearer token has these characters (RFC 6750). */
function parseTokens(text: string): readonly string[] | undefined {
  const tokens = text.split(',').map((token) => token.trim());
  const fit = tokens.every((token) => token.length >= MIN_TOKEN_LENGTH && /^[\w.~+/=-]+$/.test(token));
  return fit && tokens.length <= MAX_TOKENS ? tokens : undefined;
}

function parseApiUrl(text: string): string | undefined {
  const url = text.replace(/\/+$/, '');
  return URL.canParse(url) && /^https?:\/\/[^?#]+$/i.test(url) && !/\/v\d+$/.test(url) ? url : undefined;
}
