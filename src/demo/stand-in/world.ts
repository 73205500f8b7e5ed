import { EventEmitter } from 'node:events';
import { refusal } from './api-error.js';
import type { StandInActionRow, StandInEmbed } from './form-check.js';
import { DISCORD_EPOCH_MS, FLAGS, NONCE_MEMORY_MS, PERMISSIONS } from './limits.js';
import { type AllowedMentions, type Pings, pingsOf } from './mentions.js';

export interface StandInUser {
  readonly id: string;
  readonly username: string;
  readonly bot: boolean;
}

export interface StandInRole {
  readonly id: string;
  readonly name: string;
  readonly permissions: bigint;
  readonly position: number;
}

export interface StandInMember {
  readonly user: StandInUser;
  /** Unix time in ms. */
  readonly joinedAt: number;
  /** Ids, without @everyone's. */
  readonly roles: Set<string>;
}

export interface StandInGuild {
  readonly id: string;
  readonly name: string;
  readonly owner: StandInUser;
  readonly everyone: StandInRole;
  readonly administrator: StandInRole;
  readonly botRole: StandInRole;
  /** Roles without permissions. */
  readonly otherRoles: StandInRole[];
  /** By user id; includes the bot while it is in the guild. */
  readonly members: Map<string, StandInMember>;
  readonly channels: StandInChannel[];
  /** `false` during an outage. */
  available: boolean;
}

export interface StandInChannel {
  readonly id: string;
  readonly kind: 'text' | 'thread' | 'dm';
  readonly name: string;
  readonly guild: StandInGuild | null;
  /** The channel that a thread belongs to. */
  readonly parent: StandInChannel | null;
  /** The other person in a direct message channel. */
  readonly recipient: StandInUser | null;
  /** Oldest first, without deleted ones. */
  readonly messages: StandInMessage[];
  /** The bot's permission bits here; `null`: those of its roles. */
  botPermissions: bigint | null;
}

/** A channel or thread, or a user for the direct messages between them and the bot. */
export type StandInPlace = StandInChannel | StandInUser;

/** A message as it is now: edits show in the same object. */
export interface StandInMessage {
  readonly id: string;
  readonly channelId: string;
  readonly guildId: string | null;
  readonly author: StandInUser;
  readonly webhookId: string | null;
  readonly content: string;
  readonly embeds: readonly StandInEmbed[];
  readonly components: readonly StandInActionRow[];
  readonly nonce: string | null;
  /** As sent; `null`: not given, so that all mentions notify. */
  readonly allowedMentions: AllowedMentions | null;
  /** Who was notified. */
  readonly pings: Pings;
  /** The id of the message to which this is a reply. */
  readonly repliesTo: string | null;
  readonly flags: number;
  /** The only user who sees it: it answers a button press, and is in no channel's `messages`. */
  readonly ephemeralTo: StandInUser | null;
  /** Unix times in ms. */
  readonly createdAt: number;
  readonly editedAt: number | null;
  readonly deletedAt: number | null;
}

type GivenByPlace =
  | 'id'
  | 'channelId'
  | 'guildId'
  | 'author'
  | 'pings'
  | 'createdAt'
  | 'editedAt'
  | 'deletedAt';

/** The fields of a message that its sender sets. */
export type MessageDraft = Partial<Omit<StandInMessage, GivenByPlace>>;

/** The bot's answer to a press: 4 a message, 5 a message later, 6 nothing visible, 7 an edit of the pressed message. */
export interface StandInAnswer {
  readonly type: 4 | 5 | 6 | 7;
  /** The new message for 4 and 5, the pressed one for 6 and 7. */
  readonly message: StandInMessage;
  readonly ephemeral: boolean;
}

export interface Interaction {
  readonly id: string;
  readonly token: string;
  readonly message: StandInMessage;
  readonly customId: string;
  readonly user: StandInUser;
  readonly createdAt: number;
  readonly resolve: (answer: StandInAnswer) => void;
  readonly reject: (error: Error) => void;
  /** The bot's first answer, to which `@original` refers. */
  answer: StandInAnswer | null;
}

interface WorldEvents {
  message: [StandInMessage];
  edit: [StandInMessage];
  delete: [StandInMessage];
  guildCreate: [StandInGuild];
  guildDelete: [StandInGuild];
  channelCreate: [StandInChannel];
  channelUpdate: [StandInChannel];
  interaction: [Interaction];
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

/** The state of Discord, with events for the gateway and the demo. No network. */
export class World extends EventEmitter<WorldEvents> {
  readonly now: () => number;
  readonly bot: StandInUser;
  readonly users = new Map<string, StandInUser>();
  readonly guilds = new Map<string, StandInGuild>();
  readonly channels = new Map<string, StandInChannel>();
  /** Ids of users with direct messages closed. */
  readonly closed = new Set<string>();
  /** By token. */
  readonly interactions = new Map<string, Interaction>();
  /** By id, deleted and ephemeral ones included. */
  readonly messages = new Map<string, StandInMessage>();
  readonly #directChannels = new Map<string, StandInChannel>();
  readonly #nonces = new Map<string, StandInMessage>();
  #lastId = 0n;

