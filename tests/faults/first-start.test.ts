import { readdirSync, renameSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { secretPathOf } from '../../src/storage/secret-file.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { folderInMemory, temporaryFolder } from '../support/folder.js';
import { buildDisk } from './disk.js';
import { openAsOwner, startIssuer } from './issuer.js';
import { sized } from './size.js';

const SECRET = 'a secret of the tests, which is long enough';

/** A first start changes files fewer times than this. */
const CHANGES = 100;

type Found = 'no database' | 'a new database' | 'a secret without a database';

/** Starts again after a kill, and follows the refusal's advice. Returns what the start found. */
async function startAgain(databasePath: string, secret: string | null): Promise<Found> {
  try {
    const storage = await openAsOwner(databasePath, secret);
    try {
      expect(await storage.store.codes.countUsernames()).toBe(0);
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

it.each<[string, string | null, readonly Found[]]>([
  ['with a secret file', null, ['no database', 'a secret without a database', 'a new database']],
  ['with CODE_SECRET', SECRET, ['no database', 'a new database']],
])(
  'a first start %s that is killed before any change of a file can be repeated',
  async (_how, secret, all) => {
    const disk = buildDisk(temporaryFolder());
    const found: Found[] = [];
    for (let change = 1; ; change += sized(25, 1)) {
      const folder = folderInMemory();
      const databasePath = join(folder, 'codes.db');
      const settings = secret === null ? {} : { CODE_SECRET: secret };
      const env = { LD_PRELOAD: disk, DISK_KILL: String(change), ...settings };
      const issuer = startIssuer(databasePath, { cwd: folder, count: 0, env });
      const end = await issuer.ended;
      expect(issuer.stderr()).toBe('');
      const files = readdirSync(folder).join(', ');
      if (end === 0) break;
      expect(end).toBe('SIGKILL');
      found.push(
        await startAgain(databasePath, secret).catch((error: unknown) => {
          throw new Error(`After a kill before change ${change}, which left ${files}`, { cause: error });
        }),
      );
    }
    const counts = all.map((kind) => `${kind} ${found.filter((each) => each === kind).length}`);
    process.stdout.write(`${found.length} kills; the next start found: ${counts.join(', ')}\n`);
    expect(found.length).toBeGreaterThanOrEqual(sized(3, 50));
    expect(all).toEqual(expect.arrayContaining(found));
  },
);

it.each<[string, 'ENOSPC' | 'EROFS', 'once' | 'from then on', string | null]>([
  ['with a secret file', 'ENOSPC', 'once', null],
  ['with a secret file', 'EROFS', 'from then on', null],
  ['with CODE_SECRET', 'ENOSPC', 'from then on', SECRET],
])(
  'a first start %s in which any change of a file fails with %s, %s, can be repeated',
  async (_how, code, howOften, secret) => {
    const disk = buildDisk(temporaryFolder());
    const settings = secret === null ? {} : { CODE_SECRET: secret };
    let failures = 0;
    for (let change = 1; ; change += sized(25, 1)) {
      const folder = folderInMemory();
      const databasePath = join(folder, 'data', 'codes.db');
      const DISK_FAIL = howOften === 'once' ? `${change}` : `-${change}`;
      const DISK_ERRNO = String(constants.errno[code]);
      const env = { LD_PRELOAD: disk, DISK_FAIL, DISK_ERRNO, ...settings };
      const issuer = startIssuer(databasePath, { cwd: folder, count: 0, env });
      const end = await issuer.ended;
      const files = readdirSync(folder, { recursive: true }).join(', ');
      if (end === 0 && issuer.stderr() === '' && change > CHANGES) break;
      if (end !== 0) {
        failures += 1;
        expect(issuer.stderr()).toMatch(
          /^StorageError: \S+codes\.db (?:cannot grow|and its folder cannot|needs a file)/m,
        );
      }
      if (code === 'ENOSPC') expect(files).not.toContain('.new');
      const found = await startAgain(databasePath, secret).catch((error: unknown) => {
        throw new Error(`After ${code} at change ${change}, which left ${files}`, { cause: error });
      });
      // A commit whose sync fails may be complete.
      const complete = end === 0 || issuer.stderr().includes('SQLITE_IOERR_FSYNC') ? ['a new database'] : [];
      expect(['no database', ...complete]).toContain(found);
    }
    process.stdout.write(`${failures} failures\n`);
    expect(failures).toBeGreaterThanOrEqual(sized(3, 50));
  },
);
