import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import type { StandInOptions } from '../../src/demo/stand-in/stand-in.js';
import { makeBackup } from '../../src/storage/backup.js';
import { damageTable } from '../backup/files.js';
import { startBot, TestServer } from '../support/bot.js';
import { openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { postgresDatabase } from '../support/postgres.js';
import { runToEnd } from '../support/program.js';
import { openRaw } from '../support/raw-database.js';

const HTTP_TOKEN = 'crab_only-for-tests_0123456789abcdef';
const OTHER_SECRET = '76543210'.repeat(4);
const ABSENT = '197038439483310086';

type Installation = Awaited<ReturnType<typeof install>>;

type Env = Readonly<Record<string, string>>;

/** A database with a code and a backup, of a bot that is not running. */
async function install(options?: StandInOptions) {
  const server = await TestServer.start(options);
  const folder = temporaryFolder();
  const data = join(folder, 'data');
  const database = join(data, 'access-codes.db');
  const { storage, issueCode } = await openCodes({ databasePath: database });
  await issueCode({ guildId: server.guild.id });
  await storage.store.writeServedGuild(server.guild.id);
  await makeBackup(database, { keep: 7, now: Date.now() });
  await storage.close();
  return { discord: server.discord, server, folder, data, database };
}

async function runDoctor({ discord, folder }: Installation, env: Env = {}, ...args: readonly string[]) {
  const { token, apiUrl } = discord;
  const settings = { DISCORD_TOKEN: token, DISCORD_API_URL: apiUrl, ...env };
  const printed = await runToEnd('dist/cli/main.js', ['doctor', ...args], { cwd: folder, env: settings });
  expect(printed.stderr).toBe('');
  return printed;
}

async function findingsOf(installation: Installation, env?: Env) {
  const { exitCode, stdout } = await runDoctor(installation, env, '--json');
  const findings: Record<'check' | 'status' | 'message' | 'action', string>[] = JSON.parse(stdout);
  const problems = findings.filter(({ status }) => status !== 'ok');
  return { exitCode, stdout, findings, problems };
}

function backupsOf({ data }: Installation): string[] {
  return fs.readdirSync(join(data, 'backups')).map((file) => join(data, 'backups', file));
}

function damage(path: string): void {
  const content = fs.readFileSync(path);
  fs.writeFileSync(path, content.fill(0xff, 4_096));
}

/** Responds to every request with this body. Returns the settings of such a bot. */
async function http(body: string): Promise<Env> {
  const responder = createServer((_request, response) => void response.end(body));
  await once(responder.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void responder.close());
  const { port } = Object(responder.address());
  return { HTTP_PORT: String(port), HTTP_TOKEN };
}

it('finds a healthy installation healthy, with exit code 0', async () => {
  const installation = await install({ publicBot: true });
  const responding = await http('{"status":"ok","database":"ok","gateway":"ok"}');
  const env = { ...responding, ...allow(installation.server.guild.id) };
  const { exitCode, findings } = await findingsOf(installation, env);
  expect(findings.map(({ check, status, action }) => `${check} ${status} ${action}`).join(', ')).toBe(
    'installation ok null, settings ok null, database ok null, secret ok null, backups ok null, token ok null, intent ok null, application ok null, clock ok null, servers ok null, channels ok null, http ok null',
  );
  expect(exitCode).toBe(0);
  const { exitCode: again, stdout } = await runDoctor(installation, env);
  expect([again, stdout.split('\n').length]).toEqual([0, findings.length + 1]);
  expect(stdout).toMatch(/^(?:✓ [a-z]+ +[^\n]+\n)+$/);
});

/** Changes the installation, and returns settings. */
type Change = (installation: Installation) => Env | Promise<Env> | void;

/** `expected` is the exit code, the status, the check, and a part of the message or action. */
type Fault = [what: string, expected: string, change: Change | StandInOptions];

const allow = (...ids: readonly string[]): Env => ({ ALLOWED_GUILD_IDS: ids.join(',') });

const FAULTS: readonly Fault[] = [
  ['a misspelled setting', '78 error settings: Rename it to CODE_TTL', () => ({ CODE_TLL: '30d' })],
  [
    'a .env that others can read',
    '1 warning settings: chmod 600',
    ({ folder }) => {
      fs.writeFileSync(join(folder, '.env'), '');
      fs.chmodSync(join(folder, '.env'), 0o644);
    },
  ],
  ['no token', '78 error settings: Bot > Reset Token', () => ({ DISCORD_TOKEN: '' })],
  ['a refused token', '78 error token: click Reset Token', () => ({ DISCORD_TOKEN: 'not.the.token' })],
  [
    'an outage of Discord',
    '1 warning token: Try again later',
    ({ discord }) => void discord.fail({ route: 'GET /users/@me/guilds' }, 503),
  ],
  [
    'a long rate limit',
    '1 warning token: Try again later',
    ({ discord }) => void discord.fail({ route: 'GET /users/@me' }, { status: 429, retryAfter: 3_600 }),
  ],
  ['no intent', '78 error intent: switch on Message Content', { messageContentIntent: false }],
  ['a public application', '1 warning application: switch off Public Bot', { publicBot: true }],
  [
    'several servers at the first start',
    '78 error servers: Set ALLOWED_GUILD_IDS',
    ({ discord, server, database }) => {
      discord.addGuild('Other Server', server.owner);
      openRaw(database).exec(`DELETE FROM meta WHERE name = 'served_guild_id'; DELETE FROM codes`).close();
    },
  ],
  ['only unknown servers in ALLOWED_GUILD_IDS', '78 error servers: Correct ALLOWED_', () => allow(ABSENT)],
  [
    'an unknown server in ALLOWED_GUILD_IDS',
    `1 warning servers: lists ${ABSENT}, but the bot is not there`,
    ({ server }) => allow(server.guild.id, ABSENT),
  ],
  [
    'no server',
    '1 warning servers: Invite it: https://discord.com/oauth2/authorize?client_id=',
    ({ discord, server }) => discord.removeBot(server.guild),
  ],
  [
    'a channel without two permissions',
    '1 warning channels: Chat Room (GUILD): #general (Embed Links, Send Messages in Threads)',
    ({ discord, server }) => discord.setBotPermissions(server.general, (1n << 10n) | (1n << 11n)),
  ],
  [
    'a channel for members that the bot does not see',
    '1 warning channels: #general (View Channel',
    ({ discord, server }) => discord.setBotPermissions(server.general, 0n),
  ],
  ['a clock that is off', '1 warning clock: Switch on its time', { now: () => Date.now() - 90_000 }],
  ['a lost database', '78 error database: restore a backup', ({ database }) => fs.rmSync(database)],
  ['no database yet', '1 warning database: Start the bot', () => ({ DATABASE_URL: 'new/codes.db' })],
  [
    'a damaged database',
    '78 error database: Restore a backup',
    (at) => damageTable(at.database, 'look_alikes'),
  ],
  [
    'a database without tables',
    '1 warning database: Start the bot',
    async () => ({ DATABASE_URL: await postgresDatabase(), CODE_SECRET: OTHER_SECRET }),
  ],
  [
    'a database server that does not respond',
    '1 warning database: ',
    () => ({ DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:9/codes', CODE_SECRET: OTHER_SECRET }),
  ],
  [
    'a disk that is nearly full',
    '1 warning database: Free some space',
    ({ database }) => {
      const { bavail, bsize } = fs.statfsSync(database);
      // Takes no space: the file gets a hole.
      fs.truncateSync(database, Math.ceil((bavail * bsize) / 4_096) * 4_096);
    },
  ],
  ['another secret', '78 error secret: Put the right one back', () => ({ CODE_SECRET: OTHER_SECRET })],
  ['no secret', '78 error secret: Put your copy', ({ data }) => fs.rmSync(join(data, 'code-secret.key'))],
  [
    'no backup',
    '1 warning backups: npm run backup',
    (at) => backupsOf(at).forEach((path) => fs.rmSync(path)),
  ],
  [
    'an old backup',
    '1 warning backups: older than BACKUP_INTERVAL',
    (at) => backupsOf(at).forEach((path) => fs.renameSync(path, path.replace(/-20\d\d/, '-2020'))),
  ],
  ['a damaged backup', '1 warning backups: npm run backup', (at) => backupsOf(at).forEach(damage)],
  ['a bot that is not running', '1 warning http: npm start', () => ({ HTTP_PORT: '9', HTTP_TOKEN })],
  [
    'a bot without a connection',
    '1 warning http: gateway failing',
    async () => http('{"status":"failing","database":"ok","gateway":"failing"}'),
  ],
  ['another program on the port', '1 warning http: Start it', async () => http('<html>')],
];

it.each<Fault>(FAULTS)('finds %s: %s', async (_what, expected, change) => {
  const isChange = typeof change === 'function';
  const installation = await install(isChange ? {} : change);
  const { server, data } = installation;
  const secret = fs.readFileSync(join(data, 'code-secret.key'), 'utf8').trim();
  const env = isChange ? ((await change(installation)) ?? {}) : {};
  const { exitCode, stdout, problems } = await findingsOf(installation, env);
  const [found, ...others] = problems.map(
    ({ status, check, message, action }) => `${String(exitCode)} ${status} ${check}: ${message} ${action}`,
  );
  const [label = '', part = ''] = expected.replace('(GUILD)', `(${server.guild.id})`).split(/(?<=^[^:]+: )/);
  expect(others).toEqual([]);
  expect(found).toContain(part);
  expect(found).toMatch(new RegExp(`^${label}.*(?<! null)$`));
  for (const text of [server.discord.token, secret, HTTP_TOKEN, OTHER_SECRET, 'hunter2', 'not.the.token'])
    expect(stdout).not.toContain(text);
  expect(server.discord.identifies).toBe(0);
});

it('lists every problem at once, each with what to do on the next line, and forges no line', async () => {
  const installation = await install({ messageContentIntent: false });
  const { discord, owner } = installation.server;
  discord.addGuild('Strangers\n✓ Server', owner);
  backupsOf(installation).forEach((path) => fs.rmSync(path));
  const { exitCode, stdout } = await runDoctor(installation);
  expect(exitCode).toBe(78);
  expect(stdout).toMatch(/^! backups +There is no backup\.\n +→ .*npm run backup$/m);
  expect(stdout).toMatch(/^✗ intent +Discord does not let the bot read messages\.\n +→ Open your .*\.$/m);
  expect(stdout).toContain('It ignores Strangers\\u000a✓ Server');
  const { problems } = await findingsOf(installation, { CODE_LENGTH: '4', HTTP_PORT: 'web' });
  expect(problems.map(({ message }) => message.split(' ')[0])).toEqual(['HTTP_PORT', 'CODE_LENGTH']);
});

it('expects no permission in a category, and none where nobody but the team writes', async () => {
  const installation = await install();
  const { discord, guild } = installation.server;
  const deny = { id: guild.id, type: 0, deny: String(1n << 11n), allow: '0' };
  const body = [
    { id: '1', name: 'announcements', type: 5, permission_overwrites: [deny] },
    { id: '2', name: 'Voice', type: 4, permission_overwrites: [{ ...deny, deny: String(1n << 14n) }] },
  ];
  discord.fail({ route: 'GET /guilds/*/channels' }, { status: 200, body });
  expect(await findingsOf(installation)).toMatchObject({ exitCode: 0, problems: [] });
});

it('changes nothing beside a running bot', async () => {
  const installation = await install();
  const { server, data, database } = installation;
  const bot = await startBot({
    server,
    databasePath: database,
    settings: { HTTP_PORT: '0', HTTP_TOKEN, ALLOWED_GUILD_IDS: server.guild.id },
  });
  const code = await bot.getCode(server.bob, 'Bob');
  const files = [database, `${database}-wal`, join(data, 'code-secret.key'), ...backupsOf(installation)];
  const state = () => [
    fs.readdirSync(data),
    server.discord.identifies,
    server.discord.connections,
    // In a process of its own: to close a file ends the locks that this process has on it.
    execFileSync('cksum', files, { encoding: 'utf8' }),
    ...files.map((file) => {
      const { ino, size, mtimeMs, mode } = fs.statSync(file);
      return { ino, size, mtimeMs, mode };
    }),
  ];
  const before = state();
  expect(await findingsOf(installation)).toMatchObject({ exitCode: 0, problems: [] });
  expect(state()).toEqual(before);
  const calls = server.discord.requests.map(({ method }) => method);
  const env = { HTTP_PORT: String(bot.app.httpPort), HTTP_TOKEN };
  expect(await findingsOf(installation, env)).toMatchObject({ exitCode: 0, problems: [] });
  const ownCalls = server.discord.requests.slice(calls.length).map(({ method }) => method);
  expect(new Set(ownCalls)).toEqual(new Set(['GET']));
  expect(await bot.logIn('Bob', code)).toBe('valid');
});
