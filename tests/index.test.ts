import { chmodSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import type { StandInUser } from '../src/demo/stand-in/stand-in.js';
import { openValidator } from '../src/validator/validator.js';
import { startBot, TestServer } from './support/bot.js';
import { temporaryFolder } from './support/folder.js';
import { run, runScript, type Running } from './support/process.js';

const BOT = 'dist/index.js';
const EXIT_FAILURE = 1;
const EXIT_CONFIG = 78;
const HTTP = { HTTP_PORT: '0', HTTP_TOKEN: 'crab_only-for-tests_0123456789abcdef' };

const WRONG_SECRET = '76543210'.repeat(4);

type Env = Readonly<Record<string, string>>;

const envOf = ({ discord }: TestServer): Env => ({
  DISCORD_TOKEN: discord.token,
  DISCORD_API_URL: discord.apiUrl,
});

function startProcess(server: TestServer, cwd: string, env: Env = {}): Running {
  const settings = { LOG_FORMAT: 'json', BACKUP_INTERVAL: 'off' };
  return run(BOT, { cwd, env: { ...envOf(server), ...settings, ...env } });
}

/** Returns the status of a path of the HTTP API, whose port the bot has logged. */
async function statusOf(bot: Running, path: string): Promise<number> {
  const [, port = ''] = /"port":(\d+)/.exec(bot.stdout()) ?? [];
  return (await fetch(`http://127.0.0.1:${port}${path}`)).status;
}

it('lists every wrong setting and quotes no secret', async () => {
  const env = {
    DISCORD_TOKEN: 'no token',
    CODE_SECRET: 'hunter2',
    CODE_TTL: '9\u009B\u202E',
    CODE_LENGTH: '4',
  };
  const bot = run(BOT, { cwd: temporaryFolder(), env });
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stderr().match(/^[A-Z_]+/gm)).toEqual([
    'DISCORD_TOKEN',
    'CODE_SECRET',
    'CODE_LENGTH',
    'CODE_TTL',
  ]);
  expect(bot.stderr()).not.toMatch(/no token|hunter2|\u009B|\u202E/);
});

it('warns at the start when other accounts can read .env', async () => {
  const cwd = temporaryFolder();
  const envFile = join(cwd, '.env');
  writeFileSync(envFile, 'CODE_LENGTH=8\n');
  chmodSync(envFile, 0o604);
  const bot = startProcess(await TestServer.start(), cwd);
  await bot.printed('is ready');
  const warning = `Other accounts on this machine can read the secrets in ${envFile}. Run: chmod 600`;
  expect(bot.stdout()).toContain(warning);
});

it.each<[number, string, string, Env, ((server: TestServer, cwd: string) => void)?]>([
  [
    EXIT_CONFIG,
    'Discord refuses the token',
    'page Bot, click Reset Token',
    { DISCORD_TOKEN: 'not.the.token' },
  ],
  [EXIT_CONFIG, 'the secret is wrong', 'CODE_SECRET is not the secret that', { CODE_SECRET: WRONG_SECRET }],
  [
    EXIT_CONFIG,
    'the token is reset while the bot runs',
    'click Reset Token',
    {},
    ({ discord }) => discord.closeGateway(4004),
  ],
  [
    EXIT_FAILURE,
    'the database is moved while the bot runs',
    'was moved, deleted, replaced or truncated',
    {},
    ({ discord, general, alice }, cwd) => {
      renameSync(join(cwd, 'data/access-codes.db'), join(cwd, 'moved.db'));
      discord.say(general, alice, '!getcode Alice');
    },
  ],
])('ends with code %i when %s', async (code, _what, sentence, env, change) => {
  const server = await TestServer.start();
  const cwd = temporaryFolder();
  await (await startBot({ server, databasePath: join(cwd, 'data/access-codes.db') })).app.stop();
  const bot = startProcess(server, cwd, env);
  if (change !== undefined) {
    await bot.printed('is ready');
    change(server, cwd);
  }
  expect(await bot.ended).toBe(code);
  expect(bot.stdout()).toContain(sentence);
  expect(bot.stdout()).not.toMatch(/not\.the\.token|76543210/);
});

const INFO = 30;
const WARN = 40;
it.each<[number, readonly string[], Readonly<Record<string, string>>]>([
  [INFO, [], {}],
  [WARN, ['.env'], {}],
  [WARN, ['backups'], {}],
  [WARN, [], { CODE_SECRET: '01234567'.repeat(4) }],
])('logs with level %i that it created a database beside %j with %j', async (level, files, settings) => {
  const folder = temporaryFolder();
  for (const file of files) mkdirSync(join(folder, file));
  const databasePath = join(folder, 'codes.db');
  const { logged } = await startBot({ databasePath, settings });
  const [line = '{}'] = logged().match(/^.*Created a new database.*$/m) ?? [];
  expect(JSON.parse(line)).toMatchObject({ level, database: databasePath });
});

it('ends with code 1 when the port is in use', async () => {
  const server = await TestServer.start();
  const first = await startBot({ server, settings: HTTP });
  const bot = startProcess(server, temporaryFolder(), { ...HTTP, HTTP_PORT: String(first.app.httpPort) });
  expect(await bot.ended).toBe(EXIT_FAILURE);
  expect(bot.stdout()).toContain('Another program listens on');
});

