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
import type { Log } from '../log.js';
import {
  DirectMessages,
  StoppedError,
  TooManyWaitingError,
  type ChannelMemory,
  type OnDelay,
} from './direct-messages.js';

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

/** discord.js itself does not try again after some broken connections. With a nonce another try is safe. */
const SEND_TRIES = 3;

/**
 * The one place that sends. Whatever it sends pings at most the one person that the body names, and
 * carries a nonce, by which Discord recognises a repeat and gives back the first message.
 */
export class Sender {
  readonly #client: Client;
  readonly #log: Log;
  readonly #directMessages: DirectMessages;

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
    const open = async (userId: string): Promise<string> => this.#open(userId);
    this.#directMessages = new DirectMessages({ open, memory, clock, wait, log });
  }

  /** Direct messages that wait for a new channel fail at once, now and from now on. All else goes on. */
  stop(): void {
    this.#directMessages.stop();
  }

  /** @param nonce at most 25 characters. */
  async toChannel(channelId: string, body: MessageBody, nonce: string): Promise<void> {
    const delivery = await this.#attempt({ channelId }, async () => this.#post(channelId, body, nonce));
    if (delivery === 'refused') this.#log.warn({ channelId }, 'May not write in this channel');
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
    return this.#attempt({ userId }, async () => {
      try {
        channelId ??= await directMessages.channelOf(userId, tell);
        await this.#post(channelId, body, nonce);
      } catch (error) {
        if (!isUnknownChannel(error)) throw error;
        channelId = null;
        await directMessages.forget(userId);
        channelId = await directMessages.channelOf(userId, tell);
        await this.#post(channelId, body, nonce);
      }
    });
  }

  /** @returns whether the presser was certainly answered, and by this process. */
  async toPress(interaction: Interaction, { kind, body }: PressReply): Promise<boolean> {
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
      if (!(error instanceof DiscordAPIError && ANSWERED_ALREADY.has(error.code))) {
        this.#log.warn({ err: error }, 'The press of a button was not answered');
      }
      return false;
    }
  }

  async #open(userId: string): Promise<string> {
    const channel: unknown = await this.#client.rest.post(Routes.userChannels(), {
      body: { recipient_id: userId },
    });
    const id: unknown = Reflect.get(Object(channel), 'id');
    if (typeof id !== 'string') throw new TypeError('Discord opened a channel without an id');
    return id;
  }

  async #post(channelId: string, body: MessageBody, nonce: string): Promise<void> {
    await this.#client.rest.post(Routes.channelMessages(channelId), {
      body: { ...toPayload(body), nonce, enforce_nonce: true },
    });
  }

  async #attempt(target: object, send: () => Promise<void>): Promise<Delivery> {
    let unclear = false;
    for (let tries = 1; ; tries++) {
      try {
        await send();
        return 'delivered';
      } catch (error) {
        unclear ||= outcomeOf(error) === 'unknown';
        // A no to a later try does not tell what became of the one before.
        const outcome = unclear ? 'unknown' : outcomeOf(error);
        if (outcomeOf(error) === 'unknown' && tries < SEND_TRIES) continue;
        if (outcome === 'failed' || outcome === 'unknown') {
          this.#log.warn({ err: error, ...target, outcome }, 'A message was not sent');
        }
        return outcome;
      }
    }
  }
}

/** Only a 4xx is a definite no. A timeout, a 5xx or a broken connection may hide a yes. */
function outcomeOf(error: unknown): Delivery {
  // Only the opening of a channel meets these: the message itself was not sent.
  if (error instanceof TooManyWaitingError || error instanceof StoppedError) return 'failed';
  if (error instanceof RateLimitError) return 'failed';
  if (!(error instanceof DiscordAPIError) || error.status >= 500) return 'unknown';
  // A repeat of a message that was deleted since.
  if (error.code === RESTJSONErrorCodes.UnknownMessage) return 'delivered';
  return CLOSED.has(error.code) ? 'refused' : 'failed';
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
