import { statSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { loadConfig, type Config } from '../config.js';
import { BAD_TOKEN, INTENT_MISSING } from '../discord/discord-bot.js';
import { findMutedIn, readAccount, type Account } from '../discord/account.js';
import { inviteUrl, makePrivate } from '../discord/links.js';
import { chooseServers, servedBefore } from '../discord/servers.js';
import { ConfigError, loadEnvFile, warnIfShared } from '../env-file.js';
import { EXIT_CONFIG, EXIT_FAILURE } from '../exit-codes.js';
import { printable } from '../printable.js';
import { checkCopy, findNewestBackup, isBackupDue } from '../storage/backup.js';
import { isToBeCreated, openStorage, requireSound } from '../storage/open-storage.js';
import { secretPathOf } from '../storage/secret-file.js';
import { requireInstalled } from '../storage/sqlite-driver.js';
import { StorageError } from '../storage/storage-error.js';

const SYMBOLS = { ok: '✓', warning: '!', error: '✗' } as const;
const HOUR_MS = 3_600_000;
const MAX_CLOCK_ERROR_S = 60;
const HTTP_TIMEOUT_MS = 5_000;
const MIN_FREE_BYTES = 100_000_000;
/** A database without a code, which the start creates. */
const NEW = { before: null };
const BACK_UP = 'Let the bot run, or make one now: npm run backup';

interface Finding {
  readonly check: string;
  /** `error`: the bot cannot start. */
  readonly status: keyof typeof SYMBOLS;
  readonly message: string;
  /** `null`: the message says everything. */
  readonly action: string | null;
}

/** Without an action, what follows the first sentence of a problem is the action. */
type Report = (check: string, status: Finding['status'], text: string, action?: string) => void;
/** A check that throws is reported, and returns `null`. */
type Check = <T>(name: string, run: () => T | Promise<T>) => Promise<T | null>;

/** Checks everything that the bot needs. Sets the exit code, and returns the findings as text. */
export async function doctor({ json }: { readonly json?: boolean }): Promise<string> {
  const findings: Finding[] = [];
  const report: Report = (check, status, text, action) => {
    const isWhole = status === 'ok' || action !== undefined;
    const [message = '', ...rest] = isWhole ? [text] : text.split(/(?<=\.)\s(?=[A-Z])/);
    findings.push({ check, status, message, action: action ?? (rest.join(' ') || null) });
  };
  await checkAll(report, async (name, run) => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const isSecret = error instanceof StorageError && error.code.startsWith('SECRET_');
      const isTransient = 'isTransient' in error && error.isTransient === true;
      for (const problem of error instanceof ConfigError ? error.problems : [error.message])
        report(isSecret ? 'secret' : name, isTransient ? 'warning' : 'error', problem);
      return null;
    }
  });
  if (findings.some(({ status }) => status === 'error')) process.exitCode = EXIT_CONFIG;
  else if (findings.some(({ status }) => status === 'warning')) process.exitCode = EXIT_FAILURE;
  return json === true ? `${JSON.stringify(findings, null, 2)}\n` : findings.map(format).join('');
}

function format({ check, status, message, action }: Finding): string {
  const line = `${SYMBOLS[status]} ${check.padEnd(12)} ${printable(message)}\n`;
  return action === null ? line : `${line}${''.padEnd(14)} → ${printable(action)}\n`;
}

/** The later checks need what the earlier ones return. */
async function checkAll(report: Report, check: Check): Promise<void> {
  const isInstalled = await check('installation', () => {
    requireInstalled();
    report('installation', 'ok', `Node ${process.version} and better-sqlite3 work.`);
    return true;
  });
  const config = await check('settings', () => checkSettings(report));
  if (isInstalled === null || config === null) return;
  const database = await check('database', async () => checkDatabase(config, report));
  if (database !== NEW) await check('backups', async () => checkBackups(config, report));
  const account = await check('token', async () =>
    readAccount(config.discordApiUrl, config.discordToken, BAD_TOKEN),
  );
  if (account !== null) {
    checkAccount(account, config, report);
    // Without ALLOWED_GUILD_IDS, the database decides.
    if (database !== null || config.allowedGuildIds !== null) {
      const before = database?.before ?? null;
      const served = await check('servers', () => checkServers(account, config, before, report));
      await check('channels', async () => checkChannels(account, served ?? new Map(), report));
    }
  }
  await checkHttp(config, report);
}

function checkSettings(report: Report): Config {
  const file = loadEnvFile(process.env);
  const config = loadConfig(process.env, file);
  const warning = warnIfShared(file);
  if (warning !== null) report('settings', 'warning', warning);
  else if (file.text === null) report('settings', 'ok', 'All settings are valid. There is no .env.');
  else report('settings', 'ok', `All settings are valid. The file is ${join(file.folder, '.env')}`);
  return config;
}

async function checkDatabase({ database, codeSecret: secret }: Config, report: Report) {
  const isSqlite = database.engine === 'sqlite';
  const storage = await openStorage({ database, secret, as: 'guest' }).catch((error: unknown) => {
    const isEmpty = error instanceof StorageError && error.code === 'DATABASE_MISSING';
    if (!(isSqlite ? isToBeCreated(database.path, secret) : isEmpty)) throw error;
    const where = isSqlite ? ` at ${database.path}` : '';
    report('database', 'warning', `There is no database${where} yet. Start the bot, which creates it.`);
  });
  if (storage === undefined) return NEW;
  try {
    if (isSqlite) {
      await requireSound(storage.driver.query, storage.name);
      await checkDisk(storage.name, report);
    } else report('database', 'ok', `${storage.name} can be opened.`);
    const source = isSqlite && secret === null ? secretPathOf(storage.name) : 'CODE_SECRET';
    const advice = 'Keep a copy elsewhere: without it no backup can be read.';
    report('secret', 'ok', `${source} belongs to the database. ${advice}`);
    return { before: await servedBefore(storage.store) };
  } finally {
    await storage.close();
  }
}

