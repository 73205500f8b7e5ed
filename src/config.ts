import { join, resolve } from 'node:path';

import { LONGEST_CODE, SHORTEST_CODE } from './codes/code-text.js';
import { MIN_SECRET_LENGTH } from './codes/keys.js';
import { parseUsername, type Username } from './codes/username.js';
import { ConfigError, findIgnored, readText, type EnvFile } from './env-file.js';
import { LOCATION_RULE, parseDatabaseUrl } from './storage/database-url.js';

export type Config = Readonly<ReturnType<typeof loadConfig>>;
export type StorageConfig = Readonly<ReturnType<typeof loadStorageConfig>>;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
const FORMATS = ['pretty', 'json'] as const;
export type LogLevel = (typeof LEVELS)[number];
export type LogFormat = (typeof FORMATS)[number];

const DAY_MS = 86_400_000;
const UNIT_MS = new Map([
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', DAY_MS],
  ['w', 7 * DAY_MS],
]);
const LONGEST_DURATION_MS = 100 * 365 * DAY_MS;
const HIGHEST_USES = 1_000_000_000;
const MIN_TOKEN_LENGTH = 32;
/** In a secret. Of 32 random hexadecimal digits, fewer differ less than once in 10 million times. */
const MIN_DIFFERENT_CHARACTERS = 8;
const TOKENS_AT_ONCE = 2;
/** A secret on the line of another setting, or a URL with a password. */
const MAY_BE_SECRET = /(?=\d*[a-z])[\w.~+/=-]{32}|:\/\/.*@/i;

const DEFAULT_RESERVED_USERNAMES = 'admin, administrator, moderator, mod, system, owner, support';
const DEFAULT_DATABASE = 'data/access-codes.db';
const ROLE_IDS =
  'role ids separated by commas (switch on User Settings > Advanced > Developer Mode, then Server Settings > Roles, right-click the role, Copy Role ID)';
const INTERVAL = 'off, or a duration from 1m to 7d: a whole number with s, m, h, d or w';

/** Returns the value of a setting, or `undefined` when the text breaks its rule. */
type Parse<T> = (text: string) => T | undefined;
type Env = Readonly<Record<string, string | undefined>>;
/** Reads one setting; records a problem, in the words of `mustBe` and `example`, when its text breaks the rule. */
type Read = <T>(name: string, fallback: T, parse: Parse<T>, mustBe: string, example: string) => T;

interface Reader {
  readonly read: Read;
  /** Never quotes the text. A URL may contain a password. */
  readonly readUrl: Read;
  /** Never quotes the text, and reads it from the file of `<name>_FILE` if that is set. */
  readonly readSecret: Read;
  /** Records a problem when a setting is not set. */
  readonly require: (name: string, problem: string) => void;
  /** Relative paths start here. */
  readonly folder: string;
  /** Of the settings that were read. */
  readonly names: ReadonlySet<string>;
  readonly problems: readonly string[];
}

const noEnvFile = (): EnvFile => ({ folder: process.cwd(), lookedIn: [process.cwd()], text: null });

/**
 * Reads the settings. An empty variable counts as unset.
 *
 * @throws {ConfigError} lists every problem.
 */
export function loadConfig(env: Env, file = noEnvFile()) {
  return load(env, file, (reader) => readAll(reader, tokenMissing(file)));
}

