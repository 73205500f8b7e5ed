import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { openCodes } from './support/codes.js';
import { temporaryFolder } from './support/folder.js';
import { runToEnd } from './support/program.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SENTENCE =
  /^[^\n]* cannot be opened: the package better-sqlite3 is not built for Node v[^\n]* npm ci again\.$/m;

/** A website that ends like a program of ours. */
const WEBSITE = `
import { openValidator, StorageError } from './validator/validator.js';
try {
  await openValidator({ databaseUrl: process.env.DATABASE_URL });
} catch (error) {
  console.error(error.message);
  if (error instanceof StorageError && error.code === 'INSTALLATION_BROKEN' && !error.isTransient) process.exit(78);
}`;

/** A copy of the built project with a better-sqlite3 that does not load. */
function brokenInstallation(how: 'was skipped' | 'was for another version of Node'): string {
  const folder = temporaryFolder();
  const packages = join(folder, 'node_modules');
  mkdirSync(packages);
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules', name), join(packages, name));
  const sqlite = join(packages, 'better-sqlite3');
  const build = join(sqlite, 'build', 'Release');
  rmSync(sqlite);
  cpSync(join(ROOT, 'node_modules', 'better-sqlite3', 'lib'), join(sqlite, 'lib'), { recursive: true });
  cpSync(join(ROOT, 'node_modules', 'better-sqlite3', 'package.json'), join(sqlite, 'package.json'));
  if (how !== 'was skipped') {
    mkdirSync(build, { recursive: true });
    writeFileSync(join(build, 'better_sqlite3.node'), 'not for this system');
  }
  cpSync(join(ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(folder, 'package.json'));
  writeFileSync(join(folder, 'dist', 'website.mjs'), WEBSITE);
  return folder;
}

it.each(['was skipped', 'was for another version of Node'] as const)(
  'each program ends with code 78 when the build of better-sqlite3 %s',
  async (how) => {
    const folder = brokenInstallation(how);
    const { databasePath } = await openCodes();
    const backup = join(temporaryFolder(), 'backup.db');
    cpSync(databasePath, backup);
    const env = { DATABASE_URL: databasePath, DISCORD_TOKEN: 'never.used.here' };
    const programs = [
      ['index.js'],
      ['cli/main.js', 'start'],
      ['cli/main.js', 'audit'],
      ['cli/main.js', 'backup'],
      ['cli/main.js', 'restore', backup],
      ['cli/main.js', 'demo'],
      ['website.mjs'],
    ];
    for (const [program, ...args] of programs) {
      const path = join(folder, 'dist', program ?? '');
      const { exitCode, stdout, stderr } = await runToEnd(path, args, { cwd: folder, env });
      expect([program, ...args, exitCode]).toEqual([program, ...args, 78]);
      expect(`${stdout}${stderr}`.replace(/.*"msg":"|"}/g, '')).toMatch(SENTENCE);
    }
    const doctor = await runToEnd(join(folder, 'dist', 'cli', 'main.js'), ['doctor'], { cwd: folder, env });
    expect(doctor.exitCode).toBe(78);
    expect(doctor.stdout.replace(/\n +→/, '')).toMatch(
      /^✗ installation SQLite cannot .* npm ci again\.\n✓ settings .*\n$/,
    );
  },
);
