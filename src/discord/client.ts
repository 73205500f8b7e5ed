import { Client, GatewayIntentBits, Options, Partials, Routes, type WebSocketOptions } from 'discord.js';

import type { Gateway } from './gateway.js';

/** How many users and members stay in memory. Whoever writes is in the event itself. */
const CACHED_USERS = 200;

/**
 * The discord.js client with what the bot needs and no more: no intent beyond reading messages, next to no cache.
 *
 * @param apiUrl REST base without version.
 * @param gateway the client's own; without it nobody notices a connection that fell silent.
 */
export function createClient(apiUrl: string, gateway?: Gateway): Client {
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
    ...(gateway === undefined
      ? {}
      : { ws: { buildStrategy: (manager) => gateway.strategyOf(manager) } satisfies WebSocketOptions }),
    // Opening direct messages has its own queue, which has to hear of limits. All else waits inside discord.js.
    rest: { api: apiUrl, rejectOnRateLimit: [Routes.userChannels()] },
    allowedMentions: { parse: [] },
    makeCache: Options.cacheWithLimits({
      UserManager: keepSelf,
      GuildMemberManager: keepSelf,
      // Not 0: while discord.js emits a message it reads it from here.
      MessageManager: 10,
      ApplicationCommandManager: 0,
      ApplicationEmojiManager: 0,
      AutoModerationRuleManager: 0,
      BaseGuildEmojiManager: 0,
      EntitlementManager: 0,
      GuildBanManager: 0,
      GuildEmojiManager: 0,
      GuildForumThreadManager: 0,
      GuildInviteManager: 0,
      GuildScheduledEventManager: 0,
      GuildStickerManager: 0,
      GuildTextThreadManager: 0,
      PresenceManager: 0,
      ReactionManager: 0,
      ReactionUserManager: 0,
      StageInstanceManager: 0,
      ThreadManager: 0,
      ThreadMemberManager: 0,
      VoiceStateManager: 0,
    }),
  });
}
