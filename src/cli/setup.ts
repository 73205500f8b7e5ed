import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { confirm, isCancel, log, password, select, spinner, text } from '@clack/prompts';
import type { CANCEL_SYMBOL } from '@clack/prompts';

import { loadConfig } from '../config.js';
import { readAccount, type Account, type Server } from '../discord/account.js';
import { DiscordOutageError } from '../discord/errors.js';
import { inviteUrl, makePrivate, portalUrl } from '../discord/links.js';
import { ConfigError, loadEnvFile, readText } from '../env-file.js';
import { EXIT_CONFIG, EXIT_FAILURE } from '../exit-codes.js';
import { printable } from '../printable.js';
import { giveAway, locate } from '../storage/files.js';
import { ProgramError } from './program-error.js';

type Answers = 'tokenFile' | 'server' | 'prefix' | 'codeTtl' | 'codeMaxUses';
/** As typed. `token`: where other accounts can see it. */
export type SetupOptions = { readonly [answer in Answers]?: string } & { token?: unknown; yes?: boolean };

const POLL_INTERVAL_MS = 3_000;
const EXAMPLE = fileURLToPath(new URL('../../.env.example', import.meta.url));
const WHERE = `The token is on ${portalUrl()} > your application > Bot > Reset Token.`;
const SWITCH_ON = 'page Bot, switch on Message Content Intent under Privileged Gateway Intents, and save.';
const CANCELED = 'Canceled. Nothing was written.';

/** What people copy from the portal by mistake. */
const NOT_TOKENS = [
  [/^\d{17,20}$/, 'application id'],
  [/^[\da-f]{64}$/i, 'public key'],
  [/^[\w-]{32}$/, 'client secret'],
] as const;

const SETTINGS = [
  ['COMMAND_PREFIX', 'prefix', '--prefix', '!', 'What do commands start with?'],
  ['CODE_TTL', 'codeTtl', '--code-ttl', 'never', 'How long does a code work? Example: 30d'],
  ['CODE_MAX_USES', 'codeMaxUses', '--code-max-uses', 'unlimited', 'How many uses has a code? Example: 1'],
] as const;

/**
 * Asks for what the options do not say, checks it with Discord, and writes `.env`. Without a terminal it asks nothing.
 *
 * @throws {ProgramError | ConfigError | DiscordSetupError | DiscordOutageError} nothing was written.
 */
export async function setUp(
  options: SetupOptions,
  wait: (ms: number) => Promise<unknown> = pause,
): Promise<void> {
  if (options.token !== undefined) {
    throw new ProgramError(
      '--token has no value, because other accounts can see arguments. Send the token to standard input, or use --token-file.',
    );
  }
  const { folder, text: found } = loadEnvFile(process.env);
  const path = join(folder, '.env');
  const existing = found?.trim() ? found : null;
  if (existing !== null && options.yes !== true) {
    const kept = 'Its other settings are kept.';
    if (!isInteractive()) throw new ProgramError(`${path} exists. Add --yes to change it. ${kept}`);
    const message = `${path} exists. Change it? ${kept}`;
    if (!(await answered(confirm({ message })))) throw new ProgramError(CANCELED, EXIT_FAILURE);
  }
  // A script learns what is missing before it waits for Discord.
  const given = isInteractive() ? null : await readSettings(options);
  const account = await waitUntilReady(await askAccount(options), wait);
  const server = await choose(account.servers, options.server);
  const settings = given ?? (await readSettings(options));
  const values = { DISCORD_TOKEN: account.token, ALLOWED_GUILD_IDS: server.id, ...settings };
  const content = Object.entries(values).reduce(setLine, existing ?? readText(EXAMPLE) ?? '');
  loadConfig({ ...process.env, ...values }, { folder, lookedIn: [folder], text: content });
  write(path, content);
  tell(
    `Wrote ${path}. Now type npm start, then ${settings['COMMAND_PREFIX']}getcode Alice in a channel of ${printable(server.name)}.`,
  );
}

function isInteractive(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY;
}

function tell(sentence: string, level: 'info' | 'warn' = 'info'): void {
  if (isInteractive()) log[level](sentence);
  else process.stdout.write(`${sentence}\n`);
}

async function answered<T>(prompt: Promise<T | typeof CANCEL_SYMBOL>): Promise<T> {
  const answer = await prompt;
  if (isCancel(answer)) throw new ProgramError(CANCELED, EXIT_FAILURE);
  return answer;
}

async function readSettings(options: SetupOptions): Promise<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const [name, option, flag, initial, message] of SETTINGS) {
    const defaultValue = process.env[name]?.trim() || initial;
    const given = options[option] ?? (options.yes === true ? defaultValue : undefined);
    if (given === undefined && !isInteractive())
      throw new ProgramError(`${flag} is missing. Add it, or --yes for the default: ${defaultValue}`);
    const problem = problemOf(name, given);
    if (problem !== undefined) throw new ProgramError(problem.replace(name, flag));
    const validate = (typed?: string): string | undefined => problemOf(name, typed);
    const question = { message, defaultValue, placeholder: defaultValue, validate };
    values[name] = (given ?? (await answered(text(question)))).trim();
  }
  return values;
}

