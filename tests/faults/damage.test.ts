import {
  existsSync,
  openSync,
  closeSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { expect, it } from 'vitest';

import { CodeValidator } from '../../src/codes/code-validator.js';
import { openStorage, SECRET_FILE_NAME, type Storage } from '../../src/storage/open-storage.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { byAdmin, openCodes } from '../support/codes.js';
import { folderInMemory } from '../support/folder.js';
import { openRaw } from '../support/raw-database.js';
import { NOW } from './issuer.js';
import { seededRandom, type Random } from './random.js';
import { sized } from './size.js';

const PAGE = 4_096;
const NAMES = 24;

interface Pair {
  readonly username: string;
  readonly text: string;
}

/** The files of a database by what their names end in, and the pairs that it was filled with. */
interface Template {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly issued: readonly Pair[];
}

const ENDINGS = ['', '-wal', '.marker'];

/** A database as it is when its bot was killed: its log is not written back. */
async function makeTemplate(): Promise<Template> {
  const { databasePath, service, hand, issue, storage } = await openCodes();
  const issued: Pair[] = [];
  for (let index = 0; index < NAMES; index++) {
    const username = `name ${index}`;
    const holderId = String(index);
    issued.push({ username, text: (await hand({ username, holderId })).text });
    if (index % 4 === 1) await service.revoke('1', username, byAdmin());
    if (index % 4 === 2) issued.push({ username, text: (await hand({ username, holderId })).text });
    if (index % 4 === 3) issued.push({ username, text: (await issue({ username, holderId })).text });
    // Half of it is in the file, half in the log.
    if (index === NAMES / 2) {
      const other = openRaw(databasePath);
      other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
      other.close();
    }
  }
  const files = new Map(ENDINGS.map((ending) => [ending, readFileSync(`${databasePath}${ending}`)]));
  files.set(SECRET_FILE_NAME, readFileSync(join(dirname(databasePath), SECRET_FILE_NAME)));
  await storage.close();
  return { files, issued };
}

function lay({ files }: Template, databasePath: string): void {
  for (const [name, content] of files) {
    const path = name === SECRET_FILE_NAME ? join(dirname(databasePath), name) : `${databasePath}${name}`;
    writeFileSync(path, content, { mode: 0o600 });
  }
}

function overwrite(path: string, offset: number, bytes: Buffer): void {
  const file = openSync(path, 'r+');
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
}

function noise(random: Random, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random.below(256)));
}

function flipBits(path: string, random: Random): void {
  const bytes = readFileSync(path);
  for (let count = 1 + random.below(30); count > 0; count--) {
    const at = random.below(bytes.length);
    overwrite(path, at, Buffer.of((bytes[at] ?? 0) ^ (1 << random.below(8))));
  }
}

function overwritePages(path: string, random: Random): void {
  const pages = Math.floor(statSync(path).size / PAGE);
  for (let count = 1 + random.below(3); count > 0; count--) {
    const other = random.below(pages) * PAGE;
    const fill = random.pick([
      noise(random, PAGE),
      Buffer.alloc(PAGE),
      readFileSync(path).subarray(other, other + PAGE),
    ]);
    overwrite(path, random.below(pages) * PAGE, fill);
  }
}

/** Puts another file in the place of one, as `mv` does. */
function exchange(path: string, content: Buffer): void {
  writeFileSync(`${path}.other`, content);
  renameSync(`${path}.other`, path);
}

type Damage = (path: string, random: Random, other: Template) => void;

const DAMAGES: Readonly<Record<string, Damage>> = {
  truncated: (path, random) => truncateSync(path, random.below(statSync(path).size)),
  'bits flipped': flipBits,
  'pages overwritten': overwritePages,
  'header overwritten': (path, random) =>
    overwrite(path, random.below(100), noise(random, 1 + random.below(20))),
  'log truncated': (path, random) => truncateSync(`${path}-wal`, random.below(statSync(`${path}-wal`).size)),
  'log flipped': (path, random) => flipBits(`${path}-wal`, random),
  'log overwritten': (path, random) => overwritePages(`${path}-wal`, random),
  emptied: (path) => truncateSync(path),
  unlinked: (path) => rmSync(path),
  'unlinked with its log': (path) => {
    for (const ending of ['', '-wal', '-shm']) rmSync(`${path}${ending}`, { force: true });
  },
  'swapped for a database of another secret': (path, _random, other) =>
    exchange(path, other.files.get('') ?? Buffer.alloc(0)),
  'swapped for noise': (path, random) => exchange(path, noise(random, 10_000)),
  'swapped for nothing': (path) => exchange(path, Buffer.alloc(0)),
};

/** What one database, damaged once, did. */
interface Tally {
  neverIssued: number;
  fresh: number;
  refused: number;
  outages: number;
  right: number;
  /** Other errors than one that says what is damaged. */
  strange: unknown[];
}

/** As many pairs again that were not issued: invented codes, and codes of somebody else. */
function withStrangers(issued: readonly Pair[], random: Random): Pair[] {
  const strangers = issued.flatMap(({ username }) => [
    { username, text: random.pick(['AAAAAA', 'BCDEFG', 'H23456']) },
    { username, text: issued[random.below(issued.length)]?.text ?? '' },
  ]);
  return [...issued, ...strangers];
}

