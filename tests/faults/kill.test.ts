import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { openStorage } from '../../src/storage/open-storage.js';
import { folderInMemory } from '../support/folder.js';
import { keep, openRaw } from '../support/raw-database.js';
import { findLost, makeDatabase, readAcks, startIssuer, type Acknowledged } from './issuer.js';
import { sized } from './size.js';

const REOPEN_MS = sized(2_000, 250);

/** One in seven kills leaves a half: so many leave none in one of 10^13 runs. */
const CONTROL_KILLS = 200;

/** Starts an issuer and kills it at some moment after it acknowledged so many. @returns all that it acknowledged. */
async function killAfter(
  databasePath: string,
  acks: number,
  run: string,
  mode: Mode,
): Promise<Acknowledged[]> {
  const { child, ended } = startIssuer(databasePath, { acks: '-', run, mode });
  let lines = 0;
  child.stdout?.on('data', (text: string) => {
    lines += text.split('\n').length - 1;
    if (lines >= acks) child.kill('SIGKILL');
  });
  const { stdout, stderr } = await ended;
  expect(stderr).toBe('');
  return readAcks(stdout);
}

/** Codes without their requests, requests without their codes, codes that nobody recorded. */
function countHalves(databasePath: string): number {
  const database = openRaw(databasePath);
  const halves = keep(
    database.prepare(`SELECT
      (SELECT count(*) FROM requests WHERE id NOT IN (SELECT id FROM codes)) +
      (SELECT count(*) FROM codes WHERE id NOT IN (SELECT id FROM requests)) +
      (SELECT count(*) FROM codes WHERE NOT EXISTS (SELECT 1 FROM audit WHERE code_id = id AND event = 'issued')) +
      (SELECT count(*) FROM codes WHERE delivered_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM audit WHERE code_id = id AND event = 'delivered'))`),
  )
    .pluck()
    .get();
  database.close();
  return Number(halves);
}

/** Indices that find by id what the audit has none for. */
function indexAudit(databasePath: string): void {
  const database = openRaw(databasePath);
  database.exec('CREATE INDEX test_audit ON audit (code_id)');
  database.close();
}

interface Outcome {
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly halves: number;
  /** How long it took each time to open it again. */
  readonly openedMs: readonly number[];
}

type Mode = 'production' | 'early' | 'halves';

/** Fills one database, is killed so many times, and looks at what is left each time, and once more at the end. */
async function killAtRandom(
  run: string,
  kills: number,
  acks: () => number,
  mode: Mode = 'production',
): Promise<Outcome> {
  // Whatever the process wrote outlives it, also where nothing reaches a disk.
  const databasePath = join(folderInMemory(), 'codes.db');
  await makeDatabase(databasePath);
  indexAudit(databasePath);
  const all: Acknowledged[] = [];
  const lost = new Set<string>();
  const openedMs: number[] = [];
  for (let kill = 0; kill <= kills; kill++) {
    const fresh = kill === kills ? all : await killAfter(databasePath, acks(), `${run} ${kill}`, mode);
    const before = performance.now();
    const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
    openedMs.push(performance.now() - before);
    for (const id of await findLost(storage, fresh)) lost.add(id);
    await storage.close();
    if (kill < kills) all.push(...fresh);
  }
  return { acknowledged: all.length, lost: [...lost], halves: countHalves(databasePath), openedMs };
}

it('loses nothing that was acknowledged, and leaves nothing half, when it is killed at random', async () => {
  const [databases, killsEach] = [sized(1, 6), sized(4, 50)];
  const outcomes: Outcome[] = [];
  // Two at a time: most of it is waiting for the disk.
  for (let first = 0; first < databases; first += 2) {
    const runs = [first, first + 1].filter((run) => run < databases);
    const some = runs.map(async (run) => killAtRandom(`r${run}`, killsEach, () => randomInt(60, 180)));
    outcomes.push(...(await Promise.all(some)));
  }
  const acknowledged = outcomes.reduce((sum, outcome) => sum + outcome.acknowledged, 0);
  const openedMs = outcomes.flatMap((outcome) => outcome.openedMs).toSorted((a, b) => a - b);
  // One in ten may have met with somebody else's work on this machine.
  const usualMs = openedMs[Math.floor((openedMs.length - 1) * 0.9)] ?? Infinity;
  process.stdout.write(
    `${databases * killsEach} kills, ${acknowledged} acknowledged, opened in ${usualMs} ms, at most ${openedMs.at(-1)} ms\n`,
  );
  expect(outcomes.flatMap(({ lost }) => lost)).toEqual([]);
  expect(outcomes.map(({ halves }) => halves)).toEqual(outcomes.map(() => 0));
  expect(acknowledged).toBeGreaterThanOrEqual(sized(200, 30_000));
  expect(usualMs).toBeLessThan(REOPEN_MS);
});

it.each<[string, Mode, (outcome: Outcome) => boolean]>([
  ['lose what is acknowledged too early', 'early', ({ lost }) => lost.length > 0],
  ['leave halves if each statement were committed by itself', 'halves', ({ halves }) => halves > 0],
])('would be seen to %s', async (_what, mode, isSeen) => {
  for (let kill = 0; kill < CONTROL_KILLS; kill++) {
    if (isSeen(await killAtRandom(`r${kill}`, 1, () => randomInt(1, 20), mode))) return;
  }
  expect.fail(`${CONTROL_KILLS} kills did no harm`);
});