it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  'finishes its work on %s and ends with code 0',
  async (signal) => {
    const server = await TestServer.start();
    const cwd = temporaryFolder();
    const bot = startProcess(server, cwd);
    await bot.printed('is ready');

    const calls = server.discord.hold({});
    server.discord.say(server.general, server.alice, '!getcode Alice');
    await calls.arrived;
    bot.child.kill(signal);
    await bot.printed(`Stopping on ${signal}`);
    calls.release();

    expect(await bot.ended).toBe(0);
    expect(readdirSync(join(cwd, 'data')).toSorted()).toEqual(['access-codes.db', 'code-secret.key']);
    const [code, ack] = server.takeSaid();
    expect(ack?.message.content).toContain('Access code sent');
    const validator = await openValidator({ databaseUrl: join(cwd, 'data/access-codes.db') });
    expect(await validator.validate('Alice', code?.message.content ?? '')).toMatchObject({ valid: true });
    await validator.close();
  },
);

it.each([
  ['start', 'is ready', 'Stopping on SIGTERM'],
  ['dev', 'is ready', 'Stopping on SIGTERM'],
  ['demo', '#general alice> ', ''],
])('ends `npm run %s` with code 0 when npm receives SIGTERM', async (script, ready, last) => {
  const server = await TestServer.start();
  const npm = runScript(script, { cwd: temporaryFolder(), env: envOf(server), input: null });
  await npm.printed(ready);
  npm.child.kill('SIGTERM');
  expect(await npm.ended).toBe(0);
  expect(npm.stdout()).toContain(last);
});

it('finishes its work on Ctrl+C, after which npm repeats the signal', async () => {
  const server = await TestServer.start();
  const npm = runScript('start', { cwd: temporaryFolder(), env: envOf(server) });
  await npm.printed('is ready');
  const calls = server.discord.hold({});
  server.discord.say(server.general, server.alice, '!getcode Alice');
  await calls.arrived;
  npm.signalGroup('SIGINT');
  await npm.printed('Stopping on SIGINT');
  npm.signalGroup('SIGINT');
  calls.release();
  expect(await npm.ended).toBe(0);
  expect(server.takeSaid()).toHaveLength(2);
});

it('ends on SIGTERM while Discord does not respond', async () => {
  const server = await TestServer.start();
  const bot = startProcess(server, temporaryFolder());
  await bot.printed('is ready');
  const calls = server.discord.hold({});
  server.discord.say(server.general, server.alice, '!getcode Alice');
  await calls.arrived;
  bot.child.kill('SIGTERM');
  expect(await bot.ended).toBe(0);
});

it.each<[string, string, (server: TestServer) => () => void]>([
  ['the network', 'Cannot reach Discord', ({ discord }) => discord.goOffline()],
  [
    'the end of a limit of its login',
    'Discord limits requests to /gateway/bot for 60 minutes.',
    ({ discord }) => discord.fail({ route: 'GET /gateway/bot' }, { status: 429, retryAfter: 3_600 }),
  ],
])('waits for %s at the start while the HTTP API works', async (what, sentence, begin) => {
  const server = await TestServer.start();
  const end = begin(server);
  const bot = startProcess(server, temporaryFolder(), HTTP);
  await bot.printed(sentence);
  expect([await statusOf(bot, '/healthz'), await statusOf(bot, '/livez')]).toEqual([503, 200]);
  if (!what.includes('limit')) {
    end();
    await bot.printed('is ready');
    expect(await statusOf(bot, '/healthz')).toBe(200);
  }
  bot.child.kill('SIGTERM');
  expect(await bot.ended).toBe(0);
});

it('prints at most ten readable lines at a start, and one for each code, without colours off a terminal', async () => {
  const server = await TestServer.start();
  const { discord, general, alice, admin } = server;
  const bot = startProcess(server, temporaryFolder(), {
    ...HTTP,
    LOG_FORMAT: '',
    WEBSITE_URL: 'https://chat.example',
    BACKUP_INTERVAL: '24h',
  });
  await bot.printed('Created a backup');
  const started = bot.stdout().trim().split('\n');
  expect(started.length).toBeLessThanOrEqual(10);
  expect(started).toContainEqual(
    expect.stringMatching(new RegExp(` INFO: access-bot is ready, in Chat Room \\(${server.guild.id}\\)$`)),
  );
  discord.say(general, alice, '!getcode Alice');
  await bot.printed('Delivered a code');
  discord.say(general, admin, '!getcode Alice');
  await bot.printed('Refused a code');
  discord.say(general, admin, '!revoke Alice');
  await bot.printed('Revoked');
  const lines = bot.stdout().trim().split('\n').slice(started.length);
  const who = ({ id, username }: StandInUser): string => `"member":"${username}","memberId":"${id}"`;
  expect(lines.map((line) => line.replace(/^\[.{19}\] INFO: /, ''))).toEqual([
    `Issued a code {"username":"Alice",${who(alice)}}`,
    `Delivered a code {"username":"Alice",${who(alice)}}`,
    `Refused a code {"username":"Alice",${who(admin)},"refusal":"taken"}`,
    `Revoked codes {"usernames":["Alice"],"codes":1,"by":"admin","byId":"${admin.id}"}`,
  ]);
  expect(bot.stdout()).not.toContain('\u001B');
  const [message] = discord.messages(alice);
  expect(bot.stdout()).not.toContain(message?.content);
  expect(message?.embeds[0]?.description).toBe(
    'Use this code to log into the chat room: https://chat.example',
  );
});
