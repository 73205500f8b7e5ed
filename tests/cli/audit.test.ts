import { execFile } from 'node:child_process';
import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { formatTable } from '../../src/cli/audit-format.js';
import { openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { runToEnd, type Printed } from '../support/program.js';

const PROGRAM = 'dist/cli/main.js';
const GUILD = '300000000000000001';
const ALICE = '100000000000000001';
const BOB = '100000000000000002';
const ADMIN = '100000000000000009';

type Env = Readonly<Record<string, string>>;

async function audit(env: Env, ...args: readonly string[]): Promise<Printed> {
  return runToEnd(PROGRAM, ['audit', ...args], { env, cwd: temporaryFolder() });
}

/** Runs `audit --code`, with `code` on standard input. */
async function auditCode(env: Env, code: string, ...args: readonly string[]): Promise<Printed> {
  return runToEnd(PROGRAM, ['audit', '--code', ...args], { env, cwd: temporaryFolder(), input: code });
}

/** Returns the events that `--json` prints, with the usernames that they concern. */
function eventsIn({ exitCode, stdout, stderr }: Printed): string[] {
  expect([exitCode, stderr]).toEqual([0, '']);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { event, username } = Object(JSON.parse(line));
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
  await service.revoke({ id: '2', ...admin }, { typed: 'Alice' }, 'left\n\u202Ethe chat');
  for (let tries = 0; tries < 10; tries++) {
    await validator.validate('Alice', 'ZZZZZZ');
    await validator.validate('Nobody', 'ZZZZZZ');
  }
  return { databasePath, env: { DATABASE_URL: databasePath }, alice, bob };
}

const ofAlice = ['issued Alice', 'delivered Alice', 'redeemed Alice', 'revoked Alice'];

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
      [time('21'), 'revoked', ALICE, ADMIN, GUILD, alice.id, 'Alice', 'left\\u000a\\u202ethe chat'],
      [time('21'), 'throttled'],
    ]);
    expect(stdout).not.toContain(alice.text);
    const [header = '', issued = ''] = stdout.split('\n');
    for (const [column, cell] of [
      ['holder id', ALICE],
      ['server id', GUILD],
      ['username', 'Alice'],
    ] as const)
      expect(issued.indexOf(cell)).toBe(header.indexOf(column));
    expect(stdout).not.toMatch(/ $/m);

    const json = (await audit(env, '--json', '--member', ADMIN, '--since', '2026-01-01T00:00:21Z')).stdout;
    expect(json).toMatch(/^[^\n\u202E]+\n$/);
    expect(JSON.parse(json)).toEqual({
      at: '2026-01-01T00:00:21.000Z',
      event: 'revoked',
      codeId: alice.id,
      guildId: GUILD,
      holderId: ALICE,
      actorId: ADMIN,
      reason: 'left\n\u202Ethe chat',
      username: 'Alice',
    });
  });

  it('formats 150,000 rows', () => {
    const row = { at: 0, event: 'listed', codeId: null, guildId: null, holderId: null } as const;
    const rows = Array.from({ length: 150_000 }, () => ({
      ...row,
      actorId: null,
      reason: null,
      username: null,
    }));
    expect(formatTable(rows).split('\n')).toHaveLength(150_002);
  });

  it('prints only entries that match every option', async () => {
    const { env } = await prepare();
    const events = async (...args: readonly string[]) => eventsIn(await audit(env, ...args, '--json'));
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
    const events = async (input: string, ...args: readonly string[]) =>
      eventsIn(await auditCode(env, input, ...args, '--json'));
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
    const bobs = await runToEnd(PROGRAM, ['audit', '--username', 'bob', '--json'], { cwd });
    expect(eventsIn(bobs)).toEqual(['issued Bob', 'withdrawn Bob']);

    await writeFile(join(cwd, '.env'), `CODE_SECRET=${'76543210'.repeat(4)}\n`);
    const wrong = await runToEnd(PROGRAM, ['audit'], { cwd });
    expect(wrong).toMatchObject({ exitCode: 78, stdout: '' });
    expect(wrong.stderr).toMatch(/^CODE_SECRET is not the secret that [^\n]*\n$/);

    await rename(join(cwd, 'data', 'code-secret.key'), join(cwd, 'mounted'));
    await writeFile(join(cwd, '.env'), 'CODE_SECRET_FILE=mounted\n');
    expect(await runToEnd(PROGRAM, ['audit'], { cwd })).toMatchObject({ exitCode: 0, stderr: '' });
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
