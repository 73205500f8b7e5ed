import { OAuth2Scopes, PermissionFlagsBits, type Client } from 'discord.js';

export const PORTAL = 'https://discord.com/developers/applications';

/** Not discord.js's generateInvite: it leads to the REST base, which may be a proxy's. */
export function inviteUrl({ user }: Client): string {
  const invite = new URLSearchParams({
    client_id: user?.id ?? '',
    scope: OAuth2Scopes.Bot,
    permissions: String(
      PermissionFlagsBits.ViewChannel | PermissionFlagsBits.SendMessages | PermissionFlagsBits.EmbedLinks,
    ),
  });
  return `https://discord.com/oauth2/authorize?${invite.toString()}`;
}
