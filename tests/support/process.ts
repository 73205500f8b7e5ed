import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { onTestFinished } from 'vitest';

const ROOT = new URL('../../', import.meta.url);

/** A program of ours, running as a process of its own. */
export interface Running {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves with the exit code, or with the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** Resolves when standard output or standard error holds `text`; rejects when the process ends first. */
  printed(text: string): Promise<void>;
}

/** Starts `node PATH ARGS`, a path from the project's root, with nothing but `env` in its environment. */
export function run(
  path: string,
  options: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd: string;
    readonly input?: string;
  },
): Running {
  const child = spawn(process.execPath, [fileURLToPath(new URL(path, ROOT)), ...(options.args ?? [])], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], TMPDIR: options.cwd, ...options.env },
    stdio: 'pipe',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // EPIPE, when the process ends before it has read its input.
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });

  async function printed(text: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!`${stdout}\n${stderr}`.includes(text)) return;
        child.stdout.off('data', look);
        child.stderr.off('data', look);
        resolve();
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      look();
      void ended.then((end) =>
        reject(new Error(`Ended with ${end} before it printed ${text}: ${stdout}${stderr}`)),
      );
    });
  }

  return { child, stdout: () => stdout, stderr: () => stderr, ended, printed };
}
