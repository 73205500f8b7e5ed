import { requireAdministrator } from '../bot/access.js';
import type { Command, CommandParts } from '../bot/command.js';
import type { Button, MessageBody } from '../bot/message.js';
import { splitWords } from '../bot/parse.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodePage } from '../services/code-service.js';

/** `!codes [page]`: an administrator receives the server's codes by DM, with buttons to turn pages. */
export function codesCommand({ codes, isAdministrator, prefix }: CommandParts): Command {
  return {
    name: 'codes',
    usage: '(Admin)',
    summary: 'View all generated access codes',

    async run(args, message) {
      const { id, author } = message;
      const guildId = requireAdministrator(message);
      const [typed = '1', ...more] = splitWords(args);
      const page = parsePage(typed);
      if (page === null || more.length > 0)
        throw new UserError(replies.refusals.invalidPage(`${prefix}codes 2`));
      const listed = await codes.list({ id, guildId, actorId: author.id }, page);
      if (listed === null) return null;
      if (listed.total === 0) return { to: 'channel', body: replies.noCodes(listed) };
      const channelLine = replies.codeListSent(author.id);
      return { to: 'author', body: listMessage(guildId, listed), channelLine };
    },

    /** `argument` is `<server>:<page>`. The list is in a DM, so the permission is checked again. */
    async onButton(argument, { id, author }) {
      const [guildId = '', typed = ''] = argument.split(':');
      if (!(await isAdministrator(guildId, author.id)))
        throw new UserError(replies.refusals.notAdministrator());
      const listed = await codes.list({ id, guildId, actorId: author.id }, parsePage(typed) ?? 1);
      if (listed === null) return null;
      const body = listed.total === 0 ? replies.noCodes(listed) : listMessage(guildId, listed);
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
