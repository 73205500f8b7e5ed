import type { Command } from '../bot/command.js';
import type { CodeService } from '../services/code-service.js';
import type { Deliveries } from '../services/deliveries.js';
import { codesCommand, type IsAdministrator } from './codes.js';
import { getcodeCommand } from './getcode.js';
import { helpCommand } from './help-chatroom.js';
import { revokeCommand } from './revoke.js';

/** Returns every command. To add one, add a file beside this one and a line here. */
export function createCommands(options: {
  readonly codes: CodeService;
  readonly deliveries: Deliveries;
  readonly isAdministrator: IsAdministrator;
  readonly prefix: string;
}): Command[] {
  const { codes, deliveries, isAdministrator, prefix } = options;
  const commands = [
    getcodeCommand(codes, deliveries, prefix),
    codesCommand(codes, isAdministrator, prefix),
    revokeCommand(codes, prefix),
  ];
  return [...commands, helpCommand(commands, codes, prefix)];
}
