import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it, onTestFinished, vi } from 'vitest';

import { loadConfig, loadStorageConfig } from '../src/config.js';
import { ConfigError, loadEnvFile } from '../src/env-file.js';
import { temporaryFolder } from './support/folder.js';
import { runToEnd } from './support/program.js';

const TOKEN = 'MTIz.Gabc-1.x_Y';
const SECRET = 'hunter2-0123456789-abcdefghijklmnop';

/** Reads settings as the bot does, from a folder whose `.env` has this content. */
function load(content: string | Buffer, env: NodeJS.ProcessEnv = {}) {
  const folder = temporaryFolder();
  writeFileSync(join(folder, '.env'), content);
  return { folder, read: () => loadConfig(env, loadEnvFile(env, [folder])) };
}

function messageOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error('The settings were accepted');
}

it('reads the first .env and starts relative paths in its folder', () => {
  const [here, there, away] = [temporaryFolder(), temporaryFolder(), temporaryFolder()];
  writeFileSync(join(there, '.env'), 'DATABASE_URL=codes.db\nCODE_LENGTH=8\n');
  const read = (env: NodeJS.ProcessEnv, ...folders: readonly string[]): string => {
    const { database } = loadStorageConfig(env, loadEnvFile(env, [...folders]));
    return database.engine === 'sqlite' ? database.path : '';
  };
  expect(read({}, here, there)).toBe(join(there, 'codes.db'));
  expect(read({ DATABASE_URL: 'other.db' }, here, there)).toBe(join(there, 'other.db'));
  expect(read({ DATABASE_URL: '/srv/codes.db' }, here, there)).toBe('/srv/codes.db');
  writeFileSync(join(here, '.env'), '');
  expect(read({}, here, there)).toBe(join(here, 'data/access-codes.db'));
  expect(read({}, away)).toBe(join(process.cwd(), 'data/access-codes.db'));
});

it('looks in the working directory, then in the folder of the package', () => {
  const root = process.cwd();
  expect(loadEnvFile({}).lookedIn).toEqual([root]);
  vi.spyOn(process, 'cwd').mockReturnValue('/srv');
  onTestFinished(() => void vi.restoreAllMocks());
  expect(loadEnvFile({}).lookedIn).toEqual(['/srv', root]);
});

it('explains what to do without DISCORD_TOKEN', () => {
  const advice = [
    "Put your bot's token into it: https://discord.com/developers/applications > your application > Bot > Reset Token.",
    'To try the bot without Discord: npm run demo',
  ];
  const { folder, read } = load('DISCORD_TOKEN= \nCODE_LENGTH=5\n');
  expect(messageOf(read).split('\n')).toEqual([
    `DISCORD_TOKEN is not set: ${folder}/.env exists, but DISCORD_TOKEN is missing or empty there.`,
    ...advice,
    expect.stringMatching(/^CODE_LENGTH must be /),
  ]);
  const [here, there] = [temporaryFolder(), temporaryFolder()];
  expect(messageOf(() => loadConfig({}, loadEnvFile({}, [here, there]))).split('\n')).toEqual([
    `DISCORD_TOKEN is not set: there is no file .env in ${here} or ${there}. Run npm run setup, or copy .env.example to .env there.`,
    ...advice,
  ]);
});

it.each([
  ['\ufeffDISCORD_TOKEN=a.b.c\r\nCODE_LENGTH=8\r\n', { discordToken: 'a.b.c', codeLength: 8 }],
  ['DISCORD_TOKEN="a.b.c"\nexport CODE_TTL = \'30d\'', { discordToken: 'a.b.c', codeTtlMs: 2_592_000_000 }],
  ['DISCORD_TOKEN=a.b.c\nFOO=a#b\nBAR=\nBAZ\n# CODE_TTL', { discordToken: 'a.b.c' }],
  ['DISCORD_TOKEN=a.b.c # CODE_TTL=1d\n\n# AUDIT_DAYS\n', { discordToken: 'a.b.c' }],
  ['DISCORD_TOKEN=a.b.c\nCODE_TTL=30d # a month = 30#d\n', { codeTtlMs: 2_592_000_000 }],
  ['DISCORD_TOKEN=a.b.c\nCODE_TTL=\n# CODE_TTL=30d\n', { codeTtlMs: null }],
  ['DISCORD_TOKEN=a.b.c\nCOMMAND_PREFIX=\'#\' # not "!"\n', { commandPrefix: '#' }],
  [`DISCORD_TOKEN=a.b.c\nCODE_SECRET="#${SECRET}# #" # ok\n`, { codeSecret: `#${SECRET}# #` }],
  [`DISCORD_TOKEN=a.b.c\nCODE_SECRET=${SECRET}= # base64\n`, { codeSecret: `${SECRET}=` }],
])('reads %j', (content, expected) => {
  expect(load(content).read()).toMatchObject(expected);
});

