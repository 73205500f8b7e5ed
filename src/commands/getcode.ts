import type { Command } from '../bot/command.js';
import type { Button, Reply } from '../bot/message.js';
import { guildOnly } from '../bot/preconditions.js';
import * as replies from '../bot/replies.js';
import { UserError } from '../bot/user-error.js';
import type { CodeService, IssuedCode, IssueRefusal } from '../codes/code-service.js';
import { parseUsername } from '../codes/username.js';

const NAME = 'getcode';

/** Members who were told that they ask too often, at most: past that the oldest are told once more. */
const MAX_TOLD = 1_000;

type Codes = Pick<
  CodeService,
  'issue' | 'deliver' | 'withdraw' | 'noteUndeliverable' | 'findToShow' | 'stateOf'
>;

/** `!getcode <username>`: a member receives an access code by direct message, or behind a button. */
export function getcodeCommand(codes: Codes, prefix: string): Command {
  /** Until when a member is refused who has been told so: until then, silence. */
  const told = new Map<string, number>();

  return {
    name: NAME,
    usage: '<username>',
    summary: 'Generate an access code for the chat room',
    preconditions: [guildOnly],

    prepare([typed, ...more], { id, guildId, author }) {
      if (typed === undefined)
        throw new UserError('missingUsername', { usage: `${prefix}getcode <username>` });
      // Never guess a name: the code would go to somebody called Alice, not Alice Smith.
      if (more.length > 0) throw new UserError('tooManyWords', { example: `${prefix}getcode "Alice Smith"` });
      const username = parseUsername(typed);
      if (username === null) throw new UserError('unusableUsername', null);
      if (guildId === null) throw new UserError('guildOnly', null);

      const replyTo = (outcome: IssuedCode | IssueRefusal): Reply | null => {
        if (outcome === 'taken') return { to: 'channel', body: replies.usernameTaken(username.text) };
        if ('usernamesHeld' in outcome) {
          return { to: 'channel', body: replies.tooManyUsernames(author.id, outcome.usernamesHeld) };
        }
        if ('limitedUntil' in outcome) {
          const { limitedUntil } = outcome;
          const isTold = (told.get(author.id) ?? 0) >= limitedUntil;
          return isTold ? null : { to: 'channel', body: replies.tooManyCodes(author.id, limitedUntil) };
        }
        return { to: 'author', body: replies.accessCode(outcome) };
      };

      return async ({ pack }) => {
        const request = { id, guildId, holderId: author.id, holderTag: author.tag, username };
        const outcome = await codes.issue(request, (found) => pack(replyTo(found)));
        if (outcome === 'repeated') return null;
        const reply = replyTo(outcome);
        if (typeof outcome === 'object' && 'limitedUntil' in outcome)
          noteTold(author.id, outcome.limitedUntil);
        return reply;
      };
    },

    async stateOf(id) {
      return codes.stateOf(id);
    },

    async afterwards(id, delivery, authorId) {
      if (delivery === 'delivered' || delivery === 'found') {
        return (await codes.deliver(id, delivery))
          ? replies.codeSent(authorId)
          : replies.codeEndedMeanwhile(authorId);
      }
      const lost = replies.directMessageLost(delivery, authorId);
      if (delivery === 'failed') {
        await codes.withdraw(id, 'not sent');
        return lost;
      }
      if (delivery === 'refused') await codes.noteUndeliverable(id);
      const show: Button = { id: `${NAME}:${id}`, label: 'Show my code', disabled: false };
      return { ...lost, buttons: [show] };
    },

    /** `id` is the code's. Shown to its holder alone; active from then on. */
    async press(id, { author }) {
      const code = await codes.findToShow(id, author.id);
      if (code === 'not_yours') return { kind: 'ephemeral', body: replies.notYourButton() };
      if (code === 'gone') return { kind: 'ephemeral', body: replies.buttonTooLate(`${prefix}getcode`) };
      return { kind: 'ephemeral', body: replies.accessCode(code), shows: id };
    },

    async shown(id) {
      await codes.deliver(id, 'shown');
    },
  };

  function noteTold(memberId: string, until: number): void {
    told.delete(memberId);
    told.set(memberId, until);
    for (const oldest of told.keys()) {
      if (told.size <= MAX_TOLD) break;
      told.delete(oldest);
    }
  }
}
