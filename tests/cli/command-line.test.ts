import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

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

it('prints its version', async () => {
  expect(await run('--version')).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
});

it.each([
  [[], /^Usage: /],
  [['bakup'], /^error: unknown command 'bakup'\n\(Did you mean backup\?\)\n$/],
  [['start', '--prod'], /^error: unknown option '--prod'\n$/],
])('rejects %j with exit code 2', async (args, message) => {
  const { exitCode, stdout, stderr } = await run(...args);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toMatch(message);
});

it.each(['18.20.8', '20.18.3'])('names the version that it needs on Node %s', async (node) => {
  const versions = `Object.defineProperty(process, 'versions', { value: { node: '${node}' } })`;
  const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(versions)}`;
  const { exitCode, stderr } = await runToEnd('dist/cli/main.js', ['start'], {
    cwd: temporaryFolder(),
    env: { NODE_OPTIONS },
  });
  expect(exitCode).toBe(78);
  expect(stderr).toBe(
    `This program needs Node 20.19 or later, but this is Node ${node}. Install Node 24 from https://nodejs.org, then run npm ci again.\n`,
  );
});
