import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import type { TestProject } from 'vitest/node';

import { findChromium, NO_CHROMIUM } from './chromium.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the built website. */
    readonly siteFolder: string;
  }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Copies the example to a temporary folder, links this package, and builds the example for production. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (findChromium() === undefined) {
    // An error that is thrown here is printed with a stack.
    process.stderr.write(`${NO_CHROMIUM}\n`);
    process.exit(1);
  }
  const folder = mkdtempSync(join(tmpdir(), 'access-bot-website-'));
  // Asynchronous: it takes seconds, in which the test runner must be able to receive messages.
  const remove = async (): Promise<void> => rm(folder, { recursive: true, force: true });
  const run = (command: string, ...args: readonly string[]): void => {
    const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: '' };
    execFileSync(command, args, { cwd: folder, env, stdio: 'inherit' });
  };
  try {
    cpSync(join(ROOT, 'tests/website/site'), folder, {
      recursive: true,
      filter: (path) => !/[/\\](?:node_modules|\.next)$/.test(path),
    });
    // The native dependencies are built in this folder: link it instead of copying it.
    run(
      'npm',
      'install',
      '--no-save',
      '--no-package-lock',
      '--ignore-scripts',
      '--install-links=false',
      ROOT,
    );
    run('npm', 'run', 'build');
  } catch (error) {
    await remove();
    throw error;
  }
  project.provide('siteFolder', folder);
  return remove;
}
