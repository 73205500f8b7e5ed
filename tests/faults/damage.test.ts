import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { Validator } from '../../src/services/validator.js';
import { openStorage, type Storage } from '../../src/storage/open-storage.js';
import { secretPathOf } from '../../src/storage/secret-file.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { byAdmin, openCodes } from '../support/codes.js';
import { folderInMemory } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';
import { NOW, openAsOwner } from './issuer.js';
import { seededRandom, type Random } from './random.js';
import { sized } from './size.js';

const PAGE = 4_096;
const NAMES = 24;

interface Pair {
  readonly username: string;
  readonly text: string;
}

/** The files of a database, and the pairs that were issued. */
interface Template {
  readonly database: Buffer;
  readonly log: Buffer;
  readonly secret: string;
  readonly issued: readonly Pair[];
}

/** Returns a database whose bot was killed: half of it is in the file, half in the write-ahead log. */
async function makeTemplate(): Promise<Template> {
  const { databasePath, service, issueCode, issuePending, storage } = await openCodes();
  const issued: Pair[] = [];
  for (let index = 0; index < NAMES; index++) {
    const username = `name ${index}`;
    const request = { username, holderId: String(index) };
    issued.push({ username, text: (await issueCode(request)).text });
    if (index % 4 === 1) await service.revoke(byAdmin(), { typed: username }, null);
    if (index % 4 === 2) issued.push({ username, text: (await issueCode(request)).text });
    if (index % 4 === 3) issued.push({ username, text: (await issuePending(request)).text });
    if (index === NAMES / 2) {
      const other = openRaw(databasePath);
      other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      other.close();
    }
  }
  const database = readFileSync(databasePath);
  const log = readFileSync(`${databasePath}-wal`);
  await storage.close();
  return { database, log, secret: readFileSync(secretPathOf(databasePath), 'utf8').trim(), issued };
}

function writeTemplate({ database, log, secret }: Template, path: string): void {
  const files = { [path]: database, [`${path}-wal`]: log, [secretPathOf(path)]: secret };
  for (const [name, content] of Object.entries(files)) writeFileSync(name, content, { mode: 0o600 });
}

function removeDatabase(path: string): void {
  for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
}

function randomBytes({ below }: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => below(256)));
}

/** Damages a database; `other` is one of another secret. */
type Damage = (path: string, random: Random, other: Template) => void;

function inPlace(change: (bytes: Buffer, random: Random) => Buffer, ending = ''): Damage {
  return (path, random) => writeFileSync(path + ending, change(readFileSync(path + ending), random));
}

const truncate = (bytes: Buffer, { below }: Random): Buffer => bytes.subarray(0, below(bytes.length));

function flipBits(bytes: Buffer, { below }: Random): Buffer {
  for (let count = 1 + below(30); count > 0; count--) {
    const at = below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
  }
  return bytes;
}

function overwritePages(bytes: Buffer, random: Random): Buffer {
  const randomPage = (): number => random.below(Math.floor(bytes.length / PAGE)) * PAGE;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const other = bytes.subarray(randomPage()).subarray(0, PAGE);
    bytes.set(random.pick([randomBytes(random, PAGE), Buffer.alloc(PAGE), other]), randomPage());
  }
  return bytes;
}

function overwriteHeader(bytes: Buffer, random: Random): Buffer {
  bytes.set(randomBytes(random, 1 + random.below(20)), random.below(100));
  return bytes;
}

/** Replaces a file as `mv` does. */
function replace(path: string, content: Buffer): void {
  writeFileSync(`${path}.other`, content);
  renameSync(`${path}.other`, path);
}

const DAMAGES: Readonly<Record<string, Damage>> = {
  truncated: inPlace(truncate),
  'with flipped bits': inPlace(flipBits),
  'with overwritten pages': inPlace(overwritePages),
  'with an overwritten header': inPlace(overwriteHeader),
  'with a truncated log': inPlace(truncate, '-wal'),
  'with flipped bits in the log': inPlace(flipBits, '-wal'),
  'with overwritten pages in the log': inPlace(overwritePages, '-wal'),
  emptied: inPlace(() => Buffer.alloc(0)),
  deleted: (path) => rmSync(path),
  'deleted with its log': removeDatabase,
  'replaced by a database of another secret': (path, _random, other) => replace(path, other.database),
  'replaced by random bytes': (path, random) => replace(path, randomBytes(random, 10_000)),
  'replaced by an empty file': (path) => replace(path, Buffer.alloc(0)),
};

/** What happened to the starts and logins of all damaged databases. */
const newTally = () => ({
  neverIssued: 0,
  newDatabases: 0,
  unexpected: new Array<unknown>(),
  refusedStarts: 0,
  outages: 0,
  answered: 0,
});

