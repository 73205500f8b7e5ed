import type { Command } from '../bot/command.js';
import type { Reply } from '../bot/message.js';
import { parseMention } from '../bot/parse.js';
import { administratorOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodeService } from '../codes/code-service.js';
import type { Revocation } from '../codes/code-store.js';

/** `!revoke <code>`, `!revoke <username>`, `!revoke @member`: an administrator ends codes of the server, for good. */
export function revokeCommand(codes: Pick<CodeService, 'revoke' | 'revokeHolder'>, prefix: string): Command {
  return {
    name: 'revoke',
    usage: '<code> (Admin)',
    summary: 'Revoke a specific access code',
    preconditions: [administratorOnly],

    prepare([typed, ...more], { id, guildId, author }) {
      if (guildId === null) throw new UserError('notAdministrator', null);
      if (typed === undefined)
        throw new UserError('missingArgument', { helpCommand: `${prefix}help_chatroom` });
      if (more.length > 0) throw new UserError('tooManyWords', { example: `${prefix}revoke "Alice Smith"` });
      const memberId = parseMention(typed);
      const by = { requestId: id, actorId: author.id };

      const replyTo = (revocation: Revocation): Reply => {
        const body =
          memberId === null
            ? replies.revoked(typed, revocation)
            : replies.memberRevoked(memberId, revocation);
        return { to: 'channel', body };
      };

      return async ({ pack }) => {
        const answerTo = (revocation: Revocation): ReturnType<typeof pack> => pack(replyTo(revocation));
        const revocation =
          memberId === null
            ? await codes.revoke(guildId, typed, by, answerTo)
            : await codes.revokeHolder(guildId, memberId, by, answerTo);
        return revocation === 'repeated' ? null : replyTo(revocation);
      };
    },
  };
}
