import { run, type Running } from '../support/process.js';
import { keep, openRaw } from '../support/raw-database.js';
import { openStorage, type Storage } from '../../src/storage/open-storage.js';
import { Validator } from '../../src/services/validator.js';

/** The time at which the issuer issues. */
export const NOW = Date.UTC(2026, 0, 1);

export interface Acknowledged {
  readonly id: string;
  readonly username: string;
  readonly text: string;
}

export type IssuerMode = 'production' | 'early' | 'halves' | 'normal';

/** Starts `issuer.mjs`; it is killed when the test ends. */
export function startIssuer(
  databasePath: string,
  options: {
    readonly cwd: string;
    /** A file, or `-` for standard output. */
    readonly acks?: string;
    readonly name?: string;
    readonly count?: number;
    readonly mode?: IssuerMode;
    readonly env?: Readonly<Record<string, string>>;
  },
): Running {
  const { cwd, acks = '-', name = 'r', count = 1_000_000, mode = 'production', env = {} } = options;
  return run('tests/faults/issuer.mjs', { cwd, env, args: [databasePath, acks, name, String(count), mode] });
}

/** Returns what was acknowledged in complete lines. */
export function readAcks(text: string): Acknowledged[] {
  const lines = text.split('\n').slice(0, -1);
  return lines.flatMap((line) => {
    const [id, username, code] = line.split('\t');
    return id !== undefined && username !== undefined && code !== undefined
      ? [{ id, username, text: code }]
      : [];
  });
}

/** Opens a database as the bot does at its start: with a check of the whole file. */
export async function openAsOwner(path: string, secret: string | null = null): Promise<Storage> {
  return openStorage({ database: { engine: 'sqlite', path }, secret, as: 'owner' });
}

export async function makeDatabase(databasePath: string): Promise<void> {
  const storage = await openAsOwner(databasePath);
  await storage.close();
}

/** Returns the ids of the acknowledged codes that are not valid. */
export async function findLost(
  { store, keys }: Storage,
  acknowledged: readonly Acknowledged[],
): Promise<string[]> {
  const validator = new Validator({ store, keys, clock: () => NOW });
  const lost: string[] = [];
  for (const { id, username, text } of acknowledged) {
    const { valid } = await validator.validate(username, text);
    if (!valid) lost.push(id);
  }
  return lost;
}

/** Counts claimed messages without a code, codes without look-alikes, and steps that the audit lacks. */
export function countHalves(databasePath: string): number {
  const database = openRaw(databasePath);
  database.exec('CREATE INDEX test_audit ON audit (code_id)');
  const halves = keep(
    database.prepare(`SELECT
      (SELECT count(*) FROM requests WHERE id NOT IN (SELECT id FROM codes)) +
      (SELECT count(*) FROM codes WHERE id NOT IN (SELECT id FROM requests)
        OR name_hash NOT IN (SELECT name_hash FROM look_alikes)
        OR NOT EXISTS (SELECT 1 FROM audit WHERE code_id = id AND event = 'issued')
        OR (delivered_at IS NOT NULL) <>
          EXISTS (SELECT 1 FROM audit WHERE code_id = id AND event = 'delivered'))`),
  );
  const count = Number(halves.pluck().get());
  database.close();
  return count;
}
