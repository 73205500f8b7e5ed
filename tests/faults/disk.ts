import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('./disk.c', import.meta.url));

/** Compiles `disk.c`. Returns the path for LD_PRELOAD. */
export function buildDisk(folder: string): string {
  const library = join(folder, 'disk.so');
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-O2', '-o', library, SOURCE], { stdio: 'pipe' });
  } catch (cause) {
    throw new Error('This test compiles tests/faults/disk.c. It needs Linux and a C compiler named cc.', {
      cause,
    });
  }
  return library;
}
