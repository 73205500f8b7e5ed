import { readdirSync, renameSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { secretPathOf } from '../../src/storage/secret-file.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { SECRET } from '../services/support.js';
import { folderInMemory, temporaryFolder } from '../support/folder.js';
import { buildDisk } from './disk.js';
import { openAsOwner, startIssuer } from './issuer.js';
import { sized } from './size.js';

/** A first start changes files fewer times than this. */
const CHANGES = 100;

type Found = 'no database' | 'a new database' | 'a secret without a database';

/** Starts again after a kill, and follows the refusal's advice. Returns what the start found. */
async function startAgain(databasePath: string, secret: string | null): Promise<Found> {
  try {
    const storage = await openAsOwner(databasePath, secret);
    try {
      expect(await storage.store.codes.countAll()).toBe(0);
      expect(await storage.store.requests.claim('1', 1)).toBe(true);
    } finally {
      await storage.close();
    }
    expect(storage.newSecretPath).toBe(storage.isNew && secret === null ? secretPathOf(databasePath) : null);
    return storage.isNew ? 'no database' : 'a new database';
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'DATABASE_MISSING') throw error;
    expect(error.message).toContain(
      `To start over with no codes, move ${secretPathOf(databasePath)} to another folder.`,
    );
    renameSync(secretPathOf(databasePath), join(folderInMemory(), 'moved.key'));
    expect(await startAgain(databasePath, secret)).toBe('no database');
    return 'a secret without a database';
  }
}

/** What harms a start at its nth change of a file. */
type Harm = (change: number) => Readonly<Record<string, string>>;

const kill: Harm = (change) => ({ DISK_KILL: `${change}` });
const fill: Harm = (change) => ({ DISK_FAIL: `${change}`, DISK_ERRNO: String(constants.errno.ENOSPC) });

it.each<[string, Harm, string | null]>([
  ['with a secret file that is killed before', kill, null],
  ['with CODE_SECRET that is killed before', kill, SECRET],
  ['with a secret file whose disk is full from', fill, null],
])('a first start %s any change of a file can be repeated', async (_when, harm, secret) => {
  const disk = buildDisk(temporaryFolder());
  const afterKill = [
    'no database',
    'a new database',
    ...(secret === null ? ['a secret without a database'] : []),
  ];
  const found: Found[] = [];
  for (let change = 1; ; change += sized(25, 1)) {
    const folder = folderInMemory();
    const databasePath = join(folder, 'data', 'codes.db');
    const settings = secret === null ? {} : { CODE_SECRET: secret };
    const env: Record<string, string> = { LD_PRELOAD: disk, ...harm(change), ...settings };
    const issuer = startIssuer(databasePath, { cwd: folder, count: 0, env });
    const end = await issuer.ended;
    const files = readdirSync(folder, { recursive: true }).join(', ');
    const isUnharmed = end === 0 && issuer.stderr() === '';
    if (isUnharmed && change > CHANGES) break;
    const again = await startAgain(databasePath, secret).catch((error: unknown) => {
      throw new Error(`After ${end} at change ${change}, which left ${files}`, { cause: error });
    });
    if (end === 'SIGKILL') {
      expect(issuer.stderr()).toBe('');
      expect(afterKill).toContain(again);
    } else {
      const sentence = /^StorageError: \S+codes\.db (?:cannot grow|and its folder cannot|needs a file)/m;
      if (end !== 0) expect(issuer.stderr()).toMatch(sentence);
      expect(files).not.toContain('.new');
      // A commit whose sync fails may be complete.
      const isComplete = end === 0 || issuer.stderr().includes('SQLITE_IOERR_FSYNC');
      expect(isComplete ? ['no database', 'a new database'] : ['no database']).toContain(again);
    }
    if (!isUnharmed) found.push(again);
  }
  process.stdout.write(
    `${found.length} times harmed; the next start found ${[...new Set(found)].join(', ')}\n`,
  );
  expect(found.length).toBeGreaterThanOrEqual(sized(3, 50));
});