it('finds nothing wrong with .env.example', () => {
  const example = readFileSync(new URL('../.env.example', import.meta.url), 'utf8');
  const settings = example.replaceAll(/^# (?=[A-Z_]+=)/gm, '').replace(/^DISCORD_TOKEN=/m, `$&${TOKEN}`);
  const { database, ...rest } = load(settings).read();
  expect(database).toMatchObject({ path: expect.stringMatching(/\/data\/access-codes\.db$/) });
  expect(loadConfig({ DISCORD_TOKEN: TOKEN })).toMatchObject(rest);
});

const CUTS = [`${SECRET}#x`, `#${SECRET}`, `"${SECRET}#x`, `"${SECRET}"#x`, `${SECRET} x#y`];
it.each([
  ...['#', ' #', '!#'].map((value) => ['COMMAND_PREFIX', value]),
  ...[...CUTS, `'${SECRET}\n#'#`, `"#${SECRET}# #"# ok`].map((value) => ['CODE_SECRET', value]),
])('refuses a value of %s that dotenv cuts, without quoting it: %j', (name, value) => {
  const { folder, read } = load(`# a\nexport ${name}=${value}\nFOO=#\n`, { DISCORD_TOKEN: TOKEN });
  const message = messageOf(read);
  expect(message).not.toContain('hunter2');
  expect(message.split('\n')[0]).toBe(
    `${name} in ${folder}/.env ends at a #. If the # belongs to the value, put single quotes around the value. If it begins a comment, move the comment to a line of its own.`,
  );
});

it.each([
  'CODE_TTL 30d',
  'CODE_TTL',
  'CODE_TTL:30d',
  'set CODE_TTL=30d',
  '  - CODE_TTL: 30d',
  '$env:CODE_TTL=1',
])('refuses the line %j, which dotenv ignores', (line) => {
  const { folder, read } = load(`DISCORD_TOKEN=a.b.c\n${line}\n`);
  const message = `${folder}/.env has CODE_TTL on a line that is not CODE_TTL=value. Correct the line.`;
  expect(messageOf(read)).toBe(message);
});

const UTF_16 = (text: string): Buffer => Buffer.from(text, 'utf16le');
const NOT_UTF_8 = 'it is not in UTF-8. Save it as UTF-8';
it.each<[string, string, (path: string) => void]>([
  ['UTF-16 of PowerShell', NOT_UTF_8, (path) => writeFileSync(path, UTF_16(`\ufeffDISCORD_TOKEN=${TOKEN}`))],
  ['UTF-16 without a mark', NOT_UTF_8, (path) => writeFileSync(path, UTF_16(`DISCORD_TOKEN=${TOKEN}`))],
  ['Latin-1', NOT_UTF_8, (path) => writeFileSync(path, Buffer.from('CODE_SECRET=é', 'latin1'))],
  ['a folder', 'it is a folder', (path) => mkdirSync(path)],
  ['a broken link', 'it is a link to a file that does not exist', (path) => symlinkSync('nowhere', path)],
  ['a link to itself', 'ELOOP', (path) => symlinkSync('.env', path)],
])('stops at a .env that is %s', async (_what, reason, make) => {
  const cwd = temporaryFolder();
  const path = join(cwd, '.env');
  make(path);
  expect(messageOf(() => loadEnvFile({}, [cwd]))).toBe(`Cannot read ${path}: ${reason}.`);
});

it.each(['start', 'audit'])('ends `%s` with code 78 at a .env in UTF-16', async (program) => {
  const cwd = temporaryFolder();
  writeFileSync(join(cwd, '.env'), UTF_16('CODE_LENGTH=8\n'));
  const { exitCode, stdout, stderr } = await runToEnd('dist/cli/main.js', [program], { cwd });
  expect([exitCode, stdout, stderr]).toEqual([78, '', `Cannot read ${join(cwd, '.env')}: ${NOT_UTF_8}.\n`]);
});
