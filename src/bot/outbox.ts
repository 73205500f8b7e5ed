import type { CodeKeys } from '../codes/code-keys.js';
import {
  PRESS,
  StoreOutage,
  type CodeStore,
  type NewAnswer,
  type PendingAnswer,
} from '../codes/code-store.js';
import type { Log } from '../log.js';
import type { Command } from './command.js';
import type { ButtonPress, Delivery, IncomingMessage, MessageBody, Reply } from './message.js';
import * as replies from './replies.js';

/**
 * How long an answer is one process's own. It is renewed three times as often; when the process dies, another one
 * takes it over after so long.
 */
const LEASE_MS = 15_000;

/** So many answers of the dead are taken over at a time. */
const BATCH = 50;

/** Whoever asked so long ago is asked to ask again: nobody waits for that direct message any more. */
const MAX_AGE_MS = 30 * 60_000;

/** Answers that were sent are forgotten together after so long: each by itself would cost the next one a commit. */
const FORGET_MS = 50;

/** Sends what it is told to, and tells what became of it. */
export interface Messenger {
  /** @param nonce by which Discord knows a repeat for some minutes. */
  toChannel(channelId: string, body: MessageBody, nonce: string): Promise<Delivery>;
  /** @param onDelay hears, at most once, that it takes longer. */
  toUser(userId: string, body: MessageBody, nonce: string, onDelay: () => void): Promise<Delivery>;
  /** Whether this user has a message with this very content from the bot that is younger than the request. */
  hasMessage(userId: string, content: string, requestId: string): Promise<boolean | 'unfinished'>;
  /** Whether the press with this token was answered; `unfinished`: it could not be told. */
  wasAnswered(token: string): Promise<boolean | 'unfinished'>;
}

type Store = Pick<
  CodeStore,
  'keepAnswer' | 'takeAnswers' | 'renewAnswers' | 'releaseAnswers' | 'finishAnswers'
>;

/** What is needed of an answer to send it. */
type Outgoing = Omit<PendingAnswer, 'sealedBody'> & {
  /** `null`: it is known to be delivered. `damaged`: nobody can read any more what it said. */
  readonly body: MessageBody | null | 'damaged';
};

/**
 * Every answer is stored with the request that it answers, and forgotten when it is sent: what a process that
 * died left unfinished, another one finishes. A repeat is no second answer: each message's nonce is made from the
 * request's id. Each has its own: Discord compares author and nonce, and does not say that it asks for the channel.
 */
export class Outbox {
  readonly #store: Store;
  readonly #keys: Pick<CodeKeys, 'seal' | 'open'>;
  readonly #commands = new Map<string, Command>();
  readonly #messenger: Messenger;
  readonly #owner: string;
  readonly #clock: () => number;
  readonly #log: Pick<Log, 'debug' | 'info' | 'error'>;
  /** By request: what this process is sending. */
  readonly #underWay = new Map<string, Promise<void>>();
  /** Sent, and still stored. */
  readonly #sent: string[] = [];
  #forgetting: NodeJS.Timeout | null = null;
  /** Resolves when no answer is being forgotten. */
  #forgotten: Promise<void> = Promise.resolve();
  #stopped = false;

