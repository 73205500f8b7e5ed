import { once } from 'node:events';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { onTestFinished } from 'vitest';

import { startApp, type AppOptions } from '../../src/app.js';
import { loadConfig } from '../../src/config.js';
import {
  DiscordStandIn,
  type StandInChannel,
  type StandInGuild,
  type StandInMessage,
  type StandInPlace,
  type StandInUser,
} from '../../src/demo/stand-in/stand-in.js';
import { createLog } from '../../src/log.js';
import { openValidator, type InvalidReason } from '../../src/validator/validator.js';
import { ManualClock } from './clock.js';
import { temporaryFolder } from './folder.js';

/** A message of the bot, and its place: `#general`, `#thread`, `@alice` for a DM, `only alice` for an ephemeral one. */
export interface Said {
  readonly where: string;
  readonly message: StandInMessage;
}

/** A stand-in with one server and a few people. It records every message of the bot. */
export class TestServer {
  readonly discord: DiscordStandIn;
  readonly guild: StandInGuild;
  readonly general: StandInChannel;
  readonly thread: StandInChannel;
  readonly owner: StandInUser;
  readonly admin: StandInUser;
  readonly alice: StandInUser;
  readonly bob: StandInUser;
  readonly #said: Said[] = [];

  private constructor(discord: DiscordStandIn) {
    this.discord = discord;
    this.owner = discord.addUser('owner');
    this.guild = discord.addGuild('Chat Room', this.owner);
    this.general = discord.addChannel(this.guild, 'general');
    this.thread = discord.addThread(this.general, 'thread');
    this.admin = this.join('admin');
    discord.setAdministrator(this.guild, this.admin, true);
    this.alice = this.join('alice');
    this.bob = this.join('bob');
    discord.onMessage((message) => {
      if (message.author === discord.botUser) this.#said.push({ where: this.#whereIs(message), message });
    });
  }

  static async start(options: Parameters<typeof DiscordStandIn.start>[0] = {}): Promise<TestServer> {
    const discord = await DiscordStandIn.start(options);
    onTestFinished(async () => discord.close());
    return new TestServer(discord);
  }

  join(name: string): StandInUser {
    const user = this.discord.addUser(name);
    this.discord.join(this.guild, user);
    return user;
  }

  /** Returns the bot's messages since the last call. */
  takeSaid(): Said[] {
    return this.#said.splice(0);
  }

  #whereIs({ channelId, ephemeralTo }: StandInMessage): string {
    if (ephemeralTo !== null) return `only ${ephemeralTo.username}`;
    const { recipient = null, name = '' } = this.discord.channels.get(channelId) ?? {};
    return recipient === null ? `#${name}` : `@${recipient.username}`;
  }
}

/** Between two commands, so that no test reaches the flood limit by accident. */
const TYPING_MS = 7_000;

/** The production bot on the stand-in. */
export type TestBot = Awaited<ReturnType<typeof startBot>>;

export interface TestBotOptions {
  readonly server?: TestServer;
  readonly databasePath?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly clock?: ManualClock;
  readonly random?: (limit: number) => number;
  /** Default: advances the clock and resolves at once. */
  readonly wait?: (ms: number) => Promise<void>;
  /** Default: tasks run at the start only, and by `app.tasks`. */
  readonly every?: AppOptions['every'] | 'by timers';
  readonly liveness?: AppOptions['liveness'];
}

/** Starts the bot. It is stopped when the test ends. */
export async function startBot(options: TestBotOptions = {}) {
  const server = options.server ?? (await TestServer.start());
  const { discord, general } = server;
  const databasePath = options.databasePath ?? join(temporaryFolder(), 'data', 'access-codes.db');
  const codeSecret = options.settings?.['CODE_SECRET'];
  const clock = options.clock ?? new ManualClock();
  let logged = '';
  const fatal: Error[] = [];
  const config = loadConfig({
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
    DATABASE_URL: databasePath,
    LOG_LEVEL: 'trace',
    // Limits have tests of their own.
    GETCODE_LIMIT: '1000/10m',
    MAX_USERNAMES_PER_MEMBER: '100',
    MEMBERSHIP_CHECK_INTERVAL: 'off',
    BACKUP_INTERVAL: 'off',
    ...options.settings,
  });
  const advance = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await nextTurn();
  };
  const { wait = advance } = options;
  const log = createLog(config.logLevel, { write: (line) => (logged += line) });
  const app = await startApp(config, {
    log,
    onFatal: (error) => fatal.push(error),
    clock: clock.read,
    wait: async (ms, signal = new AbortController().signal) => {
      if (!signal.aborted) await Promise.race([wait(ms), once(signal, 'abort')]);
    },
    ...(options.every === 'by timers' ? {} : { every: options.every ?? (() => () => undefined) }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.liveness === undefined ? {} : { liveness: options.liveness }),
  });
  // The scheduled tasks run once at the start.
  await nextTurn();
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopped ??= app.stop());
  onTestFinished(stop);

  /** Resolves when the bot has handled everything it received. */
  async function settled(): Promise<void> {
    await discord.delivered();
    await app.idle();
  }

  /** Posts `text` as `author`; resolves with the bot's messages when it is idle. */
  async function say(place: StandInPlace, author: StandInUser, text: string): Promise<Said[]> {
    server.takeSaid();
    clock.advance(TYPING_MS);
    discord.say(place, author, text);
    await settled();
    return server.takeSaid();
  }

  /** Returns the code that `author` receives by DM for `!getcode`. */
  async function getCode(author: StandInUser, username: string): Promise<string> {
    const [direct] = await say(general, author, `!getcode "${username}"`);
    if (direct?.where !== `@${author.username}`) throw new Error(`No code came for ${username}`);
    return direct.message.content;
  }

  /** Checks a code as a website does. */
  async function logIn(username: string, code: string): Promise<'valid' | InvalidReason | 'throttled'> {
    const validator = await openValidator({ databaseUrl: databasePath, codeSecret, clock: clock.read });
    const verdict = await validator.validate(username, code);
    await validator.close();
    return verdict.valid ? 'valid' : verdict.reason;
  }

  return {
    server,
    app: { ...app, stop },
    /** A path, or a `postgres:` URL. */
    databasePath,
    codeSecret,
    clock,
    /** Everything logged, as JSON lines. */
    logged: () => logged,
    fatal,
    say,
    settled,
    getCode,
    logIn,
  };
}

/** Returns messages as `place text`, for comparison; an embed by its title. */
export function summarize(said: readonly Said[]): string[] {
  return said.map(({ where, message }) => {
    const title = message.embeds[0]?.title;
    return `${where} ${title === undefined ? message.content : `[${title}]`}`;
  });
}
