import { EventEmitter } from 'node:events';
import type { AllowedMentions, StandInActionRow, StandInEmbed } from './form-check.js';
import { DISCORD_EPOCH_MS, NONCE_MEMORY_MS, PERMISSIONS } from './limits.js';

export interface StandInUser {
  readonly id: string;
  readonly username: string;
  readonly bot: boolean;
}

export interface StandInRole {
  readonly id: string;
  readonly name: string;
  readonly permissions: bigint;
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
  readonly botRole: StandInRole;
  readonly administrator: StandInRole;
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
  readonly pings: Pings;
  /** The only user who sees it: it answers a button press, and is in no channel's `messages`. */
  readonly ephemeralTo: StandInUser | null;
  /** Unix times in ms. */
  readonly createdAt: number;
  readonly editedAt: number | null;
  readonly isDeleted: boolean;
}

/** Who is notified of a message, by id. */
export interface Pings {
  readonly everyone: boolean;
  readonly users: readonly string[];
  readonly roles: readonly string[];
}

/** What the sender of a message sets; `undefined`: not given. */
export interface MessageDraft {
  readonly content?: string | undefined;
  readonly embeds?: readonly StandInEmbed[] | undefined;
  readonly components?: readonly StandInActionRow[] | undefined;
  readonly nonce?: string | undefined;
  /** Not given: all mentions notify. */
  readonly allowedMentions?: AllowedMentions | undefined;
  readonly webhookId?: string;
  readonly ephemeralTo?: StandInUser | null;
}

/** The bot's answer to a press: a new message, or the pressed message after its edit. */
export interface StandInAnswer {
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
  isAnswered: boolean;
}

