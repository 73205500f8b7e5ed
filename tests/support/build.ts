import { execFileSync } from 'node:child_process';

/** Tests that start the program as a process start what stands in dist: it has to be today's. */
export function setup(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
