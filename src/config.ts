import { join, resolve } from 'node:path';

import { LONGEST_CODE, SHORTEST_CODE } from './codes/code-text.js';
import { MIN_SECRET_LENGTH } from './codes/keys.js';
import { parseUsername, type Username } from './codes/username.js';
import { ConfigError, findIgnored, loadEnvFile, readText, type EnvFile } from './env-file.js';
import { LOCATION_RULE, parseDatabaseUrl, type DatabaseLocation } from './storage/database-url.js';

export type Config = Readonly<ReturnType<typeof loadConfig>>;
export type StorageConfig = Readonly<ReturnType<typeof loadStorageConfig>>;

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
const FORMATS = ['pretty', 'json'] as const;
export type LogLevel = (typeof LEVELS)[number];
export type LogFormat = (typeof FORMATS)[number];

const DAY_MS = 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: DAY_MS,
  w: 7 * DAY_MS,
};
/** In a secret. Of 32 random hexadecimal digits, fewer differ less than once in 10 million times. */
const MIN_DIFFERENT_CHARACTERS = 8;
const STRONG = `at least ${MIN_SECRET_LENGTH} characters, ${MIN_DIFFERENT_CHARACTERS} of them different`;
/** A secret on the line of another setting, or a URL with a password. */
const MAY_BE_SECRET = /(?=\d*[a-z])[\w.~+/=-]{32}|:\/\/.*@/i;
const DEFAULT_DATABASE = 'data/access-codes.db';
const DEFAULT_RESERVED_USERNAMES = 'admin, administrator, moderator, mod, system, owner, support';
const NO_HTTP_TOKEN =
  'HTTP_PORT is set but HTTP_TOKEN is not: anybody who reaches the port could try codes. Set HTTP_TOKEN, here and in your website, to what this prints: npm run --silent token';

type Env = Readonly<Record<string, string | undefined>>;

/** What a setting accepts. `parse` returns `undefined` for anything else. */
interface Rule<T> {
  readonly parse: (text: string) => T | undefined;
  readonly mustBe: string;
  readonly example: string;
}

type Reader = ReturnType<typeof createReader>;

/**
 * Reads the settings. An empty variable counts as unset.
 *
 * @throws {ConfigError} lists every problem.
 */
export function loadConfig(env: Env, file?: EnvFile) {
  return load(env, file, readAll);
}

/**
 * Reads the settings of programs that do not log in to Discord.
 *
 * @throws {ConfigError} lists every problem.
 */
export function loadStorageConfig(env: Env, file?: EnvFile) {
  return load(env, file, readStorage);
}

function load<T>(env: Env, file = loadEnvFile({}, []), readSettings: (reader: Reader) => T): T {
  const reader = createReader(env, file);
  const config = readSettings(reader);
  const every = createReader({}, file);
  readAll(every);
  const names = [...every.names];
  const problems = [
    ...findMisspelled(Object.keys(env), names),
    ...findIgnored(file, names),
    ...reader.problems,
  ];
  if (problems.length > 0) throw new ConfigError(...problems);
  return config;
}

function readAll(reader: Reader) {
  const { read, file } = reader;
  const httpPort = read('HTTP_PORT', null, orNull('off', wholeNumber(0, 65_535, '8080')));
  return {
    discordToken: read('DISCORD_TOKEN', '', BOT_TOKEN, { kind: 'secret', missing: tokenMissing(file) }),
    /** REST base without the version and without a slash at its end. */
    discordApiUrl: read('DISCORD_API_URL', 'https://discord.com/api', API_URL, { kind: 'url' }),
    /** Where members log in with their codes; `null`: not set. */
    websiteUrl: read('WEBSITE_URL', null, WEBSITE),
    commandPrefix: read('COMMAND_PREFIX', '!', PREFIX),
    ...readStorage(reader),
    codeLength: read('CODE_LENGTH', SHORTEST_CODE, wholeNumber(SHORTEST_CODE, LONGEST_CODE, '8')),
    /** `null`: codes never expire. */
    codeTtlMs: read('CODE_TTL', null, orNull('never', DURATION)),
    /** `null`: unlimited. */
    codeMaxUses: read('CODE_MAX_USES', null, orNull('unlimited', wholeNumber(1, 1_000_000_000, '1'))),
    /** How many codes one member gets within an interval. */
    getcodeLimit: read('GETCODE_LIMIT', { codes: 3, withinMs: 600_000 }, LIMIT),
    maxUsernamesPerMember: read('MAX_USERNAMES_PER_MEMBER', 3, wholeNumber(1, 100, '3')),
    /** Nobody gets a code for these usernames, or for their look-alikes. */
    reservedUsernames:
      read('RESERVED_USERNAMES', USERNAMES.parse(DEFAULT_RESERVED_USERNAMES), orNull('none', USERNAMES)) ??
      [],
    /** The servers that the bot serves; `null`: the one server that it is in. */
    allowedGuildIds: read('ALLOWED_GUILD_IDS', null, SERVER_IDS),
    /** Roles of any server; `null`: only members with Discord's Administrator permission list and revoke codes. */
    adminRoleIds: read('ADMIN_ROLE_IDS', null, ROLE_IDS),
    /** Roles of any server; `null`: every member gets codes. */
    getcodeRoleIds: read('GETCODE_ROLE_IDS', null, ROLE_IDS),
    /** How often the bot checks whether holders are still members; `null`: never. */
    membershipCheckIntervalMs: read('MEMBERSHIP_CHECK_INTERVAL', 600_000, INTERVAL),
    /** `null`: the bot makes no backups. */
    backupIntervalMs: read('BACKUP_INTERVAL', DAY_MS, INTERVAL),
    auditDays: read('AUDIT_DAYS', 365, wholeNumber(1, 36_500, '365')),
    /** `null`: no HTTP API. 0: a free port. */
    httpPort,
    httpHost: read('HTTP_HOST', '127.0.0.1', HOST),
    /** One, or two while one replaces the other; empty only without the HTTP API. */
    httpTokens: read('HTTP_TOKEN', [], BEARER_TOKENS, {
      kind: 'secret',
      missing: httpPort === null ? null : NO_HTTP_TOKEN,
    }),
    logLevel: read('LOG_LEVEL', 'info', oneOf(LEVELS, 'info')),
    logFormat: read('LOG_FORMAT', 'pretty', oneOf(FORMATS, 'json')),
  };
}

