import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { runToEnd, type Printed } from '../support/program.js';

const PROGRAM = 'dist/cli/main.js';
const GUILD = '300000000000000001';
const ALICE = '100000000000000001';
const BOB = '100000000000000002';
const ADMIN = '100000000000000009';

async function audit(env: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Printed> {
  return runToEnd(PROGRAM, ['audit', ...args], { env, cwd: temporaryFolder() });
}

/** Runs `audit --code`, with `code` on standard input. */
async function auditCode(
  env: Readonly<Record<string, string>>,
  code: string,
  ...args: readonly string[]
): Promise<Printed> {
  return runToEnd(PROGRAM, ['audit', '--code', ...args], { env, cwd: temporaryFolder(), input: code });
}

/** Events with the usernames that they concern, as `--json` prints them. */
function eventsIn(json: string): string[] {
  const lines = json.split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const { event, username }: { readonly event: string; readonly username: string | null } =
      JSON.parse(line);
    return username === null ? event : `${event} ${username}`;
  });
}

/** Alice's code is redeemed, listed and revoked; Bob's is never delivered; Alice's username is locked. */
async function prepare() {
  const codes = await openCodes({ codeMaxUses: 5 });
  const { databasePath, clock, service, deliveries, validator } = codes;
  const admin = { guildId: GUILD, actorId: ADMIN };
  const alice = await codes.issueCode({ guildId: GUILD, holderId: ALICE, username: 'Alice' });
  clock.advance(7_000);
  const bob = await codes.issuePending({ guildId: GUILD, holderId: BOB, username: 'Bob' });
  await deliveries.withdraw(bob.id);
  clock.advance(7_000);
  await service.list({ id: '1', ...admin }, 1);
  await validator.redeem('Alice', alice.text);
  clock.advance(7_000);
  await service.revoke({ id: '2', ...admin }, { typed: 'Alice' }, 'left\nthe chat');
  for (let tries = 0; tries < 10; tries++) {
    await validator.validate('Alice', 'ZZZZZZ');
    await validator.validate('Nobody', 'ZZZZZZ');
  }
  return { databasePath, env: { DATABASE_URL: databasePath }, alice, bob };
}

