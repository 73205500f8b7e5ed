import { randomBytes } from 'node:crypto';

import type { CodeService } from '../codes/code-service.js';
import { StoreOutage } from '../codes/code-store.js';
import type { Log } from '../log.js';
import type { Answering, Command } from './command.js';
import { FloodGate } from './flood-gate.js';
import type { ButtonPress, IncomingMessage, PressReply, Reply } from './message.js';
import type { Outbox } from './outbox.js';
import { parseCommand, splitWords } from './parse.js';
import * as replies from './replies.js';
import { UserError } from './user-error.js';

/** Commands of one member, and presses of buttons: a person who types needs fewer. */
const COMMANDS_A_MINUTE = 10;

/** What a message is answered with, and by which command. */
export interface Answered {
  readonly command: string;
  readonly reply: Reply;
  /** Whether it is stored with the message. What tells of a failure is not. */
  readonly isStored: boolean;
}

/** What a press is answered with, and by which command. */
export interface PressAnswered {
  readonly command: string;
  readonly reply: PressReply;
}

/** From a message to the command that it calls, and to one answer at most. Every failure ends here. */
export class Router {
  readonly #commands = new Map<string, Command>();
  readonly #prefix: string;
  readonly #requests: Pick<CodeService, 'claim'>;
  readonly #outbox: Pick<Outbox, 'pack' | 'keep'>;
  readonly #log: Log;
  readonly #gate: FloodGate;

  constructor(options: {
    readonly commands: readonly Command[];
    readonly prefix: string;
    readonly requests: Pick<CodeService, 'claim'>;
    readonly outbox: Pick<Outbox, 'pack' | 'keep'>;
    readonly log: Log;
    readonly clock: () => number;
  }) {
    for (const command of options.commands) {
      if (this.#commands.has(command.name)) throw new Error(`Two commands are named ${command.name}`);
      this.#commands.set(command.name, command);
    }
    this.#prefix = options.prefix;
    this.#requests = options.requests;
    this.#outbox = options.outbox;
    this.#log = options.log;
    this.#gate = new FloodGate({ limit: COMMANDS_A_MINUTE, spanMs: 60_000, clock: options.clock });
  }

  /** @returns `null`: silence, because the message is not ours or was answered before. Never rejects. */
  async handle(message: IncomingMessage): Promise<Answered | null> {
    const parsed = parseCommand(message.text, this.#prefix);
    const command = parsed === null ? undefined : this.#commands.get(parsed.name);
    if (parsed === null || command === undefined) return null;
    const gate = this.#gate.pass(message.author.id, message.id);
    if (gate === 'silence') return null;
    const answering: Answering = {
      pack: (reply) => (reply === null ? null : this.#outbox.pack(message, command.name, reply)),
      claim: async (reply) =>
        (await this.#requests.claim(message.id, answering.pack(reply))) ? reply : null,
    };
    try {
      const reply =
        gate === 'pass'
          ? await this.#answer(command, parsed.rest, message, answering)
          : await answering.claim({ to: 'channel', body: replies.slowDown(message.author.id, gate) });
      return reply === null ? null : { command: command.name, reply, isStored: true };
    } catch (error) {
      const reply: Reply = { to: 'channel', body: this.#report(command, error) };
      return { command: command.name, reply, isStored: false };
    }
  }

  /** @returns `null` when the button is none of ours. Never rejects. */
  async press(press: ButtonPress): Promise<PressAnswered | null> {
    const [name = '', ...argument] = press.buttonId.split(':');
    const command = this.#commands.get(name);
    if (command?.press === undefined) return null;
    const gate = this.#gate.pass(press.author.id, press.token);
    if (gate === 'silence') return null;
    return { command: name, reply: await this.#pressReply(command, argument.join(':'), press, gate) };
  }

  async #pressReply(
    command: Command,
    argument: string,
    press: ButtonPress,
    gate: 'pass' | number,
  ): Promise<PressReply> {
    if (gate !== 'pass') return { kind: 'ephemeral', body: replies.slowDown(press.author.id, gate) };
    try {
      const reply = await command.press?.(argument, press);
      if (reply === undefined) throw new Error(`${command.name} has no button`);
      if (reply.shows !== undefined) await this.#outbox.keep(press, command.name, reply.shows);
      return reply;
    } catch (error) {
      return { kind: 'ephemeral', body: this.#report(command, error) };
    }
  }

  async #answer(
    command: Command,
    rest: string,
    message: IncomingMessage,
    answering: Answering,
  ): Promise<Reply | null> {
    let run: ReturnType<Command['prepare']>;
    try {
      // Permission comes before arguments: nobody learns how to use what they may not.
      for (const precondition of command.preconditions) {
        const refusal = precondition(message);
        if (refusal !== null) throw refusal;
      }
      run = command.prepare(splitWords(rest), message);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return answering.claim({ to: 'channel', body: replies.userError(error) });
    }
    return run(answering);
  }

  #report(command: Command, error: unknown): Reply['body'] {
    if (error instanceof UserError) return replies.userError(error);
    if (error instanceof StoreOutage) {
      // The storage has said in the log what is wrong, once: not each member adds a line.
      this.#log.debug({ err: error, command: command.name }, 'A command found the database out of reach');
      return replies.storeOutage();
    }
    const reference = randomBytes(4).toString('hex');
    this.#log.error({ err: error, reference, command: command.name }, 'A command failed');
    return replies.unexpected(reference);
  }
}
