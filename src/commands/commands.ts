import type { Command, CommandParts } from '../bot/command.js';
import { codesCommand } from './codes.js';
import { getcodeCommand } from './getcode.js';
import { helpCommand } from './help-chatroom.js';
import { revokeCommand } from './revoke.js';

/** Returns every command. To add one, add a file beside this one and a line here. */
export function createCommands(parts: CommandParts): Command[] {
  const commands = [getcodeCommand(parts), codesCommand(parts), revokeCommand(parts)];
  return [...commands, helpCommand(commands, parts)];
}
