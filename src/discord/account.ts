import {
  ApplicationFlags,
  DiscordAPIError,
  HTTPError,
  REST,
  Routes,
  type APIApplication,
  type RESTAPIPartialCurrentUserGuild,
} from 'discord.js';

import { DiscordOutageError, DiscordSetupError, UNREACHABLE } from './errors.js';
import { portalUrl } from './links.js';

const TIMEOUT_MS = 10_000;
const MESSAGE_CONTENT =
  ApplicationFlags.GatewayMessageContent | ApplicationFlags.GatewayMessageContentLimited;

export type Account = Awaited<ReturnType<typeof readAccount>>;
export type Server = Account['servers'][number];

/**
 * Reads by REST, without a login, what Discord knows about the bot with this token.
 *
 * @throws {DiscordSetupError} Discord refuses the token.
 * @throws {DiscordOutageError}
 */
export async function readAccount(api: string, token: string) {
  const rest = new REST({ api, timeout: TIMEOUT_MS, retries: 1 }).setToken(token);
  try {
    const application: APIApplication = Object(await rest.get(Routes.currentApplication()));
    const servers: RESTAPIPartialCurrentUserGuild[] = Object(await rest.get(Routes.userGuilds()));
    const readsMessages = ((application.flags ?? 0) & MESSAGE_CONTENT) !== 0;
    return { token, application, servers, readsMessages };
  } catch (error) {
    if (error instanceof DiscordAPIError && error.status === 401)
      throw new DiscordSetupError(
        `Discord does not accept this token. Open your application on ${portalUrl()}, page Bot, click Reset Token, and copy the new token.`,
      );
    if (!(error instanceof DiscordAPIError || error instanceof HTTPError))
      throw new DiscordOutageError(UNREACHABLE);
    throw new DiscordOutageError(
      `Discord cannot answer now (HTTP ${error.status}). Try again later; https://discordstatus.com shows outages.`,
    );
  }
}
