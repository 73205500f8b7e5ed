import {
  ButtonStyle,
  ComponentType,
  DiscordAPIError,
  InteractionResponseType,
  MessageFlags,
  RateLimitError,
  RESTJSONErrorCodes,
  Routes,
  type Client,
  type Interaction,
  type RESTPostAPIChannelMessageJSONBody,
} from 'discord.js';

import type { Delivery, MessageBody, PressReply } from '../bot/message.js';
import type { Messenger } from '../bot/outbox.js';
import { StoreOutage } from '../codes/code-store.js';
import type { Log } from '../log.js';
import {
  DirectMessages,
  StoppedError,
  TooManyWaitingError,
  type ChannelMemory,
  type OnDelay,
} from './direct-messages.js';

/** The token is no longer accepted. */
const UNAUTHORIZED = 401;

/** Discord's answers that mean: this person takes no direct message from the bot. */
const CLOSED: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.CannotSendMessagesToThisUser,
  50_278, // no server in common; discord.js has no name for it yet
]);

/** Discord's answers to a second response, by another process, to one press of a button. */
const ANSWERED_ALREADY: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged,
  RESTJSONErrorCodes.UnknownInteraction,
]);

/**
 * Where it is not known whether a message arrived, it is sent again after so long: discord.js tries again by itself,
 * but not for long, nor after every fault. All within {@link NONCE_MEMORY_MS}.
 */
const RETRY_PAUSES_MS = [0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000];

/** Discord knows a nonce again for "a few minutes": past that a repeat could be a second message. */
const NONCE_MEMORY_MS = 120_000;

/**
 * The one place that sends. Whatever it sends pings at most the one person that the body names, and
 * carries a nonce, by which Discord recognises a repeat and gives back the first message.
 */
export class Sender implements Messenger {
  readonly #client: Client;
  readonly #log: Log;
  readonly #directMessages: DirectMessages;
  readonly #clock: () => number;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #stopping = new AbortController();

  /** @param options.clock and `wait`: as {@link DirectMessages} has them. */
  constructor(options: {
    readonly client: Client;
    readonly log: Log;
    readonly memory: ChannelMemory;
    readonly clock: () => number;
    readonly wait: (ms: number) => Promise<void>;
  }) {
    const { client, log, memory, clock, wait } = options;
    this.#client = client;
    this.#log = log;
    this.#clock = clock;
    this.#wait = wait;
    const open = async (userId: string): Promise<string> => this.#open(userId);
    this.#directMessages = new DirectMessages({ open, memory, clock, wait, log });
  }

  /** Whatever waits, for a new channel or for another try, is unfinished at once, now and from now on. All else goes on. */
  stop(): void {
    this.#directMessages.stop();
    this.#stopping.abort();
  }

  /** @param nonce at most 25 characters. */
  async toChannel(channelId: string, body: MessageBody, nonce: string): Promise<Delivery> {
    const delivery = await this.#attempt({ channelId }, async () => this.#post(channelId, body, nonce));
    if (delivery === 'refused') this.#log.warn({ channelId }, 'May not write in this channel');
    return delivery;
  }

