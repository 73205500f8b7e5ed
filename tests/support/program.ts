import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { requireEnvFile } from './process.js';

const ROOT = new URL('../../', import.meta.url);

export interface Printed {
  readonly exitCode: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `node PATH` to its end. PATH is relative to the project's root; its environment is only `env` and `.env`. */
export async function runToEnd(
  path: string,
  args: readonly string[],
  {
    env = {},
    cwd,
    input = '',
  }: { readonly env?: Readonly<Record<string, string>>; readonly cwd: string; readonly input?: string },
): Promise<Printed> {
  requireEnvFile(cwd);
  const program = fileURLToPath(new URL(path, ROOT));
  return new Promise((resolve) => {
    const options = { cwd, env: { PATH: process.env['PATH'], TZ: 'UTC', ...env } };
    const child = execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : error.code, stdout, stderr });
    });
    // EPIPE, when the program ends before it has read its input.
    child.stdin?.on('error', () => undefined).end(input);
  });
}
