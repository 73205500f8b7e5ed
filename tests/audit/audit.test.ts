import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { startBot, type TestBot } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';
import { temporaryFolder } from '../support/folder.js';

const PROGRAM = fileURLToPath(new URL('../../dist/audit/audit.js', import.meta.url));
const NO_CODE = 'ZZZZZZ';

interface Printed {
  readonly exitCode: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program with nothing but `env` in its environment. */
async function audit(
  args: readonly string[],
  { env = {}, cwd = temporaryFolder() }: { readonly env?: Record<string, string>; readonly cwd?: string },
): Promise<Printed> {
  return new Promise((resolve) => {
    const options = { cwd, env: { PATH: process.env['PATH'], TZ: 'UTC', ...env } };
    execFile(process.execPath, [PROGRAM, ...args], options, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, stdout, stderr });
    });
  });
}

/** A bot with a history: codes for Alice and Bob, a list, logins, and the end of Alice's code. */
async function liveThrough(bot: TestBot) {
  const { server, clock, databasePath, say } = bot;
  const { discord, general, alice, bob, admin } = server;
  const validator = await openValidator({ databaseUrl: databasePath, clock: clock.read });
  onTestFinished(async () => validator.close());

  const code = await bot.getCode(alice, 'Alice');
  discord.setDirectMessages(bob, 'closed');
  await say(general, bob, '!getcode Bob');
  await say(general, admin, '!codes');
  await validator.redeem('Alice', code);
  await validator.validate('alice', NO_CODE);
  await validator.validate('Nobody', NO_CODE);
  await say(general, admin, `!revoke ${code}`);
  await validator.validate('Alice', code);
  return { code };
}

/** The cells of a table, by the columns that its header names. */
function cellsIn(table: string): Record<string, string>[] {
  const [header = '', ...lines] = table.trimEnd().split('\n');
  const names = header.split(/ {2,}/);
  const starts = names.map((name) => header.indexOf(name));
  return lines.map((line) =>
    Object.fromEntries(names.map((name, at) => [name, line.slice(starts[at], starts[at + 1]).trim()])),
  );
}

/** Events with the usernames they are about, as `--json` prints them. */
function eventsIn(json: string): string[] {
  return json
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const { event, username }: { readonly event: string; readonly username: string | null } =
        JSON.parse(line);
      return username === null ? event : `${event} ${username}`;
    });
}

