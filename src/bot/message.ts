/** Who wrote a message or pressed a button. */
export interface Author {
  readonly id: string;
  /** What Discord calls the account: `alice`, or `alice#1234` for older ones. */
  readonly tag: string;
}

/** A message that somebody wrote, reduced to what the bot reads of it. */
export interface IncomingMessage {
  readonly id: string;
  readonly text: string;
  readonly channelId: string;
  /** `null` in direct messages. */
  readonly guildId: string | null;
  readonly author: Author;
  /** Has Discord's Administrator permission in this server at this moment; never in direct messages. */
  readonly authorIsAdministrator: boolean;
}

/** A button that somebody pressed under one of the bot's messages. */
export interface ButtonPress {
  readonly buttonId: string;
  readonly author: Author;
  /** Where the button hangs. */
  readonly channelId: string;
  /** By which Discord tells for 15 minutes how the press was answered. A secret. */
  readonly token: string;
}

export interface EmbedField {
  readonly name: string;
  readonly value: string;
}

export interface Embed {
  readonly title: string;
  readonly description: string;
  /** 0xRRGGBB */
  readonly color: number;
  readonly fields: readonly EmbedField[];
  readonly footer: string | null;
}

export interface Button {
  /** At most 100 characters; the command that drew the button stands before the first colon. */
  readonly id: string;
  readonly label: string;
  readonly disabled: boolean;
}

/** What one message of the bot says. */
export interface MessageBody {
  readonly content?: string;
  readonly embed?: Embed;
  readonly buttons?: readonly Button[];
  /** The one person whom the message pings. Whatever else it holds pings nobody. */
  readonly mention?: string;
}

/**
 * How a direct message ended.
 *
 * - `found`: it had arrived before, at a time that nobody noted.
 * - `refused`: its addressee takes none from the bot.
 * - `failed`: Discord said no for another reason.
 * - `unknown`: it may have arrived. Whoever acted as if it had not could end a code that somebody holds.
 * - `unfinished`: this process stopped before it was known, or could not store where it sends; it stays stored, and
 *   somebody goes on.
 */
export type Delivery = 'delivered' | 'found' | 'refused' | 'failed' | 'unknown' | 'unfinished';

/** What a command answers. It is stored, and sent elsewhere, in one place. */
export interface Reply {
  /** `author`: by direct message, to them alone. Anything with a code in it. */
  readonly to: 'author' | 'channel';
  readonly body: MessageBody;
}

/** What the press of a button does: changes the message it stands under, or answers the presser alone. */
export interface PressReply {
  readonly kind: 'update' | 'ephemeral';
  readonly body: MessageBody;
  /** What the answer shows to the presser, in the words of the command that gives it, which hears when it was shown. */
  readonly shows?: string;
}
