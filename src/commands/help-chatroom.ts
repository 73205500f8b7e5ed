import type { Command } from '../bot/command.js';
import * as replies from '../bot/replies.js';
import type { CodeService } from '../services/code-service.js';

/** `!help_chatroom`: lists the commands. */
export function helpCommand(
  commands: readonly Command[],
  codes: Pick<CodeService, 'claim'>,
  prefix: string,
): Command {
  return {
    name: 'help_chatroom',
    usage: '',
    summary: 'Show chat room bot help',
    preconditions: [],

    async run(_args, { id }) {
      const fields = commands.map(({ name, usage, summary }) => ({
        name: `${prefix}${name} ${usage}`,
        value: summary,
      }));
      return (await codes.claim(id)) ? { to: 'channel', body: replies.help(fields) } : null;
    },
  };
}
