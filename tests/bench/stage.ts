import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { DiscordStandIn, type StandInOptions } from '../../src/demo/stand-in/stand-in.js';

const OURS = '../../dist/index.js';

export type Settings = Readonly<Record<string, string>>;
export type Stage = Awaited<ReturnType<typeof openStage>>;

/** A stand-in with one server and its members, on which bots start, each in a process of its own. */
export async function openStage(size: number, options: StandInOptions = {}) {
  const discord = await DiscordStandIn.start(options);
  const guild = discord.addGuild('Bench', discord.addUser('owner'));
  const channel = discord.addChannel(guild, 'general');
  const members = Array.from({ length: size }, (_, index) => {
    const member = discord.addUser(`member${index}`);
    discord.join(guild, member);
    return member;
  });

  /** Starts a bot with the default settings but for those given; resolves when it is connected. */
  async function start(settings: Settings, path = OURS, execArgv: string[] = []): Promise<ChildProcess> {
    const { identifies } = discord;
    const bot = fork(new URL(path, import.meta.url), {
      execArgv,
      // The log goes to /dev/null.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      env: {
        PATH: process.env['PATH'],
        DISCORD_TOKEN: discord.token,
        DISCORD_API_URL: discord.apiUrl,
        ALLOWED_GUILD_IDS: guild.id,
        ...settings,
      },
    });
    bot.once('exit', () => {
      if (!bot.killed) throw new Error(`${path} ended`);
    });
    // The connection of the bot before may not be closed yet.
    while (discord.identifies === identifies) await pause(5);
    await discord.connected();
    return bot;
  }

  /** A member types `!getcode`. Resolves with the times in ms until the DM and until the acknowledgement. */
  async function ask(index: number): Promise<{ readonly dm: number; readonly ack: number }> {
    const member = members[index];
    if (member === undefined) throw new Error('No such member');
    let dm = Number.NaN;
    const askedAt = performance.now();
    const answered = discord.nextMessage(({ author, channelId }) => {
      if (author !== discord.botUser) return false;
      if (channelId !== channel.id) dm = performance.now() - askedAt;
      return channelId === channel.id;
    });
    discord.say(channel, member, `!getcode ${member.username}`);
    await answered;
    return { dm, ack: performance.now() - askedAt };
  }

  /** Starts a bot; resolves with its process and the time in ms until member 0 has its first answer. */
  async function startAndAsk(settings: Settings, path?: string): Promise<[ChildProcess, number]> {
    const startedAt = performance.now();
    const bot = await start(settings, path);
    await ask(0);
    return [bot, performance.now() - startedAt];
  }

  return { discord, guild, channel, members, start, ask, startAndAsk };
}

export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  child.kill(signal);
  await once(child, 'exit');
}

/** CPU time so far of all threads of a process in ms. Elsewhere than on Linux, the time that passes. */
export function cpuMs({ pid }: ChildProcess): number {
  if (process.platform !== 'linux') return performance.now();
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => sum + threadMs(pid, thread), 0);
}

/** CPU time so far of a thread, by default the main one, in ms: what limits the rate of a program that is never idle. */
export function threadMs(pid: number | undefined, thread = String(pid)): number {
  if (process.platform !== 'linux') return performance.now();
  return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** Memory of a process in MB: now (VmRSS), or at its peak (VmHWM). Linux only. */
export function megabytesOf({ pid }: ChildProcess, field: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  if (process.platform !== 'linux') return Number.NaN;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1_024;
}
