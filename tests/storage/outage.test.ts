import { copyFileSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { openValidator } from '../../src/validator/validator.js';
import { startBot, summarize, type TestBot } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { keep, openRaw } from '../support/raw-database.js';

const OUTAGE = '#general ❌ I cannot reach my database just now. Please try again in a few minutes.';

/** A bot with a code for Alice, and a website. */
async function open() {
  const bot = await startBot();
  const { databasePath, server, clock } = bot;
  const code = await bot.getCode(server.alice, 'Alice');
  const validator = await openValidator({ databaseUrl: databasePath, clock: clock.read });
  onTestFinished(async () => validator.close());
  const aside = join(temporaryFolder(), 'aside.db');
  return { bot, code, validator, path: databasePath, aside };
}

async function ask({ server, say }: TestBot, username: string): Promise<string[]> {
  return summarize(await say(server.general, server.alice, `!getcode "${username}"`));
}

/** What the log says at level `error`, in order. */
function complaints({ logged }: TestBot): string[] {
  const lines = logged().trim().split('\n');
  return lines.map((line) => JSON.parse(line)).flatMap(({ level, msg }) => (level >= 50 ? [msg] : []));
}

/** A copy as `VACUUM INTO` makes it. */
function backUp(path: string, to: string): void {
  const database = openRaw(path);
  database.exec(`VACUUM INTO '${to}'`);
  database.close();
}

describe('a database that is moved away from the running bot', () => {
  it('stores nothing and accepts no code, and is used again once it is back', async () => {
    const { bot, code, validator, path, aside } = await open();
    renameSync(path, aside);
    for (const username of ['Bea', 'Ben', 'Bob']) expect(await ask(bot, username)).toEqual([OUTAGE]);
    await expect(validator.validate('Alice', code)).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
    await expect(validator.validate('Alice', 'AAAAAA')).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
    await expect(validator.redeem('Alice', code)).rejects.toMatchObject({ code: 'DATABASE_MISSING' });
    expect(complaints(bot)).toEqual([expect.stringContaining(`${path} was moved, deleted`)]);

    renameSync(aside, path);
    const fresh = await bot.getCode(bot.server.alice, 'Bea');
    expect(bot.logged()).toContain('The database can be used again');
    expect(await validator.redeem('Bea', fresh)).toHaveProperty('valid', true);
    expect(await validator.validate('Alice', 'AAAAAA')).toHaveProperty('valid', false);
    expect(complaints(bot)).toHaveLength(1);
  });

  it('keeps the bot from answering, and not from leaving Discord when it is stopped', async () => {
    const { bot, path, aside } = await open();
    renameSync(path, aside);
    await bot.app.stop();
    expect(bot.app.hears()).toBe(false);
  });

  it('may come back as a copy', async () => {
    const { bot, code, validator, path, aside } = await open();
    backUp(path, aside);
    const late = await bot.getCode(bot.server.bob, 'Bob');
    rmSync(path);
    expect(await ask(bot, 'Bea')).toEqual([OUTAGE]);
    copyFileSync(aside, path);
    const fresh = await bot.getCode(bot.server.alice, 'Bea');
    expect(await validator.validate('Alice', code)).toHaveProperty('valid', true);
    expect(await validator.validate('Bea', fresh)).toHaveProperty('valid', true);
    // Made after the copy: the log that stood beside it added nothing to the copy.
    expect(await validator.validate('Bob', late)).toHaveProperty('valid', false);
    expect(keep(openRaw(path).prepare('PRAGMA integrity_check')).pluck().get()).toBe('ok');
  });

  it('is whole where it was moved to when a copy takes its place', async () => {
    const { bot, path, aside } = await open();
    const copy = `${aside}.copy`;
    backUp(path, copy);
    await bot.getCode(bot.server.bob, 'Bob');
    renameSync(path, aside);
    renameSync(copy, path);
    await bot.getCode(bot.server.alice, 'Bea');
    const names = (file: string) =>
      keep(openRaw(file).prepare('SELECT username FROM codes ORDER BY username')).pluck().all();
    expect(names(aside)).toEqual(['Alice', 'Bob']);
    expect(names(path)).toEqual(['Alice', 'Bea']);
  });
});

describe('another file in the place of the database', () => {
  it.each<[string, string, (path: string) => void]>([
    ['a database of another program', 'another program', (path) => openRaw(path).exec('CREATE TABLE x (y)')],
    ['garbage', 'is damaged', (path) => writeFileSync(path, 'This is no database.\n'.repeat(1_000))],
    ['an empty file', 'is empty', (path) => writeFileSync(path, '')],
  ])('is never used: %s', async (_what, sentence, make) => {
    const { bot, code, validator, path, aside } = await open();
    const strange = `${aside}.strange`;
    make(strange);
    const before = readFileSync(strange);
    renameSync(path, aside);
    renameSync(strange, path);
    for (const username of ['Bea', 'Ben']) expect(await ask(bot, username)).toEqual([OUTAGE]);
    await expect(validator.validate('Alice', code)).rejects.toThrow(sentence);
    expect(complaints(bot)).toEqual([expect.stringContaining(sentence)]);
    expect(readFileSync(path)).toEqual(before);

    renameSync(aside, path);
    expect(await validator.validate('Alice', code)).toHaveProperty('valid', true);
    await bot.getCode(bot.server.alice, 'Bea');
  });

  it('is never used: a database that another secret belongs to', async () => {
    const { bot, code, validator, path, aside } = await open();
    const other = await startBot();
    backUp(other.databasePath, `${aside}.other`);
    renameSync(path, aside);
    renameSync(`${aside}.other`, path);
    expect(await ask(bot, 'Bea')).toEqual([OUTAGE]);
    await expect(validator.validate('Alice', code)).rejects.toMatchObject({ code: 'SECRET_WRONG' });
    expect(complaints(bot)).toEqual([expect.stringContaining('is not the secret that')]);
  });
});

it('a backup of an older version is used as soon as it was brought up to date', async () => {
  const { code, validator, path, aside } = await open();
  backUp(path, aside);
  const older = openRaw(aside);
  older.exec("UPDATE meta SET value = value - 1 WHERE name = 'schema_version'");
  older.close();
  renameSync(aside, path);
  for (let time = 0; time < 2; time++) {
    await expect(validator.validate('Alice', code)).rejects.toMatchObject({ code: 'SCHEMA_TOO_OLD' });
  }
  const owner = openRaw(path);
  onTestFinished(() => void owner.close());
  owner.exec("UPDATE meta SET value = value + 1 WHERE name = 'schema_version'");
  expect(await validator.validate('Alice', code)).toHaveProperty('valid', true);
});

it('a damaged backup is refused until a sound one is there', async () => {
  const { bot, code, validator, path, aside } = await open();
  backUp(path, aside);
  const sound = readFileSync(aside);
  const bytes = Buffer.from(sound);
  bytes.fill(0xa5, 4 * 4_096, 8 * 4_096);
  writeFileSync(aside, bytes);
  renameSync(aside, path);
  for (const username of ['Bea', 'Ben']) expect(await ask(bot, username)).toEqual([OUTAGE]);
  expect(complaints(bot)).toEqual([expect.stringContaining('is damaged')]);
  writeFileSync(aside, sound);
  renameSync(aside, path);
  await bot.getCode(bot.server.alice, 'Bea');
  expect(await validator.validate('Alice', code)).toHaveProperty('valid', true);
});

it('an emptied database is noticed before anything is stored', async () => {
  const { bot, validator, path, code } = await open();
  backUp(path, `${path}.backup`);
  truncateSync(path);
  expect(await ask(bot, 'Bea')).toEqual([OUTAGE]);
  await expect(validator.validate('Alice', code)).rejects.toThrow('Restore a backup');
  renameSync(`${path}.backup`, path);
  await bot.getCode(bot.server.alice, 'Bea');
  expect(await validator.validate('Alice', code)).toHaveProperty('valid', true);
});

describe('a damaged row', () => {
  it('that leads a pair to somebody else lets nobody in', async () => {
    const { bot, code, validator, path } = await open();
    const other = await bot.getCode(bot.server.bob, 'Bob');
    const database = openRaw(path);
    database.exec(`CREATE TEMP TABLE swap AS SELECT pair_hash FROM codes WHERE username = 'Alice';
      UPDATE codes SET pair_hash = 'none' WHERE username = 'Alice';
      UPDATE codes SET pair_hash = (SELECT pair_hash FROM swap) WHERE username = 'Bob'`);
    database.close();
    await expect(validator.validate('Alice', code)).rejects.toThrow('is damaged');
    await expect(validator.redeem('Alice', code)).rejects.toThrow('is damaged');
    expect(await validator.validate('Bob', other)).toEqual({ valid: false, reason: 'unknown' });
  });

  it('that counts wrong codes is no way past the counting', async () => {
    const { code, validator, path } = await open();
    await validator.validate('Alice', 'AAAAAA');
    const database = openRaw(path);
    database.exec("UPDATE guards SET failures = 'x' || failures");
    database.close();
    await expect(validator.validate('Alice', code)).rejects.toThrow('expected a whole number');
    await expect(validator.validate('Alice', 'BBBBBB')).rejects.toThrow('expected a whole number');
  });
});