describe('while the bot runs', () => {
  it('prints what happened in order, with who, where, which and why', async () => {
    const bot = await startBot();
    const { code } = await liveThrough(bot);
    const { exitCode, stdout, stderr } = await audit([], { env: { DATABASE_URL: bot.databasePath } });
    expect([exitCode, stderr]).toEqual([0, '']);

    const { guild, general, alice, bob, admin, discord } = bot.server;
    const idOf = (text: string): string | undefined =>
      discord.messages(general).find(({ content }) => content === text)?.id;
    const aliceCode = { 'holder id': alice.id, 'server id': guild.id, 'code id': idOf('!getcode "Alice"') };
    const bobCode = { 'holder id': bob.id, 'server id': guild.id, 'code id': idOf('!getcode Bob') };
    const none = { username: '', 'holder id': '', by: '', 'server id': '', 'code id': '', reason: '' };
    const at = (seconds: string): string => `2026-01-01 00:00:${seconds}`;
    expect(cellsIn(stdout)).toEqual([
      { ...none, time: at('07'), event: 'issued', username: 'Alice', ...aliceCode },
      { ...none, time: at('07'), event: 'delivered', username: 'Alice', ...aliceCode },
      { ...none, time: at('14'), event: 'issued', username: 'Bob', ...bobCode },
      { ...none, time: at('14'), event: 'undeliverable', username: 'Bob', ...bobCode },
      { ...none, time: at('21'), event: 'listed', by: admin.id, 'server id': guild.id },
      { ...none, time: at('21'), event: 'redeemed', username: 'Alice', ...aliceCode },
      { ...none, time: at('21'), event: 'refused', reason: 'unknown' },
      { ...none, time: at('21'), event: 'refused', reason: 'unknown' },
      { ...none, time: at('28'), event: 'revoked', username: 'Alice', ...aliceCode, by: admin.id },
      { ...none, time: at('28'), event: 'refused', username: 'Alice', ...aliceCode, reason: 'revoked' },
    ]);
    expect(stdout).not.toContain(code);
    expect(stdout).not.toContain('Nobody');
  });

  it('prints only what fits the options', async () => {
    const bot = await startBot();
    const { code } = await liveThrough(bot);
    const { alice, bob, admin } = bot.server;
    const env = { DATABASE_URL: bot.databasePath };
    const events = async (...args: readonly string[]): Promise<string[]> => {
      const { exitCode, stdout, stderr } = await audit([...args, '--json'], { env });
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(stdout).not.toContain(code);
      return eventsIn(stdout);
    };

    const ofAliceCode = [
      'issued Alice',
      'delivered Alice',
      'redeemed Alice',
      'revoked Alice',
      'refused Alice',
    ];
    const ofBob = ['issued Bob', 'undeliverable Bob'];
    expect(await events('--code', code)).toEqual(ofAliceCode);
    expect(await events('--code', ` ${code.toLowerCase()} `)).toEqual(ofAliceCode);
    expect(await events('--username', 'ALICE')).toEqual(ofAliceCode.toSpliced(3, 0, 'refused'));
    expect(await events('--username', 'nobody')).toEqual(['refused']);
    expect(await events('--username', 'Carol')).toEqual([]);
    expect(await events('--member', alice.id)).toEqual(ofAliceCode);
    expect(await events('--member', `<@${bob.id}>`)).toEqual(ofBob);
    expect(await events('--member', admin.id)).toEqual(['listed', 'revoked Alice']);
    expect(await events('--code', code, '--member', admin.id)).toEqual(['revoked Alice']);
    expect(await events('--code', code, '--member', bob.id)).toEqual([]);
    expect(await events('--since', '2026-01-01T00:00:28Z')).toEqual(ofAliceCode.slice(3));
    expect(await events('--since', '2026-01-01T00:00:28.001Z')).toEqual([]);
    expect(await events('--since', '2026-01-01 00:00:14', '--member', bob.id)).toEqual(ofBob);
  });

  it('counts a span back from now', async () => {
    const clock = new ManualClock(Date.now() - 48 * 3_600_000);
    const bot = await startBot({ clock });
    const env = { DATABASE_URL: bot.databasePath };
    await bot.getCode(bot.server.alice, 'Alice');
    clock.now = Date.now();
    await bot.getCode(bot.server.bob, 'Bob');
    const { stdout } = await audit(['--since', '24h', '--json'], { env });
    expect(eventsIn(stdout)).toEqual(['issued Bob', 'delivered Bob']);
    expect(eventsIn((await audit(['--since=3d', '--json'], { env })).stdout)).toHaveLength(4);
  });

  it('prints every field as JSON', async () => {
    const bot = await startBot();
    await bot.getCode(bot.server.alice, 'Alice');
    const { stdout } = await audit(['--json'], { env: { DATABASE_URL: bot.databasePath } });
    const { guild, general, alice, discord } = bot.server;
    expect(JSON.parse(stdout.split('\n')[0] ?? '')).toEqual({
      at: '2026-01-01T00:00:07.000Z',
      event: 'issued',
      codeId: discord.messages(general)[0]?.id,
      nameHash: expect.stringMatching(/^[\w-]{43}$/),
      guildId: guild.id,
      holderId: alice.id,
      actorId: null,
      reason: null,
      username: 'Alice',
    });
  });

  it('prints times in the zone of the computer', async () => {
    const bot = await startBot();
    await bot.getCode(bot.server.alice, 'Alice');
    const env = { DATABASE_URL: bot.databasePath, TZ: 'Asia/Kolkata' };
    expect(cellsIn((await audit([], { env })).stdout)[0]?.['time']).toBe('2026-01-01 05:30:07');
    const { stdout } = await audit(['--since', '2026-01-01 05:30:08'], { env });
    expect(stdout).toBe('Nothing was recorded.\n');
  });

  it.each([['ABC234'], ['far too long to be a code, and no word either'], ['']])(
    'does not know the code %j and does not say it',
    async (code) => {
      const bot = await startBot();
      expect(await audit(['--code', code], { env: { DATABASE_URL: bot.databasePath } })).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: 'No such code was ever issued here.\n',
      });
    },
  );

  it('says that nothing was recorded, and as JSON nothing', async () => {
    const bot = await startBot();
    const env = { DATABASE_URL: bot.databasePath };
    expect(await audit([], { env })).toEqual({ exitCode: 0, stdout: 'Nothing was recorded.\n', stderr: '' });
    expect(await audit(['--json'], { env })).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });
});