async function ask(
  { store, keys }: Storage,
  issued: readonly Pair[],
  asked: readonly Pair[],
  tally: Tally,
): Promise<void> {
  const validator = new CodeValidator({ store, keys, clock: () => NOW });
  const known = new Set(issued.map(({ username, text }) => `${username} ${text}`));
  for (const { username, text } of asked) {
    try {
      const verdict = await validator.validate(username, text);
      const right = !verdict.valid || (known.has(`${username} ${text}`) && isFor(verdict.username, username));
      if (right) tally.right += 1;
      else tally.neverIssued += 1;
    } catch (error) {
      if (isOutage(error) || isOfSqlite(error)) tally.outages += 1;
      else tally.strange.push(error);
    }
  }
}

/** A flipped bit may turn a letter into its capital: to the bot that is the same username. */
function isFor(answered: string, username: string): boolean {
  return answered.toLowerCase() === username.toLowerCase();
}

/** A sentence about the file, or about the row. */
function isOutage(error: unknown): boolean {
  return (
    error instanceof StorageError || (error instanceof Error && /^Column |is damaged/.test(error.message))
  );
}

/** A damaged schema can mean anything: what it says of a statement is a rejected login, too. */
function isOfSqlite(error: unknown): boolean {
  return error instanceof Error && error.name === 'SqliteError';
}

async function suffer(
  databasePath: string,
  template: Template,
  random: Random,
  damage: () => void,
  tally: Tally,
): Promise<void> {
  const secret = random.chance(0.5)
    ? (template.files.get(SECRET_FILE_NAME)?.toString('utf8').trim() ?? null)
    : null;
  if (secret !== null) rmSync(join(dirname(databasePath), SECRET_FILE_NAME), { force: true });
  const running = random.chance(0.4);
  if (!running) damage();
  let storage: Storage;
  try {
    const as = random.chance(0.5) ? 'owner' : 'guest';
    storage = await openStorage({ databasePath, secret, as });
  } catch (error) {
    if (isOutage(error)) tally.refused += 1;
    else tally.strange.push(error);
    return;
  }
  if (storage.created) tally.fresh += 1;
  const asked = withStrangers(template.issued, random);
  if (running) {
    await ask(storage, template.issued, template.issued, newTally());
    damage();
  }
  await ask(storage, template.issued, asked, tally);
  await storage.close();
  if (existsSync(databasePath)) return;
  // Nobody made a new one meanwhile, and nobody does.
  const again = await openStorage({ databasePath, secret, as: 'owner' }).catch((error: unknown) => error);
  if (!(again instanceof StorageError)) tally.fresh += 1;
}

function newTally(): Tally {
  return { neverIssued: 0, fresh: 0, refused: 0, outages: 0, right: 0, strange: [] };
}

it('lets nobody in who has no code, and starts on no fresh database, whatever was damaged', async () => {
  const seed = Date.now() % 1_000_000;
  const random = seededRandom(seed);
  const template = await makeTemplate();
  const other = await makeTemplate();
  const kinds = Object.entries(DAMAGES);
  const tally = newTally();
  const folder = folderInMemory();
  for (let count = 0; count < sized(78, 2_000); count++) {
    const [kind, damage] = kinds[count % kinds.length] ?? [];
    if (kind === undefined || damage === undefined) throw new Error('No damage');
    const databasePath = join(folder, `${count}.db`);
    lay(template, databasePath);
    await suffer(databasePath, template, random, () => damage(databasePath, random, other), tally);
    const { neverIssued, fresh, strange } = tally;
    expect({ neverIssued, fresh, strange }, `seed ${seed}, ${kind}, ${count}`).toEqual({
      neverIssued: 0,
      fresh: 0,
      strange: [],
    });
    for (const ending of [...ENDINGS, '-shm']) rmSync(`${databasePath}${ending}`, { force: true });
  }
  process.stdout.write(`damaged, seed ${seed}: ${JSON.stringify(tally)}\n`);
  // Each kind of end was seen.
  expect(Math.min(tally.refused, tally.outages, tally.right)).toBeGreaterThan(0);
});

it('would be seen to let in who has no code, and to start on a fresh database', async () => {
  const template = await makeTemplate();
  const databasePath = join(folderInMemory(), 'codes.db');
  lay(template, databasePath);
  const tally = newTally();
  const storage = await openStorage({ databasePath, secret: null, as: 'guest' });
  await ask(storage, template.issued, template.issued, tally);
  expect(tally).toMatchObject({ neverIssued: 0, right: template.issued.length });
  // As if the first of them had never been issued.
  await ask(storage, template.issued.slice(1), template.issued, tally);
  expect(tally.neverIssued).toBe(1);
  await storage.close();

  for (const name of ENDINGS) rmSync(`${databasePath}${name}`, { force: true });
  rmSync(join(dirname(databasePath), SECRET_FILE_NAME), { force: true });
  const fresh = await openStorage({ databasePath, secret: null, as: 'owner' });
  expect(fresh.created).toBe(true);
  await fresh.close();
});
