import { EPHEMERAL_FLAG, MESSAGE_CONTENT_FLAG, PERMISSIONS } from './limits.js';
import {
  type Interaction,
  rolesOf,
  type StandInChannel,
  type StandInGuild,
  type StandInMember,
  type StandInMessage,
  type StandInUser,
  type World,
} from './world.js';

// Discord's payloads, API version 10: of the optional fields only those that the bot or discord.js reads.

const CHANNEL_TYPES = { text: 0, dm: 1, thread: 11 } as const;
const LOCALE = 'en-US';

const iso = (time: number): string => new Date(time).toISOString();

export function userPayload({ id, username, bot }: StandInUser): object {
  return { id, username, avatar: null, discriminator: '0', global_name: null, public_flags: 0, bot };
}

/** A member without the user, as in message events. */
function memberPayload({ roles, joinedAt }: StandInMember): object {
  const look = { nick: null, avatar: null, premium_since: null, communication_disabled_until: null };
  const state = { deaf: false, mute: false, pending: false, flags: 0 };
  return { ...look, ...state, roles: [...roles], joined_at: iso(joinedAt) };
}

export function memberWithUser(member: StandInMember): object {
  return { ...memberPayload(member), user: userPayload(member.user) };
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
  const inGuild = { ...common, name, guild_id: guild?.id, parent_id: parent?.id ?? null };
  if (kind === 'thread') {
    const archive = { archived: false, auto_archive_duration: 1440, archive_timestamp: iso(world.now()) };
    return { ...inGuild, owner_id: guild?.owner.id, thread_metadata: { ...archive, locked: false } };
  }
  const allow = botPermissions ?? 0n;
  const overwrite = {
    id: world.botUser.id,
    type: 1,
    allow: String(allow),
    deny: String(PERMISSIONS.all & ~allow),
  };
  const overwrites = botPermissions === null ? [] : [overwrite];
  return { ...inGuild, position: 0, permission_overwrites: overwrites };
}

/** A guild in REST. */
export function guildPayload(guild: StandInGuild): object {
  const roles = rolesOf(guild).map(({ id, name, permissions }, position) => ({
    id,
    name,
    position,
    permissions: String(permissions),
    color: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    hoist: false,
    managed: false,
    mentionable: false,
    flags: 0,
  }));
  const { id, name, owner } = guild;
  return { id, name, icon: null, owner_id: owner.id, roles, features: [], preferred_locale: LOCALE };
}

/** A guild in `GUILD_CREATE`: without the privileged intent, its only member is the bot. */
export function guildCreatePayload(world: World, guild: StandInGuild): object {
  const [channels, threads] = [false, true].map((isThread) =>
    guild.channels
      .filter(({ kind }) => (kind === 'thread') === isThread)
      .map((channel) => channelPayload(world, channel)),
  );
  const bot = guild.members.get(world.botUser.id);
  return {
    ...guildPayload(guild),
    channels,
    threads,
    members: bot ? [memberWithUser(bot)] : [],
    member_count: guild.members.size,
    joined_at: iso(bot?.joinedAt ?? world.now()),
    large: false,
    unavailable: false,
  };
}

/** A message in REST. */
export function messagePayload(world: World, message: StandInMessage): object {
  const { id, channelId, content, embeds, components, pings, webhookId, editedAt } = message;
  const { guild } = world.channelOf(message);
  const mentions = pings.users.flatMap((userId) => {
    const user = world.users.get(userId);
    const member = guild?.members.get(userId);
    return user ? [{ ...userPayload(user), ...(member && { member: memberPayload(member) }) }] : [];
  });
  return {
    id,
    channel_id: channelId,
    author: userPayload(message.author),
    type: 0,
    content,
    embeds,
    components,
    mentions,
    mention_roles: pings.roles,
    mention_everyone: pings.everyone,
    attachments: [],
    pinned: false,
    tts: false,
    flags: message.ephemeralTo === null ? 0 : EPHEMERAL_FLAG,
    timestamp: iso(message.createdAt),
    edited_timestamp: editedAt === null ? null : iso(editedAt),
    nonce: message.nonce ?? undefined,
    webhook_id: webhookId ?? undefined,
  };
}

/** A message in `MESSAGE_CREATE` and `MESSAGE_UPDATE`. */
export function messageEventPayload(world: World, message: StandInMessage, contentVisible: boolean): object {
  const { kind, guild } = world.channelOf(message);
  const member = message.webhookId === null ? guild?.members.get(message.author.id) : undefined;
  return {
    ...messagePayload(world, message),
    ...(!contentVisible && { content: '', embeds: [], components: [] }),
    channel_type: CHANNEL_TYPES[kind],
    guild_id: guild?.id,
    ...(member && { member: memberPayload(member) }),
  };
}

export function applicationPayload(
  { botUser: { id, username } }: World,
  options: { readonly messageContentIntent: boolean; readonly publicBot: boolean },
): object {
  return {
    id,
    name: username,
    icon: null,
    description: '',
    bot_public: options.publicBot,
    bot_require_code_grant: false,
    flags: options.messageContentIntent ? MESSAGE_CONTENT_FLAG : 0,
    team: null,
  };
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
    application_id: world.botUser.id,
    channel_id: channel.id,
    channel: channelPayload(world, channel),
    message: messagePayload(world, message),
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
    app_permissions: String(world.permissionsOf(world.botUser, guild, channel)),
  };
}
