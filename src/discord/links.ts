import { OAuth2Scopes } from 'discord.js';

import { PERMISSIONS } from './permissions.js';

const PORTAL = 'https://discord.com/developers/applications';

/** A discord.js client, or anything else that may know the bot's application. */
interface Bot {
  readonly application: { readonly id: string } | null;
}

/** The address of the bot's application in Discord's developer portal, when it is known. */
export function portalUrl(bot?: Bot): string {
  const id = bot?.application?.id;
  return id === undefined ? PORTAL : `${PORTAL}/${id}`;
}

/** The address at which administrators add the bot to their server. discord.js's own uses the base of REST. */
export function inviteUrl(bot: Bot): string {
  const query = new URLSearchParams({
    client_id: bot.application?.id ?? '',
    scope: OAuth2Scopes.Bot,
    permissions: String(PERMISSIONS),
  });
  return `https://discord.com/oauth2/authorize?${query.toString()}`;
}

/** The portal accepts it only in this order. */
export function makePrivate(bot: Bot): string {
  return `Anybody can invite the bot to a server of their own, because its application is public. To make it private, open ${portalUrl(bot)}, page Installation, set Install Link to None and save. Then switch off Public Bot on page Bot and save.`;
}
