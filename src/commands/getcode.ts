import type { Command, CommandParts, Reply } from '../bot/command.js';
import { describeCode } from '../bot/delivery.js';
import { parseMention, splitWords } from '../bot/parse.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { IssueRefusal } from '../codes/code.js';
import { parseUsername, usernameFault, withoutFullStops, type Username } from '../codes/username.js';

/** `!getcode <username>`: a member receives an access code by DM, or by pressing a button. */
export function getcodeCommand({ codes, deliveries, prefix, websiteUrl, log }: CommandParts): Command {
  return {
    name: 'getcode',
    usage: '<username>',
    summary: 'Generate an access code for the chat room',

    async run(args, message) {
      const { id, guildId, channelId, author } = message;
      if (guildId === null) throw new UserError(replies.refusals.guildOnly());
      if (!message.authorMayGetCodes) throw new UserError(replies.refusals.roleMissing());
      const username = usernameIn(splitWords(args), prefix);
      const request = { id, guildId, channelId, holderId: author.id, holderTag: author.tag, username };
      const issued = await codes.issue(request);
      if (issued === null) return null;
      if ('refusal' in issued) {
        const asked = { username: username.text, member: author.tag, memberId: author.id };
        log.info({ ...asked, refusal: issued.refusal }, 'Refused a code');
        return refused(issued, username, author.id);
      }
      log.info(describeCode(issued), 'Issued a code');
      return { to: 'delivery', code: issued };
    },

    /** The code was issued: the member may see it, also after losing the role. */
    async onButton(codeId, { author }) {
      const code = await deliveries.show(codeId, author.id);
      if (code === 'notYours') return { kind: 'ephemeral', body: replies.notYourButton() };
      if (code === 'gone') return { kind: 'ephemeral', body: replies.codeNotShown(`${prefix}getcode`) };
      log.info(describeCode(code), 'Showed a code');
      return { kind: 'ephemeral', body: replies.accessCode(code, codes.textOf(code), websiteUrl) };
    },
  };
}

function usernameIn([typed, ...more]: readonly string[], prefix: string): Username {
  if (typed === undefined)
    throw new UserError(replies.refusals.missingUsername(`${prefix}getcode <username>`));
  // Otherwise Alice Smith would get a code for Alice.
  if (more.length > 0) throw new UserError(replies.refusals.tooManyWords(`${prefix}getcode "Alice Smith"`));
  // Some keyboards type a letter and its accent apart.
  const text = withoutFullStops(typed.trim().normalize('NFC'));
  const username = parseUsername(text);
  if (username !== null) return username;
  const bare = parseMention(text) === null ? text.replaceAll(/^[<@`*]+|[.>`*]+$/g, '') : 'Alice';
  if (parseUsername(bare) !== null) throw new UserError(replies.refusals.decorated(bare));
  throw new UserError(replies.refusals.invalidUsername(usernameFault(text) ?? 'empty'));
}

function refused(refusal: IssueRefusal, { text }: Username, authorId: string): Reply {
  switch (refusal.refusal) {
    case 'reserved':
      return { to: 'channel', body: replies.usernameReserved(text) };
    case 'taken':
      return { to: 'channel', body: replies.usernameTaken(text) };
    case 'tooManyCodes':
      return { to: 'channel', body: replies.tooManyCodes(authorId, refusal.until) };
    case 'tooManyUsernames':
      return { to: 'channel', body: replies.tooManyUsernames(authorId, refusal.usernames) };
  }
}
