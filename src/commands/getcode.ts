import type { Command } from '../bot/command.js';
import { guildOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodeService } from '../codes/code-service.js';
import { parseUsername } from '../codes/username.js';

/** `!getcode <username>`: a member receives an access code by direct message. */
export function getcodeCommand(
  codes: Pick<CodeService, 'issue' | 'deliver' | 'withdraw'>,
  prefix: string,
): Command {
  return {
    name: 'getcode',
    usage: '<username>',
    summary: 'Generate an access code for the chat room',
    preconditions: [guildOnly],
    claims: true,

    prepare([typed, ...more], { id, guildId, author }) {
      if (typed === undefined)
        throw new UserError('missingUsername', { usage: `${prefix}getcode <username>` });
      // Never guess a name: the code would go to somebody called Alice, not Alice Smith.
      if (more.length > 0) throw new UserError('tooManyWords', { example: `${prefix}getcode "Alice Smith"` });
      const username = parseUsername(typed);
      if (username === null) throw new UserError('unusableUsername', null);
      if (guildId === null) throw new UserError('guildOnly', null);

      return async () => {
        const code = await codes.issue({ id, guildId, holderId: author.id, holderTag: author.tag, username });
        if (code === 'repeated') return null;
        if (code === 'taken') return { to: 'channel', body: replies.usernameTaken(username.text) };
        return {
          to: 'author',
          body: replies.accessCode(code),
          afterwards: async (delivery) => {
            if (delivery === 'delivered') {
              return (await codes.deliver(id))
                ? replies.codeSent(author.id)
                : replies.codeEndedMeanwhile(author.id);
            }
            if (delivery !== 'unknown') await codes.withdraw(id);
            return replies.directMessageLost(delivery, author.id);
          },
        };
      };
    },
  };
}