  /**
   * @param nonce at most 25 characters.
   * @param onDelay hears, at most once, that Discord wants the message sent later, and about how much: in ms.
   */
  async toUser(userId: string, body: MessageBody, nonce: string, onDelay: OnDelay): Promise<Delivery> {
    const directMessages = this.#directMessages;
    let told = false;
    const tell = (expectedMs: number): void => {
      if (!told) onDelay(expectedMs);
      told = true;
    };
    // Another try goes to the same channel: only there does Discord recognise the nonce.
    let channelId: string | null = null;
    let messageId: string | null = null;
    let tries = 0;
    const delivery = await this.#attempt({ userId }, async () => {
      tries += 1;
      try {
        channelId ??= await directMessages.channelOf(userId, tell);
        messageId = await this.#post(channelId, body, nonce);
      } catch (error) {
        if (!isUnknownChannel(error)) throw error;
        channelId = null;
        await directMessages.forget(userId);
        channelId = await directMessages.channelOf(userId, tell);
        messageId = await this.#post(channelId, body, nonce);
      }
    });
    // What a later try was told of may be what the first one sent.
    const isRepeat = delivery === 'delivered' && tries > 1;
    return isRepeat && (await this.#isFollowed(channelId, messageId)) ? 'found' : delivery;
  }

  /** @returns whether the presser was answered, by whichever process; `unfinished`: it could not be told. */
  async toPress(interaction: Interaction, { kind, body }: PressReply): Promise<boolean | 'unfinished'> {
    const data = toPayload(body);
    const response =
      kind === 'update'
        ? {
            type: InteractionResponseType.UpdateMessage,
            data: { content: '', embeds: [], components: [], ...data },
          }
        : {
            type: InteractionResponseType.ChannelMessageWithSource,
            data: { ...data, flags: MessageFlags.Ephemeral },
          };
    try {
      await this.#client.rest.post(Routes.interactionCallback(interaction.id, interaction.token), {
        body: response,
        auth: false,
      });
      return true;
    } catch (error) {
      // Also after a no: an answer that was lost is refused when it is repeated.
      const answered = await this.wasAnswered(interaction.token);
      if (answered !== true && !(error instanceof DiscordAPIError && ANSWERED_ALREADY.has(error.code))) {
        this.#log.warn({ err: error }, 'The press of a button was not answered');
      }
      return answered;
    }
  }

  async hasMessage(userId: string, content: string, requestId: string): Promise<boolean | 'unfinished'> {
    const channelId = await this.#directMessages.knownChannel(userId);
    // Where there is no channel, nothing was sent.
    if (channelId === null) return false;
    let found = false;
    const outcome = await this.#attempt(
      { userId },
      async () => {
        found = (await this.#ownSince(channelId, requestId)).includes(content);
      },
      'Discord did not tell whether a message arrived',
    );
    return outcome === 'unknown' || outcome === 'unfinished' ? 'unfinished' : found;
  }

  async wasAnswered(token: string): Promise<boolean | 'unfinished'> {
    const applicationId = this.#client.application?.id ?? '';
    let found = true;
    const outcome = await this.#attempt(
      {},
      async () => {
        try {
          await this.#client.rest.get(Routes.webhookMessage(applicationId, token), { auth: false });
        } catch (error) {
          if (!(error instanceof DiscordAPIError && error.status < 500)) throw error;
          // Unknown, or the token is too old: nobody sees it, or it is too late to tell.
          found = false;
        }
      },
      'Discord did not tell whether a press was answered',
    );
    return outcome === 'delivered' ? found : 'unfinished';
  }

  /** Whether the bot has sent something else there since; where Discord does not tell, it has not. */
  async #isFollowed(channelId: string | null, messageId: string | null): Promise<boolean> {
    if (channelId === null || messageId === null) return false;
    try {
      return (await this.#ownSince(channelId, messageId)).length > 0;
    } catch (error) {
      this.#log.warn({ err: error, channelId }, 'Discord did not tell what was sent since');
      return false;
    }
  }

  /** What the bot's own messages say that are younger than the one with this id, at most the first 100. */
  async #ownSince(channelId: string, id: string): Promise<unknown[]> {
    const query = new URLSearchParams({ after: id, limit: '100' });
    const messages: unknown = await this.#client.rest.get(Routes.channelMessages(channelId), { query });
    const all: unknown[] = Array.isArray(messages) ? messages : [];
    return all
      .filter((message) => idOf(Reflect.get(Object(message), 'author')) === this.#client.user?.id)
      .map((message) => Reflect.get(Object(message), 'content'));
  }

  async #open(userId: string): Promise<string> {
    const channel: unknown = await this.#client.rest.post(Routes.userChannels(), {
      body: { recipient_id: userId },
    });
    const id = idOf(channel);
    if (id === null) throw new TypeError('Discord opened a channel without an id');
    return id;
  }

  /** @returns the message's id: of the first one where this is a repeat. */
  async #post(channelId: string, body: MessageBody, nonce: string): Promise<string | null> {
    const message = await this.#client.rest.post(Routes.channelMessages(channelId), {
      body: { ...toPayload(body), nonce, enforce_nonce: true },
    });
    return idOf(message);
  }

  async #attempt(
    target: object,
    send: () => Promise<unknown>,
    complaint = 'A message was not sent',
  ): Promise<Delivery> {
    let firstUnknownAt: number | null = null;
    for (let tries = 0; ; tries++) {
      try {
        await send();
        return 'delivered';
      } catch (error) {
        const outcome = outcomeOf(error);
        if (outcome === 'unknown') firstUnknownAt ??= this.#clock();
        if (outcome === 'unfinished' || (outcome === 'unknown' && this.#stopping.signal.aborted)) {
          return 'unfinished';
        }
        const pauseMs = RETRY_PAUSES_MS[tries];
        const isRemembered = firstUnknownAt !== null && this.#clock() - firstUnknownAt < NONCE_MEMORY_MS;
        if (outcome === 'unknown' && pauseMs !== undefined && isRemembered) {
          await this.#pause(pauseMs);
          continue;
        }
        if (outcome === 'failed' || firstUnknownAt !== null) {
          this.#log.warn({ err: error, ...target, outcome }, complaint);
        }
        // A no to a later try does not tell what became of the one before.
        return firstUnknownAt === null ? outcome : 'unknown';
      }
    }
  }

  /** Waits, unless the bot is stopped. */
  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopping;
    if (ms === 0 || signal.aborted) return;
    let stop: () => void = () => undefined;
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
      signal.addEventListener('abort', stop);
    });
    await Promise.race([this.#wait(ms), stopped]);
    signal.removeEventListener('abort', stop);
  }
}

