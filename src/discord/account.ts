import {
  ApplicationFlags,
  Constants,
  DiscordAPIError,
  HTTPError,
  PermissionFlagsBits,
  PermissionsBitField,
  RateLimitError,
  REST,
  RESTEvents,
  Routes,
  type APIApplication,
  type APIGuild,
  type APIGuildChannel,
  type APIGuildMember,
  type APIUser,
  type GuildTextChannelType,
  type RESTAPIPartialCurrentUserGuild,
} from 'discord.js';

import { DiscordOutageError, DiscordSetupError, UNREACHABLE } from './errors.js';
import { PERMISSIONS, portalUrl } from './links.js';
import { REPLYING } from './servers.js';

const TIMEOUT_MS = 10_000;
/** Longer waits for a rate limit are reported instead. */
const MAX_WAIT_MS = 5_000;
const BAD_TYPED_TOKEN = `Discord does not accept this token. Open your application on ${portalUrl()}, page Bot, click Reset Token, and copy the new token.`;
const MESSAGE_CONTENT =
  ApplicationFlags.GatewayMessageContent | ApplicationFlags.GatewayMessageContentLimited;

export type Account = Awaited<ReturnType<typeof readAccount>>;
export type Server = Account['servers'][number];
type Channel = Pick<APIGuildChannel<GuildTextChannelType>, 'name' | 'type' | 'permission_overwrites'>;
type Roles = APIGuild['roles'];

/**
 * Reads by REST, without a login, what Discord knows about the bot with this token.
 *
 * @param badToken what to say when Discord refuses the token.
 * @throws {DiscordSetupError} Discord refuses the token.
 * @throws {DiscordOutageError}
 */
export async function readAccount(api: string, token: string, badToken = BAD_TYPED_TOKEN) {
  const rejectOnRateLimit = ({ retryAfter }: { readonly retryAfter: number }) => retryAfter > MAX_WAIT_MS;
  const rest = new REST({ api, timeout: TIMEOUT_MS, retries: 1, rejectOnRateLimit }).setToken(token);
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
    return { token, rest, user, application, servers, readsMessages, discordNow };
  }, badToken);
}

/**
 * Names the channels of a server in which members can write, but the bot lacks a permission that it needs.
 *
 * @throws {DiscordOutageError}
 */
export async function findMuted({ rest, user }: Account, serverId: string): Promise<string[]> {
  return reading(async () => {
    const { roles }: APIGuild = Object(await rest.get(Routes.guild(serverId)));
    const channels: Channel[] = Object(await rest.get(Routes.guildChannels(serverId)));
    const member: APIGuildMember = Object(await rest.get(Routes.guildMember(serverId, user.id)));
    return channels.flatMap((channel) => {
      if (!Constants.GuildTextBasedChannelTypes.includes(channel.type)) return [];
      const own = permissionsIn(channel, roles, serverId, member.roles, user.id);
      const everyone = permissionsIn(channel, roles, serverId);
      // The bot needs nothing where only the team writes.
      if (!own.has(REPLYING) && !everyone.has(REPLYING)) return [];
      const missing = own
        .missing(PERMISSIONS)
        .map((name) => name.replaceAll(/\B[A-Z]/g, ' $&').replace(' In ', ' in '));
      return missing.length > 0 ? [`#${channel.name} (${missing.join(', ')})`] : [];
    });
  });
}

/** As Discord computes them: "Permission Overwrites". The role @everyone has the id of its server. */
export function permissionsIn(
  { permission_overwrites: overwrites = [] }: Channel,
  roles: readonly Pick<Roles[number], 'id' | 'permissions'>[],
  everyone: string,
  roleIds: readonly string[] = [],
  memberId = '',
): PermissionsBitField {
  const own = roles.filter(({ id }) => id === everyone || roleIds.includes(id));
  const result = new PermissionsBitField(own.map(({ permissions }) => BigInt(permissions)));
  if (result.has(PermissionFlagsBits.Administrator)) return result;
  for (const ids of [[everyone], roleIds, [memberId]]) {
    const some = overwrites.filter(({ id }) => ids.includes(id));
    result.remove(some.map(({ deny }) => BigInt(deny))).add(some.map(({ allow }) => BigInt(allow)));
  }
  return result;
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
