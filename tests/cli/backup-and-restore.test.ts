import {
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { byAdmin, openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { runToEnd, type Printed } from '../support/program.js';

/** `nobody` on most systems. */
const OTHER_ACCOUNT = 65_534;

type Env = Readonly<Record<string, string>>;

async function backup(env: Env, ...args: readonly string[]): Promise<Printed> {
  return runToEnd('dist/cli/main.js', ['backup', ...args], { env, cwd: temporaryFolder() });
}

async function restore(env: Env, ...args: readonly string[]): Promise<Printed> {
  return runToEnd('dist/cli/main.js', ['restore', ...args], { env, cwd: temporaryFolder() });
}

async function logIn(databasePath: string, username: string, code: string): Promise<boolean> {
  const { validator, storage } = await openCodes({ databasePath });
  const { valid } = await validator.validate(username, code);
  await storage.close();
  return valid;
}

describe('npm run backup', () => {
  it('makes a backup of a database in use and prints its path', async () => {
    const { databasePath, issueCode } = await openCodes();
    await issueCode();
    const { exitCode, stdout, stderr } = await backup({ DATABASE_URL: databasePath });
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^\/\S+\/backups\/codes-\d{8}T\d{9}Z\.db\n$/);
    expect(existsSync(stdout.trim())).toBe(true);
  });

  it('keeps as many backups as BACKUP_KEEP', async () => {
    const { databasePath } = await openCodes();
    const env = { DATABASE_URL: databasePath, BACKUP_KEEP: '2' };
    const paths = [await backup(env), await backup(env), await backup(env)].map(({ stdout }) =>
      stdout.trim(),
    );
    const kept = paths.slice(1).map((path) => basename(path));
    expect(readdirSync(join(dirname(databasePath), 'backups'))).toEqual(kept);
  });
});

describe('npm run restore', () => {
  it('restores a lost database from a backup and the secret', async () => {
    const { databasePath, storage, issueCode } = await openCodes();
    const folder = dirname(databasePath);
    const secretPath = join(folder, 'code-secret.key');
    const env = { DATABASE_URL: databasePath };
    const alice = await issueCode({ username: 'Alice' });
    const { stdout: path } = await backup(env);
    const bob = await issueCode({ username: 'Bob', holderId: '2' });
    await storage.close();

    const elsewhere = temporaryFolder();
    copyFileSync(path.trim(), join(elsewhere, 'kept.db'));
    copyFileSync(secretPath, join(elsewhere, 'kept.key'));
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    copyFileSync(join(elsewhere, 'kept.key'), secretPath);

    const backupPath = join(elsewhere, 'kept.db');
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
  it('leaves files that belong to the owner of their folder when root runs it', async () => {
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

  it('prints a command that lists what happened after the backup', async () => {
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
    const audit = await runToEnd('dist/cli/main.js', ['audit', '--json', '--since', since], {
      env: { DATABASE_URL: replaced },
      cwd: temporaryFolder(),
    });
    const events = audit.stdout.match(/"event":"\w+"/g);
    expect(events).toEqual(['"event":"revoked"', '"event":"issued"', '"event":"delivered"']);
  });

  it('escapes control characters in the name of a backup, also one that it refuses', async () => {
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

  it('refuses while the database is in use', async () => {
    const { databasePath, storage } = await openCodes();
    const env = { DATABASE_URL: databasePath };
    const path = (await backup(env)).stdout.trim();
    const before = readFileSync(databasePath);
    const refused = await restore(env, path);
    expect([refused.exitCode, refused.stdout]).toEqual([78, '']);
    expect(refused.stderr).toMatch(/^\S+ is in use\. Stop the bot [^\n]*\n$/);
    expect(readFileSync(databasePath)).toEqual(before);
    await storage.close();
    expect(await restore(env, path)).toMatchObject({ exitCode: 0, stderr: '' });
  });
});