/** Only a 4xx is a definite no. A timeout, a 5xx or a broken connection may hide a yes. */
function outcomeOf(error: unknown): Delivery {
  // Only the opening of a channel meets these: the message itself was not sent.
  if (error instanceof StoppedError || error instanceof StoreOutage) return 'unfinished';
  if (error instanceof TooManyWaitingError) return 'failed';
  if (error instanceof RateLimitError) return 'failed';
  if (!(error instanceof DiscordAPIError) || error.status >= 500) return 'unknown';
  // The bot ends over it: when it has a good token again, it goes on.
  if (error.status === UNAUTHORIZED) return 'unfinished';
  // A repeat of a message that was deleted since.
  if (error.code === RESTJSONErrorCodes.UnknownMessage) return 'delivered';
  return CLOSED.has(error.code) ? 'refused' : 'failed';
}

/** @returns `null` where Discord's answer holds no id. */
function idOf(answer: unknown): string | null {
  const id: unknown = Reflect.get(Object(answer), 'id');
  return typeof id === 'string' ? id : null;
}

/** Gone, or another application's: the bot's own was changed since. */
function isUnknownChannel(error: unknown): boolean {
  const gone: readonly (number | string)[] = [
    RESTJSONErrorCodes.UnknownChannel,
    RESTJSONErrorCodes.MissingAccess,
  ];
  return error instanceof DiscordAPIError && gone.includes(error.code);
}

function toPayload({
  content,
  embed,
  buttons = [],
  mention,
}: MessageBody): RESTPostAPIChannelMessageJSONBody {
  const row = buttons.map(({ id, label, disabled }) => ({
    type: ComponentType.Button as const,
    style: ButtonStyle.Secondary as const,
    custom_id: id,
    label,
    disabled,
  }));
  return {
    ...(content === undefined ? {} : { content }),
    ...(embed === undefined
      ? {}
      : {
          embeds: [
            {
              title: embed.title,
              description: embed.description,
              color: embed.color,
              fields: embed.fields.map(({ name, value }) => ({ name, value, inline: false })),
              ...(embed.footer === null ? {} : { footer: { text: embed.footer } }),
            },
          ],
        }),
    ...(row.length === 0 ? {} : { components: [{ type: ComponentType.ActionRow, components: row }] }),
    allowed_mentions: { parse: [], users: mention === undefined ? [] : [mention] },
  };
}
