import {
  ActionRowBuilder,
  ButtonBuilder,
  ButtonStyle,
  DiscordAPIError,
  EmbedBuilder,
  MessageFlags,
  RESTJSONErrorCodes,
  Routes,
  type ButtonInteraction,
  type Client,
} from 'discord.js';

import type { ButtonReply } from '../bot/command.js';
import { NONCE_MEMORY_MS, StoppedError, type Messenger } from '../bot/delivery.js';
import type { MessageBody, SendResult } from '../bot/message.js';
import type { Log } from '../log.js';
import { StorageError } from '../storage/storage-error.js';
import { DelayedError, type DmChannels } from './dm-channels.js';
import { plain } from './links.js';
import type { Waits } from './waits.js';

/** Before each repeat of a message that may have arrived: all within {@link NONCE_MEMORY_MS}. */
const RETRY_PAUSES_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000];

/** The recipient accepts no DM from the bot. discord.js has no name for 50278: no server in common. */
const REFUSED: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.CannotSendMessagesToThisUser,
  50_278,
]);

/** The DM channel is gone, or belongs to another application. */
const UNKNOWN_CHANNEL: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.UnknownChannel,
  RESTJSONErrorCodes.MissingAccess,
]);

/** The bot lacks a permission in a channel of a server. */
const FORBIDDEN: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.MissingPermissions,
  RESTJSONErrorCodes.MissingAccess,
]);

/** Another process answered the press, or it is more than 3 seconds old. */
const ALREADY_ANSWERED: ReadonlySet<number | string> = new Set([
  RESTJSONErrorCodes.InteractionHasAlreadyBeenAcknowledged,
  RESTJSONErrorCodes.UnknownInteraction,
]);

/** What is known about a message that is sent repeatedly. */
interface Attempts {
  /** One of them may have arrived. */
  areUncertain: boolean;
}

/** The one place that sends. Each message pings at most the person that its body names. */
export class Sender implements Messenger {
  readonly #client: Client;
  readonly #channels: DmChannels;
  readonly #clock: () => number;
  readonly #waits: Waits;
  readonly #log: Log;

  constructor(options: {
    readonly client: Client;
    readonly channels: DmChannels;
    readonly clock: () => number;
    readonly waits: Waits;
    readonly log: Log;
  }) {
    this.#client = options.client;
    this.#channels = options.channels;
    this.#clock = options.clock;
    this.#waits = options.waits;
    this.#log = options.log;
  }

  /** Repeats nothing more: messages whose result is unknown reject with a {@link StoppedError}. */
  stop(): void {
    this.#waits.stop();
  }

