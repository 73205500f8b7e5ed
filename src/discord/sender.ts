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
  type GuildBasedChannel,
} from 'discord.js';

import type { ButtonReply } from '../bot/command.js';
import { NONCE_MEMORY_MS, StoppedError, type Messenger } from '../bot/delivery.js';
import type { MessageBody, SendResult } from '../bot/message.js';
import { isNamed, joinReplies, replyByDm } from '../bot/replies.js';
import { StorageError } from '../storage/storage-error.js';
import { DelayedError, type DmChannels, type SendingParts } from './dm-channels.js';
import { hasCode } from './errors.js';
import { permissionNames } from './permissions.js';

/** Before each repeat of a message that may have arrived: all within {@link NONCE_MEMORY_MS}. */
const RETRY_PAUSES_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000];

/** Each channel that cannot be written to is logged this often. */
const LOG_INTERVAL_MS = 3_600_000;
/** Members can create any number of threads. */
const MAX_LOGGED = 1_000;

/** The recipient has no server in common with the bot. discord.js has no name for it. */
const NO_COMMON_SERVER = 50_278;

type Target = { readonly channelId: string } | { readonly userId: string };
/** Returns what Discord answers. */
type Post = (channelId: string, body: MessageBody) => Promise<unknown>;

/** A message that waits for its turn in a channel. */
interface Waiting {
  readonly channelId: string;
  /** With those that joined it. */
  body: MessageBody;
  /** The text that Discord has under its nonce. */
  sent: string;
}

/** The one place that sends. Each message pings only the people that its body names. */
export class Sender implements Messenger {
  readonly #parts: SendingParts;
  readonly #channels: DmChannels;
  /** When it was logged that a channel cannot be written to, in Unix ms, by its id. */
  readonly #loggedAt = new Map<string, number>();
  /** With what becomes of them, oldest first. */
  readonly #waiting = new Map<Waiting, Promise<SendResult>>();
  /** By channel id: settled when its last message so far is sent or rejected. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(parts: SendingParts, channels: DmChannels) {
    this.#parts = parts;
    this.#channels = channels;
  }

  async toChannel(
    channelId: string,
    body: MessageBody,
    nonce: string,
    askerId: string | null,
  ): Promise<SendResult> {
    const result = await this.#join(channelId, body, nonce);
    if (result !== 'failed' || askerId === null) return result;
    const direct = await this.toUser(askerId, replyByDm(this.#channel(channelId), body), nonce);
    if (direct !== 'sent')
      this.#parts.log.warn({ userId: askerId, result: direct }, 'Could not send the reply by DM either');
    return result;
  }

  async toUser(userId: string, body: MessageBody, nonce: string): Promise<SendResult> {
    const channels = this.#channels;
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
      this.#parts.log.warn({ err: error }, 'Could not reply to a button press');
    }
  }

  /**
   * Sends a message after those before it in the channel: Discord accepts about 5 within 5 seconds. While it waits,
   * messages that differ only in whom they mention join it. Nonce and buttons are those of the first.
   */
  async #join(channelId: string, body: MessageBody, nonce: string): Promise<SendResult> {
    for (const [waiting, result] of this.#waiting) {
      const both = waiting.channelId === channelId ? joinReplies(waiting.body, body) : null;
      if (both === null) continue;
      waiting.body = both;
      // A process that ended may have sent a message with this nonce that names others.
      const isLost = (await result) === 'sent' && !isNamed(body, waiting.sent);
      return isLost ? this.#join(channelId, body, nonce) : result;
    }
    const waiting = { channelId, body, sent: '' };
    const result = this.#retrying({ channelId }, nonce, async (post) =>
      this.#inTurn(channelId, async () => {
        this.#waiting.delete(waiting);
        try {
          const message = await post(channelId, waiting.body);
          waiting.sent = String(Reflect.get(Object(message), 'content'));
        } catch (error) {
          const isEmbedRefused =
            body.embed !== undefined && hasCode(error, RESTJSONErrorCodes.MissingPermissions);
          if (!isEmbedRefused) throw error;
          // Without the permission Embed Links, text is accepted.
          await post(channelId, withoutEmbed(body));
        }
      }),
    );
    this.#waiting.set(waiting, result);
    return result;
  }

  async #inTurn(channelId: string, send: () => Promise<void>): Promise<void> {
    const sent = (this.#turns.get(channelId) ?? Promise.resolve()).then(send);
    const turn = sent.catch(() => undefined);
    this.#turns.set(channelId, turn);
    await sent.finally(() => {
      if (this.#turns.get(channelId) === turn) this.#turns.delete(channelId);
    });
  }

  async #retrying(target: Target, nonce: string, send: (post: Post) => Promise<void>): Promise<SendResult> {
    const { client, clock, wait, stopping } = this.#parts;
    const startedAt = clock();
    let mayHaveArrived = false;
    const post: Post = async (channelId, body) => {
      const payload = { ...toPayload(body), nonce, enforce_nonce: true };
      try {
        return await client.rest.post(Routes.channelMessages(channelId), { body: payload });
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

  /** `null`: a DM, or a channel that the bot no longer sees. */
  #channel(channelId: string): GuildBasedChannel | null {
    const channel = this.#parts.client.channels.cache.get(channelId);
    return channel === undefined || channel.isDMBased() ? null : channel;
  }

  #logFailure(error: unknown, target: Target): void {
    const { client, clock, log } = this.#parts;
    const { MissingPermissions, MissingAccess, UnknownChannel } = RESTJSONErrorCodes;
    if (!('channelId' in target) || !hasCode(error, MissingPermissions, MissingAccess, UnknownChannel)) {
      log.warn({ err: error, ...target }, 'Could not send a message');
      return;
    }
    const { channelId } = target;
    const loggedAt = this.#loggedAt.get(channelId) ?? Number.NEGATIVE_INFINITY;
    // Math.abs: the clock may have been set back.
    if (Math.abs(clock() - loggedAt) < LOG_INTERVAL_MS) return;
    if (this.#loggedAt.size >= MAX_LOGGED) this.#loggedAt.clear();
    this.#loggedAt.set(channelId, clock());
    const channel = this.#channel(channelId);
    if (channel === null) {
      log.warn(target, 'Cannot reply in a channel that was deleted or that the bot no longer sees');
      return;
    }
    const needed = ['ViewChannel', channel.isThread() ? 'SendMessagesInThreads' : 'SendMessages'] as const;
    const missing = channel.permissionsFor(client.user?.id ?? '')?.missing(needed) ?? [];
    const names = permissionNames(missing.length === 0 ? needed : missing);
    log.warn(
      { guildId: channel.guild.id, ...target },
      `Cannot reply in #${channel.name} on ${channel.guild.name}: the bot needs the permission ${names.join(' and ')} there. Set it in Channel settings > Permissions. Until then members get replies by DM.`,
    );
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

function toPayload({ content, embed, buttons = [], mentions = [] }: MessageBody) {
  return {
    ...(content === undefined ? {} : { content }),
    ...(embed === undefined ? {} : { embeds: [toEmbed(embed)] }),
    ...(buttons.length === 0 ? {} : { components: [toRow(buttons)] }),
    allowed_mentions: { parse: [], users: mentions },
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
