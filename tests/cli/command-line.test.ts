import { readdirSync, readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import { loadConfig } from '../../src/config.js';
import { temporaryFolder } from '../support/folder.js';
import { runToEnd, type Printed } from '../support/program.js';

const PACKAGE = new URL('../../package.json', import.meta.url);
const { version, scripts }: { version: string; scripts: Record<string, string> } = JSON.parse(
  readFileSync(PACKAGE, 'utf8'),
);
/** What `npm run NAME` starts. */
const PROGRAMS = Object.keys(scripts).filter((name) => scripts[name]?.endsWith(`dist/cli/main.js ${name}`));

async function run(...args: readonly string[]): Promise<Printed> {
  return runToEnd('dist/cli/main.js', args, { cwd: temporaryFolder() });
}

it('lists every program with --help', async () => {
  const { exitCode, stdout } = await run('--help');
  expect(exitCode).toBe(0);
  const listed = new Set([...stdout.matchAll(/^  ([a-z-]+) .*[a-z]/gm)].map(([, name]) => name));
  expect(listed).toEqual(new Set([...PROGRAMS, 'help']));
});

it.each(PROGRAMS)('explains `%s` with --help', async (name) => {
  const { exitCode, stdout, stderr } = await run(name, '--help');
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(new RegExp(`^Usage: chatroom-access-bot ${name} [^\\n]+\\n\\n[a-z]`));
});

it('prints a token that HTTP_TOKEN accepts, a new one each time', async () => {
  const [{ stdout, stderr }, { stdout: second }] = [await run('token'), await run('token')];
  expect([stdout, stderr]).toEqual([expect.stringMatching(/^crab_[\w-]{43}\n$/), '']);
  expect(second).not.toBe(stdout);
  expect(loadConfig({ DISCORD_TOKEN: 'a.b.c', HTTP_TOKEN: stdout }).httpTokens).toEqual([stdout.trim()]);
});

it('prints its version', async () => {
  expect(await run('--version')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
});

const NO_DATABASE = /^There is no database at \S+access-codes\.db\. Start the bot first[^\n]*\n$/;
const POSTGRES = /^DATABASE_URL is a PostgreSQL database\. Use pg_dump and pg_restore [^\n]*\n$/;
const WITH_POSTGRES = { DATABASE_URL: 'postgres://me:hunter2@host/db' };
const MYSQL = { NEW_DATABASE_URL: 'mysql://me:hunter2@host/db' };

it.each<[string, number, RegExp, Readonly<Record<string, string>>?]>([
  ['', 2, /^Usage: /],
  ['bakup', 2, /^error: unknown command 'bakup'\n\(Did you mean backup\?\)\n$/],
  ['start --bogus', 2, /^error: unknown option '--bogus'\n/],
  ['audit --membre=1', 2, /^error: unknown option '--membre=1'\n\(Did you mean --member\?\)\n/],
  ['audit ABC234', 2, /^error: too many arguments /],
  ['audit --code=ABC234', 2, /^--code has no value, .* to standard input\.\n$/],
  ['audit --member', 2, /^error: option '--member <id>' argument missing\n/],
  ['audit --since=yesterday', 2, /^--since must be .*24h.*\n$/],
  ['audit', 78, NO_DATABASE],
  ['backup', 78, NO_DATABASE],
  ['backup', 78, /^BACKUP_KEEP must be [^\n]*\n$/, { BACKUP_KEEP: '0' }],
  ['backup', 78, POSTGRES, WITH_POSTGRES],
  ['restore', 2, /^error: missing required argument 'file'\n/],
  ['restore none.db', 78, /^There is no file at \S+none\.db\. [^\n]*\n$/],
  ['restore a.db', 78, /^CODE_SECRET must be [^\n]*\n$/, { CODE_SECRET: 'hunter2' }],
  ['restore a.db', 78, POSTGRES, WITH_POSTGRES],
  ['move-database', 78, /^There is no database at /, { NEW_DATABASE_URL: 'new.db' }],
  ['move-database', 78, /^NEW_DATABASE_URL is not set\. /],
  ['move-database', 78, /^NEW_DATABASE_URL must be /, MYSQL],
])('ends `%s` with code %i, quotes no secret and creates no file', async (line, code, message, env) => {
  const cwd = temporaryFolder();
  const args = line.split(' ').filter((word) => word !== '');
  const { exitCode, stdout, stderr } = await runToEnd('dist/cli/main.js', args, { cwd, env });
  expect([exitCode, stdout]).toEqual([code, '']);
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/hunter2|ABC234/);
  expect(readdirSync(cwd)).toEqual(['.env']);
});

it.each(['18.20.8', '20.18.3'])('names the version that it needs on Node %s', async (node) => {
  const versions = `Object.defineProperty(process, 'versions', { value: { node: '${node}' } })`;
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(versions)}` };
  const { exitCode, stderr } = await runToEnd('dist/cli/main.js', ['start'], { cwd: temporaryFolder(), env });
  expect(exitCode).toBe(78);
  expect(stderr).toBe(
    `This program needs Node 20.19 or later, but this is Node ${node}. Install Node 24 from https://nodejs.org, then run npm ci again.\n`,
  );
});
