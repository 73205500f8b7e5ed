import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { expect, it } from 'vitest';

import { startBot } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const call = promisify(execFile);

/** A website in JavaScript. */
const SITE = `
import { openValidator, StorageError } from 'chatroom-access-bot/validator';

const [databaseUrl, username, code] = process.argv.slice(2);
try {
  const validator = await openValidator({ databaseUrl });
  console.log(JSON.stringify([await validator.validate(username, code), await validator.redeem(username, code)]));
  await validator.close();
} catch (error) {
  if (!(error instanceof StorageError)) throw error;
  console.log(error.code);
}
`;

/** A website in TypeScript. */
const TYPED_SITE = `
import { openValidator, type Verdict } from 'chatroom-access-bot/validator';

export async function login(username: string, code: string): Promise<string | null> {
  const validator = await openValidator({ databaseUrl: 'x' });
  const verdict: Verdict = await validator.redeem(username, code);
  return verdict.valid ? verdict.username : verdict.reason === 'unknown' ? null : null;
}
`;

it('works beside the running bot for a website that installs the package by its path', async () => {
  const { server, say, getCode, databasePath } = await startBot({ settings: { CODE_MAX_USES: '2' } });
  const code = await getCode(server.alice, 'Alice');

  const cwd = temporaryFolder();
  writeFileSync(join(cwd, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(cwd, 'site.js'), SITE);
  writeFileSync(join(cwd, 'site.ts'), TYPED_SITE);
  await call('npm', ['install', '--offline', '--ignore-scripts', ROOT], { cwd });

  const site = async (...words: readonly string[]): Promise<unknown> => {
    const { stdout } = await call(process.execPath, ['site.js', ...words], { cwd });
    return /^[[{]/.test(stdout) ? JSON.parse(stdout) : stdout.trim();
  };
  const verdict = { valid: true, username: 'Alice', discordUserId: server.alice.id, expiresAt: null };
  expect(await site(databasePath, 'alice', ` ${code.toLowerCase()} `)).toEqual([
    { ...verdict, usesLeft: 2 },
    { ...verdict, usesLeft: 1 },
  ]);
  await say(server.general, server.admin, `!revoke ${code}`);
  expect(await site(databasePath, 'Alice', code)).toEqual([
    { valid: false, reason: 'revoked' },
    { valid: false, reason: 'revoked' },
  ]);
  expect(await site(join(cwd, 'none.db'), 'Alice', code)).toBe('DATABASE_MISSING');

  const tsc = join(ROOT, 'node_modules/.bin/tsc');
  const types = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', 'site.ts'];
  await call(tsc, types, { cwd });
  writeFileSync(join(cwd, 'site.ts'), TYPED_SITE.replace("'x'", '1'));
  await expect(call(tsc, types, { cwd })).rejects.toThrow('Command failed');
});
