import {
  ApplicationFlags,
  Client,
  DiscordAPIError,
  HTTPError,
  RateLimitError,
  RESTEvents,
  Routes,
  type APIApplication,
  type APIUser,
  type RESTAPIPartialCurrentUserGuild,
} from 'discord.js';

import { DiscordOutageError, DiscordSetupError, UNREACHABLE } from './errors.js';
import { portalUrl } from './links.js';
import { findMuted } from './permissions.js';

const TIMEOUT_MS = 10_000;
/** Longer waits for a rate limit are reported instead. */
const MAX_WAIT_MS = 5_000;
const BAD_TYPED_TOKEN = `Discord does not accept this token. Open your application on ${portalUrl()}, page Bot, click Reset Token, and copy the new token.`;
const MESSAGE_CONTENT =
  ApplicationFlags.GatewayMessageContent | ApplicationFlags.GatewayMessageContentLimited;

export type Account = Awaited<ReturnType<typeof readAccount>>;
export type Server = Account['servers'][number];

/**
 * Reads by REST, without a login, what Discord knows about the bot with this token.
 *
 * @param badToken what to say when Discord refuses the token.
 * @throws {DiscordSetupError} Discord refuses the token.
 * @throws {DiscordOutageError}
 */
export async function readAccount(api: string, token: string, badToken = BAD_TYPED_TOKEN) {
  const rejectOnRateLimit = ({ retryAfter }: { readonly retryAfter: number }) => retryAfter > MAX_WAIT_MS;
  const client = new Client({
    intents: [],
    rest: { api, timeout: TIMEOUT_MS, retries: 1, rejectOnRateLimit },
  });
  const rest = client.rest.setToken(token);
  /** Discord's time, in Unix ms. */
  let discordNow = NaN;
  rest.on(RESTEvents.Response, (_request, { headers }) => {
    discordNow = Date.parse(headers.get('date') ?? '');
  });
  return reading(async () => {
    const user: APIUser = Object(await rest.get(Routes.user()));
    const application: APIApplication = Object(await rest.get(Routes.currentApplication()));
    const servers: RESTAPIPartialCurrentUserGuild[] = Object(await rest.get(Routes.userGuilds()));
    const readsMessages = ((application.flags ?? 0) & MESSAGE_CONTENT) !== 0;
    return { token, client, user, application, servers, readsMessages, discordNow };
  }, badToken);
}

/**
 * Names the channels of a server in which the bot lacks a permission that it needs.
 *
 * @throws {DiscordOutageError}
 */
export async function findMutedIn({ client, user }: Account, serverId: string): Promise<string> {
  return reading(async () => {
    const guild = await client.guilds.fetch(serverId);
    await guild.channels.fetch();
    return findMuted(guild, await guild.members.fetch(user.id));
  });
}

async function reading<T>(read: () => Promise<T>, badToken = BAD_TYPED_TOKEN): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const isRejected = error instanceof DiscordAPIError || error instanceof HTTPError;
    if (isRejected && error.status === 401) throw new DiscordSetupError(badToken);
    if (!isRejected && !(error instanceof RateLimitError)) throw new DiscordOutageError(UNREACHABLE);
    throw new DiscordOutageError(
      `Discord cannot answer now (HTTP ${isRejected ? error.status : 429}). Try again later; https://discordstatus.com shows outages.`,
    );
  }
}
