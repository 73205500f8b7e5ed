import { afterEach, expect, it, vi } from 'vitest';

import { createLog } from '../src/log.js';
import { Schedule } from '../src/schedule.js';
import { StorageError } from '../src/storage/storage-error.js';
import { startBot, type TestBot } from './support/bot.js';

afterEach(() => void vi.useRealTimers());

/** A member with a code leaves the server: the next check of the members ends the code. */
async function leave({ server, getCode }: TestBot): Promise<void> {
  await getCode(server.alice, 'Alice');
  server.discord.leave(server.guild, server.alice);
}

it('runs each task at its interval until the bot stops', async () => {
  const timers: { readonly ms: number; readonly task: () => void; isStopped: boolean }[] = [];
  const bot = await startBot({
    settings: { MEMBERSHIP_CHECK_INTERVAL: '10m', BACKUP_INTERVAL: '1d' },
    every: (ms, task) => {
      const timer = { ms, task, isStopped: false };
      timers.push(timer);
      return () => (timer.isStopped = true);
    },
  });
  expect(timers.map(({ ms }) => ms)).toEqual([60_000, 15_000, 15_000, 60_000, 3_600_000, 600_000, 3_600_000]);

  await leave(bot);
  timers.find(({ ms }) => ms === 600_000)?.task();
  await expect.poll(() => bot.logged()).toContain('Ended the codes of members who left');
  expect(timers.every(({ isStopped }) => isStopped)).toBe(false);
  await bot.app.stop();
  expect(timers.every(({ isStopped }) => isStopped)).toBe(true);
});

it('uses timers, and leaves none when the bot stops', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const settings = { MEMBERSHIP_CHECK_INTERVAL: '1m' };
  // The faked minute counts as silence.
  const bot = await startBot({ every: 'by timers', settings, liveness: { checkMs: 3_600_000 } });
  await leave(bot);
  vi.advanceTimersByTime(60_000);
  await expect.poll(() => bot.logged()).toContain('Ended the codes of members who left');
  await bot.app.stop();
  expect(vi.getTimerCount()).toBe(0);
});

it('does not start a task again while it runs', async () => {
  const checks: (() => void)[] = [];
  const bot = await startBot({
    settings: { MEMBERSHIP_CHECK_INTERVAL: '10m' },
    every: (ms, task) => {
      if (ms === 600_000) checks.push(task);
      return () => undefined;
    },
  });
  await leave(bot);
  const lookups = { route: 'GET /guilds/*/members/*' };
  const lookup = bot.server.discord.hold(lookups);
  for (let count = 0; count < 3; count++) checks[0]?.();
  await lookup.arrived;
  lookup.release();
  await expect.poll(() => bot.logged()).toContain('Ended the codes of members who left');
  expect(bot.server.discord.calls(lookups)).toHaveLength(1);
});

it('does not log an outage of the database, which the storage logs', async () => {
  let logged = '';
  const schedule = new Schedule(createLog('trace', { write: (line) => (logged += line) }));
  await schedule.run('recover', async () => {
    throw new StorageError('DATABASE_LOCKED', 'The database is locked');
  });
  expect(logged).toBe('');
});
