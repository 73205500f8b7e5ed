import type { StandInChannel, StandInMessage, StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { SECRET } from '../services/support.js';
import { startBot, type TestBot, type TestServer } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';
import { temporaryFolder } from '../support/folder.js';
import { openWebsite } from '../support/website.js';
import { openDriver } from '../support/engines.js';

/** What a member asks, once. */
export interface Request {
  readonly text: string;
  readonly channel: StandInChannel;
  readonly member: StandInUser;
  readonly directChannelId: string;
  /** Accepts no DMs. */
  readonly isClosed: boolean;
}

export interface Asked extends Request {
  readonly message: StandInMessage;
}

/** What must not happen; members by name. */
export interface Faults {
  /** Their code is neither valid and received, nor ended. */
  readonly lost: readonly string[];
  /** Received two different codes for one message. */
  readonly twoCodes: readonly string[];
  /** Have an active code that they did not receive. */
  readonly unaware: readonly string[];
  /** Received the same DM or the same line in the channel twice. */
  readonly repeated: readonly string[];
}

export const NO_FAULTS: Faults = { lost: [], twoCodes: [], unaware: [], repeated: [] };

/** By then nobody works on the deliveries of a process that ended, and Discord still knows the nonces. */
const LATER_MS = 60_000;
const PENDING_MS = 30 * 60_000;

/** A server for bots that share a database. */
export class Scene {
  readonly server: TestServer;
  readonly databaseUrl: string;
  /** The settings of a bot process. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd = temporaryFolder();
  readonly asked: Asked[] = [];
  /** What members saw after they pressed the button. */
  readonly #shown: StandInMessage[] = [];
  #requests = 0;

  constructor(server: TestServer, databaseUrl: string) {
    this.server = server;
    this.databaseUrl = databaseUrl;
    this.env = { DATABASE_URL: databaseUrl, CODE_SECRET: SECRET };
    server.discord.onMessage((message) => {
      if (message.ephemeralTo !== null) this.#shown.push(message);
    });
  }

  /** Prepares a member who has a DM channel with the bot: opening many new ones takes long. */
  prepare(
    text: string,
    channel: StandInChannel,
    { isClosed = false, isAdministrator = false } = {},
  ): Request {
    const { discord, guild } = this.server;
    this.#requests += 1;
    const member = discord.addUser(`member${this.#requests}`);
    discord.join(guild, member);
    discord.setAdministrator(guild, member, isAdministrator);
    if (isClosed) discord.setDirectMessages(member, 'closed');
    const { channelId: directChannelId } = discord.say(member, member, 'Hello, bot');
    return { text: text.replace('NAME', member.username), channel, member, directChannelId, isClosed };
  }

  /** Makes the members' DM channels known, once there is a database. */
  async introduce(requests: readonly Request[]): Promise<void> {
    const driver = openDriver(this.databaseUrl);
    await driver.transaction('codes', async (query) => {
      for (const { member, directChannelId } of requests)
        await query('INSERT INTO dm_channels VALUES ($1, $2)', [member.id, directChannelId]);
    });
    await driver.close();
  }

  ask(request: Request): Asked {
    const message = this.server.discord.say(request.channel, request.member, request.text);
    const asked = { ...request, message };
    this.asked.push(asked);
    return asked;
  }

  /** Returns the ids of the messages that a bot handled. */
  async heard(): Promise<ReadonlySet<unknown>> {
    return this.#ids('requests');
  }

  /** Repeats the messages that reached no bot, or only one that ended before it stored anything. */
  async repeatUnheard(): Promise<void> {
    const heard = await this.heard();
    for (const { message } of this.asked) {
      if (!heard.has(message.id)) this.server.discord.redeliver(message);
    }
  }

  /** The requests for codes whose delivery is not finished. */
  async unfinished(): Promise<string[]> {
    const finished = await this.#ids('codes WHERE acknowledged_at IS NOT NULL');
    return this.#codeRequests.filter(({ message }) => !finished.has(message.id)).map(nameOf);
  }

  /** Ends what was offered and not shown, then looks for what must not have happened. */
  async faults(bot: TestBot): Promise<Faults> {
    await Promise.all(this.#pressButtons());
    bot.clock.advance(PENDING_MS + 1);
    await bot.app.tasks.endCodes();
    const ended = await this.#ids('codes WHERE ended_at IS NOT NULL');
    const active = await this.#ids('codes WHERE ended_at IS NULL AND delivered_at IS NOT NULL');
    const website = await openWebsite(bot);
    const faults: Record<keyof Faults, string[]> = { lost: [], twoCodes: [], unaware: [], repeated: [] };
    for (const each of this.asked) {
      const name = nameOf(each);
      const direct = this.#said(each.member);
      const nonces = this.#said(each.channel).filter(({ nonce }) => nonce?.startsWith(each.message.id));
      if (direct.length > 1 || nonces.length > 1) faults.repeated.push(name);
      if (!each.text.startsWith('!getcode')) continue;
      const codes = this.codesOf(each);
      const { valid } = await website.validate(each.member.username, codes[0] ?? 'NOTHING');
      if (!valid && !ended.has(each.message.id)) faults.lost.push(name);
      if (new Set(codes).size > 1) faults.twoCodes.push(name);
      if (active.has(each.message.id) && codes.length === 0) faults.unaware.push(name);
    }
    return faults;
  }

  /** Returns the ids of rows, while bots may be running. */
  async #ids(rows: string): Promise<ReadonlySet<unknown>> {
    const driver = openDriver(this.databaseUrl);
    const found = await driver.query(`SELECT id FROM ${rows}`);
    await driver.close();
    return new Set(found.map(({ id }) => id));
  }

  get #codeRequests(): Asked[] {
    return this.asked.filter(({ text }) => text.startsWith('!getcode'));
  }

  /** Every other member who was offered the button presses it. */
  #pressButtons(): Promise<unknown>[] {
    const offered = this.#codeRequests.filter(({ isClosed }, index) => isClosed && index % 2 === 0);
    return offered.map(async ({ member, channel }) =>
      this.server.discord.pressButton(member, 'Show my code', channel),
    );
  }

  /** The codes that the member received by DM or by the button. */
  codesOf({ member }: Asked): string[] {
    const shown = this.#shown.filter(({ ephemeralTo }) => ephemeralTo === member);
    return [...this.#said(member), ...shown].map(({ content }) => content);
  }

  #said(place: StandInChannel | StandInUser): StandInMessage[] {
    const { discord } = this.server;
    return discord.messages(place).filter(({ author }) => author === discord.botUser);
  }
}

function nameOf({ member, text }: Asked): string {
  return `${member.username} ${text}`;
}

/** Starts a bot that finishes the deliveries of others and receives everything once more. */
export async function startSuccessor({ server, databaseUrl, env, asked }: Scene): Promise<TestBot> {
  const clock = new ManualClock(Date.now() + LATER_MS);
  const options = { server, databasePath: databaseUrl, settings: env, clock, every: 'by timers' } as const;
  const successor = await startBot(options);
  for (const { message } of asked) server.discord.redeliver(message);
  return successor;
}