function readAll(reader: Reader, noToken: string) {
  const { read, readUrl, readSecret, require } = reader;
  require('DISCORD_TOKEN', noToken);
  const config = {
    discordToken: readSecret(
      'DISCORD_TOKEN',
      '',
      matching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      "a bot's token, which has three parts with dots between them (the application id, the public key and the client secret are something else)",
      'what the developer portal shows at your application > Bot > Reset Token',
    ),
    /** REST base without the version and without a slash at its end. */
    discordApiUrl: readUrl(
      'DISCORD_API_URL',
      'https://discord.com/api',
      parseApiUrl,
      'an http or https URL without the version at its end',
      'http://127.0.0.1:8080/api',
    ),
    /** Where members log in with their codes; `null`: not set. */
    websiteUrl: read(
      'WEBSITE_URL',
      null,
      (text) => (/^https?:\/\/\S+$/i.test(text) && URL.canParse(text) ? text : undefined),
      'an address that begins with http:// or https://',
      'https://chat.example',
    ),
    commandPrefix: read(
      'COMMAND_PREFIX',
      '!',
      matching(/^[!#-;=?A-[\]-_a-~]{1,8}$/),
      '1 to 8 ASCII characters without spaces and without ` " @ < > \\',
      '?',
    ),
    ...readStorage(reader),
    codeLength: read('CODE_LENGTH', SHORTEST_CODE, ...wholeNumber(SHORTEST_CODE, LONGEST_CODE), '8'),
    /** `null`: codes never expire. */
    codeTtlMs: read(
      'CODE_TTL',
      null,
      (text) => (text === 'never' ? null : parseDurationMs(text)),
      'never, or a duration of at most 36500d: a whole number with s, m, h, d or w',
      '30d',
    ),
    /** `null`: unlimited. */
    codeMaxUses: read('CODE_MAX_USES', null, ...wholeNumberOr('unlimited', 1, HIGHEST_USES), '1'),
    /** How many codes one member gets within an interval. */
    getcodeLimit: read(
      'GETCODE_LIMIT',
      { codes: 3, withinMs: 600_000 },
      parseLimit,
      'a number of codes from 1 to 1000, a slash, and a duration of at most 7d',
      '3/10m',
    ),
    maxUsernamesPerMember: read('MAX_USERNAMES_PER_MEMBER', 3, ...wholeNumber(1, 100), '3'),
    /** Nobody gets a code for these usernames, or for their look-alikes. */
    reservedUsernames: read(
      'RESERVED_USERNAMES',
      parseUsernames(DEFAULT_RESERVED_USERNAMES) ?? [],
      parseUsernames,
      'none, or usernames separated by commas',
      'admin, moderator, The Chat Team',
    ),
    /** The servers that the bot serves; `null`: the one server that it is in. */
    allowedGuildIds: read(
      'ALLOWED_GUILD_IDS',
      null,
      parseIds,
      'server ids separated by commas (switch on User Settings > Advanced > Developer Mode, right-click the server, Copy Server ID)',
      '81384788765712384,197038439483310086',
    ),
    /** Roles of any server; `null`: only members with Discord's Administrator permission list and revoke codes. */
    adminRoleIds: read('ADMIN_ROLE_IDS', null, parseIds, ROLE_IDS, '197038439483310086'),
    /** Roles of any server; `null`: every member gets codes. */
    getcodeRoleIds: read('GETCODE_ROLE_IDS', null, parseIds, ROLE_IDS, '197038439483310086'),
    /** How often the bot checks whether holders are still members; `null`: never. */
    membershipCheckIntervalMs: read('MEMBERSHIP_CHECK_INTERVAL', 600_000, parseInterval, INTERVAL, '10m'),
    /** `null`: the bot makes no backups. */
    backupIntervalMs: read('BACKUP_INTERVAL', DAY_MS, parseInterval, INTERVAL, '24h'),
    auditDays: read('AUDIT_DAYS', 365, ...wholeNumber(1, 36_500), '365'),
    /** `null`: no HTTP API. 0: a free port. */
    httpPort: read('HTTP_PORT', null, ...wholeNumberOr('off', 0, 65_535), '8080'),
    httpHost: read(
      'HTTP_HOST',
      '127.0.0.1',
      matching(/^[\w.:-]{1,253}$/),
      'an IP address or host name of this machine',
      '127.0.0.1',
    ),
    /** One, or two while one replaces the other; empty only without the HTTP API. */
    httpTokens: readSecret(
      'HTTP_TOKEN',
      [],
      parseTokens,
      `at least ${MIN_TOKEN_LENGTH} characters, ${MIN_DIFFERENT_CHARACTERS} of them different, only letters, digits and - . _ ~ + / =, or two such tokens with a comma between them`,
      'what this prints: npm run --silent token',
    ),
    logLevel: read('LOG_LEVEL', 'info', ...oneOf(LEVELS), 'info'),
    logFormat: read<LogFormat>('LOG_FORMAT', 'pretty', ...oneOf(FORMATS), 'json'),
  };
  if (config.httpPort !== null) {
    require('HTTP_TOKEN', 'HTTP_PORT is set but HTTP_TOKEN is not: anybody who reaches the port could try codes. Set HTTP_TOKEN, here and in your website, to what this prints: npm run --silent token');
  }
  return config;
}

/**
 * Reads the settings of programs that do not log in to Discord.
 *
 * @throws {ConfigError} lists every problem.
 */
export function loadStorageConfig(env: Env, file = noEnvFile()) {
  return load(env, file, readStorage);
}

function readStorage({ read, readUrl, readSecret, folder }: Reader) {
  const parseDatabase = (text: string) => parseDatabaseUrl(text, folder) ?? undefined;
  return {
    database: readUrl(
      'DATABASE_URL',
      { engine: 'sqlite', path: resolve(folder, DEFAULT_DATABASE) },
      parseDatabase,
      LOCATION_RULE,
      DEFAULT_DATABASE,
    ),
    /** Where `npm run move-database` copies the codes; `null`: not set. */
    newDatabase: readUrl(
      'NEW_DATABASE_URL',
      null,
      parseDatabase,
      LOCATION_RULE,
      'postgres://db.example/codes',
    ),
    /** `null`: in a file beside the SQLite database. */
    codeSecret: readSecret(
      'CODE_SECRET',
      null,
      (text) =>
        text.length >= MIN_SECRET_LENGTH && isVaried(text) && !/\p{Cc}/u.test(text) ? text : undefined,
      `at least ${MIN_SECRET_LENGTH} characters on one line, ${MIN_DIFFERENT_CHARACTERS} of them different, that nobody can guess`,
      'what this prints: openssl rand -hex 32',
    ),
    /** How many backups to keep. */
    backupKeep: read('BACKUP_KEEP', 7, ...wholeNumber(1, 1_000), '7'),
  };
}

function load<T>(env: Env, file: EnvFile, readSettings: (reader: Reader) => T): T {
  const every = createReader({}, file.folder);
  readAll(every, '');
  const names = [...every.names];
  const reader = createReader(env, file.folder);
  const config = readSettings(reader);
  const problems = [
    ...findMisspelled(Object.keys(env), names),
    ...findIgnored(file, names),
    ...reader.problems,
  ];
  if (problems.length > 0) throw new ConfigError(...problems);
  return config;
}

function createReader(env: Env, folder: string): Reader {
  const names = new Set<string>();
  const problems: string[] = [];
  const textOf = (name: string): string => {
    names.add(name);
    const text = env[name]?.trim() ?? '';
    if (!/^(["'`]).*\1$/s.test(text)) return text;
    problems.push(`${name} is in quotes. Remove them: docker run --env-file, for example, keeps them.`);
    return '';
  };
  const secretOf = (name: string, parse: Parse<unknown>): string => {
    const text = textOf(name);
    const named = textOf(`${name}_FILE`);
    if (named === '') return text;
    if (text !== '') {
      problems.push(`${name} and ${name}_FILE are both set. Remove one of them.`);
    } else if (!/^(?:[./\\]|[a-z]:)/i.test(named) && parse(named) !== undefined) {
      // It may be the secret: do not quote it.
      problems.push(`${name}_FILE must be the path of a file with the value. Begin a relative path with ./`);
    } else {
      const path = resolve(folder, named);
      const content = readText(path);
      if (content?.trim()) return content.trim();
      problems.push(`${name}_FILE: ${path} ${content === null ? 'does not exist' : 'is empty'}.`);
    }
    return '';
  };
  const readerThat =
    (textFrom: typeof secretOf, quotes = false): Read =>
    (name, fallback, parse, mustBe, example) => {
      const text = textFrom(name, parse);
      if (text === '') return fallback;
      const value = parse(text);
      if (value !== undefined) return value;
      const found = quotes && !MAY_BE_SECRET.test(text) ? `, but is ${JSON.stringify(text)}` : '';
      problems.push(`${name} must be ${mustBe}${found}. Example: ${example}`);
      return fallback;
    };
  return {
    read: readerThat(textOf, true),
    readUrl: readerThat(textOf),
    readSecret: readerThat(secretOf),
    require: (name, problem) => {
      if (!env[name]?.trim() && !env[`${name}_FILE`]?.trim()) problems.push(problem);
    },
    folder,
    names,
    problems,
  };
}

/** Finds variables whose names are almost those of settings. */
function findMisspelled(variables: readonly string[], settings: readonly string[]): string[] {
  const meant = new Map(settings.flatMap((name) => variantsOf(name).map((variant) => [variant, name])));
  return variables.flatMap((name) => {
    // HTTPS_PORT and HTTPS_HOST are common settings of other programs.
    if (settings.includes(name) || name.startsWith('HTTPS_')) return [];
    const variant = variantsOf(name).find((one) => meant.has(one)) ?? '';
    const setting = meant.get(variant);
    return setting === undefined ? [] : `${name} is not a setting. Rename it to ${setting}, or remove it.`;
  });
}

/** Names that share one differ in one character, in two exchanged ones, in case, or in an ending such as _IDS. */
function variantsOf(name: string): string[] {
  const stem = name.toUpperCase().replace(/(?:_ID)?S?$/, '');
  return [stem, ...Array.from(stem, (_character, at) => stem.slice(0, at) + stem.slice(at + 1))];
}

function tokenMissing({ folder, lookedIn, text }: EnvFile): string {
  return [
    text === null
      ? `DISCORD_TOKEN is not set: there is no file .env in ${lookedIn.join(' or ')}. Run npm run setup, or copy .env.example to .env there.`
      : `DISCORD_TOKEN is not set: ${join(folder, '.env')} exists, but DISCORD_TOKEN is missing or empty there.`,
    "Put your bot's token into it: https://discord.com/developers/applications > your application > Bot > Reset Token.",
    'To try the bot without Discord: npm run demo',
  ].join('\n');
}

function matching(pattern: RegExp): Parse<string> {
  return (text) => (pattern.test(text) ? text : undefined);
}

/** A parser, and what it accepts. */
type Rule<T> = readonly [parse: Parse<T>, mustBe: string];

function oneOf<T extends string>(words: readonly T[]): Rule<T> {
  return [(text) => words.find((word) => word === text), `one of ${words.join(', ')}`];
}

function wholeNumber(min: number, max: number): Rule<number> {
  const parse = (text: string): number | undefined =>
    /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
  return [parse, `a whole number from ${min} to ${max}`];
}

function wholeNumberOr(word: string, min: number, max: number): Rule<number | null> {
  const [parse, mustBe] = wholeNumber(min, max);
  return [(text) => (text === word ? null : parse(text)), `${word}, or ${mustBe}`];
}

/** Stricter than libraries, which accept `90`, `-5m` or `1d garbage`. */
export function parseDurationMs(text: string): number | undefined {
  const [, count, unit = ''] = /^(\d{1,12})([smhdw])$/.exec(text) ?? [];
  const duration = Number(count) * (UNIT_MS.get(unit) ?? 0);
  return duration > 0 && duration <= LONGEST_DURATION_MS ? duration : undefined;
}

/** Parses a number of codes and an interval: 3/10m. */
function parseLimit(text: string): { readonly codes: number; readonly withinMs: number } | undefined {
  const [, count = '', interval = ''] = /^(\d{1,4})\/(\w+)$/.exec(text) ?? [];
  const codes = Number(count);
  const withinMs = parseDurationMs(interval);
  if (withinMs === undefined || withinMs > 7 * DAY_MS || codes < 1 || codes > 1_000) return undefined;
  return { codes, withinMs };
}

/** setTimeout and setInterval fail above 24 days. */
function parseInterval(text: string): number | null | undefined {
  if (text === 'off') return null;
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
  const fit = tokens.every(
    (token) => token.length >= MIN_TOKEN_LENGTH && isVaried(token) && /^[\w.~+/=-]+$/.test(token),
  );
  return fit && tokens.length <= TOKENS_AT_ONCE ? tokens : undefined;
}

function isVaried(secret: string): boolean {
  return new Set(secret).size >= MIN_DIFFERENT_CHARACTERS;
}

function parseApiUrl(text: string): string | undefined {
  const url = text.replace(/\/+$/, '');
  return URL.canParse(url) && /^https?:\/\/[^?#]+$/i.test(url) && !/\/v\d+$/.test(url) ? url : undefined;
}
