import type { Command, Reply } from '../bot/command.js';
import { guildOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { IssueRefusal } from '../codes/code.js';
import { parseUsername, type Username } from '../codes/username.js';
import type { CodeService } from '../services/code-service.js';
import type { Deliveries } from '../services/deliveries.js';

/** `!getcode <username>`: a member receives an access code by DM, or by pressing a button. */
export function getcodeCommand(
  codes: Pick<CodeService, 'issue' | 'textOf'>,
  deliveries: Pick<Deliveries, 'show'>,
  prefix: string,
): Command {
  return {
    name: 'getcode',
    usage: '<username>',
    summary: 'Generate an access code for the chat room',
    preconditions: [guildOnly],

    async run(args, { id, guildId, channelId, author }) {
      const username = usernameIn(args, prefix);
      if (guildId === null) throw new UserError('guildOnly', null);
      const request = { id, guildId, channelId, holderId: author.id, holderTag: author.tag, username };
      const issued = await codes.issue(request);
      if (issued === null) return null;
      return 'refusal' in issued ? refused(issued, username, author.id) : { to: 'delivery', code: issued };
    },

    async onButton(codeId, { author }) {
      const code = await deliveries.show(codeId, author.id);
      if (code === 'notYours') return { kind: 'ephemeral', body: replies.notYourButton() };
      if (code === 'gone') return { kind: 'ephemeral', body: replies.codeNotShown(`${prefix}getcode`) };
      return { kind: 'ephemeral', body: replies.accessCode(code, codes.textOf(code)) };
    },
  };
}

function usernameIn([typed, ...more]: readonly string[], prefix: string): Username {
  if (typed === undefined) throw new UserError('missingUsername', { usage: `${prefix}getcode <username>` });
  // A username is never guessed: the code would go to Alice instead of Alice Smith.
  if (more.length > 0) throw new UserError('tooManyWords', { example: `${prefix}getcode "Alice Smith"` });
  const username = parseUsername(typed);
  if (username === null) throw new UserError('invalidUsername', null);
  return username;
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
