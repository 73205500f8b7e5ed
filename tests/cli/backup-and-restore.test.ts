import { chownSync, copyFileSync, lstatSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { byAdmin, openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { runToEnd, type Printed } from '../support/program.js';

/** `nobody` on most systems. */
const OTHER_ACCOUNT = 65_534;

type Env = Readonly<Record<string, string>>;

async function runProgram(env: Env, ...args: readonly string[]): Promise<Printed> {
  return runToEnd('dist/cli/main.js', args, { env, cwd: temporaryFolder() });
}

const backup = async (env: Env) => runProgram(env, 'backup');
const restore = async (env: Env, path: string) => runProgram(env, 'restore', path);

async function logIn(databasePath: string, username: string, code: string): Promise<boolean> {
  const { validator, storage } = await openCodes({ databasePath });
  const { valid } = await validator.validate(username, code);
  await storage.close();
  return valid;
}

describe('npm run backup and npm run restore', () => {
  it('restore a lost database from the newest backup and the secret', async () => {
    const { databasePath, storage, issueCode } = await openCodes();
    const folder = dirname(databasePath);
    const env = { DATABASE_URL: databasePath, BACKUP_KEEP: '1' };
    const alice = await issueCode({ username: 'Alice' });
    await backup(env);
    const { exitCode, stdout, stderr } = await backup(env);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^\/\S+\/backups\/codes-\d{8}T\d{9}Z\.db\n$/);
    const path = stdout.trim();
    expect(readdirSync(dirname(path))).toEqual([basename(path)]);
    const bob = await issueCode({ username: 'Bob', holderId: '2' });
    await storage.close();

    const elsewhere = temporaryFolder();
    const backupPath = join(elsewhere, 'kept.db');
    copyFileSync(path, backupPath);
    copyFileSync(join(folder, 'code-secret.key'), join(elsewhere, 'kept.key'));
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    copyFileSync(join(elsewhere, 'kept.key'), join(folder, 'code-secret.key'));

    expect(await restore(env, backupPath)).toEqual({
      exitCode: 0,
      stderr: '',
      stdout: [
        `Restored ${backupPath}: 1 code, expired and revoked ones included.`,
        'Last change in this backup: 2026-01-01 00:00:00 UTC.',
        'Codes issued after this backup are lost: tell those members to type !getcode again.',
        'Codes revoked or replaced after it WORK AGAIN: revoke them again.',
        'Start the bot now.',
        '',
      ].join('\n'),
    });
    expect(await logIn(databasePath, 'Alice', alice.text)).toBe(true);
    expect(await logIn(databasePath, 'Bob', bob.text)).toBe(false);
  });

  // Run by root, it proves that root's files belong to another account; run by another account, nothing differs.
  it('leave files that belong to the owner of their folder when root runs it', async () => {
    const folder = temporaryFolder();
    if (process.getuid?.() === 0) chownSync(folder, OTHER_ACCOUNT, OTHER_ACCOUNT);
    const databasePath = join(folder, 'new', 'data', 'codes.db');
    const env = { DATABASE_URL: databasePath };
    const { storage } = await openCodes({ databasePath });
    const openFiles = readdirSync(dirname(databasePath));
    const path = (await backup(env)).stdout.trim();
    const owners = (): Record<string, string> =>
      Object.fromEntries(
        ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })].map((name) => {
          const { uid, gid } = lstatSync(join(folder, name));
          return [name, `${uid}:${gid}`];
        }),
      );
    const whileOpen = owners();
    await storage.close();
    expect(await restore(env, path)).toMatchObject({ exitCode: 0, stderr: '' });
    expect(openFiles).toEqual(['code-secret.key', 'codes.db', 'codes.db-shm', 'codes.db-wal']);
    const { uid, gid } = statSync(folder);
    for (const found of [whileOpen, owners()]) {
      expect(Object.keys(found).length).toBeGreaterThanOrEqual(7);
      expect(new Set(Object.values(found))).toEqual(new Set([`${uid}:${gid}`]));
    }
  });

  it('print a command that lists what happened after the backup', async () => {
    const { databasePath, clock, storage, service, issueCode } = await openCodes();
    const env = { DATABASE_URL: databasePath };
    const alice = await issueCode({ username: 'Alice' });
    const { stdout: path } = await backup(env);
    clock.advance(1);
    await service.revoke(byAdmin(), { typed: 'Alice' }, null);
    await issueCode({ username: 'Bob', holderId: '2' });
    await storage.close();

    const { stdout } = await restore(env, path.trim());
    expect(await logIn(databasePath, 'Alice', alice.text)).toBe(true);
    const [, replaced = '', since = ''] =
      /^ {2}DATABASE_URL='(.*)' npm run --silent audit -- --since (\S+)$/m.exec(stdout) ?? [];
    const audit = await runProgram({ DATABASE_URL: replaced }, 'audit', '--json', '--since', since);
    const events = audit.stdout.match(/"event":"\w+"/g);
    expect(events).toEqual(['"event":"revoked"', '"event":"issued"', '"event":"delivered"']);
  });

  it('escape control characters in the name of a backup, also of one that is refused', async () => {
    const { databasePath, storage } = await openCodes();
    const env = { DATABASE_URL: databasePath };
    const { stdout } = await backup(env);
    await storage.close();
    const path = join(temporaryFolder(), '\u001B[2J\u202E\nFORGED');
    copyFileSync(stdout.trim(), path);
    const restored = await restore(env, path);
    expect(restored).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^Restored \S+: 0 codes/) });
    const refused = await restore(env, `${path}2`);
    expect(refused).toMatchObject({ exitCode: 78, stderr: expect.stringMatching(/^There is no [^\n]+\n$/) });
    for (const printed of [restored.stdout, refused.stderr]) {
      expect(printed).toContain(String.raw`\u001b[2J\u202e\u000aFORGED`);
      for (const raw of ['\u001B', '\u202E']) expect(printed).not.toContain(raw);
    }
  });
});
