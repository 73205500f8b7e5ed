import { mkdirSync, readdirSync, realpathSync, renameSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';

import { expect, it } from 'vitest';

import { openValidator } from '../src/validator/validator.js';
import { TOKEN } from './http/door.js';
import { startBot, TestServer } from './support/bot.js';
import { deferred } from './support/deferred.js';
import { temporaryFolder } from './support/folder.js';
import { run, type Running } from './support/process.js';

const BOT = 'dist/index.js';
const EXIT_CONFIG = 78;

function startProcess(server: TestServer, cwd: string, env: Readonly<Record<string, string>> = {}): Running {
  const { token, apiUrl } = server.discord;
  return run(BOT, {
    cwd,
    env: {
      DISCORD_TOKEN: token,
      DISCORD_API_URL: apiUrl,
      LOG_FORMAT: 'json',
      BACKUP_INTERVAL: 'off',
      ...env,
    },
  });
}

it('without a token says in three lines what to do', async () => {
  const bot = run(BOT, { cwd: temporaryFolder() });
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stderr()).toBe(
    [
      'DISCORD_TOKEN is not set, so the bot cannot log in to Discord.',
      "Copy .env.example to .env and put your bot's token into it; the README says where to get one.",
      'To try the bot without an account and without a token: npm run demo',
      '',
    ].join('\n'),
  );
});

it('names every wrong setting at once and shows no secret', async () => {
  const env = { DISCORD_TOKEN: 'no token', CODE_SECRET: 'hunter2', CODE_TTL: '90', CODE_LENGTH: '4' };
  const bot = run(BOT, { cwd: temporaryFolder(), env });
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stderr().match(/^[A-Z_]+/gm)).toEqual([
    'DISCORD_TOKEN',
    'CODE_SECRET',
    'CODE_LENGTH',
    'CODE_TTL',
  ]);
  expect(bot.stderr()).not.toMatch(/no token|hunter2/);
});

it('with a token that Discord refuses says where to get another', async () => {
  const server = await TestServer.start();
  const cwd = temporaryFolder();
  const bot = startProcess(server, cwd, { DISCORD_TOKEN: 'not.the.token' });
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stdout()).toContain('page Bot, click Reset Token');
  expect(bot.stdout()).not.toContain('not.the.token');
});

it('without the Message Content intent says where to switch it on', async () => {
  const server = await TestServer.start({ messageContentIntent: false });
  const bot = startProcess(server, temporaryFolder());
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stdout()).toContain('switch on Message Content Intent under Privileged Gateway Intents');
});

it('ends with code 78 when Discord takes the token back while it runs', async () => {
  const server = await TestServer.start();
  const bot = startProcess(server, temporaryFolder());
  await bot.printed('is ready in');
  server.discord.closeGateway(4004);
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stdout()).toContain('click Reset Token');
});

it('where another bot still has its port ends with a code that lets it be started again', async () => {
  const server = await TestServer.start();
  const first = await startBot({ server, settings: { HTTP_PORT: '0', HTTP_TOKEN: TOKEN } });
  const bot = startProcess(server, temporaryFolder(), {
    HTTP_PORT: String(first.app.httpPort),
    HTTP_TOKEN: TOKEN,
  });
  expect(await bot.ended).toBe(1);
  expect(bot.stdout()).toContain('Another program listens on');
});

it('with the wrong secret names the file that holds it', async () => {
  const server = await TestServer.start();
  const cwd = temporaryFolder();
  const first = startProcess(server, cwd);
  await first.printed('is ready in');
  first.child.kill('SIGTERM');
  await first.ended;

  const bot = startProcess(server, cwd, { CODE_SECRET: 'x'.repeat(32) });
  expect(await bot.ended).toBe(EXIT_CONFIG);
  expect(bot.stdout()).toContain('CODE_SECRET is not the secret that');
});

it('logs at the first start alone that it made the secret, where it is, and to copy it', async () => {
  const server = await TestServer.start();
  const cwd = realpathSync(temporaryFolder());
  const made = `Made the secret that encrypts the codes: ${join(cwd, 'data/code-secret.key')}. Copy it somewhere safe`;
  for (const [start, isLogged] of [true, false].entries()) {
    const bot = startProcess(server, cwd);
    await bot.printed('is ready in');
    expect([start, bot.stdout().includes(made)]).toEqual([start, isLogged]);
    bot.child.kill('SIGTERM');
    await bot.ended;
  }
});

it.each<[string, readonly string[], (path: string) => void]>([
  ['missing', ['.marker'], (path) => renameSync(path, `${path}.lost`)],
  ['empty', ['', '.marker'], (path) => truncateSync(path)],
])(
  'tells the operator of a database that is %s to move its files aside, and never to delete one',
  async (_what, left, lose) => {
    const server = await TestServer.start();
    const cwd = realpathSync(temporaryFolder());
    const [database, secret] = [join(cwd, 'data/access-codes.db'), join(cwd, 'data/code-secret.key')];
    const first = startProcess(server, cwd);
    await first.printed('is ready in');
    first.child.kill('SIGTERM');
    await first.ended;
    lose(database);

    const refused = startProcess(server, cwd);
    expect(await refused.ended).toBe(EXIT_CONFIG);
    const files = [...left.map((ending) => database + ending), secret];
    expect(refused.stdout()).toContain(
      `To start over with no codes, move ${files.join(' and ')} to another folder. Keep ${secret}: your backups cannot be read without it.`,
    );
    expect(refused.stdout()).not.toContain('delete');

    mkdirSync(join(cwd, 'aside'));
    for (const file of files) renameSync(file, join(cwd, 'aside', basename(file)));
    await startProcess(server, cwd).printed('is ready in 1 server');
  },
);

