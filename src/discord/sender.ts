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
import type { Wait } from '../schedule.js';
import { StorageError } from '../storage/storage-error.js';
import { DelayedError, type DmChannels } from './dm-channels.js';
import { hasCode } from './errors.js';

/** Before each repeat of a message that may have arrived: all within {@link NONCE_MEMORY_MS}. */
const RETRY_PAUSES_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000];

/** The recipient has no server in common with the bot. discord.js has no name for it. */
const NO_COMMON_SERVER = 50_278;

type Target = { readonly channelId: string } | { readonly userId: string };
type Post = (channelId: string, body: MessageBody) => Promise<void>;

export interface SenderOptions {
  readonly client: Client;
  readonly channels: DmChannels;
  readonly clock: () => number;
  readonly wait: Wait;
  /** Aborted when the bot stops: messages whose result is unknown then reject with a {@link StoppedError}. */
  readonly stopping: AbortSignal;
  readonly log: Log;
}

/** The one place that sends. Each message pings at most the person that its body names. */
export class Sender implements Messenger {
  readonly #options: SenderOptions;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  async toChannel(channelId: string, body: MessageBody, nonce: string): Promise<SendResult> {
    return this.#retrying({ channelId }, nonce, async (post) => {
      try {
        await post(channelId, body);
      } catch (error) {
        const isEmbedRefused =
          body.embed !== undefined && hasCode(error, RESTJSONErrorCodes.MissingPermissions);
        if (!isEmbedRefused) throw error;
        // Without the permission Embed Links, text is accepted.
        await post(channelId, withoutEmbed(body));
      }
    });
  }

  async toUser(userId: string, body: MessageBody, nonce: string): Promise<SendResult> {
    const { channels } = this.#options;
    return this.#retrying({ userId }, nonce, async (post) => {
      try {
        await post(await channels.channelOf(userId), body);
      } catch (error) {
        // The DM channel is deleted, or belongs to another application.
        if (!hasCode(error, RESTJSONErrorCodes.UnknownChannel, RESTJSONErrorCodes.MissingAccess)) throw error;
        await channels.forget(userId);
        await post(await channels.channelOf(userId), body);
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
      const { InteractionHasAlreadyBeenAcknowledged, UnknownInteraction } = RESTJSONErrorCodes;
      // Another process answered the press, or it is more than 3 seconds old.
      if (hasCode(error, InteractionHasAlreadyBeenAcknowledged, UnknownInteraction)) return;
      this.#options.log.warn({ err: error }, 'Could not reply to a button press');
    }
  }

  async #retrying(target: Target, nonce: string, send: (post: Post) => Promise<void>): Promise<SendResult> {
    const { client, clock, wait, stopping } = this.#options;
    const startedAt = clock();
    let mayHaveArrived = false;
    const post: Post = async (channelId, body) => {
      const payload = { ...toPayload(body), nonce, enforce_nonce: true };
      try {
        await client.rest.post(Routes.channelMessages(channelId), { body: payload });
      } catch (error) {
        if (resultOf(error) === 'unknown') mayHaveArrived = true;
        throw error;
      }
    };
    for (let tries = 0; ; tries++) {
      try {
        await send(post);
        return 'sent';
      } catch (error) {
        if (error instanceof StorageError) throw error;
        const result = resultOf(error);
        if (result === 'sent') return result;
        const pauseMs = RETRY_PAUSES_MS[tries];
        const isRemembered = pauseMs !== undefined && clock() + pauseMs < startedAt + NONCE_MEMORY_MS;
        if (result === 'unknown' && isRemembered) {
          await wait(pauseMs, stopping);
          if (stopping.aborted) throw new StoppedError('The bot stops');
          continue;
        }
        if (result !== 'refused' && result !== 'delayed') this.#logFailure(error, target);
        // A rejected repeat does not prove that the first attempt did not arrive.
        return mayHaveArrived ? 'unknown' : result;
      }
    }
  }

  #logFailure(error: unknown, target: Target): void {
    const { client, log } = this.#options;
    const channel = 'channelId' in target ? client.channels.cache.get(target.channelId) : undefined;
    const { MissingPermissions, MissingAccess } = RESTJSONErrorCodes;
    if (channel !== undefined && 'guild' in channel && hasCode(error, MissingPermissions, MissingAccess)) {
      log.warn(
        { guildId: channel.guild.id, ...target },
        `Cannot reply in #${channel.name} on ${channel.guild.name}: the bot needs the permissions View Channel and Send Messages there (in a thread: Send Messages in Threads). See Channel settings > Permissions.`,
      );
    } else log.warn({ err: error, ...target }, 'Could not send a message');
  }
}

/** Only a 4xx is a definite no: a timeout, a 5xx or a broken connection may hide a yes. */
function resultOf(error: unknown): SendResult {
  if (error instanceof DelayedError) return 'delayed';
  // After a 401 the bot ends; with a new token it finishes the delivery.
  if (!(error instanceof DiscordAPIError) || error.status >= 500 || error.status === 401) return 'unknown';
  // The repeat of a message that was deleted since.
  if (error.code === RESTJSONErrorCodes.UnknownMessage) return 'sent';
  const isRefused = hasCode(error, RESTJSONErrorCodes.CannotSendMessagesToThisUser, NO_COMMON_SERVER);
  return isRefused ? 'refused' : 'failed';
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
