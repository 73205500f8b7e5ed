import { execFileSync } from 'node:child_process';

/** Vitest's global setup: tests that start the program as a process run what is in dist. */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
