import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { folderInMemory } from '../support/folder.js';
import { countHalves, findLost, makeDatabase, openAsOwner, readAcks, startIssuer } from './issuer.js';
import type { Acknowledged, IssuerMode } from './issuer.js';
import { sized } from './size.js';

interface Outcome {
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly halves: number;
}

/**
 * Starts issuers of one database and kills each at a random moment after `acks` acknowledgements. Checks the latest
 * codes after each kill, and all of them at the end.
 */
async function killAtRandom(kills: number, acks: () => number, mode: IssuerMode): Promise<Outcome> {
  // What a process wrote outlives it, also where nothing reaches a disk.
  const cwd = folderInMemory();
  const databasePath = join(cwd, 'codes.db');
  await makeDatabase(databasePath);
  const all: Acknowledged[] = [];
  const lost = new Set<string>();
  const check = async (codes: readonly Acknowledged[]): Promise<void> => {
    const storage = await openAsOwner(databasePath);
    for (const id of await findLost(storage, codes)) lost.add(id);
    await storage.close();
  };
  for (let kill = 0; kill < kills; kill++) {
    const issuer = startIssuer(databasePath, { cwd, name: `r${kill}`, mode });
    let left = acks();
    issuer.child.stdout?.on('data', (text: string) => {
      left -= text.split('\n').length - 1;
      if (left <= 0) issuer.child.kill('SIGKILL');
    });
    expect([await issuer.ended, issuer.stderr()]).toEqual(['SIGKILL', '']);
    const latest = readAcks(issuer.stdout());
    await check(latest);
    all.push(...latest);
  }
  await check(all);
  return { acknowledged: all.length, lost: [...lost], halves: countHalves(databasePath) };
}

it('loses no acknowledged code and leaves no transaction half done when it is killed at random', async () => {
  const outcome = await killAtRandom(sized(4, 300), () => randomInt(60, 180), 'production');
  expect(outcome).toMatchObject({ lost: [], halves: 0 });
  expect(outcome.acknowledged).toBeGreaterThanOrEqual(sized(200, 30_000));
});

it.each<[string, IssuerMode, (outcome: Outcome) => boolean]>([
  ['loses a code that is acknowledged before it is stored', 'early', ({ lost }) => lost.length > 0],
  ['leaves halves when each statement commits by itself', 'halves', ({ halves }) => halves > 0],
])('%s (control)', async (_what, mode, isHarmed) => {
  // One in seven kills does harm: 200 harmless kills happen once in 10^13 runs.
  for (let kill = 0; kill < 200; kill++) {
    if (isHarmed(await killAtRandom(1, () => randomInt(1, 20), mode))) return;
  }
  expect.fail('200 kills did no harm');
});