async function checkDisk(path: string, report: Report): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  const free = bavail * bsize;
  const { size } = statSync(path);
  const [has, left] = [size, free].map((bytes) => `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`);
  const sizes = `${path} has ${has}, and its disk has ${left} free.`;
  const advice = 'Free some space: on a full disk nobody logs in or gets a code.';
  // A backup takes as much as the database.
  if (free > size + MIN_FREE_BYTES) report('database', 'ok', `${sizes} It is not damaged.`);
  else report('database', 'warning', sizes, advice);
}

async function checkBackups({ database, backupIntervalMs }: Config, report: Report): Promise<void> {
  if (database.engine !== 'sqlite') return;
  const now = Date.now();
  const newest = findNewestBackup(database.path, now);
  // The bot checks once an hour whether one is due.
  const isLate = backupIntervalMs !== null && isBackupDue(database.path, backupIntervalMs + 2 * HOUR_MS, now);
  if (newest === null) return report('backups', 'warning', 'There is no backup.', BACK_UP);
  try {
    await checkCopy(newest);
    if (!isLate) report('backups', 'ok', `The newest, ${newest}, is not damaged.`);
    else report('backups', 'warning', `The newest, ${newest}, is older than BACKUP_INTERVAL.`, BACK_UP);
  } catch {
    report('backups', 'warning', `The newest, ${newest}, is damaged.`, BACK_UP);
  }
}

function checkAccount(account: Account, { allowedGuildIds }: Config, report: Report): void {
  report('token', 'ok', `Discord accepts the token of ${account.user.username}.`);
  if (account.readsMessages) report('intent', 'ok', 'Message Content Intent is on.');
  else report('intent', 'error', INTENT_MISSING);
  const isPublic = account.application.bot_public;
  if (isPublic && allowedGuildIds === null) report('application', 'warning', makePrivate(account));
  else report('application', 'ok', isPublic ? 'ALLOWED_GUILD_IDS is set.' : 'It is private.');
  const seconds = Math.round(Math.abs(Date.now() - account.discordNow) / 1_000);
  const off = `This machine's clock is ${seconds} s off. Switch on its time synchronization.`;
  if (seconds > MAX_CLOCK_ERROR_S) report('clock', 'warning', off);
  else report('clock', 'ok', 'It agrees with the clock of Discord.');
}

/** Returns the names of the servers that are served, by id. */
function checkServers(
  account: Account,
  { allowedGuildIds: allowed }: Config,
  before: string | null,
  report: Report,
): ReadonlyMap<string, string> {
  const names = new Map(account.servers.map(({ id, name }) => [id, `${name} (${id})`]));
  const nameOf = (id: string): string => names.get(id) ?? id;
  const present = [...names.keys()];
  const invite = inviteUrl(account);
  const served = [...chooseServers({ present, allowed, before, nameOf, invite })];
  const absent = served.filter((id) => !names.has(id));
  if (present.length === 0) report('servers', 'warning', `The bot is in no server. Invite it: ${invite}`);
  else if (absent.length > 0) {
    const message = `ALLOWED_GUILD_IDS lists ${absent.join(', ')}, but the bot is not there.`;
    report('servers', 'warning', message, `Correct it, or invite the bot: ${invite}`);
  } else {
    const ignored = present.filter((id) => !served.includes(id)).map(nameOf);
    const rest = ignored.length > 0 ? ` It ignores ${ignored.join(', ')}.` : '';
    report('servers', 'ok', `The bot serves ${served.map(nameOf).join(', ')}.${rest}`);
  }
  return new Map([...names].filter(([id]) => served.includes(id)));
}

async function checkChannels(
  account: Account,
  served: ReadonlyMap<string, string>,
  report: Report,
): Promise<void> {
  for (const [id, name] of served) {
    const muted = await findMutedIn(account, id);
    const lacks = `The bot lacks permissions in ${name}: ${muted}.`;
    if (muted !== '') report('channels', 'warning', lacks, 'Set them in Channel settings > Permissions.');
    else report('channels', 'ok', `The bot can reply wherever members can write in ${name}.`);
  }
}

async function checkHttp({ httpHost, httpPort }: Config, report: Report): Promise<void> {
  // 0 means a free port, which only the log names.
  if (httpPort === null || httpPort === 0) return;
  const host = httpHost.replace(/^0\.0\.0\.0$/, '127.0.0.1').replace(/^::$/, '::1');
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${httpPort}/healthz`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) });
    const { status, database, gateway } = Object(await response.json());
    const parts = `database ${String(database)}, gateway ${String(gateway)}`;
    if (status === 'ok') report('http', 'ok', `${url} responds: ${parts}.`);
    else report('http', 'warning', `${url} responds: ${parts}.`, 'Read the last lines of the log.');
  } catch {
    report('http', 'warning', `The bot does not respond at ${url}. Start it: npm start`);
  }
}
