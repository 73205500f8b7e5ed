import type { UserError } from './user-error.js';
import type { ButtonPress, IncomingMessage, PressReply, Reply } from './message.js';

/** What must hold before a command runs: gives the refusal, or `null`. */
export type Precondition = (message: IncomingMessage) => UserError | null;

/** A command is data and one function; it returns what to say and never sends. */
export interface Command {
  /** As people type it, in small letters, without prefix. */
  readonly name: string;
  /** Its line in the help: arguments and who may use it, e.g. `<code> (Admin)`. Empty when there are none. */
  readonly usage: string;
  readonly summary: string;
  /** In this order; the first refusal counts. */
  readonly preconditions: readonly Precondition[];

  /**
   * Whether what {@link prepare} returns itself claims the message id, in the transaction that stores what it does, and
   * returns `null` for a repeat. For the other commands the router claims it.
   */
  readonly claims: boolean;

  /**
   * Reads the arguments, before anything is claimed or stored, and gives back what will run.
   *
   * @throws {UserError} when they are not what the command takes.
   */
  prepare(words: readonly string[], message: IncomingMessage): () => Promise<Reply | null>;

  /** Answers the press of a button whose id starts with this command's name and a colon. */
  press?(argument: string, press: ButtonPress): Promise<PressReply>;
}