  constructor(now: () => number, botName: string) {
    super();
    this.setMaxListeners(0);
    this.now = now;
    this.bot = this.addUser(botName, true);
  }

  /** A new snowflake: unique, and greater than all before, even within a millisecond. */
  nextId(): string {
    const fresh = BigInt(Math.floor(this.now()) - DISCORD_EPOCH_MS) << 22n;
    this.#lastId = fresh > this.#lastId ? fresh : this.#lastId + 1n;
    return String(this.#lastId);
  }

  addUser(username: string, bot: boolean): StandInUser {
    const user = { id: this.nextId(), username, bot };
    this.users.set(user.id, user);
    return user;
  }

  addGuild(name: string, owner: StandInUser): StandInGuild {
    const id = this.nextId();
    const { viewChannel, sendMessages, embedLinks, readMessageHistory, mentionEveryone, ...others } =
      PERMISSIONS;
    const bot = viewChannel | sendMessages | embedLinks;
    const everyone = bot | readMessageHistory | mentionEveryone | others.sendMessagesInThreads;
    const guild: StandInGuild = {
      id,
      name,
      owner,
      everyone: { id, name: '@everyone', permissions: everyone, position: 0 },
      botRole: { id: this.nextId(), name: this.bot.username, permissions: bot, position: 1 },
      administrator: {
        id: this.nextId(),
        name: 'Administrator',
        permissions: others.administrator,
        position: 2,
      },
      otherRoles: [],
      members: new Map(),
      channels: [],
      available: true,
    };
    this.guilds.set(id, guild);
    this.join(guild, owner);
    this.join(guild, this.bot);
    return guild;
  }

  addRole(guild: StandInGuild, name: string): StandInRole {
    const role = { id: this.nextId(), name, permissions: 0n, position: guild.otherRoles.length + 3 };
    guild.otherRoles.push(role);
    return role;
  }

  join(guild: StandInGuild, user: StandInUser): void {
    if (guild.members.has(user.id)) return;
    const roles = new Set(user === this.bot ? [guild.botRole.id] : []);
    guild.members.set(user.id, { user, joinedAt: this.now(), roles });
    if (user === this.bot) this.emit('guildCreate', guild);
  }

  leave(guild: StandInGuild, user: StandInUser): void {
    if (guild.members.delete(user.id) && user === this.bot) this.emit('guildDelete', guild);
  }

  setAvailable(guild: StandInGuild, available: boolean): void {
    if (guild.available === available) return;
    guild.available = available;
    if (guild.members.has(this.bot.id)) this.emit(available ? 'guildCreate' : 'guildDelete', guild);
  }

  addChannel(
    kind: 'text' | 'thread',
    name: string,
    guild: StandInGuild,
    parent: StandInChannel | null,
  ): StandInChannel {
    const channel = this.#addChannel({ kind, name, guild, parent, recipient: null });
    guild.channels.push(channel);
    this.emit('channelCreate', channel);
    return channel;
  }

  /** The direct message channel of `user` and the bot, created on first use. */
  directChannel(user: StandInUser): StandInChannel {
    const known = this.#directChannels.get(user.id);
    if (known) return known;
    const opened = this.#addChannel({
      kind: 'dm',
      name: user.username,
      guild: null,
      parent: null,
      recipient: user,
    });
    this.#directChannels.set(user.id, opened);
    return opened;
  }

  channelAt(place: StandInPlace): StandInChannel {
    return 'username' in place ? this.directChannel(place) : place;
  }

  /** @throws {Error} when there is no such channel. */
  channelOf(message: StandInMessage): StandInChannel {
    const channel = this.channels.get(message.channelId);
    if (!channel) throw new Error(`No channel ${message.channelId}`);
    return channel;
  }

  /** Permissions of someone in a guild; with `channel`, there. `0n` for those who are not members. */
  permissionsOf(user: StandInUser, guild: StandInGuild, channel?: StandInChannel): bigint {
    const member = guild.members.get(user.id);
    if (!member) return 0n;
    const overwrite = (channel?.parent ?? channel)?.botPermissions ?? null;
    if (user === this.bot && overwrite !== null) return overwrite;
    const roles = [guild.administrator, guild.botRole].filter(({ id }) => member.roles.has(id));
    const bits = roles.reduce((sum, role) => sum | role.permissions, guild.everyone.permissions);
    return guild.owner === user || (bits & PERMISSIONS.administrator) !== 0n ? PERMISSIONS.all : bits;
  }

