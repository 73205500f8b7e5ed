export interface Author {
  readonly id: string;
  /** The account's Discord name: `alice`, or `alice#1234` for older ones. */
  readonly tag: string;
}

/** A message that a person wrote. */
export interface IncomingMessage {
  readonly id: string;
  readonly text: string;
  readonly channelId: string;
  /** `null` in direct messages. */
  readonly guildId: string | null;
  readonly author: Author;
  /** May list and revoke codes of this server now; `false` in direct messages. */
  readonly authorIsAdministrator: boolean;
  readonly authorMayGetCodes: boolean;
}

/** A button that a person pressed under one of the bot's messages. */
export interface ButtonPress {
  readonly id: string;
  /** `<command>:<argument>` */
  readonly buttonId: string;
  readonly author: Author;
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
  /** `<command>:<argument>`, at most 100 characters. */
  readonly id: string;
  readonly label: string;
  readonly disabled: boolean;
}

export interface MessageBody {
  readonly content?: string;
  readonly embed?: Embed;
  readonly buttons?: readonly Button[];
  /** The people whom the message pings; everything else in it pings nobody. */
  readonly mentions?: readonly string[];
}

/**
 * The result of sending. `refused`: the recipient accepts no DMs from the bot. `delayed`: nothing was sent, because
 * a new DM channel cannot be opened within 10 seconds. `failed`: Discord rejected it for another reason. `unknown`: it
 * may have arrived.
 */
export type SendResult = 'sent' | 'refused' | 'delayed' | 'failed' | 'unknown';
