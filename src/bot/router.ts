import { randomBytes } from 'node:crypto';

import type { CodeService } from '../codes/code-service.js';
import type { Log } from '../log.js';
import type { Command } from './command.js';
import { FloodGate } from './flood-gate.js';
import type { ButtonPress, IncomingMessage, MessageBody, PressReply, Reply } from './message.js';
import { parseCommand, splitWords } from './parse.js';
import * as replies from './replies.js';
import { UserError } from './user-error.js';

/** Commands of one member, and presses of buttons: a person who types needs fewer. */
const COMMANDS_A_MINUTE = 10;

/** From a message to the command that it calls, and to one answer at most. Every failure ends here. */
export class Router {
  readonly #commands = new Map<string, Command>();
  readonly #prefix: string;
  readonly #requests: Pick<CodeService, 'claim'>;
  readonly #log: Log;
  readonly #gate: FloodGate;

  constructor(options: {
    readonly commands: readonly Command[];
    readonly prefix: string;
    readonly requests: Pick<CodeService, 'claim'>;
    readonly log: Log;
    readonly clock: () => number;
  }) {
    for (const command of options.commands) {
      if (this.#commands.has(command.name)) throw new Error(`Two commands are named ${command.name}`);
      this.#commands.set(command.name, command);
    }
    this.#prefix = options.prefix;
    this.#requests = options.requests;
    this.#log = options.log;
    this.#gate = new FloodGate({ limit: COMMANDS_A_MINUTE, spanMs: 60_000, clock: options.clock });
  }

  /** @returns `null`: silence, because the message is not ours or was answered before. Never rejects. */
  async handle(message: IncomingMessage): Promise<Reply | null> {
    const parsed = parseCommand(message.text, this.#prefix);
    const command = parsed === null ? undefined : this.#commands.get(parsed.name);
    if (parsed === null || command === undefined) return null;
    const gate = this.#gate.pass(message.author.id);
    if (gate === 'silence') return null;
    try {
      const reply =
        gate === 'pass'
          ? await this.#answer(command, parsed.rest, message)
          : await this.#refuse(message, replies.slowDown(message.author.id, gate));
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
    const gate = this.#gate.pass(press.author.id);
    if (gate === 'silence') return null;
    if (gate !== 'pass') return { kind: 'ephemeral', body: replies.slowDown(press.author.id, gate) };
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
      return this.#refuse(message, replies.userError(error));
    }
    return (await this.#requests.claim(message.id)) ? run() : null;
  }

  async #refuse(message: IncomingMessage, body: MessageBody): Promise<Reply | null> {
    return (await this.#requests.claim(message.id)) ? { to: 'channel', body } : null;
  }

  async #guard(command: Command, work: () => Promise<MessageBody>): Promise<MessageBody> {
    try {
      return await work();
    } catch (error) {
      return this.#report(command, error);
    }
  }

  #report(command: Command, error: unknown): MessageBody {
    if (error instanceof UserError) return replies.userError(error);
    const reference = randomBytes(4).toString('hex');
    this.#log.error({ err: error, reference, command: command.name }, 'A command failed');
    return replies.unexpected(reference);
  }
}
