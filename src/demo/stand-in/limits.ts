/**
 * Numbers and bits from Discord's documentation. Lengths are in Unicode code points (discord-api-docs issue 1315).
 */

/** Pages "Message" (Create Message, Embed Limits, Allowed Mentions) and "Components". */
export const LIMITS = {
  content: 2000,
  nonce: 25,
  embeds: 10,
  embedTitle: 256,
  embedDescription: 4096,
  embedFields: 25,
  embedFieldName: 256,
  embedFieldValue: 1024,
  embedFooter: 2048,
  /** Sum over all embeds of a message: titles, descriptions, fields and footers. */
  embedsTotal: 6000,
  actionRows: 5,
  buttonsPerRow: 5,
  buttonLabel: 80,
  buttonCustomId: 100,
  allowedMentionIds: 100,
} as const;

/** Page "Message", `enforce_nonce`: unique "in the past few minutes"; the number is not documented. */
export const NONCE_MEMORY_MS = 5 * 60_000;

/**
 * Page "Rate Limits": 50 requests per second. The others are not documented. 5 messages within 5 seconds is what bots
 * report of a channel. Of new direct message channels they report refusals after 20 to 50 in a short time.
 */
export const RATE_LIMITS = {
  global: { calls: 50, withinMs: 1_000 },
  messages: { calls: 5, withinMs: 5_000 },
  newDirectChannels: { calls: 20, withinMs: 10_000 },
} as const;

/** Page "Receiving and Responding to Interactions": an answer within 3 seconds. */
export const INTERACTION_ANSWER_MS = 3_000;

/** Page "Gateway", Request Guild Members: user ids per request. */
export const REQUESTED_MEMBERS = 100;

/** Page "Gateway", Session Start Limit. */
export const SESSION_STARTS = 1000;
export const SESSION_STARTS_RESET_MS = 24 * 60 * 60_000;

/** Page "Reference", Snowflakes: Unix time in ms of the first second of 2015. */
export const DISCORD_EPOCH_MS = 1_420_070_400_000;

/** Page "Permissions". */
export const PERMISSIONS = {
  administrator: 1n << 3n,
  viewChannel: 1n << 10n,
  sendMessages: 1n << 11n,
  embedLinks: 1n << 14n,
  mentionEveryone: 1n << 17n,
  sendMessagesInThreads: 1n << 38n,
  all: (1n << 53n) - 1n,
} as const;

/** Page "Gateway", List of Intents. */
export const INTENTS = {
  guilds: 1 << 0,
  guildMembers: 1 << 1,
  guildPresences: 1 << 8,
  guildMessages: 1 << 9,
  directMessages: 1 << 12,
  messageContent: 1 << 15,
} as const;

/** Page "Message", Message Flags. */
export const EPHEMERAL_FLAG = 1 << 6;

/** Page "Application", Application Flags: the message content intent of a bot in fewer than 100 servers. */
export const MESSAGE_CONTENT_FLAG = 1 << 19;
