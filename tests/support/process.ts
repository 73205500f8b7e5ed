import { spawn } from 'node:child_process';
import { cpSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { onTestFinished } from 'vitest';

import { isErrno } from '../../src/storage/storage-error.js';

const ROOT = new URL('../../', import.meta.url);

/** A program of ours, running as a process of its own. */
export type Running = ReturnType<typeof start>;

export interface RunOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd: string;
  /** `null`: it stays open. */
  readonly input?: string | null;
}

/** Starts `node PATH ARGS`, a path from the project's root, with nothing but `env` in its environment and `.env`. */
export function run(path: string, options: RunOptions): Running {
  return start(process.execPath, [fileURLToPath(new URL(path, ROOT)), ...(options.args ?? [])], options);
}

/** Starts `npm run SCRIPT` in a built copy of the project, which is in `cwd`. */
export function runScript(script: string, options: RunOptions): Running {
  cpSync(new URL('package.json', ROOT), join(options.cwd, 'package.json'));
  for (const part of ['dist', 'node_modules', 'src', 'tsconfig.json'])
    symlinkSync(new URL(part, ROOT), join(options.cwd, part));
  return start('npm', ['run', script], options);
}

function start(command: string, args: readonly string[], options: RunOptions) {
  // Without one in its working directory, a program would read that of the project's root.
  writeFileSync(join(options.cwd, '.env'), '', { flag: 'a', mode: 0o600 });
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], TMPDIR: options.cwd, ...options.env },
    stdio: 'pipe',
    // A process group of its own, with all its descendants.
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // EPIPE, when the process ends before it has read its input.
  child.stdin.on('error', () => undefined);
  if (options.input !== null) child.stdin.end(options.input ?? '');
  /** Resolves with the exit code, or with the signal that ended it, when its descendants have ended too. */
  const ended = new Promise<number | string>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  /** Signals the process and its descendants, as a terminal does. */
  const signalGroup = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid ?? NaN), signal);
    } catch (error) {
      if (!isErrno(error, 'ESRCH')) throw error;
    }
  };
  onTestFinished(async () => {
    signalGroup('SIGKILL');
    await ended;
  });

  /** Resolves when standard output or standard error holds `text`; rejects when the process ends first. */
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

  return { child, signalGroup, stdout: () => stdout, stderr: () => stderr, ended, printed };
}
