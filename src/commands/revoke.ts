import { requireAdministrator } from '../bot/access.js';
import type { Command, CommandParts } from '../bot/command.js';
import { parseTarget, splitWords } from '../bot/parse.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';

/** `!revoke <codes|username|@member> [reason]`: an administrator ends codes of the server. */
export function revokeCommand({ codes, prefix, log }: CommandParts): Command {
  return {
    name: 'revoke',
    usage: '<code, username or @member> [reason] (Admin)',
    summary: 'Revoke one or more access codes, or all codes of a username or member',

    async run(args, message) {
      const guildId = requireAdministrator(message);
      const [argument, ...words] = splitWords(args);
      if (!argument) throw new UserError(replies.refusals.missingArgument(`${prefix}help_chatroom`));
      const by = { id: message.id, guildId, actorId: message.author.id };
      const target = parseTarget(argument);
      const revocation = await codes.revoke(by, target, words.join(' ') || null);
      if (revocation === null) return null;
      if (revocation.codes.length > 0) {
        const usernames = [...new Set(revocation.codes.map(({ username }) => username))];
        const count = revocation.codes.length;
        log.info(
          { usernames, codes: count, by: message.author.tag, byId: message.author.id },
          'Revoked codes',
        );
      }
      return { to: 'channel', body: replies.codesRevoked(target, revocation, `${prefix}codes`) };
    },
  };
}
