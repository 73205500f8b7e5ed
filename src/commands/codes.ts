import type { Command } from '../bot/command.js';
import type { Button, MessageBody, Reply } from '../bot/message.js';
import { administratorOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodePage, CodeService } from '../codes/code-service.js';

const NAME = 'codes';

/** Tells whether somebody has the Administrator permission in a server at this moment. */
export type IsAdministrator = (guildId: string, userId: string) => Promise<boolean>;

/** `!codes [page]`: an administrator receives the server's codes by direct message, with buttons to turn pages. */
export function codesCommand(
  codes: Pick<CodeService, 'list' | 'listOnce'>,
  isAdministrator: IsAdministrator,
  prefix: string,
): Command {
  return {
    name: NAME,
    usage: '(Admin)',
    summary: 'View all generated access codes',
    preconditions: [administratorOnly],

    prepare([typed = '1', ...more], { id, guildId, author }) {
      if (guildId === null) throw new UserError('notAdministrator', null);
      const page = parsePage(typed);
      if (page === null || more.length > 0) throw new UserError('notAPage', { example: `${prefix}codes 2` });

      const replyTo = (listed: CodePage): Reply =>
        listed.total === 0
          ? { to: 'channel', body: replies.noCodes() }
          : { to: 'author', body: listMessage(guildId, listed) };

      return async ({ pack }) => {
        const by = { requestId: id, actorId: author.id };
        const listed = await codes.listOnce(guildId, page, by, (found) => pack(replyTo(found)));
        return listed === 'repeated' ? null : replyTo(listed);
      };
    },

    async afterwards(_requestId, delivery, authorId) {
      return delivery === 'delivered' || delivery === 'found'
        ? replies.codeListSent(authorId)
        : replies.directMessageLost(delivery, authorId);
    },

    /** `argument` is `<server>:<page>`. The list hangs in a direct message: permission is asked for anew. */
    async press(argument, { author }) {
      const [guildId = '', typed = ''] = argument.split(':');
      if (!(await isAdministrator(guildId, author.id))) throw new UserError('notAdministrator', null);
      const listed = await codes.list(guildId, parsePage(typed) ?? 1, author.id);
      if (listed.total === 0) return { kind: 'update', body: replies.noCodes() };
      return { kind: 'update', body: listMessage(guildId, listed) };
    },
  };
}

function listMessage(guildId: string, listed: CodePage): MessageBody {
  const { page, pages } = listed;
  const button = (label: string, target: number): Button => ({
    id: `${NAME}:${guildId}:${target}`,
    label,
    disabled: target < 1 || target > pages,
  });
  const buttons = pages > 1 ? [button('Previous', page - 1), button('Next', page + 1)] : [];
  return { embed: replies.codeList(listed), buttons };
}

function parsePage(typed: string): number | null {
  return /^[1-9]\d{0,8}$/.test(typed) ? Number(typed) : null;
}
