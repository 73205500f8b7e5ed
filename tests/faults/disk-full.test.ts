import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

import { expect, it, onTestFinished } from 'vitest';

import { openStorage } from '../../src/storage/open-storage.js';
import { openValidator } from '../../src/validator/validator.js';
import { startBot, summarize } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { buildDisk } from './disk.js';
import { findLost, makeDatabase, NOW, readAcks, startIssuer } from './issuer.js';
import { sized } from './size.js';

const OUTAGE = '#general ❌ I cannot reach my database just now. Please try again in a few minutes.';
const STALL_MS = sized(1_000, 250);
const MEMBERS = 8;

/** As `disk.c` makes it. */
const DISKS = [
  ['full', 'DISK_FULL', 1, 'is full, and nothing can be stored'],
  ['read-only', 'DISK_READONLY', 78, 'and its folder, or they cannot be written'],
] as const;

it.each(DISKS)(
  'keeps what it acknowledged while the disk is %s, and not, again and again',
  async (_how, fault) => {
    const folder = temporaryFolder();
    const databasePath = join(folder, 'codes.db');
    const [acks, flag] = [join(folder, 'codes.acks'), join(folder, 'fault')];
    await makeDatabase(databasePath);
    const { child, ended } = startIssuer(databasePath, {
      acks,
      run: 'r',
      env: { LD_PRELOAD: buildDisk(temporaryFolder()), [fault]: flag },
    });
    const website = await openValidator({ databaseUrl: databasePath, clock: () => NOW });
    onTestFinished(async () => website.close());
    const acknowledged = () => readAcks(existsSync(acks) ? readFileSync(acks, 'utf8') : '');
    let refusals = 0;
    child.stdout?.on('data', () => (refusals += 1));

    async function until(condition: () => boolean): Promise<void> {
      const deadline = performance.now() + 30_000;
      while (!condition()) {
        if (performance.now() > deadline || child.exitCode !== null) {
          const said = child.exitCode === null ? null : await ended;
          throw new Error(`Nothing more happened: ${JSON.stringify(said)}`);
        }
        await pause(1);
      }
    }

    await until(() => acknowledged().length > 0);
    for (let time = 0; time < sized(5, 100); time++) {
      const before = refusals;
      writeFileSync(flag, '');
      await until(() => refusals > before);
      const stored = acknowledged();
      const { username = '', text = '' } = stored.at(-1) ?? {};
      expect(await website.validate(username, text)).toHaveProperty('valid', true);
      rmSync(flag);
      await until(() => acknowledged().length > stored.length);
    }
    child.kill('SIGKILL');
    expect((await ended).stderr).toBe('');

    const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
    onTestFinished(async () => storage.close());
    const all = acknowledged();
    expect(await findLost(storage, all)).toEqual([]);
    // And nothing more than that: one may have been under way.
    expect(await storage.store.countHeld('1', NOW)).toBeLessThanOrEqual(all.length + 1);
  },
);

it.each(DISKS)(
  'where the disk is %s at the start (%s) it ends with code %i',
  async (_how, fault, code, sentence) => {
    const folder = temporaryFolder();
    const databasePath = join(folder, 'codes.db');
    const flag = join(folder, 'fault');
    await makeDatabase(databasePath);
    writeFileSync(flag, '');
    const settings = { DISCORD_TOKEN: 'never.used', DATABASE_URL: databasePath, LOG_FORMAT: 'json' };
    const env = { ...settings, LD_PRELOAD: buildDisk(temporaryFolder()), [fault]: flag };
    const bot = run('dist/index.js', { cwd: folder, env });
    expect(await bot.ended).toBe(code);
    expect(bot.stdout()).toContain(`${databasePath} ${sentence}`);
  },
);

/** Another process that holds the write lock until it is killed. */
async function lock(databasePath: string) {
  const locker = run('tests/faults/locker.mjs', {
    cwd: temporaryFolder(),
    env: { DATABASE: databasePath },
  });
  await locker.printed('locked');
  return async (): Promise<void> => {
    locker.child.kill('SIGKILL');
    await locker.ended;
  };
}

it('accepts no code, and never stalls, while another process keeps the write lock', async () => {
  const bot = await startBot();
  const { databasePath, server, clock } = bot;
  const code = await bot.getCode(server.alice, 'Alice');
  const website = await openValidator({ databaseUrl: databasePath, clock: clock.read });
  onTestFinished(async () => website.close());
  const unlock = await lock(databasePath);
  // What the fork of the other process cost is not meant.
  await pause(0);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();

  const end = performance.now() + sized(1_500, 30_000);
  const asked: Promise<unknown>[] = [];
  // Many at a time: none of those who wait may keep the others waiting. More new members would be paced.
  for (let member = 0; member < MEMBERS; member++) {
    const user = server.join(`member${member}`);
    server.discord.say(server.general, user, `!getcode "name ${member}"`);
  }
  let answers = 0;
  const count = (): unknown => (answers += 1);
  for (let guess = 0; guess < 30; guess++) {
    for (const [username, text] of [
      [`name ${guess}`, 'AAAAAA'],
      ['Alice', code],
    ] as const) {
      const verdict = website.validate(username, text, { client: `client ${guess}` });
      verdict.then(count, () => undefined);
      asked.push(verdict);
    }
  }
  const refusals = Promise.allSettled(asked);
  while (performance.now() < end) await pause(10);
  delay.disable();
  const stallMs = delay.max / 1e6;
  process.stdout.write(`Longest stall ${stallMs} ms\n`);
  expect(stallMs).toBeLessThan(STALL_MS);
  expect(answers).toBe(0);

  await unlock();
  await bot.settled();
  for (const { status } of await refusals) expect(['fulfilled', 'rejected']).toContain(status);
  // Each was answered: late, or by the sentence. What was answered with a code is stored.
  const codes = new Map<string, string>();
  const sentences: string[] = [];
  for (const said of server.heard()) {
    const text = said.message.content;
    if (/^[A-Z2-9]{6}$/.test(text)) {
      codes.set(said.message.embeds[0]?.fields?.[0]?.value ?? '', text);
    } else if (said.where === '#general') sentences.push(...summarize([said]));
  }
  expect(sentences).toHaveLength(MEMBERS);
  expect(sentences.filter((sentence) => sentence !== OUTAGE)).toHaveLength(codes.size);
  for (const [username, text] of codes) {
    expect(await website.validate(username, text)).toHaveProperty('valid', true);
  }
  await bot.getCode(server.alice, 'Alice');
});
