import { afterEach, expect, it, vi } from 'vitest';

import { startBot } from './support/bot.js';

afterEach(() => void vi.useRealTimers());

it('is done at the start, from time to time, and no more when the bot stops', async () => {
  const rounds: { readonly ms: number; readonly task: () => void; stopped: boolean }[] = [];
  const bot = await startBot({
    settings: { MEMBERSHIP_CHECK_INTERVAL: '10m' },
    every: (ms, task) => {
      const round = { ms, task, stopped: false };
      rounds.push(round);
      return () => (round.stopped = true);
    },
  });
  expect(rounds.map(({ ms }) => ms)).toEqual([5_000, 60_000, 60_000, 3_600_000, 600_000]);

  const { server } = bot;
  await bot.getCode(server.alice, 'Alice');
  server.discord.leave(server.guild, server.alice);
  rounds.at(-1)?.task();
  await expect.poll(() => bot.logged()).toContain('Revoked codes of members who left');
  expect(rounds.map(({ stopped }) => stopped)).toEqual(rounds.map(() => false));
  await bot.app.stop();
  expect(rounds.map(({ stopped }) => stopped)).toEqual(rounds.map(() => true));
});

it('goes by timers of its own', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const settings = { MEMBERSHIP_CHECK_INTERVAL: '1m' };
  // The watchdog would take a minute that passes at once for silence.
  const bot = await startBot({ every: 'by timers', settings, patience: { checkMs: 3_600_000 } });
  const { server } = bot;
  await bot.getCode(server.alice, 'Alice');
  server.discord.leave(server.guild, server.alice);
  vi.advanceTimersByTime(60_000);
  await expect.poll(() => bot.logged()).toContain('Revoked codes of members who left');
  await bot.app.stop();
  expect(vi.getTimerCount()).toBe(0);
});
