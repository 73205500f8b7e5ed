import type { Command, CommandParts } from '../bot/command.js';
import * as replies from '../bot/replies.js';

/** `!help_chatroom`: lists the commands. */
export function helpCommand(commands: readonly Command[], { codes, prefix }: CommandParts): Command {
  return {
    name: 'help_chatroom',
    usage: '',
    summary: 'Show chat room bot help',

    async run(_args, { id }) {
      const fields = commands.map(({ name, usage, summary }) => ({
        name: `${prefix}${name} ${usage}`,
        value: summary,
      }));
      return (await codes.claim(id)) ? { to: 'channel', body: replies.help(fields) } : null;
    },
  };
}
