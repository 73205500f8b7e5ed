import {
  Client,
  type ClientEvents,
  DiscordAPIError,
  Events,
  GatewayIntentBits,
  Options,
  Partials,
  REST,
} from 'discord.js';
import { onTestFinished } from 'vitest';
import {
  DiscordStandIn,
  type StandInChannel,
  type StandInGuild,
  type StandInOptions,
  type StandInUser,
} from '../../../src/demo/stand-in/stand-in.js';

const { Guilds, GuildMessages, DirectMessages, MessageContent } = GatewayIntentBits;

export interface Scene {
  readonly discord: DiscordStandIn;
  readonly guild: StandInGuild;
  readonly general: StandInChannel;
  /** Owner of the guild. */
  readonly ada: StandInUser;
  /** A plain member. */
  readonly bob: StandInUser;
}

/** A stand-in with one guild, closed when the test is over. */
export async function setScene(options: StandInOptions = {}): Promise<Scene> {
  const discord = await DiscordStandIn.start(options);
  onTestFinished(() => discord.close());
  const ada = discord.addUser('ada');
  const bob = discord.addUser('bob');
  const guild = discord.addGuild('Workshop', ada);
  discord.join(guild, bob);
  return { discord, guild, general: discord.addChannel(guild, 'general'), ada, bob };
}

/** The real client, as a bot configures it; destroyed when the test is over. */
export function createClient(
  discord: DiscordStandIn,
  intents = [Guilds, GuildMessages, DirectMessages, MessageContent],
): Client {
  const client = new Client({
    rest: { api: discord.apiUrl },
    shards: 'auto',
    intents,
    partials: [Partials.Channel],
    makeCache: Options.cacheWithLimits({ ...Options.DefaultMakeCacheSettings, MessageManager: 0 }),
  });
  onTestFinished(() => client.destroy());
  return client;
}

/** Logs in, and waits until the client has its guilds. */
export async function login(discord: DiscordStandIn, client = createClient(discord)): Promise<Client<true>> {
  const ready = next(client, Events.ClientReady);
  await client.login(discord.token);
  const [readyClient] = await ready;
  return readyClient;
}

/** What the next event of this kind brings. */
export function next<Name extends keyof ClientEvents>(
  client: Client,
  name: Name,
): Promise<ClientEvents[Name]> {
  return new Promise((resolve) => {
    client.once(name, (...heard) => {
      resolve(heard);
    });
  });
}

/** The contents of all messages that the client hears from now on. */
export function listen(client: Client): readonly string[] {
  const heard: string[] = [];
  client.on(Events.MessageCreate, ({ content }) => {
    heard.push(content);
  });
  return heard;
}

/** REST alone, with discord.js's own client. */
export function restOf(discord: DiscordStandIn): REST {
  return new REST({ api: discord.apiUrl }).setToken(discord.token);
}

/** The refusal that `call` meets. */
export async function refusalOf(call: Promise<unknown>): Promise<DiscordAPIError> {
  const outcome = await call.catch((error: unknown) => error);
  if (outcome instanceof DiscordAPIError) return outcome;
  throw new Error('The call was not refused', { cause: outcome });
}
