import type { Command } from '../bot/command.js';
import type { Button, MessageBody } from '../bot/message.js';
import { administratorOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodePage, CodeService } from '../services/code-service.js';

/** Returns whether a user has the Administrator permission in a server now. */
export type IsAdministrator = (guildId: string, userId: string) => Promise<boolean>;

/** `!codes [page]`: an administrator receives the server's codes by DM, with buttons to turn pages. */
export function codesCommand(
  codes: Pick<CodeService, 'list'>,
  isAdministrator: IsAdministrator,
  prefix: string,
): Command {
  return {
    name: 'codes',
    usage: '(Admin)',
    summary: 'View all generated access codes',
    preconditions: [administratorOnly],

    async run([typed = '1', ...more], { id, guildId, author }) {
      if (guildId === null) throw new UserError('notAdministrator', null);
      const page = parsePage(typed);
      if (page === null || more.length > 0)
        throw new UserError('invalidPage', { example: `${prefix}codes 2` });
      const listed = await codes.list({ id, guildId, actorId: author.id }, page);
      if (listed === null) return null;
      if (listed.total === 0) return { to: 'channel', body: replies.noCodes() };
      const channelLine = replies.codeListSent(author.id);
      return { to: 'author', body: listMessage(guildId, listed), channelLine };
    },

    /** `argument` is `<server>:<page>`. The list is in a DM, so the permission is checked again. */
    async onButton(argument, { id, author }) {
      const [guildId = '', typed = ''] = argument.split(':');
      if (!(await isAdministrator(guildId, author.id))) throw new UserError('notAdministrator', null);
      const listed = await codes.list({ id, guildId, actorId: author.id }, parsePage(typed) ?? 1);
      if (listed === null) return null;
      const body = listed.total === 0 ? replies.noCodes() : listMessage(guildId, listed);
      return { kind: 'update', body };
    },
  };
}

function listMessage(guildId: string, listed: CodePage): MessageBody {
  const { page, pages } = listed;
  const button = (label: string, target: number): Button => ({
    id: `codes:${guildId}:${target}`,
    label,
    disabled: target < 1 || target > pages,
  });
  const buttons = pages > 1 ? [button('Previous', page - 1), button('Next', page + 1)] : [];
  return { embed: replies.codeList(listed), buttons };
}

function parsePage(typed: string): number | null {
  return /^[1-9]\d{0,8}$/.test(typed) ? Number(typed) : null;
}
