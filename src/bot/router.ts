import { randomBytes } from 'node:crypto';

import type { Log } from '../log.js';
import type { CodeService } from '../services/code-service.js';
import { StorageError } from '../storage/storage-error.js';
import type { ButtonReply, Command, Reply } from './command.js';
import type { FloodGate } from './flood-gate.js';
import type { ButtonPress, IncomingMessage, MessageBody } from './message.js';
import { parseCommand } from './parse.js';
import * as replies from './replies.js';
import { UserError } from './user-error.js';

export interface RouterOptions {
  readonly commands: readonly Command[];
  readonly prefix: string;
  readonly codes: Pick<CodeService, 'claim'>;
  readonly gate: FloodGate;
  readonly log: Log;
}

/**
 * Finds the command of a message or button press and runs it. Never rejects.
 *
 * A `UserError` is replied with its sentence, an outage of the database with "try again later", and any other error
 * with a reference under which it is logged.
 */
export class Router {
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#commands = new Map(options.commands.map((command) => [command.name, command]));
    this.#options = options;
  }

  /** Returns `null` for a message that is not a command, and for a repeat. */
  async handle(message: IncomingMessage): Promise<Reply | null> {
    const parsed = parseCommand(message.text, this.#options.prefix);
    const command = parsed === null ? undefined : this.#commands.get(parsed.name);
    if (parsed === null || command === undefined) return null;
    const gate = this.#options.gate.pass(message.author.id);
    if (gate === 'silence') return null;
    try {
      if (gate !== 'pass') return await this.#refuse(message, replies.slowDown(message.author.id, gate));
      return await command.run(parsed.rest, message);
    } catch (error) {
      if (error instanceof UserError) return this.#refuse(message, { content: error.message });
      return { to: 'channel', body: this.#describe(command, error) };
    }
  }

  /** Returns `null` for a button of another program. */
  async press(press: ButtonPress): Promise<ButtonReply | null> {
    const [name = '', ...argument] = press.buttonId.split(':');
    const command = this.#commands.get(name);
    if (command?.onButton === undefined) return null;
    const gate = this.#options.gate.pass(press.author.id);
    if (gate === 'silence') return null;
    if (gate !== 'pass') return { kind: 'ephemeral', body: replies.slowDown(press.author.id, gate) };
    try {
      return await command.onButton(argument.join(':'), press);
    } catch (error) {
      const body = error instanceof UserError ? { content: error.message } : this.#describe(command, error);
      return { kind: 'ephemeral', body };
    }
  }

  /** While the database cannot be reached, two bots may both refuse; Discord drops the second by its nonce. */
  async #refuse(message: IncomingMessage, body: MessageBody): Promise<Reply | null> {
    const isFirst = await this.#options.codes.claim(message.id).catch(() => true);
    return isFirst ? { to: 'channel', body } : null;
  }

  #describe(command: Command, error: unknown): MessageBody {
    if (error instanceof StorageError) return replies.databaseOutage();
    const reference = randomBytes(4).toString('hex');
    this.#options.log.error({ err: error, reference, command: command.name }, 'Could not run a command');
    return replies.unexpected(reference);
  }
}
