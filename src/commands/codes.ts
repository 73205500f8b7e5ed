import { requireAdministrator } from '../bot/access.js';
import type { Command, CommandParts } from '../bot/command.js';
import type { Button, MessageBody } from '../bot/message.js';
import { parseTarget, splitWords } from '../bot/parse.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { AdminRequest, CodePage } from '../services/code-service.js';

/**
 * `!codes [username|@member|code] [page]`: an administrator receives codes of the server by DM, with buttons to turn pages.
 */
export function codesCommand({ codes, isAdministrator, prefix }: CommandParts): Command {
  const listCommand = `${prefix}codes`;
  return {
    name: 'codes',
    usage: '[username or @member] [page] (Admin)',
    summary: 'View all generated access codes, or those of a username or member',

    async run(args, message) {
      const { id, author } = message;
      const guildId = requireAdministrator(message);
      // Digits are a page; in quotation marks, they are a username.
      const words = parsePage(args.trim()) === null ? splitWords(args) : ['', args.trim()];
      const [typed = '', pageText = '1', ...more] = words;
      const page = parsePage(pageText);
      if (page === null || more.length > 0)
        throw new UserError(replies.refusals.invalidPage(`${listCommand} "Alice Smith" 2`));
      const body = await show({ id, guildId, actorId: author.id }, page, typed);
      if (body?.embed === undefined) return body === null ? null : { to: 'channel', body };
      return { to: 'author', body, channelLine: replies.codeListSent(author.id) };
    },

    /** `argument` is `<server>:<page>:<target>`. The list is in a DM, so the permission is checked again. */
    async onButton(argument, { id, author }) {
      const [guildId = '', page = '', typed = ''] = argument.split(':');
      if (!(await isAdministrator(guildId, author.id)))
        throw new UserError(replies.refusals.notAdministrator());
      const body = await show({ id, guildId, actorId: author.id }, parsePage(page) ?? 1, typed);
      return body === null ? null : { kind: 'update', body };
    },
  };

  async function show(by: AdminRequest, page: number, typed: string): Promise<MessageBody | null> {
    const target = typed === '' ? null : parseTarget(typed);
    const listed = await codes.list(by, page, target);
    if (listed === null) return null;
    if (listed.total > 0) return listMessage(by.guildId, typed, listed);
    return target === null ? replies.noCodes(listed) : replies.codesNotFound(target, listCommand);
  }
}

function listMessage(guildId: string, typed: string, listed: CodePage): MessageBody {
  const { page, pages } = listed;
  const button = (label: string, target: number): Button => ({
    // At most 100 characters.
    id: `codes:${guildId}:${target}:${typed.slice(0, 64)}`,
    label,
    disabled: target < 1 || target > pages,
  });
  const buttons = pages > 1 ? [button('Previous', page - 1), button('Next', page + 1)] : [];
  return { embed: replies.codeList(listed), buttons };
}

function parsePage(typed: string): number | null {
  return /^[1-9]\d{0,8}$/.test(typed) ? Number(typed) : null;
}
