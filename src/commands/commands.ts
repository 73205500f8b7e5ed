import type { Command } from '../bot/command.js';
import type { CodeService } from '../codes/code-service.js';
import { codesCommand, type IsAdministrator } from './codes.js';
import { getcodeCommand } from './getcode.js';
import { helpCommand } from './help-chatroom.js';
import { revokeCommand } from './revoke.js';

/** Everything that the bot understands. A new command is a file beside this one and a line here. */
export function createCommands(options: {
  readonly codes: CodeService;
  readonly isAdministrator: IsAdministrator;
  readonly prefix: string;
}): Command[] {
  const { codes, isAdministrator, prefix } = options;
  const commands = [
    getcodeCommand(codes, prefix),
    codesCommand(codes, isAdministrator, prefix),
    revokeCommand(codes, prefix),
  ];
  return [...commands, helpCommand(commands, prefix)];
}
