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
    /** Where the website was built. */
    readonly siteFolder: string;
  }
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Installs the example in a folder of its own, with this package by its path, and builds it for production. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (findChromium() === undefined) {
    // Thrown, it would stand below a stack and a note that there are no tests.
    process.stderr.write(`${NO_CHROMIUM}\n`);
    process.exit(1);
  }
  const folder = mkdtempSync(join(tmpdir(), 'access-bot-website-'));
  // Not at one go: that takes seconds, in which the test runner could hear nothing.
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
    // What has to be compiled is linked with this folder, where it has been.
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
