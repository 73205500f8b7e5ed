import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

/** A folder of the running test's own, which goes with it. */
export function temporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'access-bot-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The same in memory, where there is such a place: for tests that make and sync thousands of files. */
export function folderInMemory(): string {
  return temporaryFolder(existsSync(MEMORY) ? MEMORY : tmpdir());
}

const MEMORY = '/dev/shm';