  /** @param options.owner names this process among all that ever share the database. */
  constructor(options: {
    readonly store: Store;
    readonly keys: Pick<CodeKeys, 'seal' | 'open'>;
    readonly commands: readonly Command[];
    readonly messenger: Messenger;
    readonly owner: string;
    readonly clock: () => number;
    readonly log: Pick<Log, 'debug' | 'info' | 'error'>;
  }) {
    this.#store = options.store;
    this.#keys = options.keys;
    for (const command of options.commands) this.#commands.set(command.name, command);
    this.#messenger = options.messenger;
    this.#owner = options.owner;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** What is stored with the request; to be sent by {@link send}. */
  pack({ id, channelId, author }: IncomingMessage, command: string, reply: Reply): NewAnswer {
    return {
      command,
      channelId,
      authorId: author.id,
      to: reply.to,
      sealedBody: this.#keys.seal(JSON.stringify(reply.body), sealName(id)),
      owner: this.#owner,
      leasedUntil: this.#clock() + LEASE_MS,
    };
  }

  /** Sends an answer that was just stored. Never rejects. */
  async send(
    { id, channelId, author }: IncomingMessage,
    command: string,
    { to, body }: Reply,
  ): Promise<void> {
    const receivedAt = this.#clock();
    const answer = { requestId: id, command, channelId, authorId: author.id, to, body, receivedAt };
    await this.#track(id, command, async () => this.#finish(answer));
  }

  /** Remembers that a press is about to be answered, so that what it shows counts as shown whatever happens. */
  async keep({ token, channelId, author }: ButtonPress, command: string, what: string): Promise<void> {
    const id = PRESS + what;
    const now = this.#clock();
    await this.#store.keepAnswer(
      id,
      {
        command,
        channelId,
        authorId: author.id,
        to: 'press',
        sealedBody: this.#keys.seal(token, sealName(id)),
        owner: this.#owner,
        leasedUntil: now + LEASE_MS,
      },
      now,
    );
  }

  /** Answers a press that was kept. Never rejects. */
  async show(command: string, what: string, answer: () => Promise<boolean | 'unfinished'>): Promise<void> {
    await this.#track(PRESS + what, command, async () => this.#noteShown(command, what, answer));
  }

  /** Tells of a failure. The answer to the same request may be stored, and be given by somebody. */
  async sendFailure({ id, channelId }: IncomingMessage, body: MessageBody): Promise<void> {
    await this.#messenger.toChannel(channelId, body, `${id}.fail`);
  }

  /** Keeps what is this process's own, and begins to finish what others left. To be called every {@link LEASE_MS} / 3. */
  async tend(): Promise<void> {
    if (this.#stopped) return;
    const now = this.#clock();
    await this.#forgetSent();
    const leasedUntil = now + LEASE_MS;
    // Not what was tried in vain: somebody tries that again when its lease is over.
    const requestIds = [...this.#underWay.keys()];
    if (requestIds.length > 0) await this.#store.renewAnswers(this.#owner, requestIds, leasedUntil);
    const left = await this.#store.takeAnswers(this.#owner, now, leasedUntil, BATCH);
    for (const { sealedBody, ...answer } of left) {
      if (this.#underWay.has(answer.requestId) || this.#sent.includes(answer.requestId)) continue;
      const { requestId, command } = answer;
      this.#log.info({ requestId, command }, 'Finishing an answer that was left unfinished');
      void this.#track(requestId, command, async () => this.#resume(answer, sealedBody));
    }
  }

  /** Resolves when nothing is being sent. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values());
    await this.#forgetSent();
  }

  /** Takes nothing over any more, and leaves what is unfinished to others at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#forgetSent();
    await this.#store.releaseAnswers(this.#owner, this.#clock());
  }

  async #track(requestId: string, command: string, finish: () => Promise<void>): Promise<void> {
    const work = finish()
      // It stays stored: when the lease is over, somebody tries again.
      .catch((err: unknown) => {
        // The storage has said in the log what is wrong, once.
        const level = err instanceof StoreOutage ? 'debug' : 'error';
        this.#log[level]({ err, requestId, command }, 'An answer was not finished');
      })
      .finally(() => this.#underWay.delete(requestId));
    this.#underWay.set(requestId, work);
    await work;
  }

  async #resume(answer: Omit<Outgoing, 'body'>, sealedBody: string | null): Promise<void> {
    const { requestId, command, to } = answer;
    const opened = sealedBody === null ? null : this.#open(requestId, sealedBody);
    if (to === 'press') {
      const what = requestId.slice(PRESS.length);
      await this.#noteShown(command, what, async () =>
        opened === null ? false : this.#messenger.wasAnswered(opened),
      );
      return;
    }
    // Sealed by this program, and by nobody else: the key says so.
    const body: MessageBody | null = opened === null ? null : JSON.parse(opened);
    // By now Discord may have forgotten the nonce: what has arrived is not sent again, nor taken back.
    const hasArrived = to === 'author' && (await this.#hasArrived(answer, body));
    if (hasArrived === 'unfinished') return;
    const isDamaged = sealedBody !== null && body === null;
    await this.#finish({ ...answer, body: isDamaged ? 'damaged' : hasArrived ? null : body });
  }

  async #hasArrived(
    { authorId, requestId }: Omit<Outgoing, 'body'>,
    body: MessageBody | null,
  ): Promise<boolean | 'unfinished'> {
    // Only what holds a code is told from all other messages by its content.
    return body?.content === undefined
      ? false
      : this.#messenger.hasMessage(authorId, body.content, requestId);
  }

  /** @returns `null` when it is damaged: one row must not keep those that come after it. */
  #open(requestId: string, sealedBody: string): string | null {
    try {
      return this.#keys.open(sealedBody, sealName(requestId));
    } catch (err) {
      this.#log.error({ err, requestId }, 'A stored answer is damaged');
      return null;
    }
  }

  async #noteShown(
    command: string,
    what: string,
    wasAnswered: () => Promise<boolean | 'unfinished'>,
  ): Promise<void> {
    const answered = await wasAnswered();
    if (answered === 'unfinished') return;
    if (answered) await this.#commands.get(command)?.shown?.(what);
    this.#forget(PRESS + what);
  }

  async #finish(answer: Outgoing): Promise<void> {
    const { requestId, channelId, to } = answer;
    const body = to === 'author' ? await this.#tellAuthor(answer) : answer.body;
    if (body === 'unfinished') return;
    if (body !== null && body !== 'damaged') {
      const told = await this.#messenger.toChannel(channelId, body, `${requestId}.told`);
      // What may not have been heard is said again: when the lease is over, for as long as it matters.
      const isOver = told !== 'unknown' || this.#isTooOld(answer);
      if (told === 'unfinished' || !isOver) return;
    }
    this.#forget(requestId);
  }

