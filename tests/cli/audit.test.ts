import { execFile } from 'node:child_process';
import { cpSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { formatTable, parseOptions, type AuditOptions } from '../../src/cli/audit.js';
import { openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { runToEnd, type Printed } from '../support/program.js';

const PROGRAM = 'dist/cli/main.js';
const GUILD = '300000000000000001';
const ALICE = '100000000000000001';
const BOB = '100000000000000002';
const ADMIN = '100000000000000009';

type Env = Readonly<Record<string, string>>;

/** Runs `audit`, with `input` on standard input. */
async function audit(env: Env, args: readonly string[] = [], input = ''): Promise<Printed> {
  return runToEnd(PROGRAM, ['audit', ...args], { env, cwd: temporaryFolder(), input });
}

/** Returns the events that `--json` prints, with the usernames that they concern. */
function eventsIn({ exitCode, stdout, stderr }: Printed): string[] {
  expect([exitCode, stderr]).toEqual([0, '']);
  const rows = stdout.split('\n').filter((line) => line !== '');
  return rows.map((line) => {
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
const ofBob = ['issued Bob', 'withdrawn Bob'];

it('prints all entries as a table, oldest first, in local time, without a code', async () => {
  const { env, alice, bob } = await prepare();
  const { exitCode, stdout, stderr } = await audit({ ...env, TZ: 'Asia/Kolkata' });
  expect([exitCode, stderr]).toEqual([0, '']);
  const time = (seconds: string): string => `2026-01-01 05:30:${seconds}`;
  const lines = stdout.trimEnd().split('\n');
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
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
  const [header = '', issued = ''] = lines;
  expect(issued.indexOf(GUILD)).toBe(header.indexOf('server id'));
  expect(issued.indexOf('Alice')).toBe(header.indexOf('username'));
  expect(stdout).not.toContain(alice.text);
  expect(stdout).not.toMatch(/ $/m);
});

it('prints an entry as JSON on one line', async () => {
  const { env, alice } = await prepare();
  const { stdout } = await audit(env, ['--json', '--member', ADMIN, '--since', '2026-01-01T00:00:21Z']);
  expect(stdout).toMatch(/^[^\n\u202E]+\n$/);
  expect(JSON.parse(stdout)).toEqual({
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
  const nobody = { codeId: null, guildId: null, holderId: null, actorId: null };
  const row = { at: 0, event: 'listed', reason: null, username: null, ...nobody } as const;
  const rows = Array.from({ length: 150_000 }, () => row);
  expect(formatTable(rows).split('\n')).toHaveLength(150_002);
});

it('prints only entries that match every option', async () => {
  const { env, alice } = await prepare();
  const events = async (args: readonly string[], input?: string) =>
    eventsIn(await audit(env, [...args, '--json'], input));
  expect(await events(['--username', 'ALICE'])).toEqual([...ofAlice, 'throttled']);
  expect(await events(['--username', 'nobody'])).toEqual([]);
  expect(await events(['--member', ALICE])).toEqual(ofAlice);
  expect(await events(['--member', ADMIN])).toEqual(['listed', 'revoked Alice']);
  expect(await events(['--since', '2026-01-01 00:00:07', '--member', BOB])).toEqual(ofBob);
  expect(await events(['--since', '2026-01-01T00:00:21.001Z'])).toEqual([]);
  for (const input of [alice.text, ` ${alice.text.toLowerCase()} \r\n`, `${alice.text}\nZZZZZZ\n`])
    expect(await events(['--code'], input)).toEqual(ofAlice);
  expect(await events(['--code', '--member', ADMIN], alice.text)).toEqual(['revoked Alice']);
  const { stdout } = await audit(env, ['--code', '--member', BOB], alice.text);
  expect(stdout).toBe('No matching entries.\n');
});

it.each(['ABC234', 'too long for a code, and not a word', ''])(
  'rejects the code %j, which was never issued, without quoting it',
  async (code) => {
    const { env } = await prepare();
    const stderr = 'The bot never issued this code.\n';
    expect(await audit(env, ['--code'], code)).toEqual({ exitCode: 1, stdout: '', stderr });
  },
);

const NOW = Date.UTC(2026, 0, 31, 12);
it.each<[AuditOptions, object]>([
  [{}, {}],
  [{ username: ' Alice Smith.' }, { username: { text: 'Alice Smith', key: 'alice smith' } }],
  [{ member: `<@!${BOB}>` }, { memberId: BOB }],
  [{ since: '90s' }, { since: NOW - 90_000 }],
  [{ since: '2w' }, { since: NOW - 14 * 86_400_000 }],
  [{ since: '2026-01-31' }, { since: new Date(2026, 0, 31).getTime() }],
  [{ since: '2026-01-31T12:00' }, { since: new Date(2026, 0, 31, 12).getTime() }],
  [{ since: '2026-01-31 12:00:05' }, { since: new Date(2026, 0, 31, 12, 0, 5).getTime() }],
  [{ since: '2026-01-31T12:00Z' }, { since: NOW }],
  [{ since: '2026-01-31T13:00+01:00' }, { since: NOW }],
  [{ since: '2026-01-31T12:00:00.001Z' }, { since: NOW + 1 }],
])('reads the options %j', (typed, expected) => {
  expect(parseOptions(typed, NOW)).toEqual({ since: 0, username: null, memberId: null, ...expected });
});

const DURATIONS = ['', '24', '0h', '-1h', '1.5h', '24 h', '24H', '1y', 'yesterday', ' 24h'];
const DATES = ['2026', '2026-1-31', '31.01.2026', '2026-13-01', '2026-01-31T25:00', '2026-01-31Z'];
it.each<[keyof AuditOptions, readonly string[], RegExp]>([
  ['since', [...DURATIONS, ...DATES, '2026-01-31T12:00 CET'], /^--since must be .* 24h, 7d, 2026-01-31, /],
  ['member', ['', '1', `<@&${BOB}>`, 'alice', '123456789012345678901'], /^--member must be the id .*\d{17}$/],
  ['username', ['', '.', 'Al/ice', 'a'.repeat(33)], /^--username must be a username that !get/],
  ['code', ['ABC234'], /^--code has no value, because other accounts can see arguments\. Type the code when/],
])('rejects a wrong --%s without quoting it: %j', (option, values, message) => {
  for (const value of values) expect(() => parseOptions({ [option]: value }, NOW)).toThrow(message);
});

it('reads the settings from .env and rejects a wrong secret', async () => {
  const { databasePath } = await prepare();
  const cwd = temporaryFolder();
  const env = (content: string): void => writeFileSync(join(cwd, '.env'), content);
  for (const file of ['', '-wal'])
    cpSync(`${databasePath}${file}`, join(cwd, 'data', `access-codes.db${file}`));
  cpSync(join(dirname(databasePath), 'code-secret.key'), join(cwd, 'data', 'code-secret.key'));
  env('DATABASE_URL=\n');
  const bobs = await runToEnd(PROGRAM, ['audit', '--username', 'bob', '--json'], { cwd });
  expect(eventsIn(bobs)).toEqual(ofBob);

  env(`CODE_SECRET=${'76543210'.repeat(4)}\n`);
  const wrong = await runToEnd(PROGRAM, ['audit'], { cwd });
  expect(wrong).toMatchObject({ exitCode: 78, stdout: '' });
  expect(wrong.stderr).toMatch(/^CODE_SECRET is not the secret that [^\n]*\n$/);

  renameSync(join(cwd, 'data', 'code-secret.key'), join(cwd, 'mounted'));
  env('CODE_SECRET_FILE=mounted\n');
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
