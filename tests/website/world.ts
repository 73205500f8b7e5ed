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

/** The bot and the website, a process each, and what both have printed. */
export interface World {
  readonly server: TestServer;
  /** Where the website is, without a slash at the end. */
  readonly url: string;
  /** Of the bot. */
  readonly databasePath: string;
  /** `!getcode` by `author`; the code that came by direct message. */
  readonly getCode: (author: StandInUser, username: string) => Promise<string>;
  /** `!revoke` by an administrator. */
  readonly revoke: (code: string) => Promise<void>;
  /** From now on the website cannot ask: the bot is gone, or the database is. */
  readonly cut: () => Promise<void>;
  readonly mend: () => Promise<void>;
  /** What the login notices said. */
  readonly notices: readonly string[];
  readonly printed: () => string;
}

export interface WorldOptions {
  readonly bot?: Env;
  readonly site?: Env;
}

export async function startWorld(way: Way, options: WorldOptions = {}): Promise<World> {
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
    await bot.printed('is ready in');
    return bot;
  }

  async function startSite(databasePath: string): Promise<Running> {
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
          ? { ACCESS_DATABASE: databasePath }
          : { ACCESS_BOT_URL: `http://127.0.0.1:${botPort}/`, ACCESS_BOT_TOKEN: token }),
        ...options.site,
      },
    });
    processes.push(site);
    await site.printed('Ready in');
    return site;
  }

  const databasePath = join(cwd, 'data/access-codes.db');
  let bot = await startBot();
  let site = await startSite(databasePath);

  const hear = async (author: StandInUser, text: string): Promise<void> => {
    const { discord, general } = server;
    const answered = discord.nextMessage(
      ({ author: by, channelId }) => by === discord.botUser && channelId === general.id,
    );
    discord.say(general, author, text);
    await answered;
  };

  return {
    server,
    url: `http://localhost:${sitePort}`,
    databasePath,
    notices,
    printed: () => processes.map(({ stdout, stderr }) => stdout() + stderr()).join('\n'),
    getCode: async (author, username) => {
      await hear(author, `!getcode "${username}"`);
      const code = server.discord.messages(author).at(-1)?.content ?? '';
      if (!/^[A-Z2-9]{6}$/.test(code)) throw new Error(`No code came for ${username}`);
      return code;
    },
    revoke: async (code) => hear(server.admin, `!revoke ${code}`),
    cut: async () => {
      if (way === 'HTTP') return end(bot);
      await end(site);
      site = await startSite(join(cwd, 'no-such-database.db'));
    },
    mend: async () => {
      if (way === 'HTTP') {
        bot = await startBot();
        return;
      }
      await end(site);
      site = await startSite(databasePath);
    },
  };
}

/** At once: both would wait for the connections that others keep open. */
async function end(running: Running): Promise<void> {
  running.child.kill('SIGKILL');
  await running.ended;
}

/** Takes what is posted to it. */
async function startSink(take: (text: string) => void): Promise<string> {
  const sink: Server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      take(text);
      response.writeHead(204).end();
    });
  });
  return listen(sink);
}

/** Takes every question, calls `asked`, and answers nothing. */
export async function startSilence(asked: () => void = () => undefined): Promise<string> {
  return listen(createServer(asked));
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${portOf(server)}`;
}