  #forget(requestId: string): void {
    this.#sent.push(requestId);
    this.#forgetting ??= setTimeout(() => void this.#forgetSent(), FORGET_MS);
  }

  /** Whoever dies before it sends an answer again, which Discord knows by its nonce. */
  async #forgetSent(): Promise<void> {
    if (this.#forgetting !== null) clearTimeout(this.#forgetting);
    this.#forgetting = null;
    // One after the other: whoever waits for this waits for what the timer has begun, too.
    this.#forgotten = this.#forgotten.then(async () => this.#finishSent());
    await this.#forgotten;
  }

  async #finishSent(): Promise<void> {
    const sent = this.#sent.splice(0);
    if (sent.length === 0) return;
    try {
      await this.#store.finishAnswers(sent);
    } catch (err) {
      this.#sent.push(...sent);
      this.#log.debug({ err }, 'Answers that were sent are still stored');
    }
  }

  /** @returns what the channel is told. */
  async #tellAuthor(answer: Outgoing): Promise<MessageBody | null | 'unfinished'> {
    const { requestId, authorId } = answer;
    const command = this.#commands.get(answer.command);
    if (command?.afterwards === undefined) return null;
    const delivery = await this.#deliver(answer, command);
    return delivery === 'unfinished' ? delivery : command.afterwards(requestId, delivery, authorId);
  }

  async #deliver(answer: Outgoing, command: Command): Promise<Delivery> {
    const { requestId, channelId, authorId, body } = answer;
    if (body === null) return 'found';
    // A code may have ended, or arrived, since its answer was stored.
    const state = (await command.stateOf?.(requestId)) ?? 'due';
    if (state === 'delivered') return 'delivered';
    if (body === 'damaged' || state === 'ended' || this.#isTooOld(answer)) return 'failed';
    return this.#messenger.toUser(authorId, body, requestId, () => {
      const notice = replies.directMessageDelayed(authorId);
      void this.#messenger.toChannel(channelId, notice, `${requestId}.late`);
    });
  }

  #isTooOld({ receivedAt }: Outgoing): boolean {
    return this.#clock() - receivedAt > MAX_AGE_MS;
  }
}

/** A sealed answer is never taken for the sealed code of the same request. */
function sealName(requestId: string): string {
  return `answer ${requestId}`;
}
