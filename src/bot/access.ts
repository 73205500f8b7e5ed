import type { IncomingMessage } from './message.js';
import { refusals } from './replies.js';
import { UserError } from './user-error.js';

/** Returns the server of which the author is an administrator. @throws {UserError} */
export function requireAdministrator({ guildId, authorIsAdministrator }: IncomingMessage): string {
  if (guildId === null || !authorIsAdministrator) throw new UserError(refusals.notAdministrator());
  return guildId;
}
