import { expect, it } from 'vitest';

import { loadConfig } from '../../src/config.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';

async function printToken(): Promise<string> {
  const program = run('dist/cli/main.js', { args: ['token'], cwd: temporaryFolder() });
  expect(await program.ended).toBe(0);
  expect(program.stderr()).toBe('');
  return program.stdout();
}

it('prints a token that HTTP_TOKEN accepts, a new one each time', async () => {
  const printed = await printToken();
  expect(printed).toMatch(/^crab_[\w-]{43}\n$/);
  expect(await printToken()).not.toBe(printed);
  const token = printed.trim();
  expect(loadConfig({ DISCORD_TOKEN: 'a.b.c', HTTP_TOKEN: printed })).toMatchObject({ httpTokens: [token] });
});