it('finds the settings in .env, the default database, and the secret of a bot that has one of its own', async () => {
  const cwd = temporaryFolder();
  const secret = 'x'.repeat(32);
  const databasePath = join(cwd, 'data', 'access-codes.db');
  const bot = await startBot({ databasePath, settings: { CODE_SECRET: secret } });
  await bot.getCode(bot.server.alice, 'Alice');
  await bot.app.stop();
  await writeFile(join(cwd, '.env'), `DATABASE_URL=\nCODE_SECRET=" ${secret} "\n`);
  const { exitCode, stdout } = await audit(['--username', 'alice', '--json'], { cwd });
  expect(exitCode).toBe(0);
  expect(eventsIn(stdout)).toEqual(['issued Alice', 'delivered Alice']);

  const wrong = await audit([], { cwd, env: { CODE_SECRET: 'y'.repeat(32) } });
  expect(wrong).toMatchObject({ exitCode: 78, stdout: '' });
  expect(wrong.stderr).toMatch(/^CODE_SECRET is not the secret that .*\n$/);
});

it('never makes a database', async () => {
  const cwd = temporaryFolder();
  const { exitCode, stdout, stderr } = await audit([], { cwd });
  expect([exitCode, stdout]).toEqual([78, '']);
  expect(stderr).toMatch(/^There is no database at .*access-codes\.db\. Start the bot first.*\n$/);
  expect(existsSync(join(cwd, 'data'))).toBe(false);
});

it.each([
  ['--help', {}, 0, /^$/],
  ['--bogus', {}, 2, /^Usage: npm run --silent audit -- \[options\]\n(?: {2}--.*\n){5}.*\n$/],
  ['ABC234', {}, 2, /^Usage: (?:(?!ABC234)[^])*$/],
  ['--username=a/b', {}, 2, /^Nobody can have this username\..*\n$/],
  ['--member=alice', {}, 2, /^--member takes .*\n$/],
  ['--since=yesterday', {}, 2, /^--since takes .*24h.*\n$/],
  ['--json', { DATABASE_URL: 'postgres://me:hunter2@host/db' }, 78, /^DATABASE_URL (?:(?!hunter2).)*\n$/],
])('ends %s with %j with code %i', async (option, env, expected, message) => {
  const { exitCode, stdout, stderr } = await audit([option], { env });
  expect(exitCode).toBe(expected);
  expect(stderr).toMatch(message);
  expect(stdout).toMatch(option === '--help' ? /^Usage: / : /^$/);
});

it('ends quietly when nobody reads on', async () => {
  const ended = new Promise((resolve) => {
    const child = execFile(process.execPath, [PROGRAM, '--help'], (error, _stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, stderr });
    });
    child.stdout?.destroy();
  });
  expect(await ended).toEqual({ exitCode: 0, stderr: '' });
});
