import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { onTestFinished } from 'vitest';

import { startApp, type App, type AppOptions } from '../../src/app.js';
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
import { ManualClock } from './clock.js';
import { temporaryFolder } from './folder.js';

/** What the bot said, and where: `#general`, `#thread`, `@alice` for a direct message. */
export interface Said {
  readonly where: string;
  readonly message: StandInMessage;
}

/** A stand-in with one server and a few people, and everything that the bot says there. */
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
  readonly #places = new Map<string, string>();
  readonly #people: StandInUser[];

  private constructor(discord: DiscordStandIn) {
    this.discord = discord;
    this.owner = discord.addUser('owner');
    this.#people = [this.owner];
    this.guild = discord.addGuild('Chat Room', this.owner);
    this.general = discord.addChannel(this.guild, 'general');
    this.thread = discord.addThread(this.general, 'thread');
    this.admin = this.join('admin');
    discord.setAdministrator(this.guild, this.admin, true);
    this.alice = this.join('alice');
    this.bob = this.join('bob');
    this.#places.set(this.general.id, '#general').set(this.thread.id, '#thread');
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
    this.#people.push(user);
    return user;
  }

  /** What the bot has said since the last call. */
  heard(): Said[] {
    return this.#said.splice(0);
  }

  #whereIs({ channelId, ephemeralTo }: StandInMessage): string {
    if (ephemeralTo !== null) return `only ${ephemeralTo.username}`;
    const known = this.#places.get(channelId);
    if (known !== undefined) return known;
    const reader = this.#people.find((person) =>
      this.discord.messages(person).some((sent) => sent.channelId === channelId),
    );
    return `@${reader?.username ?? 'somebody'}`;
  }
}

/** Two servers that the bot serves, for {@link startBot}: the second one belongs to bob. */
export async function twoServers(): Promise<{
  readonly server: TestServer;
  readonly elsewhere: StandInGuild;
  readonly lobby: StandInChannel;
  readonly settings: Readonly<Record<string, string>>;
}> {
  const server = await TestServer.start();
  const elsewhere = server.discord.addGuild('Elsewhere', server.bob);
  const lobby = server.discord.addChannel(elsewhere, 'lobby');
  const settings = { ALLOWED_GUILD_IDS: `${server.guild.id},${elsewhere.id}` };
  return { server, elsewhere, lobby, settings };
}

/** A person needs so long to type the next command: nobody floods by accident. */
const TYPING_MS = 7_000;

/** The production bot on the stand-in. */
export interface TestBot {
  readonly server: TestServer;
  readonly app: App;
  readonly databasePath: string;
  readonly clock: ManualClock;
  /** Everything logged, as the JSON that was written. */
  readonly logged: () => string;
  readonly fatal: readonly Error[];
  /** Lets `author` say `text`; resolves with what the bot answered when it has nothing more to say. */
  readonly say: (place: StandInPlace, author: StandInUser, text: string) => Promise<Said[]>;
  /** Resolves when the bot has answered all that it heard. */
  readonly settled: () => Promise<void>;
  /** `!getcode` by `author`; the code that came by direct message. */
  readonly getCode: (author: StandInUser, username: string) => Promise<string>;
}

export interface TestBotOptions {
  readonly server?: TestServer;
  readonly databasePath?: string;
  readonly settings?: Readonly<Record<string, string>>;
  readonly clock?: ManualClock;
  readonly random?: (limit: number) => number;
  /** Default: nobody waits, and the clock is so much later. */
  readonly wait?: (ms: number) => Promise<void>;
  /**
   * Default: never. The clock stands still while a test runs: a timer would do housekeeping at another time in a test
   * that is slow.
   */
  readonly every?: AppOptions['every'] | 'by timers';
  readonly patience?: AppOptions['patience'];
}

/** Starts the bot; it is stopped when the test ends, if the test has not done so. */
export async function startBot(options: TestBotOptions = {}): Promise<TestBot> {
  const server = options.server ?? (await TestServer.start());
  const { discord, general } = server;
  const databasePath = options.databasePath ?? join(temporaryFolder(), 'data', 'access-codes.db');
  const clock = options.clock ?? new ManualClock();
  let logged = '';
  const fatal: Error[] = [];
  const config = loadConfig({
    DISCORD_TOKEN: discord.token,
    DISCORD_API_URL: discord.apiUrl,
    DATABASE_URL: databasePath,
    LOG_LEVEL: 'trace',
    // What limits the asking has tests of its own.
    GETCODE_LIMIT: '1000/10m',
    MAX_USERNAMES_PER_MEMBER: '100',
    MEMBERSHIP_CHECK_INTERVAL: 'off',
    BACKUP_INTERVAL: 'off',
    ...options.settings,
  });
  const log = createLog(config.logLevel, { write: (line) => (logged += line) });
  const app = await startApp(config, {
    log,
    onFatal: (error) => fatal.push(error),
    clock: clock.read,
    wait:
      options.wait ??
      (async (ms) => {
        clock.advance(ms);
        await nextTurn();
      }),
    ...(options.every === 'by timers' ? {} : { every: options.every ?? (() => () => undefined) }),
    ...(options.random === undefined ? {} : { random: options.random }),
    ...(options.patience === undefined ? {} : { patience: options.patience }),
  });
  let stopped: Promise<void> | null = null;
  const stop = (): Promise<void> => (stopped ??= app.stop());
  onTestFinished(stop);

  async function settled(): Promise<void> {
    await discord.delivered();
    await app.idle();
  }

  async function say(place: StandInPlace, author: StandInUser, text: string): Promise<Said[]> {
    server.heard();
    clock.advance(TYPING_MS);
    discord.say(place, author, text);
    await settled();
    return server.heard();
  }

  async function getCode(author: StandInUser, username: string): Promise<string> {
    const [direct] = await say(general, author, `!getcode "${username}"`);
    if (direct?.where !== `@${author.username}`) throw new Error(`No code came for ${username}`);
    return direct.message.content;
  }

  return {
    server,
    app: { ...app, stop },
    databasePath,
    clock,
    logged: () => logged,
    fatal,
    say,
    settled,
    getCode,
  };
}

/** Messages as tables compare them: where, and what was said; an embed by its title. */
export function summarize(said: readonly Said[]): string[] {
  return said.map(({ where, message }) => {
    const title = message.embeds[0]?.title;
    return `${where} ${title === undefined ? message.content : `[${title}]`}`;
  });
}
