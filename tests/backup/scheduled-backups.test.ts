import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { expect, it } from 'vitest';

import { startBot, TestServer } from '../support/bot.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

it('makes a backup at the start, and the next when BACKUP_INTERVAL is over', async () => {
  const server = await TestServer.start();
  const settings = { BACKUP_INTERVAL: '24h' };
  const first = await startBot({ server, settings });
  const { databasePath, clock } = first;
  const folder = join(dirname(databasePath), 'backups');
  await expect.poll(() => first.logged()).toContain('"Created a backup"');
  await first.app.stop();
  clock.advance(DAY_MS - HOUR_MS);
  const second = await startBot({ server, settings, databasePath, clock });
  await second.app.tasks.backUp();
  expect(readdirSync(folder)).toEqual(['access-codes-20260101T000000000Z.db']);
  clock.advance(HOUR_MS);
  await second.app.tasks.backUp();
  expect(readdirSync(folder)).toHaveLength(2);
});

it('makes no backup with BACKUP_INTERVAL=off', async () => {
  const { app, databasePath } = await startBot({ settings: { BACKUP_INTERVAL: 'off' } });
  await app.tasks.backUp();
  expect(readdirSync(dirname(databasePath))).not.toContain('backups');
});

it('logs a failed backup in one sentence and continues to issue codes', async () => {
  const bot = await startBot({ settings: { BACKUP_INTERVAL: '24h' } });
  await expect.poll(() => bot.logged()).toContain('"Created a backup"');
  const folder = join(dirname(bot.databasePath), 'backups');
  rmSync(folder, { recursive: true });
  writeFileSync(folder, 'in the way');
  await bot.app.tasks.backUp();
  const line = bot
    .logged()
    .split('\n')
    .find((text) => text.includes('Cannot make a backup'));
  expect(JSON.parse(line ?? '')).toEqual({
    level: 50,
    time: expect.any(Number),
    code: 'BACKUP_FAILED',
    msg: expect.stringMatching(
      /^Cannot make a backup of \S+: \S+backups and its folder cannot be [^\n]+ Earlier backups are unchanged\.$/,
    ),
  });
  expect(await bot.getCode(bot.server.alice, 'Alice')).toMatch(/^\w{6}$/);
});