type Tally = ReturnType<typeof newTally>;

/** Tries to log in with `pairs`, of which `issued` were issued. */
async function logIn(
  { store, keys }: Storage,
  issued: readonly Pair[],
  pairs: readonly Pair[],
  tally: Tally,
): Promise<void> {
  const validator = new Validator({ store, keys, clock: () => NOW });
  const known = new Set(issued.map(({ username, text }) => `${username} ${text}`));
  for (const { username, text } of pairs) {
    try {
      const verdict = await validator.validate(username, text);
      // A flipped bit may change the case of a letter: it stays the same username.
      const isRight = !verdict.valid || verdict.username.toLowerCase() === username.toLowerCase();
      if (isRight && (!verdict.valid || known.has(`${username} ${text}`))) tally.answered += 1;
      else tally.neverIssued += 1;
    } catch (error) {
      // With a damaged schema, SQLite may report anything about a statement.
      if (isOutage(error) || (error instanceof Error && error.name === 'SqliteError')) tally.outages += 1;
      else tally.unexpected.push(error);
    }
  }
}

/** A sentence about the file, or about the row. */
function isOutage(error: unknown): boolean {
  return error instanceof StorageError || /Error: (?:Column |.* is damaged)/.test(String(error));
}

/** Damages a database before a start or while it is in use, and tries to log in. */
async function runDamaged(
  path: string,
  template: Template,
  { kind, damage, random }: { kind: string; damage: () => void; random: Random },
  tally: Tally,
): Promise<void> {
  const { issued } = template;
  writeTemplate(template, path);
  // With CODE_SECRET, nothing remains of a database that was deleted with its log: that is a first start.
  const secret = kind !== 'deleted with its log' && random.chance(0.5) ? template.secret : null;
  if (secret !== null) rmSync(secretPathOf(path));
  const isRunning = random.chance(0.4);
  if (!isRunning) damage();
  const as = random.chance(0.5) ? 'owner' : 'guest';
  const storage = await openStorage({ database: { engine: 'sqlite', path }, secret, as }).catch(
    (error: unknown) => {
      if (isOutage(error)) tally.refusedStarts += 1;
      else tally.unexpected.push(error);
    },
  );
  if (storage === undefined) return;
  if (storage.isNew) tally.newDatabases += 1;
  if (isRunning) {
    await logIn(storage, issued, issued, newTally());
    damage();
  }
  // Other codes, and codes of other usernames.
  const strangers = issued.flatMap(({ username }) => [
    { username, text: random.pick(['AAAAAA', 'BCDEFG', 'H23456']) },
    { username, text: issued[random.below(issued.length)]?.text ?? '' },
  ]);
  await logIn(storage, issued, [...issued, ...strangers], tally);
  await storage.close();
  if (existsSync(path)) return;
  const again = await openAsOwner(path, secret).catch((error: unknown) => error);
  if (!(again instanceof StorageError)) tally.newDatabases += 1;
}

it('accepts no code that was never issued and creates no new database, whatever file is damaged', async () => {
  const seed = Date.now() % 1_000_000;
  const random = seededRandom(seed);
  const template = await makeTemplate();
  const other = await makeTemplate();
  const kinds = Object.entries(DAMAGES);
  const tally = newTally();
  const folder = folderInMemory();
  for (let count = 0; count < sized(78, 2_000); count++) {
    const [kind, apply] = kinds[count % kinds.length] ?? [];
    if (kind === undefined || apply === undefined) throw new Error('No damage');
    const path = join(folder, `${count}.db`);
    const damage = (): void => apply(path, random, other);
    await runDamaged(path, template, { kind, damage, random }, tally);
    const none = { neverIssued: 0, newDatabases: 0, unexpected: [] };
    expect(tally, `seed ${seed}, ${kind}, ${count}`).toMatchObject(none);
    removeDatabase(path);
  }
  process.stdout.write(`Damaged files, seed ${seed}: ${JSON.stringify(tally)}\n`);
  // Each outcome occurs.
  expect(Math.min(tally.refusedStarts, tally.outages, tally.answered)).toBeGreaterThan(0);
});

it('detects a login with a code that was not issued (control)', async () => {
  const template = await makeTemplate();
  const path = join(folderInMemory(), 'codes.db');
  writeTemplate(template, path);
  const tally = newTally();
  const storage = await openAsOwner(path);
  await logIn(storage, template.issued, template.issued, tally);
  expect(tally).toMatchObject({ neverIssued: 0, answered: template.issued.length });
  await logIn(storage, template.issued.slice(1), template.issued, tally);
  expect(tally.neverIssued).toBe(1);
  await storage.close();
});
