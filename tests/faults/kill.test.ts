import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { folderInMemory } from '../support/folder.js';
import { countHalves, findLost, makeDatabase, openAsOwner, readAcks, startIssuer } from './issuer.js';
import type { Acknowledged, IssuerMode } from './issuer.js';
import { sized } from './size.js';

/** One in seven kills does harm: 200 harmless kills happen once in 10^13 runs. */
const CONTROL_KILLS = 200;

/** Starts an issuer and kills it at a random moment after `acks` acknowledgements. Returns all of them. */
async function killAfter(
  databasePath: string,
  acks: number,
  name: string,
  mode: IssuerMode,
): Promise<Acknowledged[]> {
  const issuer = startIssuer(databasePath, { cwd: join(databasePath, '..'), name, mode });
  let lines = 0;
  issuer.child.stdout?.on('data', (text: string) => {
    lines += text.split('\n').length - 1;
    if (lines >= acks) issuer.child.kill('SIGKILL');
  });
  expect(await issuer.ended).toBe('SIGKILL');
  expect(issuer.stderr()).toBe('');
  return readAcks(issuer.stdout());
}

interface Outcome {
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly halves: number;
}

/** Kills issuers of one database. Checks the latest codes after each kill, and all of them at the end. */
async function killAtRandom(
  run: string,
  kills: number,
  acks: () => number,
  mode: IssuerMode = 'production',
): Promise<Outcome> {
  // What a process wrote outlives it, also where nothing reaches a disk.
  const databasePath = join(folderInMemory(), 'codes.db');
  await makeDatabase(databasePath);
  const all: Acknowledged[] = [];
  const lost = new Set<string>();
  for (let kill = 0; kill <= kills; kill++) {
    const latest = kill === kills ? all : await killAfter(databasePath, acks(), `${run} ${kill}`, mode);
    const storage = await openAsOwner(databasePath);
    for (const id of await findLost(storage, latest)) lost.add(id);
    await storage.close();
    if (kill < kills) all.push(...latest);
  }
  return { acknowledged: all.length, lost: [...lost], halves: countHalves(databasePath) };
}

it('loses no acknowledged code and leaves no transaction half done when it is killed at random', async () => {
  const [databases, killsEach] = [sized(1, 6), sized(4, 50)];
  const outcomes: Outcome[] = [];
  for (let run = 0; run < databases; run++) {
    outcomes.push(await killAtRandom(`r${run}`, killsEach, () => randomInt(60, 180)));
  }
  const acknowledged = outcomes.reduce((sum, outcome) => sum + outcome.acknowledged, 0);
  expect(outcomes.flatMap(({ lost }) => lost)).toEqual([]);
  expect(outcomes.map(({ halves }) => halves)).toEqual(outcomes.map(() => 0));
  expect(acknowledged).toBeGreaterThanOrEqual(sized(200, 30_000));
});

it.each<[string, IssuerMode, (outcome: Outcome) => boolean]>([
  ['loses a code that is acknowledged before it is stored', 'early', ({ lost }) => lost.length > 0],
  ['leaves halves when each statement commits by itself', 'halves', ({ halves }) => halves > 0],
])('%s (control)', async (_what, mode, isHarmed) => {
  for (let kill = 0; kill < CONTROL_KILLS; kill++) {
    if (isHarmed(await killAtRandom(`r${kill}`, 1, () => randomInt(1, 20), mode))) return;
  }
  expect.fail(`${CONTROL_KILLS} kills did no harm`);
});