it('greets its servers, or asks for its invitation when it is in none', async () => {
  const server = await TestServer.start();
  const bot = startProcess(server, temporaryFolder());
  await bot.printed('access-bot is ready in 1 server');
  expect(bot.stdout()).toContain('Chat Room');
  expect(bot.stdout()).not.toContain('Invite it');
  bot.child.kill('SIGTERM');
  await bot.ended;

  server.discord.removeBot(server.guild);
  const lonely = startProcess(server, temporaryFolder());
  await lonely.printed('Invite it');
  const { botUser } = server.discord;
  const view = 1n << 10n;
  const send = 1n << 11n;
  const embed = 1n << 14n;
  expect(lonely.stdout()).toContain(
    `https://discord.com/oauth2/authorize?client_id=${botUser.id}&scope=bot&permissions=${view | send | embed}`,
  );
});

it.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s finishes what is under way, then ends with code 0',
  async (signal) => {
    const server = await TestServer.start();
    const cwd = temporaryFolder();
    const bot = startProcess(server, cwd);
    await bot.printed('is ready in');

    const calls = server.discord.hold({});
    server.discord.say(server.general, server.alice, '!getcode Alice');
    await calls.arrived;
    bot.child.kill(signal);
    await bot.printed(`Stopping on ${signal}`);
    calls.release();

    expect(await bot.ended).toBe(0);
    const [code, ack] = server.heard();
    expect(ack?.message.content).toContain('Access code sent');
    const validator = await openValidator({ databaseUrl: join(cwd, 'data/access-codes.db') });
    expect(await validator.validate('Alice', code?.message.content ?? '')).toMatchObject({ valid: true });
    await validator.close();
  },
);

it('ends even when Discord does not answer', async () => {
  const server = await TestServer.start();
  const bot = startProcess(server, temporaryFolder());
  await bot.printed('is ready in');
  const calls = server.discord.hold({});
  server.discord.say(server.general, server.alice, '!getcode Alice');
  await calls.arrived;
  bot.child.kill('SIGTERM');
  expect(await bot.ended).toBe(0);
  expect(bot.stdout()).toContain('Stopped without finishing everything');
});

it('loses no acknowledged code when it is killed in the middle, and leaves nothing unfinished on the disk', async () => {
  const server = await TestServer.start();
  const cwd = temporaryFolder();
  const databaseUrl = join(cwd, 'data/access-codes.db');
  const acknowledged: { readonly username: string; readonly code: string }[] = [];
  const members = Array.from({ length: 60 }, (_, index) => server.join(`member${index}`));

  // Each round is killed at a different point of the work: after so many acknowledgements.
  for (const [round, acknowledgements] of [1, 3, 7].entries()) {
    const bot = startProcess(server, cwd);
    await bot.printed('is ready in');
    let heard = 0;
    const enough = deferred();
    const askers = members.slice(round * 20, round * 20 + 20);
    // Not what an earlier round left: after a while this bot finishes that too.
    const awaited = new Set(askers.map(({ id }) => `✅ Access code sent to <@${id}> via DM!`));
    const stopListening = server.discord.onMessage(({ content }) => {
      if (awaited.has(content) && ++heard === acknowledgements) enough.resolve();
    });
    for (const member of askers) server.discord.say(server.general, member, `!getcode ${member.username}`);
    await enough.promise;
    bot.child.kill('SIGKILL');
    expect(await bot.ended).toBe('SIGKILL');
    stopListening();

    const said = new Set(server.heard().map(({ message }) => message.content));
    for (const member of askers) {
      if (!said.has(`✅ Access code sent to <@${member.id}> via DM!`)) continue;
      const code = server.discord.messages(member).find(({ author }) => author.bot)?.content ?? '';
      acknowledged.push({ username: member.username, code });
    }
  }

  const bot = startProcess(server, cwd);
  await bot.printed('is ready in');
  const validator = await openValidator({ databaseUrl });
  expect(acknowledged.length).toBeGreaterThanOrEqual(11);
  for (const { username, code } of acknowledged) {
    expect(await validator.validate(username, code)).toMatchObject({ valid: true, username });
  }
  // The control: what was never issued is not valid.
  expect(await validator.validate('member0', 'AAAAAA')).toEqual({ valid: false, reason: 'unknown' });
  await validator.close();
  bot.child.kill('SIGTERM');
  expect(await bot.ended).toBe(0);
  expect(readdirSync(join(cwd, 'data')).toSorted()).toEqual([
    'access-codes.db',
    'access-codes.db.marker',
    'code-secret.key',
  ]);
});

it('waits for a Discord that cannot be reached at the start, and lets people in meanwhile', async () => {
  const server = await TestServer.start();
  const { discord } = server;
  const token = 'crab_only-for-tests_0123456789abcdef';
  const comeBack = discord.goOffline();
  const bot = startProcess(server, temporaryFolder(), { HTTP_PORT: '0', HTTP_TOKEN: token });
  await bot.printed('Discord cannot be reached: waiting for it');
  const [, port = ''] = /"port":(\d+)/.exec(bot.stdout()) ?? [];
  const health = async (): Promise<unknown> => (await fetch(`http://127.0.0.1:${port}/healthz`)).json();
  expect(await health()).toEqual({ status: 'failing', database: 'ok', gateway: 'failing' });
  comeBack();
  await bot.printed('is ready in 1 server');
  expect(await health()).toEqual({ status: 'ok', database: 'ok', gateway: 'ok' });
  bot.child.kill('SIGTERM');
  expect(await bot.ended).toBe(0);
});
