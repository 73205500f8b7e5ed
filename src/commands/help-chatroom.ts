import type { Command } from '../bot/command.js';
import * as replies from '../bot/replies.js';

/** `!help_chatroom`: what the bot understands, from the very list of its commands. */
export function helpCommand(commands: readonly Command[], prefix: string): Command {
  return {
    name: 'help_chatroom',
    usage: '',
    summary: 'Show chat room bot help',
    preconditions: [],

    prepare() {
      const fields = commands.map(({ name, usage, summary }) => ({
        name: `${prefix}${name} ${usage}`,
        value: summary,
      }));
      return async ({ claim }) => claim({ to: 'channel', body: replies.help(fields) });
    },
  };
}