function readStorage({ read, file }: Reader) {
  const database: Rule<DatabaseLocation> = {
    parse: (text) => parseDatabaseUrl(text, file.folder) ?? undefined,
    mustBe: LOCATION_RULE,
    example: DEFAULT_DATABASE,
  };
  const inFolder: DatabaseLocation = { engine: 'sqlite', path: resolve(file.folder, DEFAULT_DATABASE) };
  return {
    database: read('DATABASE_URL', inFolder, database, { kind: 'url' }),
    /** Where `npm run move-database` copies the codes; `null`: not set. */
    newDatabase: read('NEW_DATABASE_URL', null, database, { kind: 'url' }),
    /** `null`: in a file beside the SQLite database. */
    codeSecret: read('CODE_SECRET', null, CODE_SECRET, { kind: 'secret' }),
    /** How many backups to keep. */
    backupKeep: read('BACKUP_KEEP', 7, wholeNumber(1, 1_000, '7')),
  };
}

function createReader(env: Env, file: EnvFile) {
  const names = new Set<string>();
  const problems: string[] = [];
  const textOf = (name: string): string => {
    names.add(name);
    const text = env[name]?.trim() ?? '';
    if (!/^(["'`]).*\1$/s.test(text)) return text;
    problems.push(`${name} is in quotes. Remove them: docker run --env-file, for example, keeps them.`);
    return '';
  };
  /** Reads a text from the file of `<name>_FILE` if that is set. */
  const secretOf = (name: string, { parse }: Rule<unknown>, missing: string | null): string => {
    const text = textOf(name);
    const named = textOf(`${name}_FILE`);
    if (named === '') {
      if (missing !== null && !env[name]?.trim() && !env[`${name}_FILE`]?.trim()) problems.push(missing);
      return text;
    }
    if (text !== '') {
      problems.push(`${name} and ${name}_FILE are both set. Remove one of them.`);
    } else if (!/^(?:[./\\]|[a-z]:)/i.test(named) && parse(named) !== undefined) {
      // It may be the secret: do not quote it.
      problems.push(`${name}_FILE must be the path of a file with the value. Begin a relative path with ./`);
    } else {
      const path = resolve(file.folder, named);
      const content = readText(path);
      if (content?.trim()) return content.trim();
      problems.push(`${name}_FILE: ${path} ${content === null ? 'does not exist' : 'is empty'}.`);
    }
    return '';
  };
  /** Reads a setting. A URL, which may contain a password, and a secret are never quoted. */
  const read = <T>(
    name: string,
    fallback: T,
    rule: Rule<T>,
    { kind, missing = null }: { kind?: 'url' | 'secret'; missing?: string | null } = {},
  ): T => {
    const text = kind === 'secret' ? secretOf(name, rule, missing) : textOf(name);
    if (text === '') return fallback;
    const value = rule.parse(text);
    if (value !== undefined) return value;
    const isQuoted = kind === undefined && !MAY_BE_SECRET.test(text);
    const found = isQuoted ? `, but is ${JSON.stringify(text)}` : '';
    problems.push(`${name} must be ${rule.mustBe}${found}. Example: ${rule.example}`);
    return fallback;
  };
  return { read, file, names, problems };
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

const BOT_TOKEN = matching(
  /^[\w-]+\.[\w-]+\.[\w-]+$/,
  "a bot's token, which has three parts with dots between them (the application id, the public key and the client secret are something else)",
  'what the developer portal shows at your application > Bot > Reset Token',
);

const API_URL: Rule<string> = {
  parse: (text) => {
    const url = text.replace(/\/+$/, '');
    return URL.canParse(url) && /^https?:\/\/[^?#]+$/i.test(url) && !/\/v\d+$/.test(url) ? url : undefined;
  },
  mustBe: 'an http or https URL without the version at its end',
  example: 'http://127.0.0.1:8080/api',
};

const WEBSITE: Rule<string> = {
  parse: (text) => (/^https?:\/\/\S+$/i.test(text) && URL.canParse(text) ? text : undefined),
  mustBe: 'an address that begins with http:// or https://',
  example: 'https://chat.example',
};

const PREFIX = matching(
  /^[!#-;=?A-[\]-_a-~]{1,8}$/,
  '1 to 8 ASCII characters without spaces and without ` " @ < > \\',
  '?',
);

const HOST = matching(/^[\w.:-]{1,253}$/, 'an IP address or host name of this machine', '127.0.0.1');

const CODE_SECRET: Rule<string> = {
  parse: (text) => (isStrong(text) && !/\p{Cc}/u.test(text) ? text : undefined),
  mustBe: `${STRONG}, on one line, that nobody can guess`,
  example: 'what this prints: openssl rand -hex 32',
};

/** A Bearer token has these characters (RFC 6750). */
const BEARER_TOKENS: Rule<readonly string[]> = {
  parse: (text) => {
    const tokens = text.split(',').map((token) => token.trim());
    const fit = tokens.every((token) => isStrong(token) && /^[\w.~+/=-]+$/.test(token));
    return fit && tokens.length <= 2 ? tokens : undefined;
  },
  mustBe: `${STRONG}, only letters, digits and - . _ ~ + / =, or two such tokens with a comma between them`,
  example: 'what this prints: npm run --silent token',
};

const LIMIT: Rule<{ readonly codes: number; readonly withinMs: number }> = {
  parse: (text) => {
    const [, count = '', interval = ''] = /^(\d{1,4})\/(\w+)$/.exec(text) ?? [];
    const codes = wholeNumber(1, 1_000, '').parse(count);
    const withinMs = duration('1s', '7d', '').parse(interval);
    return codes === undefined || withinMs === undefined ? undefined : { codes, withinMs };
  },
  mustBe: 'a number of codes from 1 to 1000, a slash, and a duration of at most 7d',
  example: '3/10m',
};

const USERNAMES: Rule<readonly Username[]> = {
  parse: (text) => parseList(text, (username) => parseUsername(username) ?? undefined),
  mustBe: 'usernames separated by commas',
  example: 'admin, moderator, The Chat Team',
};

const SERVER_IDS = ids(
  'server ids separated by commas (switch on User Settings > Advanced > Developer Mode, right-click the server, Copy Server ID)',
  '81384788765712384,197038439483310086',
);

const ROLE_IDS = ids(
  'role ids separated by commas (switch on User Settings > Advanced > Developer Mode, then Server Settings > Roles, right-click the role, Copy Role ID)',
  '197038439483310086',
);

/** setTimeout and setInterval fail above 24 days. */
const INTERVAL = orNull('off', duration('1m', '7d', '6h'));

export const DURATION = duration('1s', '36500d', '30d');

function ids(mustBe: string, example: string): Rule<ReadonlySet<string>> {
  const parse = (text: string): ReadonlySet<string> | undefined => {
    const found = parseList(text, (id) => (/^\d{17,20}$/.test(id) ? id : undefined));
    return found === undefined ? undefined : new Set(found);
  };
  return { parse, mustBe, example };
}

function matching(pattern: RegExp, mustBe: string, example: string): Rule<string> {
  return { parse: (text) => (pattern.test(text) ? text : undefined), mustBe, example };
}

function oneOf<T extends string>(words: readonly T[], example: T): Rule<T> {
  return {
    parse: (text) => words.find((word) => word === text),
    mustBe: `one of ${words.join(', ')}`,
    example,
  };
}

function wholeNumber(min: number, max: number, example: string): Rule<number> {
  const parse = (text: string): number | undefined =>
    /^\d{1,15}$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined;
  return { parse, mustBe: `a whole number from ${min} to ${max}`, example };
}

/** Stricter than libraries, which accept `90`, `-5m` or `1d garbage`. */
function duration(min: string, max: string, example: string): Rule<number> {
  const msOf = (text: string): number => {
    const [, count, unit = ''] = /^(\d{1,12})([smhdw])$/.exec(text) ?? [];
    return Number(count) * (UNIT_MS[unit] ?? 0);
  };
  const parse = (text: string): number | undefined =>
    msOf(text) >= msOf(min) && msOf(text) <= msOf(max) ? msOf(text) : undefined;
  const mustBe = `a duration from ${min} to ${max}: a whole number with s, m, h, d or w`;
  return { parse, mustBe, example };
}

/** Accepts a word too, which means `null`. */
function orNull<T>(word: string, { parse, mustBe, example }: Rule<T>): Rule<T | null> {
  return { parse: (text) => (text === word ? null : parse(text)), mustBe: `${word}, or ${mustBe}`, example };
}

function parseList<T>(text: string, parse: (item: string) => T | undefined): readonly T[] | undefined {
  const items = text.split(',').map((item) => parse(item.trim()));
  return items.every((item) => item !== undefined) ? items : undefined;
}

function isStrong(secret: string): boolean {
  return secret.length >= MIN_SECRET_LENGTH && new Set(secret).size >= MIN_DIFFERENT_CHARACTERS;
}
