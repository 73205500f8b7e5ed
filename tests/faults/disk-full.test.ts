import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { expect, it, onTestFinished } from 'vitest';

import { makeBackup } from '../../src/storage/backup.js';
import { openValidator } from '../../src/validator/validator.js';
import { startBot, summarize } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { openRaw } from '../support/raw-database.js';
import { openWebsite } from '../support/website.js';
import { buildDisk } from './disk.js';
import { findLost, makeDatabase, NOW, openAsOwner, readAcks, startIssuer } from './issuer.js';
import { sized } from './size.js';

const OUTAGE = '#general ❌ I cannot reach my database. Please try again in a few minutes.';
const STALL_MS = sized(1_000, 250);
/** How long the driver waits for another process. */
const LOCK_TIMEOUT_MS = 5_000;
const PAUSE_MS = 50;
const MEMBERS = 8;

const UNSUITABLE = /\S+ needs a file system with [^\n"]+\. Set DATABASE_URL to a file on a local disk\./;

function lacking(what: string, errno: keyof typeof constants.errno) {
  return { DISK_LACKS: what, DISK_ERRNO: String(constants.errno[errno]) };
}

it.each([
  ['full', 'DISK_FULL'],
  ['read-only', 'DISK_READONLY'],
])('keeps every acknowledged code when the disk is %s again and again', async (_how, fault) => {
  const folder = temporaryFolder();
  const databasePath = join(folder, 'codes.db');
  const [acks, flag] = [join(folder, 'codes.acks'), join(folder, 'fault')];
  await makeDatabase(databasePath);
  const env = { LD_PRELOAD: buildDisk(temporaryFolder()), [fault]: flag };
  const issuer = startIssuer(databasePath, { cwd: folder, acks, env });
  const website = await openValidator({ databaseUrl: databasePath, clock: () => NOW });
  onTestFinished(async () => website.close());
  const acknowledged = () => readAcks(existsSync(acks) ? readFileSync(acks, 'utf8') : '');
  async function until(condition: () => boolean): Promise<void> {
    await expect.poll(condition, { timeout: 30_000, interval: 1 }).toBe(true);
  }

  await until(() => acknowledged().length > 0);
  for (let time = 0; time < sized(5, 100); time++) {
    const noticed = issuer.stdout().length;
    writeFileSync(flag, '');
    await until(() => issuer.stdout().length > noticed);
    const stored = acknowledged();
    const { username = '', text = '' } = stored.at(-1) ?? {};
    expect(await website.validate(username, text)).toHaveProperty('valid', true);
    rmSync(flag);
    await until(() => acknowledged().length > stored.length);
  }
  issuer.child.kill('SIGKILL');
  expect([await issuer.ended, issuer.stderr()]).toEqual(['SIGKILL', '']);

  const storage = await openAsOwner(databasePath);
  onTestFinished(async () => storage.close());
  const all = acknowledged();
  process.stdout.write(`disk ${fault} ${sized(5, 100)} times, ${all.length} acknowledged\n`);
  expect(await findLost(storage, all)).toEqual([]);
  // The kill may have come between a commit and its acknowledgement.
  const stored = await storage.store.codes.list('1', 'guild_id', '1', NOW, 1_000_000, 0);
  const delivered = stored.filter(({ deliveredAt }) => deliveredAt !== null);
  expect(delivered.length).toBeLessThanOrEqual(all.length + 1);
});

it.each<[string, string, number, Readonly<Record<string, string>>, RegExp]>([
  ['a disk', 'is full', 1, { DISK_FULL: 'codes.db' }, /codes\.db cannot grow: the disk is full\./],
  [
    'a disk',
    'is read-only',
    78,
    { DISK_READONLY: 'codes.db' },
    /codes\.db and its folder cannot be read or written by this account\./,
  ],
  ['a file system', 'has no hard links', 78, lacking('hard links', 'EPERM'), UNSUITABLE],
  ['a file system', 'has no locks', 78, lacking('locks', 'ENOTSUP'), UNSUITABLE],
  // SQLite takes it for another program's lock.
  [
    'a file system',
    'has no room for locks',
    1,
    lacking('locks', 'ENOLCK'),
    /is locked by another program\. .* If there is none, put the database on a local disk\./,
  ],
  ['a file system', 'has no shared memory', 78, lacking('shared memory', 'ENODEV'), UNSUITABLE],
])('ends a start on %s that %s with code %i', async (where, _what, code, fault, sentence) => {
  const cwd = temporaryFolder();
  // A disk fails under a database that exists.
  if (where === 'a disk') await makeDatabase(join(cwd, 'codes.db'));
  const settings = { DISCORD_TOKEN: 'never.used.here', DATABASE_URL: 'codes.db', LOG_FORMAT: 'json' };
  const env = { ...settings, LD_PRELOAD: buildDisk(temporaryFolder()), ...fault };
  const bot = run('dist/index.js', { cwd, env });
  expect(await bot.ended).toBe(code);
  expect(bot.stdout()).toMatch(sentence);
  expect(bot.stderr()).toBe('');
});

it('restores nothing on a file system without hard links, and says so', async () => {
  const folder = temporaryFolder();
  const databasePath = join(folder, 'codes.db');
  await makeDatabase(databasePath);
  const { path } = await makeBackup(databasePath, { keep: 1, now: NOW });
  const before = readdirSync(folder);
  const disk = { LD_PRELOAD: buildDisk(temporaryFolder()), ...lacking('hard links', 'EPERM') };
  const env = { DATABASE_URL: databasePath, ...disk };
  const restore = run('dist/cli/main.js', { cwd: temporaryFolder(), env, args: ['restore', path] });
  expect(await restore.ended).toBe(78);
  expect(restore.stderr()).toMatch(UNSUITABLE);
  expect(readdirSync(folder)).toEqual(before);
});

it('never stalls and lets nobody in while another program holds the write lock', async () => {
  const bot = await startBot();
  const { server } = bot;
  const code = await bot.getCode(server.alice, 'Alice');
  server.takeSaid();
  const website = await openWebsite(bot);
  const other = openRaw(bot.databasePath);
  other.exec('BEGIN IMMEDIATE');

  const answers: Record<string, number> = {};
  let [slowestMs, stallMs] = [0, 0];
  async function logIn(username: string, text: string): Promise<void> {
    const before = performance.now();
    const answer = await website.validate(username, text).then(
      ({ valid }) => (valid ? 'valid' : 'invalid'),
      (error: unknown) => String(Reflect.get(Object(error), 'code')),
    );
    answers[answer] = (answers[answer] ?? 0) + 1;
    slowestMs = Math.max(slowestMs, performance.now() - before);
  }

  const end = performance.now() + sized(1_500, 30_000);
  for (let member = 0; member < MEMBERS; member++)
    server.discord.say(server.general, server.join(`member${member}`), `!getcode "name ${member}"`);
  const logins: Promise<void>[] = [];
  while (performance.now() < end) {
    const before = performance.now();
    logins.push(logIn('Alice', code), logIn(`name ${logins.length}`, 'AAAAAA'));
    await pause(PAUSE_MS);
    stallMs = Math.max(stallMs, performance.now() - before - PAUSE_MS);
  }
  expect(answers).not.toHaveProperty('valid');
  other.close();
  await Promise.all(logins);
  process.stdout.write(`Locked: ${JSON.stringify({ ...answers, slowestMs, stallMs })}\n`);
  expect(stallMs).toBeLessThan(STALL_MS);
  expect(slowestMs).toBeLessThan(LOCK_TIMEOUT_MS + sized(10_000, 1_000));
  const { valid = 0, invalid = 0, DATABASE_LOCKED: locked = 0 } = answers;
  expect(valid).toBeGreaterThan(0);
  expect(locked).toBeGreaterThanOrEqual(sized(0, 500));
  expect(valid + invalid + locked).toBe(logins.length);

  await bot.settled();
  // Each member got a code, maybe late, or the sentence about the outage. Each code that was sent is stored.
  const said = server.takeSaid();
  const sentences = summarize(said).filter((line) => line.startsWith('#general'));
  expect(sentences).toHaveLength(MEMBERS);
  const codes = said.map(({ message }) => message).filter(({ content }) => /^[A-Z2-9]{6}$/.test(content));
  expect(sentences.filter((sentence) => sentence !== OUTAGE)).toHaveLength(codes.length);
  for (const { content, embeds } of codes)
    expect(await bot.logIn(embeds[0]?.fields?.[0]?.value ?? '', content)).toBe('valid');
  await bot.getCode(server.alice, 'Alice');
});
