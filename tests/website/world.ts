import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';

import { inject, onTestFinished } from 'vitest';

import type { StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { TestServer } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { run, type Running } from '../support/process.js';
import { freePort, portOf } from './ports.js';

export type Way = 'module' | 'HTTP';
type Env = Readonly<Record<string, string>>;

/** The bot and the website, each in its own process. */
export type World = Awaited<ReturnType<typeof startWorld>>;

export interface WorldOptions {
  readonly bot?: Env;
  readonly site?: Env;
}

export async function startWorld(way: Way, options: WorldOptions = {}) {
  const server = await TestServer.start();
  const cwd = temporaryFolder();
  const processes: Running[] = [];
  const token = randomBytes(32).toString('hex');
  const botPort = await freePort();
  const sitePort = await freePort();
  const notices: string[] = [];
  const webhook = await startSink((text) => notices.push(text));

  async function startBot(): Promise<Running> {
    const bot = run('dist/index.js', {
      cwd,
      env: {
        DISCORD_TOKEN: server.discord.token,
        DISCORD_API_URL: server.discord.apiUrl,
        LOG_FORMAT: 'json',
        LOG_LEVEL: 'trace',
        BACKUP_INTERVAL: 'off',
        HTTP_PORT: String(botPort),
        HTTP_TOKEN: token,
        ...options.bot,
      },
    });
    processes.push(bot);
    await bot.printed('is ready');
    return bot;
  }

  async function startSite(accessDatabase: string, settings: Env = {}): Promise<Running> {
    const folder = inject('siteFolder');
    const site = run(join(folder, 'node_modules/next/dist/bin/next'), {
      args: ['start', '--hostname', '127.0.0.1', '--port', String(sitePort)],
      cwd: folder,
      env: {
        NEXT_TELEMETRY_DISABLED: '1',
        SESSION_SECRET: token,
        LOGIN_NOTICE_WEBHOOK: webhook,
        ACCESS_RECHECK_MS: '1000',
        ...(way === 'module'
          ? { ACCESS_DATABASE: accessDatabase }
          : { ACCESS_BOT_URL: `http://127.0.0.1:${botPort}/`, ACCESS_BOT_TOKEN: token }),
        ...options.site,
        ...settings,
      },
    });
    processes.push(site);
    await site.printed('Ready in');
    return site;
  }

  const databasePath = join(cwd, 'data/access-codes.db');
  let bot = await startBot();
  let site = await startSite(databasePath);

  /** Restarts the website with more settings. */
  const restartSite = async (settings: Env, accessDatabase = databasePath): Promise<void> => {
    await end(site);
    site = await startSite(accessDatabase, settings);
  };

  /** Resolves when the bot has replied in the channel. */
  const say = async (author: StandInUser, text: string): Promise<void> => {
    const { discord, general } = server;
    const replied = discord.nextMessage(
      ({ author: by, channelId }) => by === discord.botUser && channelId === general.id,
    );
    discord.say(general, author, text);
    await replied;
  };

  return {
    server,
    /** The website's address, without a slash at the end. */
    url: `http://localhost:${sitePort}`,
    databasePath,
    /** The bodies of the login notices. */
    notices,
    /** Returns everything that both processes have printed. */
    printed: () => processes.map(({ stdout, stderr }) => stdout() + stderr()).join('\n'),
    /** Sends `!getcode` as `author`; returns the code that arrives by direct message. */
    getCode: async (author: StandInUser, username: string) => {
      await say(author, `!getcode "${username}"`);
      const code = server.discord.messages(author).at(-1)?.content ?? '';
      if (!/^[A-Z2-9]{6}$/.test(code)) throw new Error(`No code arrived for ${username}`);
      return code;
    },
    revoke: async (code: string) => say(server.admin, `!revoke ${code}`),
    /** Stops the bot, or removes the database: the website can check no codes. */
    breakAccess: async () => {
      if (way === 'HTTP') return end(bot);
      await restartSite({}, join(cwd, 'no-such-database.db'));
    },
    restoreAccess: async () => {
      if (way === 'HTTP') bot = await startBot();
      else await restartSite({});
    },
    restartSite,
  };
}

/** By SIGKILL: both wait for open connections otherwise. */
async function end(running: Running): Promise<void> {
  running.child.kill('SIGKILL');
  await running.ended;
}

/** Starts a server that passes each request's body to `onBody`; returns its address. */
async function startSink(onBody: (text: string) => void): Promise<string> {
  const sink: Server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      onBody(text);
      response.writeHead(204).end();
    });
  });
  return listen(sink);
}

/** Starts a server that never responds; returns its address. */
export async function startSilence(onRequest: () => void = () => undefined): Promise<string> {
  return listen(createServer(onRequest));
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${portOf(server)}`;
}
