/**
 * Tells whether the time that an answer takes gives away what it does not say: whether a username exists,
 * whether a code does. Welch's t of each pair of classes of answers; below 4.5 there is nothing to see.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';

import { CodeService } from '../../src/codes/code-service.js';
import { generateCodeText } from '../../src/codes/code-text.js';
import { CodeValidator } from '../../src/codes/code-validator.js';
import { parseUsername } from '../../src/codes/username.js';
import { openStorage } from '../../src/storage/open-storage.js';
import { print } from './report.js';

const NAMES = 2_000;
const WARM_UP = 1_000;
const HOUR_MS = 3_600_000;

type Attempt = readonly [username: string, code: string];

/** @param rounds how many attempts of each class are timed. */
export async function measureTiming(folder: string, rounds: number): Promise<void> {
  let now = Date.now();
  const clock = (): number => now;
  const databasePath = join(folder, 'timing', 'access-codes.db');
  const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
  const { store, keys } = storage;
  const service = new CodeService({
    store,
    keys,
    codeLength: 6,
    codeTtlMs: null,
    codeMaxUses: null,
    getcodeLimit: { codes: 10, spanMs: 1 },
    maxUsernamesPerMember: 10,
    clock,
    random: randomInt,
  });
  const validator = new CodeValidator({ store, keys, clock });

  const live: string[] = [];
  const revoked: string[] = [];
  for (let index = 0; index < NAMES; index++) {
    const username = parseUsername(`user${index}`);
    if (username === null) throw new Error('No username');
    for (const kept of [revoked, live]) {
      now += 10;
      const id = `${index}-${kept === live ? 'b' : 'a'}`;
      const code = await service.issue({
        id,
        guildId: 'g',
        holderId: String(index),
        holderTag: 't',
        username,
      });
      if (typeof code === 'string' || !('text' in code)) throw new Error('No code');
      await service.deliver(id);
      kept.push(code.text);
      if (kept === revoked) await service.revoke('g', code.text, { requestId: `${id}r`, actorId: 'a' });
    }
  }

  // Each class has names of its own, so that all have failed equally often; and what is tried is made before.
  const group = (number: number, code: (index: number) => string): Attempt[] =>
    Array.from({ length: NAMES / 4 }, (_, place) => {
      const index = (number * NAMES) / 4 + place;
      return [number === 0 ? `nobody${index}` : `user${index}`, code(index)];
    });
  const classes: readonly (readonly [string, readonly Attempt[]])[] = [
    ['no such username', group(0, () => generateCodeText(6))],
    ['wrong code', group(1, () => generateCodeText(6))],
    ["somebody else's code", group(2, (index) => live[(index + 1) % NAMES] ?? '')],
    ['revoked code', group(3, (index) => revoked[index] ?? '')],
  ];
  const times = new Map<string, number[]>(classes.map(([name]) => [name, []]));
  for (let round = -WARM_UP; round < rounds; round++) {
    const place = (round + WARM_UP) % (NAMES / 4);
    // Before a name has 10 failures within an hour, the hour passes.
    if (place === 0) now += 2 * HOUR_MS;
    // In an order of its own each time, so that nothing that drifts favours a class.
    const order = classes.map((one) => ({ one, at: randomInt(1_000_000) })).toSorted((x, y) => x.at - y.at);
    for (const { one } of order) {
      const [name, attempts] = one;
      const [username, code] = attempts[place] ?? ['', ''];
      const start = performance.now();
      await validator.validate(username, code);
      if (round >= 0) times.get(name)?.push(performance.now() - start);
    }
  }
  await storage.close();

  print('\ntiming of the answers that look alike (target: |t| below 4.5)');
  for (const [index, [one]] of classes.entries()) {
    for (const [other] of classes.slice(index + 1)) {
      print(`  ${one} / ${other}: t = ${welch(times.get(one) ?? [], times.get(other) ?? []).toFixed(2)}`);
    }
  }
}

/** Of the lower nine tenths: what the machine did meanwhile is in the rest. */
function welch(a: readonly number[], b: readonly number[]): number {
  const [one, other] = [a, b].map((values) =>
    values.toSorted((x, y) => x - y).slice(0, Math.floor(values.length * 0.9)),
  );
  const stats = [one ?? [], other ?? []].map((values) => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    return { mean, error: variance / values.length };
  });
  const [first, second] = stats;
  if (first === undefined || second === undefined) return Number.NaN;
  return (first.mean - second.mean) / Math.sqrt(first.error + second.error);
}
