import type { Command } from '../bot/command.js';
import { parseMention } from '../bot/parse.js';
import { administratorOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodeService } from '../services/code-service.js';

/** `!revoke <code|username|@member> [reason]`: an administrator ends codes of the server. */
export function revokeCommand(codes: Pick<CodeService, 'revoke'>, prefix: string): Command {
  return {
    name: 'revoke',
    usage: '<code> (Admin)',
    summary: 'Revoke a specific access code',
    preconditions: [administratorOnly],

    async run([argument, ...words], { id, guildId, author }) {
      if (guildId === null) throw new UserError('notAdministrator', null);
      if (argument === undefined)
        throw new UserError('missingArgument', { helpCommand: `${prefix}help_chatroom` });
      const by = { id, guildId, actorId: author.id };
      const reason = words.length === 0 ? null : words.join(' ');

      const memberId = parseMention(argument);
      if (memberId !== null) {
        const revocation = await codes.revoke(by, { kind: 'member', memberId }, reason);
        if (revocation === null) return null;
        return { to: 'channel', body: replies.memberRevoked(memberId, revocation) };
      }
      const typed = argument.replaceAll('`', '');
      const revocation = await codes.revoke(by, { kind: 'codeOrUsername', typed }, reason);
      if (revocation === null) return null;
      return { to: 'channel', body: replies.codesRevoked(typed, revocation) };
    },
  };
}
