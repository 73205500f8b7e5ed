import { OAuth2Scopes, PermissionFlagsBits, type Client } from 'discord.js';

const PORTAL = 'https://discord.com/developers/applications';
const PERMISSIONS =
  PermissionFlagsBits.ViewChannel |
  PermissionFlagsBits.SendMessages |
  PermissionFlagsBits.SendMessagesInThreads |
  PermissionFlagsBits.EmbedLinks;

/** The address of the bot's application in Discord's developer portal, when the client knows it. */
export function portalUrl(client?: Client): string {
  const id = client?.application?.id;
  return id === undefined ? PORTAL : `${PORTAL}/${id}`;
}

/** The address at which administrators add the bot to their server. discord.js's own uses the base of REST. */
export function inviteUrl(client: Client): string {
  const query = new URLSearchParams({
    client_id: client.user?.id ?? '',
    scope: OAuth2Scopes.Bot,
    permissions: String(PERMISSIONS),
  });
  return `https://discord.com/oauth2/authorize?${query.toString()}`;
}