  async toChannel(channelId: string, body: MessageBody, nonce: string): Promise<SendResult> {
    return this.#retrying({ channelId }, async (attempts) => {
      try {
        await this.#post(channelId, body, nonce, attempts);
      } catch (error) {
        if (body.embed === undefined || !isApiError(error, RESTJSONErrorCodes.MissingPermissions))
          throw error;
        // Without the permission Embed Links, text is accepted.
        await this.#post(channelId, withoutEmbed(body), nonce, attempts);
      }
    });
  }

  async toUser(userId: string, body: MessageBody, nonce: string): Promise<SendResult> {
    return this.#retrying({ userId }, async (attempts) => {
      try {
        await this.#post(await this.#channels.channelOf(userId), body, nonce, attempts);
      } catch (error) {
        if (!(error instanceof DiscordAPIError && UNKNOWN_CHANNEL.has(error.code))) throw error;
        await this.#channels.forget(userId);
        await this.#post(await this.#channels.channelOf(userId), body, nonce, attempts);
      }
    });
  }

  async toPress(interaction: ButtonInteraction, { kind, body }: ButtonReply): Promise<void> {
    const payload = toPayload(body);
    try {
      if (kind === 'update')
        await interaction.update({ content: '', embeds: [], components: [], ...payload });
      else await interaction.reply({ ...payload, flags: MessageFlags.Ephemeral });
    } catch (error) {
      if (error instanceof DiscordAPIError && ALREADY_ANSWERED.has(error.code)) return;
      this.#log.warn({ err: error }, 'Could not reply to a button press');
    }
  }

  async #post(channelId: string, body: MessageBody, nonce: string, attempts: Attempts): Promise<void> {
    const payload = { ...toPayload(body), nonce, enforce_nonce: true };
    try {
      await this.#client.rest.post(Routes.channelMessages(channelId), { body: payload });
    } catch (error) {
      if (resultOf(error) === 'unknown') attempts.areUncertain = true;
      throw error;
    }
  }

  async #retrying(
    target: { readonly channelId?: string; readonly userId?: string },
    send: (attempts: Attempts) => Promise<void>,
  ): Promise<SendResult> {
    const startedAt = this.#clock();
    const attempts: Attempts = { areUncertain: false };
    for (let tries = 0; ; tries++) {
      try {
        await send(attempts);
        return 'sent';
      } catch (error) {
        if (error instanceof StorageError || error instanceof StoppedError) throw error;
        const result = resultOf(error);
        if (result === 'sent') return result;
        const pauseMs = RETRY_PAUSES_MS[tries];
        const isRemembered = pauseMs !== undefined && this.#clock() + pauseMs < startedAt + NONCE_MEMORY_MS;
        if (result === 'unknown' && isRemembered) {
          await this.#waits.wait(pauseMs);
          continue;
        }
        this.#logFailure(error, target, result);
        // A rejected repeat does not prove that the first attempt did not arrive.
        return attempts.areUncertain ? 'unknown' : result;
      }
    }
  }

  #logFailure(
    error: unknown,
    { channelId, userId }: { channelId?: string; userId?: string },
    result: SendResult,
  ): void {
    if (result === 'refused' || result === 'delayed') return;
    const channel = channelId === undefined ? undefined : this.#client.channels.cache.get(channelId);
    if (channel !== undefined && 'guild' in channel && isForbidden(error)) {
      this.#log.warn(
        { guildId: channel.guild.id, channelId },
        `Cannot reply in #${plain(channel.name)} on ${plain(channel.guild.name)}: the bot needs the permissions View Channel and Send Messages there (in a thread: Send Messages in Threads). See Channel settings > Permissions.`,
      );
      return;
    }
    this.#log.warn({ err: error, channelId, userId, result }, 'Could not send a message');
  }
}

/** Only a 4xx is a definite no: a timeout, a 5xx or a broken connection may hide a yes. */
function resultOf(error: unknown): SendResult {
  if (error instanceof DelayedError) return 'delayed';
  // After a 401 the bot ends; with a new token it finishes the delivery.
  if (!(error instanceof DiscordAPIError) || error.status >= 500 || error.status === 401) return 'unknown';
  // The repeat of a message that was deleted since.
  if (error.code === RESTJSONErrorCodes.UnknownMessage) return 'sent';
  return REFUSED.has(error.code) ? 'refused' : 'failed';
}

function isApiError(error: unknown, code: number): boolean {
  return error instanceof DiscordAPIError && error.code === code;
}

function isForbidden(error: unknown): boolean {
  return error instanceof DiscordAPIError && FORBIDDEN.has(error.code);
}

/** The embed as text, in bold and normal type. */
function withoutEmbed({ embed, ...body }: MessageBody): MessageBody {
  if (embed === undefined) return body;
  const fields = embed.fields.map(({ name, value }) => `**${name}**\n${value}`);
  return { ...body, content: [`**${embed.title}**`, embed.description, ...fields].join('\n\n') };
}

function toPayload({ content, embed, buttons = [], mention }: MessageBody) {
  return {
    ...(content === undefined ? {} : { content }),
    ...(embed === undefined ? {} : { embeds: [toEmbed(embed)] }),
    ...(buttons.length === 0 ? {} : { components: [toRow(buttons)] }),
    allowed_mentions: { parse: [], users: mention === undefined ? [] : [mention] },
  };
}

function toEmbed({ title, description, color, fields, footer }: NonNullable<MessageBody['embed']>) {
  const embed = new EmbedBuilder().setTitle(title).setDescription(description).setColor(color);
  embed.addFields(fields.map((field) => ({ ...field, inline: false })));
  if (footer !== null) embed.setFooter({ text: footer });
  return embed.toJSON();
}

function toRow(buttons: NonNullable<MessageBody['buttons']>) {
  const components = buttons.map(({ id, label, disabled }) =>
    new ButtonBuilder().setCustomId(id).setLabel(label).setDisabled(disabled).setStyle(ButtonStyle.Secondary),
  );
  return new ActionRowBuilder<ButtonBuilder>().addComponents(components).toJSON();
}