interface WorldEvents {
  message: [StandInMessage];
  edit: [StandInMessage];
  guildCreate: [StandInGuild];
  guildDelete: [StandInGuild];
  channelCreate: [StandInChannel];
  channelUpdate: [StandInChannel];
  interaction: [Interaction];
}

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const CODE_SPANS = /```[\s\S]+?```|``[\s\S]+?``|`[^`]+`/g;

/** The state of Discord and what people do there, with events for the gateway and the demo. No network. */
export class World {
  readonly events = new EventEmitter<WorldEvents>().setMaxListeners(0);
  readonly now: () => number;
  readonly botUser: StandInUser;
  readonly users = new Map<string, StandInUser>();
  readonly guilds = new Map<string, StandInGuild>();
  readonly channels = new Map<string, StandInChannel>();
  /** Ids of users with direct messages closed. */
  readonly closed = new Set<string>();
  /** By token. */
  readonly interactions = new Map<string, Interaction>();
  readonly #directChannels = new Map<string, StandInChannel>();
  /** Oldest first, deleted and ephemeral ones included. */
  readonly #messages: StandInMessage[] = [];
  readonly #nonces = new Map<string, StandInMessage>();
  #lastId = 0n;

  constructor(now: () => number) {
    this.now = now;
    this.botUser = this.addUser('access-bot', { bot: true });
  }

  /** A new snowflake: unique, and greater than all before, even within a millisecond. */
  nextId(): string {
    const fresh = BigInt(Math.floor(this.now()) - DISCORD_EPOCH_MS) << 22n;
    this.#lastId = fresh > this.#lastId ? fresh : this.#lastId + 1n;
    return String(this.#lastId);
  }

  addUser(username: string, { bot = false }: { readonly bot?: boolean } = {}): StandInUser {
    const user = { id: this.nextId(), username, bot };
    this.users.set(user.id, user);
    return user;
  }

  /** A guild with the roles @everyone, Administrator and the bot's own, and with `owner` and the bot as members. */
  addGuild(name: string, owner: StandInUser): StandInGuild {
    const id = this.nextId();
    const { viewChannel, sendMessages, embedLinks, mentionEveryone, sendMessagesInThreads } = PERMISSIONS;
    const bot = viewChannel | sendMessages | embedLinks;
    const everyone = bot | mentionEveryone | sendMessagesInThreads;
    const role = (roleName: string, permissions: bigint, roleId = this.nextId()): StandInRole => ({
      id: roleId,
      name: roleName,
      permissions,
    });
    const guild: StandInGuild = {
      id,
      name,
      owner,
      everyone: role('@everyone', everyone, id),
      botRole: role(this.botUser.username, bot),
      administrator: role('Administrator', PERMISSIONS.administrator),
      otherRoles: [],
      members: new Map(),
      channels: [],
      available: true,
    };
    this.guilds.set(id, guild);
    this.join(guild, owner);
    this.addBot(guild);
    return guild;
  }

  addChannel(guild: StandInGuild, name: string): StandInChannel {
    return this.#addChannel({ kind: 'text', name, guild });
  }

  addThread(parent: StandInChannel, name: string): StandInChannel {
    return this.#addChannel({ kind: 'thread', name, guild: parent.guild, parent });
  }

  /** Adds a role without permissions. No event is sent: add it before the bot connects. */
  addRole({ otherRoles }: StandInGuild, name: string): StandInRole {
    const role = { id: this.nextId(), name, permissions: 0n };
    otherRoles.push(role);
    return role;
  }

  /** Gives or takes a role; the member's next message or press carries it. */
  setRole(guild: StandInGuild, user: StandInUser, { id }: StandInRole, has = true): void {
    const member = guild.members.get(user.id);
    if (!member) throw new Error(`${user.username} is no member of ${guild.name}`);
    if (has) member.roles.add(id);
    else member.roles.delete(id);
  }

  setAdministrator(guild: StandInGuild, user: StandInUser, isAdministrator: boolean): void {
    this.setRole(guild, user, guild.administrator, isAdministrator);
  }

  /** Makes `user` a member. No event is sent: member events need a privileged intent. */
  join(guild: StandInGuild, user: StandInUser): void {
    if (guild.members.has(user.id)) return;
    guild.members.set(user.id, { user, joinedAt: this.now(), roles: new Set() });
  }

  leave(guild: StandInGuild, user: StandInUser): void {
    guild.members.delete(user.id);
  }

  addBot(guild: StandInGuild): void {
    this.join(guild, this.botUser);
    this.setRole(guild, this.botUser, guild.botRole);
    this.events.emit('guildCreate', guild);
  }

  /** Removes the bot from `guild`: GUILD_DELETE. */
  removeBot(guild: StandInGuild): void {
    this.leave(guild, this.botUser);
    this.events.emit('guildDelete', guild);
  }

  /** Starts or ends an outage of one guild: REST works, but the gateway sends no events of the guild. */
  setGuildUnavailable(guild: StandInGuild, isUnavailable = true): void {
    guild.available = !isUnavailable;
    this.events.emit(isUnavailable ? 'guildDelete' : 'guildCreate', guild);
  }

  /** `closed`: direct messages of the bot to `user` are refused with 50007. */
  setDirectMessages(user: StandInUser, state: 'open' | 'closed'): void {
    if (state === 'closed') this.closed.add(user.id);
    else this.closed.delete(user.id);
  }

  /** Sets the bot's permission bits in `channel` and its threads; `null` restores those of its roles. */
  setBotPermissions(channel: StandInChannel, permissions: bigint | null): void {
    channel.botPermissions = permissions;
    this.events.emit('channelUpdate', channel);
  }

  /** Permissions of someone in a guild; with `channel`, there. `0n` for those who are not members. */
  permissionsOf(user: StandInUser, guild: StandInGuild, channel?: StandInChannel): bigint {
    const member = guild.members.get(user.id);
    if (!member) return 0n;
    const overwrite = (channel?.parent ?? channel)?.botPermissions ?? null;
    if (user === this.botUser && overwrite !== null) return overwrite;
    const bits = rolesOf(guild)
      .filter(({ id }) => id === guild.id || member.roles.has(id))
      .reduce((sum, { permissions }) => sum | permissions, 0n);
    return guild.owner === user || (bits & PERMISSIONS.administrator) !== 0n ? PERMISSIONS.all : bits;
  }

  /** Whether the bot has a permission in a channel; it has all in direct messages. */
  botMay(permission: bigint, channel: StandInChannel): boolean {
    const { guild } = channel;
    return guild === null || (this.permissionsOf(this.botUser, guild, channel) & permission) !== 0n;
  }

  /** The direct message channel of `user` and the bot, created on first use. */
  directChannel(user: StandInUser): StandInChannel {
    const known = this.#directChannels.get(user.id);
    if (known) return known;
    const opened = this.#addChannel({ kind: 'dm', name: user.username, guild: null, recipient: user });
    this.#directChannels.set(user.id, opened);
    return opened;
  }

  /** @throws {Error} when there is no such channel. */
  channelOf(message: StandInMessage): StandInChannel {
    const channel = this.channels.get(message.channelId);
    if (!channel) throw new Error(`No channel ${message.channelId}`);
    return channel;
  }

  /** The messages in a place, oldest first; a live list. */
  messages(place: StandInPlace): readonly StandInMessage[] {
    return this.#channelAt(place).messages;
  }

  /** The direct messages between `user` and the bot; a live list. */
  directMessages(user: StandInUser): readonly StandInMessage[] {
    return this.messages(user);
  }

  /** The bot's earlier message with this nonce, deleted or not, while Discord remembers the nonce. */
  messageByNonce(nonce: string): StandInMessage | undefined {
    const message = this.#nonces.get(nonce);
    return message && this.now() - message.createdAt < NONCE_MEMORY_MS ? message : undefined;
  }

  /**
   * Posts a message; a `webhook` posts under the author's name without being a member.
   *
   * @throws {Error} if the author is not in that place.
   */
  say(
    place: StandInPlace,
    author: StandInUser,
    content: string,
    { webhook = false }: { readonly webhook?: boolean } = {},
  ): StandInMessage {
    const channel = this.#channelAt(place);
    const draft = { content: content.trim() };
    if (webhook) return this.post(channel, { ...author, bot: true }, { ...draft, webhookId: author.id });
    if (!isIn(channel, author)) throw new Error(`${author.username} is not in ${channel.name}`);
    return this.post(channel, author, draft);
  }

  post(channel: StandInChannel, author: StandInUser, draft: MessageDraft): StandInMessage {
    const { content = '' } = draft;
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
      pings: this.#pingsOf(content, draft.allowedMentions, channel, author),
      ephemeralTo: draft.ephemeralTo ?? null,
      createdAt: this.now(),
      editedAt: null,
      isDeleted: false,
    };
    this.#messages.push(message);
    if (message.ephemeralTo === null) channel.messages.push(message);
    if (message.nonce !== null) this.#nonces.set(message.nonce, message);
    this.events.emit('message', message);
    return message;
  }

  edit(message: StandInMessage, content: string): void {
    this.change(message, { ...message, content });
  }

  /** Replaces what a message shows. It notifies nobody, so `pings` does not change. */
  change(
    message: Writable<StandInMessage>,
    { content, embeds, components }: Pick<StandInMessage, 'content' | 'embeds' | 'components'>,
  ): void {
    Object.assign(message, { content, embeds, components, editedAt: this.now() });
    this.events.emit('edit', message);
  }

  /** Deletes a message. No event is sent: the bot has no use for it. */
  delete(message: Writable<StandInMessage>): void {
    const { messages } = this.channelOf(message);
    messages.splice(messages.indexOf(message), 1);
    message.isDeleted = true;
  }

  /**
   * Presses a button. Resolves with the bot's answer, if there is one; rejects when the stand-in closes.
   *
   * @throws {Error} synchronously if the button does not exist, is disabled, or is not visible to `user`.
   */
  press(message: StandInMessage, customId: string, user: StandInUser): Promise<StandInAnswer> {
    if (!this.#buttons(user).some((button) => button.message === message && button.id === customId)) {
      throw new Error(`The message has no button ${customId} that ${user.username} can press`);
    }
    const answered = new Promise<StandInAnswer>((resolve, reject) => {
      const id = this.nextId();
      const press = { message, customId, user, createdAt: this.now(), isAnswered: false };
      const interaction: Interaction = { ...press, id, token: `interaction-${id}`, resolve, reject };
      this.interactions.set(interaction.token, interaction);
      this.events.emit('interaction', interaction);
    });
    // A test that does not await the answer gets no unhandled rejection.
    answered.catch(() => undefined);
    return answered;
  }

  /** Returns the labels of the enabled buttons that `user` sees, newest message first. */
  labels(user: StandInUser): readonly string[] {
    return [...new Set(this.#buttons(user).map(({ label }) => label))];
  }

  /**
   * Presses the newest enabled button with this label, ignoring case, that `user` sees; with `place`, sees there.
   * Resolves with the bot's answer; rejects if there is no such button, or when the stand-in closes.
   */
  pressButton(user: StandInUser, label: string, place?: StandInPlace): Promise<StandInAnswer> {
    const channel = place && this.#channelAt(place);
    const wanted = label.toLowerCase();
    const button = this.#buttons(user).find(
      (each) =>
        each.label.toLowerCase() === wanted &&
        (channel?.id ?? each.message.channelId) === each.message.channelId,
    );
    return button === undefined
      ? Promise.reject(new Error(`There is no button ${label} that ${user.username} can press.`))
      : this.press(button.message, button.id, user);
  }

  /** Calls `listener` for every new message, ephemeral ones included. Returns a function that ends that. */
  onMessage(listener: (message: StandInMessage) => void): () => void {
    this.events.on('message', listener);
    return () => void this.events.off('message', listener);
  }

  onEdit(listener: (message: StandInMessage) => void): void {
    this.events.on('edit', listener);
  }

  /** Resolves with the next new message that `matches`; earlier messages do not count. */
  nextMessage(matches: (message: StandInMessage) => boolean = () => true): Promise<StandInMessage> {
    return new Promise((resolve) => {
      const stop = this.onMessage((message) => {
        if (!matches(message)) return;
        stop();
        resolve(message);
      });
    });
  }

  /** The enabled buttons that `user` sees, newest message first. */
  #buttons(user: StandInUser): { message: StandInMessage; id: string; label: string }[] {
    const seen = this.#messages.filter(
      (message) =>
        !message.isDeleted && (message.ephemeralTo ?? user) === user && isIn(this.channelOf(message), user),
    );
    return seen.toReversed().flatMap((message) =>
      message.components
        .flatMap(({ components }) => components)
        .filter(({ disabled }) => !disabled)
        .map(({ custom_id: id, label }) => ({ message, id, label })),
    );
  }

  #channelAt(place: StandInPlace): StandInChannel {
    return 'username' in place ? this.directChannel(place) : place;
  }

  #addChannel(of: Pick<StandInChannel, 'kind' | 'name' | 'guild'> & Partial<StandInChannel>): StandInChannel {
    const empty = { parent: null, recipient: null, messages: [], botPermissions: null };
    const channel = { ...empty, ...of, id: this.nextId() };
    this.channels.set(channel.id, channel);
    channel.guild?.channels.push(channel);
    this.events.emit('channelCreate', channel);
    return channel;
  }

  /** Returns who is notified: mentioned outside code spans, in the place, and allowed. */
  #pingsOf(
    content: string,
    allowed: AllowedMentions | undefined,
    channel: StandInChannel,
    author: StandInUser,
  ): Pings {
    const { guild, recipient } = channel;
    const text = content.replaceAll(CODE_SPANS, ' ');
    const named = (pattern: RegExp): string[] => [
      ...new Set(Array.from(text.matchAll(pattern), ([, id = '']) => id)),
    ];
    const may = (kind: 'users' | 'roles', id: string): boolean =>
      allowed === undefined || allowed.parse.includes(kind) || allowed[kind].includes(id);
    const isThere = (id: string): boolean =>
      guild?.members.has(id) ?? (id === recipient?.id || id === this.botUser.id);
    const mayPingAll =
      guild !== null && (this.permissionsOf(author, guild, channel) & PERMISSIONS.mentionEveryone) !== 0n;
    return {
      everyone: mayPingAll && /@(everyone|here)/.test(text) && (allowed?.parse.includes('everyone') ?? true),
      users: named(/<@!?(\d+)>/g).filter((id) => isThere(id) && may('users', id)),
      roles: named(/<@&(\d+)>/g).filter(
        (id) => mayPingAll && may('roles', id) && rolesOf(guild).some((role) => role.id === id),
      ),
    };
  }
}

/** In order of position. */
export function rolesOf({ everyone, botRole, administrator, otherRoles }: StandInGuild): StandInRole[] {
  return [everyone, botRole, administrator, ...otherRoles];
}

function isIn({ guild, recipient }: StandInChannel, user: StandInUser): boolean {
  return guild ? guild.members.has(user.id) : user === recipient;
}
