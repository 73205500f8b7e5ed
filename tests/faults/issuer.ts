import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { onTestFinished } from 'vitest';

import { CodeValidator } from '../../src/codes/code-validator.js';
import { openStorage, type Storage } from '../../src/storage/open-storage.js';

const ISSUER = fileURLToPath(new URL('./issuer.mjs', import.meta.url));

/** The time at which the issuer issues. */
export const NOW = Date.UTC(2026, 0, 1);

export interface Acknowledged {
  readonly id: string;
  readonly username: string;
  readonly text: string;
}

/** Starts `issuer.mjs`; it is killed when the test ends. */
export function startIssuer(
  databasePath: string,
  options: {
    /** A file, or `-` for standard output. */
    readonly acks: string;
    readonly run: string;
    readonly count?: number;
    readonly mode?: 'production' | 'early' | 'halves' | 'normal';
    readonly env?: Readonly<Record<string, string>>;
  },
): { readonly child: ChildProcess; readonly ended: Promise<{ stdout: string; stderr: string }> } {
  const { acks, run, count = 1_000_000, mode = 'production', env = {} } = options;
  const child = spawn(process.execPath, [ISSUER, databasePath, acks, run, String(count), mode], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<{ stdout: string; stderr: string }>((resolve) => {
    child.once('close', () => resolve({ stdout, stderr }));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, ended };
}

/** What was acknowledged by whole lines. */
export function readAcks(text: string): Acknowledged[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const [id, username, code] = line.split('\t');
    return id !== undefined && username !== undefined && code !== undefined
      ? [{ id, username, text: code }]
      : [];
  });
}

export async function makeDatabase(databasePath: string): Promise<void> {
  const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
  await storage.close();
}

/** Those that were acknowledged and are not good. */
export async function findLost(
  { store, keys }: Storage,
  acknowledged: readonly Acknowledged[],
): Promise<string[]> {
  const validator = new CodeValidator({ store, keys, clock: () => NOW });
  const lost: string[] = [];
  for (const { id, username, text } of acknowledged) {
    // Looked for first: a wrong code would be counted.
    const { valid } =
      (await store.find(id)) === null ? { valid: false } : await validator.validate(username, text);
    if (!valid) lost.push(id);
  }
  return lost;
}
