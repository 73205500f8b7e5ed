import type { IncomingMessage } from './message.js';
import { refusals } from './replies.js';
import { UserError } from './user-error.js';

/** Returns the server of a message whose author may get codes there. @throws {UserError} */
export function requireRequester({ guildId, authorMayGetCodes }: IncomingMessage): string {
  if (guildId === null) throw new UserError(refusals.guildOnly());
  if (!authorMayGetCodes) throw new UserError(refusals.roleMissing());
  return guildId;
}

/** Returns the server of which the author is an administrator. @throws {UserError} */
export function requireAdministrator({ guildId, authorIsAdministrator }: IncomingMessage): string {
  if (guildId === null || !authorIsAdministrator) throw new UserError(refusals.notAdministrator());
  return guildId;
}
