import type { DeliveryState } from '../codes/code-service.js';
import type { NewAnswer } from '../codes/code-store.js';
import type { ButtonPress, Delivery, IncomingMessage, MessageBody, PressReply, Reply } from './message.js';
import type { UserError } from './user-error.js';

/** What must hold before a command runs: gives the refusal, or `null`. */
export type Precondition = (message: IncomingMessage) => UserError | null;

/** How a command's answer is stored with the request that it answers, in one transaction. */
export interface Answering {
  /** What to store, where the command itself claims the request. `null`: silence. */
  readonly pack: (reply: Reply | null) => NewAnswer | null;
  /** Claims the request. @returns the reply, or `null` when the request was answered before. */
  readonly claim: (reply: Reply) => Promise<Reply | null>;
}

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
   * Reads the arguments, before anything is claimed or stored, and gives back what will run: it claims the request and
   * stores its answer in the transaction that stores what it does, and gives `null` for a repeat.
   *
   * @throws {UserError} when they are not what the command takes.
   */
  prepare(
    words: readonly string[],
    message: IncomingMessage,
  ): (answering: Answering) => Promise<Reply | null>;

  /** Whether a direct message that this command answered a request with is still to be sent; asked right before. */
  stateOf?(requestId: string): Promise<DeliveryState>;

  /** Hears how its direct message went, perhaps more than once, and says what the channel is told. */
  afterwards?(
    requestId: string,
    delivery: Exclude<Delivery, 'unfinished'>,
    authorId: string,
  ): Promise<MessageBody>;

  /** Answers the press of a button whose id starts with this command's name and a colon. */
  press?(argument: string, press: ButtonPress): Promise<PressReply>;

  /** Hears that the answer to a press showed this; perhaps more than once. */
  shown?(what: string): Promise<void>;
}
