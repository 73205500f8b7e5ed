import { randomBytes } from 'node:crypto';

import type { CodeService } from '../codes/code-service.js';
import type { Log } from '../log.js';
import type { Command } from './command.js';
import type { ButtonPress, IncomingMessage, PressReply, Reply } from './message.js';
import { parseCommand, splitWords } from './parse.js';
import * as replies from './replies.js';
import { UserError } from './user-error.js';

/** From a message to the command that it calls, and to one answer at most. Every failure ends here. */
export class Router {
  readonly #commands = new Map<string, Command>();
  readonly #prefix: string;
  readonly #requests: Pick<CodeService, 'claim'>;
  readonly #log: Log;

  constructor(options: {
    readonly commands: readonly Command[];
    readonly prefix: string;
    readonly requests: Pick<CodeService, 'claim'>;
    readonly log: Log;
  }) {
    for (const command of options.commands) {
      if (this.#commands.has(command.name)) throw new Error(`Two commands are named ${command.name}`);
      this.#commands.set(command.name, command);
    }
    this.#prefix = options.prefix;
    this.#requests = options.requests;
    this.#log = options.log;
  }

  /** @returns `null`: silence, because the message is not ours or was answered before. Never rejects. */
  async handle(message: IncomingMessage): Promise<Reply | null> {
    const parsed = parseCommand(message.text, this.#prefix);
    const command = parsed === null ? undefined : this.#commands.get(parsed.name);
    if (parsed === null || command === undefined) return null;
    try {
      const reply = await this.#answer(command, parsed.rest, message);
      if (reply?.to !== 'author') return reply;
      return { ...reply, afterwards: (delivery) => this.#guard(command, () => reply.afterwards(delivery)) };
    } catch (error) {
      return { to: 'channel', body: this.#report(command, error) };
    }
  }

  /** @returns `null` when the button is none of ours. Never rejects. */
  async press(press: ButtonPress): Promise<PressReply | null> {
    const [name = '', ...argument] = press.buttonId.split(':');
    const command = this.#commands.get(name);
    if (command?.press === undefined) return null;
    try {
      return await command.press(argument.join(':'), press);
    } catch (error) {
      return { kind: 'ephemeral', body: this.#report(command, error) };
    }
  }

  async #answer(command: Command, rest: string, message: IncomingMessage): Promise<Reply | null> {
    let run: () => Promise<Reply | null>;
    try {
      // Permission comes before arguments: nobody learns how to use what they may not.
      for (const precondition of command.preconditions) {
        const refusal = precondition(message);
        if (refusal !== null) throw refusal;
      }
      run = command.prepare(splitWords(rest), message);
      if (command.claims) return await run();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      run = async () => ({ to: 'channel', body: replies.userError(error) });
    }
    return (await this.#requests.claim(message.id)) ? run() : null;
  }

  async #guard<T>(
    command: Command,
    work: () => Promise<T>,
  ): Promise<T | ReturnType<typeof replies.unexpected>> {
    try {
      return await work();
    } catch (error) {
      return this.#report(command, error);
    }
  }

  #report(command: Command, error: unknown): ReturnType<typeof replies.unexpected> {
    if (error instanceof UserError) return replies.userError(error);
    const reference = randomBytes(4).toString('hex');
    this.#log.error({ err: error, reference, command: command.name }, 'A command failed');
    return replies.unexpected(reference);
  }
}
