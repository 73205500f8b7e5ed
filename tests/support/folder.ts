import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

/** Creates a folder that is deleted when the running test ends. */
export function temporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'access-bot-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The same in memory where possible: for tests that create and sync thousands of files. */
export function folderInMemory(): string {
  return temporaryFolder(existsSync(MEMORY) ? MEMORY : tmpdir());
}

const MEMORY = '/dev/shm';
