import type {
  Interaction,
  StandInChannel,
  StandInGuild,
  StandInMember,
  StandInMessage,
  StandInRole,
} from './world.js';
import type { StandInUser, World } from './world.js';
import { MESSAGE_CONTENT_FLAG, PERMISSIONS } from './limits.js';

// Discord's payloads, API version 10.

const CHANNEL_TYPES = { text: 0, dm: 1, thread: 11 } as const;
const LOCALE = 'en-US';

const iso = (time: number): string => new Date(time).toISOString();

export function userPayload({ id, username, bot }: StandInUser): object {
  const look = { avatar: null, discriminator: '0', global_name: null, public_flags: 0 };
  return { id, username, ...look, ...(bot && { bot }) };
}

/** A member without the user, as in message events. */
function memberPayload({ roles, joinedAt }: StandInMember): object {
  const look = { nick: null, avatar: null, premium_since: null, communication_disabled_until: null };
  return {
    ...look,
    roles: [...roles],
    joined_at: iso(joinedAt),
    deaf: false,
    mute: false,
    pending: false,
    flags: 0,
  };
}

export function memberWithUser(member: StandInMember): object {
  return { ...memberPayload(member), user: userPayload(member.user) };
}

function rolePayload({ id, name, permissions, position }: StandInRole): object {
  const colors = { primary_color: 0, secondary_color: null, tertiary_color: null };
  const look = { color: 0, colors, hoist: false, icon: null, unicode_emoji: null, flags: 0 };
  return {
    id,
    name,
    ...look,
    permissions: String(permissions),
    position,
    managed: false,
    mentionable: false,
  };
}

export function channelPayload(world: World, channel: StandInChannel): object {
  const { id, kind, name, guild, parent, recipient, botPermissions } = channel;
  const common = {
    id,
    type: CHANNEL_TYPES[kind],
    last_message_id: channel.messages.at(-1)?.id ?? null,
    flags: 0,
  };
  if (recipient !== null) return { ...common, recipients: [userPayload(recipient)] };
  const inGuild = {
    ...common,
    name,
    guild_id: guild?.id,
    parent_id: parent?.id ?? null,
    rate_limit_per_user: 0,
  };
  if (kind === 'thread') {
    const archive = { archived: false, auto_archive_duration: 1440, archive_timestamp: iso(world.now()) };
    const counts = { message_count: channel.messages.length, total_message_sent: channel.messages.length };
    return {
      ...inGuild,
      ...counts,
      member_count: 1,
      owner_id: guild?.owner.id,
      thread_metadata: { ...archive, locked: false },
    };
  }
  const allow = botPermissions ?? 0n;
  const overwrite = {
    id: world.bot.id,
    type: 1,
    allow: String(allow),
    deny: String(PERMISSIONS.all & ~allow),
  };
  const overwrites = botPermissions === null ? [] : [overwrite];
  return { ...inGuild, topic: null, nsfw: false, position: 0, permission_overwrites: overwrites };
}

const GUILD_LOOK = { icon: null, splash: null, discovery_splash: null, banner: null, description: null };
const GUILD_CONTENTS = {
  emojis: [],
  stickers: [],
  features: [],
  incidents_data: null,
  vanity_url_code: null,
};
const GUILD_LEVELS = {
  verification_level: 0,
  explicit_content_filter: 0,
  mfa_level: 0,
  nsfw_level: 0,
  premium_tier: 0,
};
const GUILD_SETTINGS = { default_message_notifications: 0, afk_timeout: 300, system_channel_flags: 0 };
const GUILD_CHANNELS = { afk_channel_id: null, system_channel_id: null, rules_channel_id: null };
const GUILD_ACTIVITY = { voice_states: [], presences: [], stage_instances: [], guild_scheduled_events: [] };

/** A guild in REST. */
export function guildPayload({ id, name, owner, ...guild }: StandInGuild): object {
  const { everyone, botRole, administrator, otherRoles } = guild;
  const roles = [everyone, botRole, administrator, ...otherRoles].map(rolePayload);
  return {
    ...GUILD_LOOK,
    ...GUILD_CONTENTS,
    ...GUILD_LEVELS,
    ...GUILD_SETTINGS,
    ...GUILD_CHANNELS,
    id,
    name,
    owner_id: owner.id,
    roles,
    preferred_locale: LOCALE,
  };
}

