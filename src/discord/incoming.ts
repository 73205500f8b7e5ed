import {
  DiscordAPIError,
  PermissionFlagsBits,
  RESTJSONErrorCodes,
  type Client,
  type Message,
} from 'discord.js';

import type { IncomingMessage } from '../bot/message.js';

/** @returns `null` for what no person wrote: bots, webhooks, Discord's own notices. */
export function toIncomingMessage(message: Message): IncomingMessage | null {
  const { id, content, channelId, guildId, author, member, webhookId, system } = message;
  if (author.bot || webhookId !== null || system) return null;
  return {
    id,
    text: content,
    channelId,
    guildId,
    author: { id: author.id, tag: author.tag },
    authorIsAdministrator: member?.permissions.has(PermissionFlagsBits.Administrator) ?? false,
  };
}

/** Asks Discord, not the cache: whether `userId` may administer the server at this moment. */
export async function isAdministrator(client: Client, guildId: string, userId: string): Promise<boolean> {
  const guild = client.guilds.cache.get(guildId);
  if (guild === undefined) return false;
  try {
    const member = await guild.members.fetch({ user: userId, force: true });
    return member.permissions.has(PermissionFlagsBits.Administrator);
  } catch (error) {
    if (error instanceof DiscordAPIError && error.code === RESTJSONErrorCodes.UnknownMember) return false;
    throw error;
  }
}