async function askAccount({ tokenFile }: SetupOptions): Promise<Account> {
  const present = process.env['DISCORD_TOKEN']?.trim() ?? '';
  const find = async (typed = ''): Promise<Account> => findAccount(typed.trim() || present);
  if (tokenFile !== undefined) {
    const content = readText(tokenFile);
    // It may be the token: do not quote it.
    if (content === null) throw new ProgramError('--token-file must be the path of a file with the token.');
    return find(content);
  }
  if (!isInteractive()) return find(process.stdin.isTTY ? '' : await readAll(process.stdin));
  const kept = present === '' ? '' : ', or press Enter to keep the present one';
  const validate = async (typed?: string): Promise<string | undefined> =>
    find(typed).then(
      () => undefined,
      ({ message }: Error) => message,
    );
  const question = { message: `Paste the bot's token${kept}. ${WHERE}`, validate, clearOnError: true };
  return find(await answered(password(question)));
}

async function findAccount(token: string): Promise<Account> {
  if (token === '')
    throw new ProgramError(`The token is missing. Send it to standard input, or use --token-file. ${WHERE}`);
  const [, kind] = NOT_TOKENS.find(([pattern]) => pattern.test(token)) ?? [];
  if (kind !== undefined) throw new ProgramError(`This is the ${kind}, not the token. ${WHERE}`);
  const { DISCORD_API_URL } = process.env;
  return readAccount(loadConfig({ DISCORD_TOKEN: token, DISCORD_API_URL }).discordApiUrl, token);
}

/** Says what to do in Discord, and asks it every 3 seconds whether that is done. */
async function waitUntilReady(found: Account, wait: (ms: number) => Promise<unknown>): Promise<Account> {
  tell(`This is ${printable(found.application.name)}.`);
  if (found.application.bot_public) tell(makePrivate(found), 'warn');
  if (!found.readsMessages)
    tell(`The bot cannot read commands. Open ${portalUrl(found)}, ${SWITCH_ON}`, 'warn');
  if (found.servers.length === 0)
    tell(`The bot is in no server. Open this link and choose yours: ${inviteUrl(found)}`);
  let account = found;
  const isReady = (): boolean => account.readsMessages && account.servers.length > 0;
  if (isReady()) return account;
  const shown = isInteractive() ? spinner({ cancelMessage: CANCELED }) : { start: tell, clear: () => {} };
  // Ctrl+C in a spinner ends the process with code 0.
  const onExit = (): void => void (process.exitCode = EXIT_FAILURE);
  process.once('exit', onExit);
  shown.start('Waiting until that is done');
  try {
    while (!isReady()) {
      await wait(POLL_INTERVAL_MS);
      account = await findAccount(found.token).catch((error: unknown) => {
        if (error instanceof DiscordOutageError) return account;
        throw error;
      });
    }
  } finally {
    shown.clear();
    process.off('exit', onExit);
  }
  return account;
}

/** @param wanted an id or a name. */
async function choose(servers: readonly Server[], wanted?: string): Promise<Server> {
  const found = servers.filter(({ id, name }) =>
    [id, name.toLowerCase()].includes(wanted?.trim().toLowerCase() ?? id),
  );
  const [first, second] = found;
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined && isInteractive()) {
    const options = found.map((value) => ({ value, label: printable(value.name), hint: value.id }));
    return answered(select({ message: 'Members of which server get codes?', options }));
  }
  const list = servers.map(({ id, name }) => `${printable(name)} (${id})`).join(', ');
  throw new ProgramError(`The bot is in ${list}. Add --server with the id of yours.`);
}

/** Replaces the line of a setting, or else the comment with its default; adds a line where there is neither. */
function setLine(content: string, [name, value]: readonly [string, string]): string {
  // Without quotes, # begins a comment.
  const line = `${name}=${/[#']/.test(value) ? `"${value}"` : value}`;
  for (const start of ['[ \\t]*(?:export[ \\t]+)?', '# ']) {
    const pattern = new RegExp(`^${start}${name}[ \\t]*=.*$`, 'gm');
    if (pattern.test(content)) return content.replaceAll(pattern, () => line);
  }
  return `${content}\n${line}\n`;
}

function write(path: string, content: string): void {
  const target = locate(path);
  try {
    // Left by a process that was killed, or the link of another account.
    rmSync(`${target}.new`, { force: true });
    writeFileSync(`${target}.new`, content, { mode: 0o600, flush: true, flag: 'wx' });
    giveAway(`${target}.new`);
    renameSync(`${target}.new`, target);
  } catch (error) {
    throw new ProgramError(
      `Cannot write ${path}: ${String(Reflect.get(Object(error), 'code'))}.`,
      EXIT_CONFIG,
    );
  }
}

/** Returns what the bot would say about a value at its start. */
function problemOf(name: string, value: string | undefined): string | undefined {
  try {
    loadConfig({ DISCORD_TOKEN: 'a.b.c', [name]: value });
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}