/** A guild in `GUILD_CREATE`: without the privileged intent, its only member is the bot. */
export function guildCreatePayload(world: World, guild: StandInGuild): object {
  const channels = (isThread: boolean): object[] =>
    guild.channels
      .filter(({ kind }) => (kind === 'thread') === isThread)
      .map((channel) => channelPayload(world, channel));
  const bot = guild.members.get(world.bot.id);
  return {
    ...guildPayload(guild),
    ...GUILD_ACTIVITY,
    channels: channels(false),
    threads: channels(true),
    members: bot ? [memberWithUser(bot)] : [],
    member_count: guild.members.size,
    joined_at: iso(bot?.joinedAt ?? world.now()),
    large: false,
    unavailable: false,
  };
}

/** A message in REST. `contentVisible`: whether the bot has the message content intent, or needs none. */
export function messagePayload(world: World, message: StandInMessage, contentVisible: boolean): object {
  const { id, content, embeds, components, pings, webhookId, repliesTo, editedAt } = message;
  const channel = world.channelOf(message);
  const { guild } = channel;
  const repliedTo = world.messageIn(channel, repliesTo ?? '');
  const mentions = pings.users.flatMap((userId) => {
    const user = world.users.get(userId);
    const member = guild?.members.get(userId);
    return user ? [{ ...userPayload(user), ...(member && { member: memberPayload(member) }) }] : [];
  });
  return {
    id,
    channel_id: message.channelId,
    author: userPayload(message.author),
    type: repliesTo === null ? 0 : 19,
    ...(contentVisible ? { content, embeds, components } : { content: '', embeds: [], components: [] }),
    mentions,
    mention_roles: pings.roles,
    mention_everyone: pings.everyone,
    attachments: [],
    pinned: false,
    tts: false,
    flags: message.flags,
    timestamp: iso(message.createdAt),
    edited_timestamp: editedAt === null ? null : iso(editedAt),
    ...(webhookId !== null && { webhook_id: webhookId }),
    ...(repliesTo !== null && {
      message_reference: {
        type: 0,
        message_id: repliesTo,
        channel_id: message.channelId,
        guild_id: guild?.id,
      },
      referenced_message: repliedTo ? messagePayload(world, repliedTo, contentVisible) : null,
    }),
  };
}

/**
 * A message in `MESSAGE_CREATE` and `MESSAGE_UPDATE`. An ephemeral message never has a guild (discord-api-docs issue
 * 4557).
 */
export function messageEventPayload(world: World, message: StandInMessage, contentVisible: boolean): object {
  const { kind, guild } = world.channelOf(message);
  const member = message.webhookId === null ? guild?.members.get(message.author.id) : undefined;
  return {
    ...messagePayload(world, message, contentVisible),
    nonce: message.nonce ?? undefined,
    channel_type: CHANNEL_TYPES[kind],
    ...(guild && message.ephemeralTo === null && { guild_id: guild.id }),
    ...(member && message.ephemeralTo === null && { member: memberPayload(member) }),
  };
}

export function applicationPayload(
  { bot }: World,
  {
    messageContentIntent,
    publicBot,
  }: { readonly messageContentIntent: boolean; readonly publicBot: boolean },
): object {
  const look = {
    icon: null,
    description: '',
    bot_public: publicBot,
    bot_require_code_grant: false,
    verify_key: '0',
  };
  const flags = messageContentIntent ? MESSAGE_CONTENT_FLAG : 0;
  return { id: bot.id, name: bot.username, ...look, flags, team: null, bot: userPayload(bot) };
}

export function interactionPayload(world: World, interaction: Interaction): object {
  const { id, token, message, customId, user } = interaction;
  const channel = world.channelOf(message);
  const { guild } = channel;
  const member = guild?.members.get(user.id);
  const common = {
    id,
    token,
    type: 3,
    version: 1,
    application_id: world.bot.id,
    channel_id: channel.id,
    channel: channelPayload(world, channel),
    message: messagePayload(world, message, true),
    data: { component_type: 2, custom_id: customId, id: 1 },
    locale: LOCALE,
    entitlements: [],
    attachment_size_limit: 10_485_760,
  };
  if (!guild || !member) {
    const direct = { context: 1, authorizing_integration_owners: { 0: '0' } };
    return { ...common, ...direct, user: userPayload(user), app_permissions: String(PERMISSIONS.all) };
  }
  return {
    ...common,
    context: 0,
    authorizing_integration_owners: { 0: guild.id },
    guild_id: guild.id,
    guild_locale: LOCALE,
    guild: { id: guild.id, locale: LOCALE, features: [] },
    member: { ...memberWithUser(member), permissions: String(world.permissionsOf(user, guild, channel)) },
    app_permissions: String(world.permissionsOf(world.bot, guild, channel)),
  };
}
