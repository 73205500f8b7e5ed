import { requireAdministrator } from '../bot/access.js';
import type { Command, CommandParts } from '../bot/command.js';
import { parseMention, splitWords } from '../bot/parse.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';

/** `!revoke <code|username|@member> [reason]`: an administrator ends codes of the server. */
export function revokeCommand({ codes, prefix, log }: CommandParts): Command {
  return {
    name: 'revoke',
    usage: '<code> (Admin)',
    summary: 'Revoke a specific access code',

    async run(args, message) {
      const guildId = requireAdministrator(message);
      const [argument, ...words] = splitWords(args);
      if (argument === undefined)
        throw new UserError(replies.refusals.missingArgument(`${prefix}help_chatroom`));
      const by = { id: message.id, guildId, actorId: message.author.id };
      const reason = words.length === 0 ? null : words.join(' ');

      const memberId = parseMention(argument);
      const typed = argument.replaceAll('`', '');
      const target = memberId === null ? { typed } : { memberId };
      const revocation = await codes.revoke(by, target, reason);
      if (revocation === null) return null;
      if (revocation.codes.length > 0) {
        const usernames = [...new Set(revocation.codes.map(({ username }) => username))];
        const count = revocation.codes.length;
        log.info(
          { usernames, codes: count, by: message.author.tag, byId: message.author.id },
          'Revoked codes',
        );
      }
      const body =
        memberId === null
          ? replies.codesRevoked(typed, revocation, reason, `${prefix}codes`)
          : replies.memberRevoked(memberId, revocation, reason);
      return { to: 'channel', body };
    },
  };
}
