import { statusOf, type Code, type CodeStatus } from '../codes/code.js';
import type { Log } from '../log.js';
import type { CodeService } from '../services/code-service.js';
import type { Deliveries } from '../services/deliveries.js';
import { StorageError } from '../storage/storage-error.js';
import type { Reply } from './command.js';
import type { IncomingMessage, MessageBody, SendResult } from './message.js';
import * as replies from './replies.js';

/** Discord recognizes a nonce for "a few minutes" (its documentation). */
export const NONCE_MEMORY_MS = 120_000;

/**
 * Sends messages. Repeats with the same nonce (at most 25 characters) within {@link NONCE_MEMORY_MS} are one message.
 *
 * @throws {StoppedError} while the result is unknown.
 */
export interface Messenger {
  toUser(userId: string, body: MessageBody, nonce: string): Promise<SendResult>;
  /** @param askerId gets a message that Discord rejects by DM; `null`: nobody does. */
  toChannel(channelId: string, body: MessageBody, nonce: string, askerId: string | null): Promise<SendResult>;
}

/** Statuses of a code whose DM counts as delivered. */
const DELIVERED_STATUSES: ReadonlySet<CodeStatus> = new Set(['active', 'used_up', 'suspended', 'replaced']);

/** The bot is stopping: another process, or the next start, finishes the delivery. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
}

export interface DeliveryOptions {
  readonly codes: Pick<CodeService, 'textOf'>;
  readonly deliveries: Deliveries;
  readonly messenger: Messenger;
  readonly prefix: string;
  readonly websiteUrl: string | null;
  readonly clock: () => number;
  readonly log: Log;
}

/**
 * Sends replies. A code's row is the queue of its delivery: a row without `acknowledgedAt` is unfinished, and any
 * process can finish it. See docs/architecture.md.
 */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #deliveries: Deliveries;
  readonly #messenger: Messenger;
  /** Ids of the codes that this process is delivering. */
  readonly #inFlight = new Set<string>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#deliveries = options.deliveries;
    this.#messenger = options.messenger;
  }

  async send({ id, channelId, author }: IncomingMessage, reply: Reply): Promise<void> {
    if (reply.to === 'delivery') return this.deliver(reply.code);
    let line = reply.body;
    let askerId: string | null = author.id;
    if (reply.to === 'author') {
      const result = await this.#messenger.toUser(author.id, reply.body, id);
      line = result === 'sent' ? reply.channelLine : replies.directMessageNotSent(result, author.id);
      if (result === 'sent') askerId = null;
    }
    await this.#messenger.toChannel(channelId, line, ackNonce(id), askerId);
  }

  /** Delivers a fresh or a recovered code. If the database fails, the next recovery tries again. Never rejects. */
  async deliver(code: Code): Promise<void> {
    if (this.#inFlight.has(code.id)) return;
    this.#inFlight.add(code.id);
    try {
      await this.#deliver(code);
    } catch (error) {
      if (error instanceof StorageError || error instanceof StoppedError) return;
      this.#options.log.error({ err: error, codeId: code.id }, 'Could not deliver a code');
    } finally {
      this.#inFlight.delete(code.id);
    }
  }

  /** Tells the owner of a server that the bot joined what to do next. Never rejects. */
  async welcome(ownerId: string, guildId: string, guildName: string): Promise<void> {
    const { prefix, log } = this.#options;
    const body = replies.welcome(guildName, prefix);
    const result = await this.#messenger.toUser(ownerId, body, `join-${guildId}`).catch(() => 'unknown');
    if (result !== 'sent') log.info({ guildId, result }, 'Could not send a DM to the owner of the server');
  }

  /** Keeps other processes from claiming the deliveries of this one. Called every 15 seconds. */
  async renew(): Promise<void> {
    await this.#deliveries.renew([...this.#inFlight]);
  }

  /** Finishes deliveries of processes that ended. Called every 15 seconds, unless it is still in progress. */
  async recover(): Promise<void> {
    const codes = await this.#deliveries.claimUnfinished();
    if (codes.length > 0) this.#options.log.info({ codes: codes.length }, 'Finishing interrupted deliveries');
    await Promise.all(codes.map(async (code) => this.deliver(code)));
  }

  async #deliver(code: Code): Promise<void> {
    const { id, holderId, channelId } = code;
    const wasDelivered = code.deliveredAt !== null;
    const success = replies.codeSent(holderId);
    const line = wasDelivered ? success : await this.#sendCode(code, success);
    // The line may have been sent before, and Discord may have forgotten its nonce.
    const isRepeat = wasDelivered && this.#options.clock() > code.issuedAt + NONCE_MEMORY_MS;
    if (line !== null && !isRepeat) {
      const result = await this.#messenger.toChannel(
        channelId,
        line,
        ackNonce(id),
        line === success ? null : holderId,
      );
      // Discord cannot be reached: the next recovery tries again.
      if (result === 'unknown') return;
    }
    await this.#deliveries.markAcknowledged(id);
  }

  /** Sends the DM of a pending code. Returns the line for the channel, `success` if its holder has it; `null`: none. */
  async #sendCode(code: Code, success: MessageBody): Promise<MessageBody | null> {
    const { id, holderId } = code;
    const status = statusOf(code, this.#options.clock());
    // It ended while its server was not served.
    if (code.suspendedAt !== null) return null;
    if (status !== 'pending') return this.#codeEnded(holderId);
    const body = replies.accessCode(code, this.#options.codes.textOf(code), this.#options.websiteUrl);
    const result = await this.#messenger.toUser(holderId, body, id);
    switch (result) {
      case 'sent': {
        const delivered = await this.#deliveries.markDelivered(id);
        const isDelivered = delivered !== null && DELIVERED_STATUSES.has(delivered);
        if (isDelivered) this.#options.log.info(describeCode(code), 'Delivered a code');
        return isDelivered ? success : this.#codeEnded(holderId);
      }
      case 'failed':
        await this.#deliveries.withdraw(id);
        return replies.directMessageNotSent(result, holderId);
      case 'refused':
      case 'delayed':
      case 'unknown':
        return {
          ...replies.codeNotSent(result, holderId),
          buttons: [{ id: `getcode:${id}`, label: 'Show my code', disabled: false }],
        };
    }
  }

  #codeEnded(holderId: string): MessageBody {
    return replies.codeEnded(holderId, `${this.#options.prefix}getcode`);
  }
}

/** For the log: who got which username. */
export function describeCode({ username, holderId, holderTag }: Code): object {
  return { username, member: holderTag, memberId: holderId };
}

function ackNonce(messageId: string): string {
  return `${messageId}-ack`;
}