  /** The message with this id in `channel`, unless it is deleted or ephemeral. */
  messageIn(channel: StandInChannel, id: string): StandInMessage | undefined {
    const message = this.messages.get(id);
    const isThere =
      message?.channelId === channel.id && message.deletedAt === null && message.ephemeralTo === null;
    return isThere ? message : undefined;
  }

  botSees(channel: StandInChannel): boolean {
    const { guild } = channel;
    return guild === null || (this.permissionsOf(this.bot, guild, channel) & PERMISSIONS.viewChannel) !== 0n;
  }

  /** The bot's earlier message with this nonce, deleted or not, while Discord remembers the nonce. */
  messageByNonce(nonce: string): StandInMessage | undefined {
    const message = this.#nonces.get(nonce);
    return message && this.now() - message.createdAt < NONCE_MEMORY_MS ? message : undefined;
  }

  post(channel: StandInChannel, author: StandInUser, draft: MessageDraft): StandInMessage {
    const content = (draft.content ?? '').trim();
    const allowedMentions = draft.allowedMentions ?? null;
    const repliesTo = draft.repliesTo ?? null;
    const message: StandInMessage = {
      id: this.nextId(),
      channelId: channel.id,
      guildId: channel.guild?.id ?? null,
      author,
      webhookId: draft.webhookId ?? null,
      content,
      embeds: draft.embeds ?? [],
      components: draft.components ?? [],
      nonce: draft.nonce ?? null,
      allowedMentions,
      pings: this.#pings(channel, author, { content, allowedMentions, repliesTo }),
      repliesTo,
      flags: draft.flags ?? 0,
      ephemeralTo: draft.ephemeralTo ?? null,
      createdAt: this.now(),
      editedAt: null,
      deletedAt: null,
    };
    this.messages.set(message.id, message);
    if (message.ephemeralTo === null) channel.messages.push(message);
    if (message.nonce !== null && author === this.bot) this.#nonces.set(message.nonce, message);
    this.emit('message', message);
    return message;
  }

  /** Changes the fields that the draft has. */
  edit(message: Writable<StandInMessage>, draft: MessageDraft): void {
    message.content = (draft.content ?? message.content).trim();
    message.embeds = draft.embeds ?? message.embeds;
    message.components = draft.components ?? message.components;
    message.flags &= ~FLAGS.loading;
    message.editedAt = this.now();
    // An edit notifies nobody, so `pings` does not change.
    this.emit('edit', message);
  }

  delete(message: Writable<StandInMessage>): void {
    const { messages } = this.channelOf(message);
    const index = messages.indexOf(message);
    if (index >= 0) messages.splice(index, 1);
    message.deletedAt = this.now();
    this.emit('delete', message);
  }

  press(message: StandInMessage, customId: string, user: StandInUser): Promise<StandInAnswer> {
    const answered = new Promise<StandInAnswer>((resolve, reject) => {
      const id = this.nextId();
      const press = { message, customId, user, createdAt: this.now(), answer: null };
      const interaction: Interaction = { ...press, id, token: `interaction-${id}`, resolve, reject };
      this.interactions.set(interaction.token, interaction);
      this.emit('interaction', interaction);
    });
    // A test that does not await the answer gets no unhandled rejection.
    answered.catch(() => undefined);
    return answered;
  }

  /** @throws {ApiError} if the bot may not send a direct message to `user`. */
  checkDirectMessage(user: StandInUser): void {
    const share = [...this.guilds.values()].some(
      ({ members }) => members.has(user.id) && members.has(this.bot.id),
    );
    if (!share) throw refusal('noCommonGuild');
    if (user.bot || this.closed.has(user.id)) throw refusal('directMessagesClosed');
  }

  #addChannel(of: Pick<StandInChannel, 'kind' | 'name' | 'guild' | 'parent' | 'recipient'>): StandInChannel {
    const channel = { ...of, id: this.nextId(), messages: [], botPermissions: null };
    this.channels.set(channel.id, channel);
    return channel;
  }

  #pings(
    channel: StandInChannel,
    author: StandInUser,
    draft: Pick<StandInMessage, 'content' | 'allowedMentions' | 'repliesTo'>,
  ): Pings {
    const { guild, recipient } = channel;
    return pingsOf(draft.content, draft.allowedMentions, {
      mayMentionEveryone:
        guild !== null && (this.permissionsOf(author, guild, channel) & PERMISSIONS.mentionEveryone) !== 0n,
      repliedTo: this.messageIn(channel, draft.repliesTo ?? '')?.author.id ?? null,
      isThere: (id) => guild?.members.has(id) ?? (id === recipient?.id || id === this.bot.id),
      isRole: (id) =>
        guild !== null &&
        [guild.administrator, guild.botRole, ...guild.otherRoles].some((role) => role.id === id),
    });
  }
}
