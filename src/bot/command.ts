import type { Code } from '../codes/code.js';
import type { Log } from '../log.js';
import type { CodeService } from '../services/code-service.js';
import type { Deliveries } from '../services/deliveries.js';
import type { ButtonPress, IncomingMessage, MessageBody } from './message.js';

/** What commands work with. */
export interface CommandParts {
  readonly codes: CodeService;
  readonly deliveries: Deliveries;
  /** Returns whether a user may list and revoke codes of a served server now. */
  readonly isAdministrator: (guildId: string, userId: string) => Promise<boolean>;
  readonly prefix: string;
  readonly websiteUrl: string | null;
  readonly log: Log;
}

/** What a command replies. */
export type Reply =
  | { readonly to: 'channel'; readonly body: MessageBody }
  /** By DM; then a line in the channel. Everything that holds a code. */
  | { readonly to: 'author'; readonly body: MessageBody; readonly channelLine: MessageBody }
  /** A pending code: the delivery sends it and records the result. */
  | { readonly to: 'delivery'; readonly code: Code };

/** What a button does: changes the message that it belongs to, or replies to the person who pressed it, alone. */
export interface ButtonReply {
  readonly kind: 'update' | 'ephemeral';
  readonly body: MessageBody;
}

/** A command is data and a function. It returns its reply and never sends. */
export interface Command {
  /** In lower case, without the prefix. */
  readonly name: string;
  /** For the help: arguments, and who may use it. */
  readonly usage: string;
  readonly summary: string;
  /**
   * Claims the message in the transaction that does the work. Returns `null` for a repeat.
   *
   * @param args what follows the name, as typed: see `splitWords`.
   * @throws {UserError} before anything is claimed.
   */
  run(args: string, message: IncomingMessage): Promise<Reply | null>;
  /** Handles buttons whose ids start with the command's name and a colon. Returns `null` for a repeat. */
  onButton?(argument: string, press: ButtonPress): Promise<ButtonReply | null>;
}
