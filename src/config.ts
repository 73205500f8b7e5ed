import { MIN_SECRET_LENGTH } from './codes/code-keys.js';
import { LONGEST_CODE, SHORTEST_CODE } from './codes/code-text.js';
import { parseDatabaseUrl } from './storage/database-path.js';

export interface Config {
  readonly discordToken: string;
  /** REST base without version and without a slash at its end. */
  readonly discordApiUrl: string;
  readonly commandPrefix: string;
  readonly databasePath: string;
  /** `null`: kept in a file beside the database. */
  readonly codeSecret: string | null;
  readonly codeLength: number;
  /** `null`: codes never expire. */
  readonly codeTtlMs: number | null;
  /** `null`: codes can be redeemed without limit. */
  readonly codeMaxUses: number | null;
  /** How many codes one member gets within a span. */
  readonly getcodeLimit: { readonly codes: number; readonly spanMs: number };
  readonly maxUsernamesPerMember: number;
  /** The servers that the bot serves; `null`: every server it is in. */
  readonly allowedGuildIds: ReadonlySet<string> | null;
  /** How often it is looked whether holders are still members; `null`: never. */
  readonly membershipCheckIntervalMs: number | null;
  /** How old the newest backup may be; `null`: the bot makes none by itself. */
  readonly backupIntervalMs: number | null;
  /** How many backups stay. */
  readonly backupKeep: number;
  readonly auditDays: number;
  /** `null`: no HTTP. With 0 a free port is taken. */
  readonly httpPort: number | null;
  readonly httpHost: string;
  /** One, or two while one replaces the other; none only where there is no HTTP. */
  readonly httpTokens: readonly string[];
  readonly logLevel: LogLevel;
  /** `null`: pretty on a terminal, otherwise JSON. */
  readonly logFormat: LogFormat | null;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
const FORMATS = ['pretty', 'json'] as const;
export type LogLevel = (typeof LEVELS)[number];
export type LogFormat = (typeof FORMATS)[number];

/** The settings are wrong. `message` names every problem, a line each, and holds no secret. */
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
const MOST_USES = 1_000_000_000;

const MIN_TOKEN_LENGTH = 32;
const TOKENS_AT_ONCE = 2;

const LONGEST_SPAN_MS = 100 * 365 * DAY_MS;

const DEFAULT_API_URL = 'https://discord.com/api';
const DEFAULT_DATABASE = 'data/access-codes.db';

/** What to tell somebody who wrote a setting wrongly. */
const HINTS = {
  DISCORD_TOKEN: {
    wanted: "the bot's token, from the page Bot of your application in the developer portal",
    example: 'the token as it was copied, without quotes and without "Bot" before it',
  },
  DISCORD_API_URL: {
    wanted: 'an http or https address, without the version at its end',
    example: 'http://127.0.0.1:8080/api',
  },
  COMMAND_PREFIX: { wanted: 'up to 8 ASCII characters, no space and none of ` " @ < > \\', example: '!' },
  DATABASE_URL: { wanted: 'the path of a SQLite file, or a file: URL', example: DEFAULT_DATABASE },
  CODE_SECRET: {
    wanted: `at least ${MIN_SECRET_LENGTH} characters that nobody can guess`,
    example: 'what this prints: openssl rand -hex 32',
  },
  CODE_LENGTH: { wanted: `a whole number from ${SHORTEST_CODE} to ${LONGEST_CODE}`, example: '8' },
  CODE_TTL: {
    wanted: 'never, or a whole number with s, m, h, d or w behind it, 100 years at most',
    example: '30d',
  },
  CODE_MAX_USES: { wanted: `unlimited, or a whole number from 1 to ${MOST_USES}`, example: '1' },
  GETCODE_LIMIT: {
    wanted: 'a whole number from 1 to 1000, a slash, and a span of 7 days at most',
    example: '3/10m',
  },
  MAX_USERNAMES_PER_MEMBER: { wanted: 'a whole number from 1 to 100', example: '3' },
  ALLOWED_GUILD_IDS: {
    wanted: 'ids of servers with commas between them (right-click on a server: Copy Server ID)',
    example: '81384788765712384,197038439483310086',
  },
  MEMBERSHIP_CHECK_INTERVAL: {
    wanted: 'off, or a whole number with s, m, h, d or w behind it, from 1m to 7d',
    example: '10m',
  },
  BACKUP_INTERVAL: {
    wanted: 'off, or a whole number with s, m, h, d or w behind it, from 1m to 7d',
    example: '24h',
  },
  BACKUP_KEEP: { wanted: 'a whole number from 1 to 1000', example: '7' },
  AUDIT_DAYS: { wanted: 'a whole number of days from 1 to 36500', example: '365' },
  HTTP_PORT: { wanted: 'off, or a port from 0 to 65535; 0 takes a free one', example: '8080' },
  HTTP_HOST: { wanted: 'an address of this machine', example: '127.0.0.1' },
  HTTP_TOKEN: {
    wanted: `at least ${MIN_TOKEN_LENGTH} characters, letters, digits and - . _ ~ + / =; or two such tokens with a comma between them`,
    example: 'what this prints: npm run --silent token',
  },
  LOG_LEVEL: { wanted: `one of ${LEVELS.join(', ')}`, example: 'info' },
  LOG_FORMAT: { wanted: `one of ${FORMATS.join(', ')}`, example: 'json' },
} as const;

type SettingName = keyof typeof HINTS;

/** Their values are never shown. A URL may hold a password. */
const SECRETS: ReadonlySet<SettingName> = new Set([
  'DISCORD_TOKEN',
  'CODE_SECRET',
  'HTTP_TOKEN',
  'DATABASE_URL',
  'DISCORD_API_URL',
] as const);

const MISSING_TOKEN = [
  'DISCORD_TOKEN is not set, so the bot cannot log in to Discord.',
  "Copy .env.example to .env and put your bot's token into it; the README says where to get one.",
  'To try the bot without an account and without a token: npm run demo',
].join('\n');

const MISSING_HTTP_TOKEN =
  'HTTP_PORT is set and HTTP_TOKEN is not, so anybody who reaches the port could try codes. Put what this prints into HTTP_TOKEN, here and in your website: npm run --silent token';

/** Reads the text of a setting; `undefined`: it does not fit. */
type Parse<T> = (text: string) => T | undefined;

type Env = Readonly<Record<string, string | undefined>>;

/** Reads one setting, or notes what is wrong with it and goes on with the default. */
type Read = <T>(name: SettingName, parse: Parse<T>, fallback: T) => T;

/**
 * Reads the settings. An empty variable counts as one that is not set.
 *
 * @throws {ConfigError} names every problem at once.
 */
export function loadConfig(env: Env): Config {
  return load(env, (read, problems) => {
    if (!env['DISCORD_TOKEN']?.trim()) problems.push(MISSING_TOKEN);
    const config = {
      discordToken: read('DISCORD_TOKEN', matching(/^[\w.-]+$/), ''),
      discordApiUrl: read('DISCORD_API_URL', parseApiUrl, DEFAULT_API_URL),
      commandPrefix: read('COMMAND_PREFIX', matching(/^[!#-;=?A-[\]-_a-~]{1,8}$/), '!'),
      ...readStorage(read),
      codeLength: read('CODE_LENGTH', wholeNumber(SHORTEST_CODE, LONGEST_CODE), SHORTEST_CODE),
      codeTtlMs: read('CODE_TTL', orNull('never', parseSpanMs), null),
      codeMaxUses: read('CODE_MAX_USES', orNull('unlimited', wholeNumber(1, MOST_USES)), null),
      getcodeLimit: read('GETCODE_LIMIT', parseLimit, { codes: 3, spanMs: 600_000 }),
      maxUsernamesPerMember: read('MAX_USERNAMES_PER_MEMBER', wholeNumber(1, 100), 3),
      allowedGuildIds: read('ALLOWED_GUILD_IDS', parseIds, null),
      membershipCheckIntervalMs: read('MEMBERSHIP_CHECK_INTERVAL', orNull('off', parseInterval), 600_000),
      backupIntervalMs: read('BACKUP_INTERVAL', orNull('off', parseInterval), DAY_MS),
      backupKeep: readBackupKeep(read),
      auditDays: read('AUDIT_DAYS', wholeNumber(1, 36_500), 365),
      httpPort: read('HTTP_PORT', orNull('off', wholeNumber(0, 65_535)), null),
      httpHost: read('HTTP_HOST', matching(/^[\w.:-]{1,253}$/), '127.0.0.1'),
      httpTokens: read('HTTP_TOKEN', parseTokens, []),
      logLevel: read('LOG_LEVEL', oneOf(LEVELS), 'info'),
      logFormat: read('LOG_FORMAT', oneOf(FORMATS), null),
    };
    if (config.httpPort !== null && !env['HTTP_TOKEN']?.trim()) problems.push(MISSING_HTTP_TOKEN);
    return config;
  });
}

/**
 * Reads where the codes are and what opens them: all that a program needs that does not log in to Discord.
 *
 * @throws {ConfigError} names every problem at once.
 */
export function loadStorageConfig(env: Env): Pick<Config, 'databasePath' | 'codeSecret'> {
  return load(env, readStorage);
}

/**
 * Reads which database is backed up, and how many backups stay.
 *
 * @throws {ConfigError} names every problem at once.
 */
export function loadBackupConfig(env: Env): Pick<Config, 'databasePath' | 'backupKeep'> {
  return load(env, (read) => ({
    databasePath: readStorage(read).databasePath,
    backupKeep: readBackupKeep(read),
  }));
}

function readBackupKeep(read: Read): number {
  return read('BACKUP_KEEP', wholeNumber(1, 1_000), 7);
}

function readStorage(read: Read): Pick<Config, 'databasePath' | 'codeSecret'> {
  return {
    databasePath: read('DATABASE_URL', (text) => parseDatabaseUrl(text) ?? undefined, DEFAULT_DATABASE),
    codeSecret: read('CODE_SECRET', (text) => (text.length < MIN_SECRET_LENGTH ? undefined : text), null),
  };
}

function load<T>(env: Env, readAll: (read: Read, problems: string[]) => T): T {
  const problems: string[] = [];
  const read: Read = (name, parse, fallback) => {
    const text = env[name]?.trim() ?? '';
    if (text === '') return fallback;
    const value = parse(text);
    if (value !== undefined) return value;
    const { wanted, example } = HINTS[name];
    const found = SECRETS.has(name) ? 'has a value that does not fit' : `is ${JSON.stringify(text)}`;
    problems.push(`${name} ${found}. Wanted: ${wanted}. Example: ${example}`);
    return fallback;
  };
  const config = readAll(read, problems);
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return config;
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

/** Own and strict: libraries read `90`, `-5m` or `1d garbage` in ways that surprise. */
export function parseSpanMs(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,12})([smhdw])$/.exec(text) ?? [];
  const span = Number(count) * (UNIT_MS.get(unit) ?? 0);
  return span > 0 && span <= LONGEST_SPAN_MS ? span : undefined;
}

/** How many, a slash, and within which span. */
function parseLimit(text: string): { readonly codes: number; readonly spanMs: number } | undefined {
  const [count = '', span = '', ...more] = text.split('/');
  const codes = wholeNumber(1, 1_000)(count);
  const spanMs = parseSpanMs(span);
  if (codes === undefined || spanMs === undefined || spanMs > 7 * DAY_MS || more.length > 0) return undefined;
  return { codes, spanMs };
}

/** Not so often that Discord is asked for nothing, not so rarely that setTimeout, which ends at 24 days, breaks. */
function parseInterval(text: string): number | undefined {
  const span = parseSpanMs(text);
  return span === undefined || span < 60_000 || span > 7 * DAY_MS ? undefined : span;
}

function parseIds(text: string): ReadonlySet<string> | undefined {
  const ids = text.split(',').map((id) => id.trim());
  return ids.every((id) => /^\d{17,20}$/.test(id)) ? new Set(ids) : undefined;
}

/** The characters are those of a Bearer token (RFC 6750). */
function parseTokens(text: string): readonly string[] | undefined {
  const tokens = text.split(',').map((token) => token.trim());
  const fit = tokens.every((token) => token.length >= MIN_TOKEN_LENGTH && /^[\w.~+/=-]+$/.test(token));
  return fit && tokens.length <= TOKENS_AT_ONCE ? tokens : undefined;
}

function parseApiUrl(text: string): string | undefined {
  const url = text.replace(/\/+$/, '');
  return URL.canParse(url) && /^https?:\/\/[^?#]+$/i.test(url) && !/\/v\d+$/.test(url) ? url : undefined;
}