describe('npm run audit', () => {
  it('prints all entries as a table, oldest first, without a code', async () => {
    const { env, alice, bob } = await prepare();
    const { exitCode, stdout, stderr } = await audit(env);
    expect([exitCode, stderr]).toEqual([0, '']);
    const time = (seconds: string): string => `2026-01-01 00:00:${seconds}`;
    const cells = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    expect(cells).toEqual([
      ['time', 'event', 'holder id', 'by', 'server id', 'code id', 'username', 'reason'],
      [time('00'), 'issued', ALICE, GUILD, alice.id, 'Alice'],
      [time('00'), 'delivered', ALICE, GUILD, alice.id, 'Alice'],
      [time('07'), 'issued', BOB, GUILD, bob.id, 'Bob'],
      [time('07'), 'withdrawn', BOB, GUILD, bob.id, 'Bob'],
      [time('14'), 'listed', ADMIN, GUILD],
      [time('14'), 'redeemed', ALICE, GUILD, alice.id, 'Alice'],
      [time('21'), 'revoked', ALICE, ADMIN, GUILD, alice.id, 'Alice', 'left\\u000athe chat'],
      [time('21'), 'throttled'],
    ]);
    expect(stdout).not.toContain(alice.text);
  });

  it('prints only entries that match every option', async () => {
    const { env } = await prepare();
    const events = async (...args: readonly string[]): Promise<string[]> => {
      const { exitCode, stdout, stderr } = await audit(env, ...args, '--json');
      expect([exitCode, stderr]).toEqual([0, '']);
      return eventsIn(stdout);
    };
    const ofAlice = ['issued Alice', 'delivered Alice', 'redeemed Alice', 'revoked Alice'];
    const ofBob = ['issued Bob', 'withdrawn Bob'];
    expect(await events('--username', 'ALICE')).toEqual([...ofAlice, 'throttled']);
    expect(await events('--username', 'nobody')).toEqual([]);
    expect(await events('--member', ALICE)).toEqual(ofAlice);
    expect(await events('--member', `<@${BOB}>`)).toEqual(ofBob);
    expect(await events('--member', ADMIN)).toEqual(['listed', 'revoked Alice']);
    expect(await events('--since', '2026-01-01T00:00:21Z')).toEqual(['revoked Alice', 'throttled']);
    expect(await events('--since', '2026-01-01T00:00:21.001Z')).toEqual([]);
    expect(await events('--since', '2026-01-01 00:00:07', '--member', BOB)).toEqual(ofBob);
  });

  it('reads a code from standard input', async () => {
    const { env, alice } = await prepare();
    const events = async (input: string, ...args: readonly string[]): Promise<string[]> => {
      const { exitCode, stdout, stderr } = await auditCode(env, input, ...args, '--json');
      expect([exitCode, stderr]).toEqual([0, '']);
      return eventsIn(stdout);
    };
    const ofAlice = ['issued Alice', 'delivered Alice', 'redeemed Alice', 'revoked Alice'];
    for (const input of [alice.text, ` ${alice.text.toLowerCase()} \r\n`, `${alice.text}\nZZZZZZ\n`])
      expect(await events(input)).toEqual(ofAlice);
    expect(await events(alice.text, '--member', ADMIN)).toEqual(['revoked Alice']);
    expect(await events(alice.text, '--member', BOB)).toEqual([]);
  });

  it('prints and reads local times', async () => {
    const { env } = await prepare();
    const local = { ...env, TZ: 'Asia/Kolkata' };
    expect((await audit(local)).stdout).toContain('2026-01-01 05:30:07  issued');
    const { stdout } = await audit(local, '--since', '2026-01-01 05:30:22');
    expect(stdout).toBe('No matching entries.\n');
  });

  it.each(['ABC234', 'too long for a code, and not a word', ''])(
    'rejects the code %j, which was never issued, without quoting it',
    async (code) => {
      const { env } = await prepare();
      expect(await auditCode(env, code)).toEqual({
        exitCode: 1,
        stdout: '',
        stderr: 'The bot never issued this code.\n',
      });
    },
  );

  it('reads the settings from .env and rejects a wrong secret', async () => {
    const { databasePath } = await prepare();
    const cwd = temporaryFolder();
    await mkdir(join(cwd, 'data'));
    await copyFile(databasePath, join(cwd, 'data', 'access-codes.db'));
    await copyFile(`${databasePath}-wal`, join(cwd, 'data', 'access-codes.db-wal'));
    await copyFile(join(dirname(databasePath), 'code-secret.key'), join(cwd, 'data', 'code-secret.key'));
    await writeFile(join(cwd, '.env'), 'DATABASE_URL=\n');
    const { stdout } = await runToEnd(PROGRAM, ['audit', '--username', 'bob', '--json'], { cwd });
    expect(eventsIn(stdout)).toEqual(['issued Bob', 'withdrawn Bob']);

    await writeFile(join(cwd, '.env'), `CODE_SECRET=${'76543210'.repeat(4)}\n`);
    const wrong = await runToEnd(PROGRAM, ['audit'], { cwd });
    expect(wrong).toMatchObject({ exitCode: 78, stdout: '' });
    expect(wrong.stderr).toMatch(/^CODE_SECRET is not the secret that [^\n]*\n$/);

    await rename(join(cwd, 'data', 'code-secret.key'), join(cwd, 'mounted'));
    await writeFile(join(cwd, '.env'), 'CODE_SECRET_FILE=mounted\n');
    expect(await runToEnd(PROGRAM, ['audit'], { cwd })).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('creates no database', async () => {
    const cwd = temporaryFolder();
    const { exitCode, stdout, stderr } = await runToEnd(PROGRAM, ['audit'], { cwd });
    expect([exitCode, stdout]).toEqual([78, '']);
    expect(stderr).toMatch(/^There is no database at \S*access-codes\.db\. Start the bot first[^\n]*\n$/);
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });

  it.each([
    ['--help', 0, /^$/],
    ['--bogus', 2, /^error: unknown option '--bogus'\n/],
    ['--membre=1', 2, /^error: unknown option '--membre=1'\n\(Did you mean --member\?\)\n/],
    ['ABC234', 2, /^error: too many arguments (?:(?!ABC234)[^])*$/],
    ['--code=ABC234', 2, /^--code has no value, .* to standard input\.\n$/],
    ['--member', 2, /^error: option '--member <id>' argument missing\n/],
    ['--since=yesterday', 2, /^--since must be .*24h.*\n$/],
  ])('answers %s with exit code %i', async (option, expected, message) => {
    const { exitCode, stdout, stderr } = await audit({}, option);
    expect(exitCode).toBe(expected);
    expect(stderr).toMatch(message);
    expect(stdout).toMatch(option === '--help' ? /^Usage: / : /^$/);
  });

  it('ends without an error when its output is closed', async () => {
    const ended = new Promise((resolve) => {
      const program = fileURLToPath(new URL(`../../${PROGRAM}`, import.meta.url));
      const child = execFile(process.execPath, [program, 'audit', '--help'], (error, _stdout, stderr) => {
        resolve({ exitCode: error === null ? 0 : error.code, stderr });
      });
      child.stdout?.destroy();
    });
    expect(await ended).toEqual({ exitCode: 0, stderr: '' });
  });
});
