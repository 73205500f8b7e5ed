import { run, type RunOptions } from './process.js';

export interface Printed {
  readonly exitCode: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `node PATH` to its end, in UTC. PATH is relative to the project's root; its environment is only `env` and `.env`. */
export async function runToEnd(
  path: string,
  args: readonly string[],
  { env, ...options }: Omit<RunOptions, 'args'>,
): Promise<Printed> {
  const { ended, stdout, stderr } = run(path, { ...options, args, env: { TZ: 'UTC', ...env } });
  return { exitCode: await ended, stdout: stdout(), stderr: stderr() };
}
