import {
  ActivityType,
  Client,
  GatewayIntentBits,
  Options,
  Partials,
  Routes,
  SimpleShardingStrategy,
} from 'discord.js';

import { identifyThrottle } from './identify-throttle.js';

/** How many users and members stay in memory. The event contains its author. */
const CACHED_USERS = 200;

/** Discord blocks an address after 10,000 answers of 401, 403 or 429 within 10 minutes. */
const REJECTIONS_PER_WARNING = 250;

/** Creates the discord.js client with the intents that reading messages needs, and nearly no caches. */
export function createClient(
  apiUrl: string,
  status: string,
  throttle: Parameters<typeof identifyThrottle>[0],
): Client {
  const keepSelf = {
    maxSize: CACHED_USERS,
    keepOverLimit: ({ id, client }: { readonly id: string; readonly client: Client }) =>
      id === client.user?.id,
  };
  return new Client({
    intents: [
      GatewayIntentBits.Guilds,
      GatewayIntentBits.GuildMessages,
      GatewayIntentBits.DirectMessages,
      GatewayIntentBits.MessageContent,
    ],
    // Without it a direct message fires nothing: its channel is not known beforehand.
    partials: [Partials.Channel],
    shards: 'auto',
    presence: { activities: [{ name: status, state: status, type: ActivityType.Custom }] },
    ws: {
      buildIdentifyThrottler: identifyThrottle(throttle),
      buildStrategy(manager) {
        const strategy = new SimpleShardingStrategy(manager);
        const connect = strategy.connect.bind(strategy);
        // discord.js repeats a first connection that failed, but would end the login.
        strategy.connect = async () => connect().catch(() => undefined);
        return strategy;
      },
    },
    // DmChannels handles limits of its own route. On other routes discord.js waits by itself.
    rest: {
      api: apiUrl,
      rejectOnRateLimit: [Routes.userChannels()],
      invalidRequestWarningInterval: REJECTIONS_PER_WARNING,
    },
    allowedMentions: { parse: [] },
    // Most other caches stay empty: their events need other intents.
    makeCache: Options.cacheWithLimits({
      UserManager: keepSelf,
      GuildMemberManager: keepSelf,
      // Not 0: while discord.js emits a message it reads it from here.
      MessageManager: 10,
      GuildForumThreadManager: 0,
      GuildTextThreadManager: 0,
      ThreadManager: 0,
    }),
  });
}
