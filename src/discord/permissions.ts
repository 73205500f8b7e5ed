import { PermissionFlagsBits, type Guild, type GuildMember } from 'discord.js';

const REPLYING = PermissionFlagsBits.ViewChannel | PermissionFlagsBits.SendMessages;
/** What the bot needs in each channel. */
export const PERMISSIONS =
  REPLYING | PermissionFlagsBits.SendMessagesInThreads | PermissionFlagsBits.EmbedLinks;

/** How many channels one warning names. */
const MAX_NAMED = 5;

/** Names the channels in which members or the bot can write, but the bot lacks a permission; of many, the first. */
export function findMuted({ channels, roles }: Guild, bot: GuildMember): string {
  const muted = [...channels.cache.values()].flatMap((channel) => {
    if (!channel.isTextBased() || channel.isThread()) return [];
    const own = channel.permissionsFor(bot);
    // The bot needs nothing where only the team writes.
    if (!own.has(REPLYING) && !channel.permissionsFor(roles.everyone).has(REPLYING)) return [];
    const missing = permissionNames(own.missing(PERMISSIONS));
    return missing.length > 0 ? [`#${channel.name} (${missing.join(', ')})`] : [];
  });
  const more = muted.length > MAX_NAMED ? [`${muted.length - MAX_NAMED} more`] : [];
  return [...muted.slice(0, MAX_NAMED), ...more].join(', ');
}

/** As Discord shows them: `Send Messages in Threads` for `SendMessagesInThreads`. */
export function permissionNames(names: readonly string[]): string[] {
  return names.map((name) => name.replaceAll(/\B[A-Z]/g, ' $&').replace(' In ', ' in '));
}
