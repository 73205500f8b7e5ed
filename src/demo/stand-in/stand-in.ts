import { createServer, type Server } from 'node:http';
import { Gateway } from './gateway.js';
import { Rest, type StandInInterceptor, type StandInRequest } from './rest.js';
import {
  type StandInAnswer,
  type StandInChannel,
  type StandInGuild,
  type StandInMessage,
  type StandInPlace,
  type StandInUser,
  World,
} from './world.js';

export type { StandInInterceptor, StandInRequest } from './rest.js';
export type { StandInEmbed } from './form-check.js';
export type {
  StandInAnswer,
  StandInChannel,
  StandInGuild,
  StandInMessage,
  StandInPlace,
  StandInUser,
} from './world.js';

export interface StandInOptions {
  /** The bot's token; made up if not given. */
  readonly token?: string;
  readonly botName?: string;
  /** Whether the message content intent is enabled in the developer portal; it is by default. */
  readonly messageContentIntent?: boolean;
  /** The clock, in Unix ms, not before 2015-02-01: ids are made from it. `Date.now` by default. */
  readonly now?: () => number;
  readonly heartbeatIntervalMs?: number;
  /** Where the gateway asks its clients to resume; there itself by default. */
  readonly resumeUrl?: string;
  /** Whether a repeat with `enforce_nonce` gives back the first message, as it does by default. */
  readonly enforcesNonces?: boolean;
}

/**
 * Discord, as far as a bot that answers messages can tell: REST and gateway, version 10, on a free port of 127.0.0.1.
 * Give a client `apiUrl` and `token`, then make guilds and people, let them speak, and look at what comes of it.
 *
 * @example
 * const discord = await DiscordStandIn.start();
 * const ada = discord.addUser('ada');
 * const general = discord.addChannel(discord.addGuild('Workshop', ada), 'general');
 * // new Client({ rest: { api: discord.apiUrl }, … }).login(discord.token)
 * await discord.connected();
 * discord.say(general, ada, '!ping');
 * await discord.nextMessage(({ author }) => author === discord.botUser);
 * await discord.close();
 */
export class DiscordStandIn {
  /** The base of REST, without a version. */
  readonly apiUrl: string;
  readonly token: string;
  readonly #server: Server;
  readonly #world: World;
  readonly #gateway: Gateway;
  readonly #rest: Rest;
  #revoked = false;
  #offline = false;

  private constructor(server: Server, options: StandInOptions) {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The server does not listen');
    const { port } = address;
    const gatewayUrl = (): string => `ws://127.0.0.1:${port}/gateway`;
    const messageContentIntent = options.messageContentIntent ?? true;
    const isToken = (token: unknown): boolean => token === this.token && !this.#revoked;
    this.#server = server;
    this.#world = new World(options.now ?? Date.now, options.botName ?? 'access-bot');
    this.#gateway = new Gateway(this.#world, {
      heartbeatIntervalMs: options.heartbeatIntervalMs ?? 41_250,
      messageContentIntent,
      isToken,
      url: gatewayUrl,
      resumeUrl: () => options.resumeUrl ?? gatewayUrl(),
    });
    this.#rest = new Rest(this.#world, {
      messageContentIntent,
      enforcesNonces: options.enforcesNonces ?? true,
      isToken,
      gatewayUrl,
      identifies: () => this.#gateway.identifies,
    });
    this.apiUrl = `http://127.0.0.1:${port}/api`;
    this.token = options.token ?? tokenOf(this.botUser);
    server.on('connection', (socket) => {
      if (this.#offline) socket.resetAndDestroy();
    });
    server.on('request', (request, response) => void this.#rest.handle(request, response));
    server.on('upgrade', (request, socket, head) => {
      if (request.url?.startsWith('/gateway')) this.#gateway.accept(request, head);
      else socket.destroy();
    });
  }

  static async start(options: StandInOptions = {}): Promise<DiscordStandIn> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return new DiscordStandIn(server, options);
  }

  /** Ends all connections at once; afterwards nothing is open. Presses without an answer reject. */
  async close(): Promise<void> {
    for (const { reject } of this.#world.interactions.values()) reject(new Error('The stand-in was closed'));
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#gateway.stop();
    this.#server.closeAllConnections();
    await closed;
  }

  // The world

  get botUser(): StandInUser {
    return this.#world.bot;
  }

  addUser(username: string, { bot = false }: { readonly bot?: boolean } = {}): StandInUser {
    return this.#world.addUser(username, bot);
  }

  /** A guild with the roles @everyone, Administrator and the bot's own, and with `owner` and the bot as members. */
  addGuild(name: string, owner: StandInUser): StandInGuild {
    return this.#world.addGuild(name, owner);
  }

  addChannel(guild: StandInGuild, name: string): StandInChannel {
    return this.#world.addChannel('text', name, guild, null);
  }

  addThread(channel: StandInChannel, name: string): StandInChannel {
    if (channel.guild === null) throw new Error('Direct messages have no threads');
    return this.#world.addChannel('thread', name, channel.guild, channel);
  }

  /** Makes `user` a member. The bot hears of that only by asking: member events need a privileged intent. */
  join(guild: StandInGuild, user: StandInUser): void {
    this.#world.join(guild, user);
  }

  leave(guild: StandInGuild, user: StandInUser): void {
    this.#world.leave(guild, user);
  }

  /** Gives or takes the role Administrator; the bot sees it in what that member says next. */
  setAdministrator(guild: StandInGuild, user: StandInUser, isAdministrator: boolean): void {
    const member = guild.members.get(user.id);
    if (!member) throw new Error(`${user.username} is no member of ${guild.name}`);
    if (isAdministrator) member.roles.add(guild.administrator.id);
    else member.roles.delete(guild.administrator.id);
  }

  /** Closed: what the bot sends to `user` is refused with 50007. */
  setDirectMessages(user: StandInUser, state: 'open' | 'closed'): void {
    if (state === 'closed') this.#world.closed.add(user.id);
    else this.#world.closed.delete(user.id);
  }

  /** What the bot may do in `channel` and its threads, as permission bits; `null`: what its roles say. */
  setBotPermissions(channel: StandInChannel, permissions: bigint | null): void {
    const target = channel.parent ?? channel;
    target.botPermissions = permissions;
    this.#world.emit('channelUpdate', target);
  }

  /** Throws the bot out of `guild`: GUILD_DELETE. */
  removeBot(guild: StandInGuild): void {
    this.#world.leave(guild, this.botUser);
  }

  addBot(guild: StandInGuild): void {
    this.#world.join(guild, this.botUser);
  }

  /** An outage of one guild, or its end. REST goes on; the gateway is silent about the guild. */
  setGuildUnavailable(guild: StandInGuild, isUnavailable = true): void {
    this.#world.setAvailable(guild, !isUnavailable);
  }

  // Acts of people

  /**
   * Lets `author` say something; a `webhook` speaks under the author's name without being a member.
   *
   * @throws {Error} when the author is not there.
   */
  say(
    place: StandInPlace,
    author: StandInUser,
    content: string,
    { webhook = false }: { readonly webhook?: boolean } = {},
  ): StandInMessage {
    const channel = this.#world.channelAt(place);
    if (webhook) {
      const speaker = { ...author, bot: true };
      return this.#world.post(channel, speaker, { content, webhookId: author.id });
    }
    this.#checkPresent(channel, author);
    return this.#world.post(channel, author, { content });
  }

  edit(message: StandInMessage, content: string): void {
    this.#world.edit(message, { content });
  }

  delete(message: StandInMessage): void {
    this.#world.delete(message);
  }

  /** Dispatches the same MESSAGE_CREATE once more, as Discord sometimes does. */
  redeliver(message: StandInMessage): void {
    this.#gateway.sendMessage('MESSAGE_CREATE', message);
  }

  /**
   * Presses a button. Resolves with the bot's first answer, which may come never; rejects when the stand-in closes.
   *
   * @throws {Error} at once, when `user` could not press it: no such button, disabled, or not visible.
   */
  press(message: StandInMessage, customId: string, user: StandInUser): Promise<StandInAnswer> {
    const buttons = message.components.flatMap(({ components }) => components);
    if (!buttons.some((button) => button.custom_id === customId && !button.disabled)) {
      throw new Error(`The message has no button ${customId} that can be pressed`);
    }
    if (message.deletedAt !== null) throw new Error('The message was deleted');
    if ((message.ephemeralTo ?? user) !== user) throw new Error(`${user.username} does not see the message`);
    this.#checkPresent(this.#world.channelOf(message), user);
    return this.#world.press(message, customId, user);
  }

  // What happened

  /** What stands in a place, oldest first; a live list. */
  messages(place: StandInPlace): readonly StandInMessage[] {
    return this.#world.channelAt(place).messages;
  }

  /** What `user` and the bot wrote each other. */
  directMessages(user: StandInUser): readonly StandInMessage[] {
    return this.messages(user);
  }

  /** Every REST call of the bot, in order of arrival; a live list. */
  get requests(): readonly StandInRequest[] {
    return this.#rest.requests;
  }

  /** Calls `listener` for every new message, ephemeral ones included. Returns what ends it, as the next two do. */
  onMessage(listener: (message: StandInMessage) => void): () => void {
    return this.#on('message', listener);
  }

  onEdit(listener: (message: StandInMessage) => void): () => void {
    return this.#on('edit', listener);
  }

  onDelete(listener: (message: StandInMessage) => void): () => void {
    return this.#on('delete', listener);
  }

  /** Resolves with the next new message that `matches`; those already there do not count. */
  nextMessage(matches: (message: StandInMessage) => boolean = () => true): Promise<StandInMessage> {
    return new Promise((resolve) => {
      const stop = this.onMessage((message) => {
        if (!matches(message)) return;
        stop();
        resolve(message);
      });
    });
  }

  /** Resolves at once if a client is READY or RESUMED, otherwise as soon as one is. */
  connected(): Promise<void> {
    return this.#gateway.whenConnected();
  }

  /**
   * Resolves once every connected client has handed all events so far to its listeners. What these do after an
   * `await` is not waited for, nor what discord.js holds back until it is ready.
   */
  delivered(): Promise<void> {
    return this.#gateway.whenProcessed();
  }

  /** How often a client has identified, also in vain. */
  get identifies(): number {
    return this.#gateway.identifies;
  }

  /** How often a session was resumed. */
  get resumes(): number {
    return this.#gateway.resumes;
  }

  /** How many sessions are connected now. */
  get connections(): number {
    return this.#gateway.connected;
  }

  // Faults

  /** Decides what happens to every REST call from now on; `null`: nothing. */
  set interceptor(interceptor: StandInInterceptor | null) {
    this.#rest.interceptor = interceptor;
  }

  /** Op 7. From here to the next RESUMED, events wait, as with the next three. */
  reconnect(): void {
    this.#gateway.reconnect();
  }

  /** Op 9; unless `resumable`, what is said until the client has identified anew is lost to it. */
  invalidateSession(resumable: boolean): void {
    this.#gateway.invalidate(resumable);
  }

  /** Resets all connections to the gateway (TCP). */
  dropConnections(): void {
    this.#gateway.drop();
  }

  closeGateway(code: number): void {
    this.#gateway.closeAll(code);
  }

  /**
   * Gateway connections stay open, also new ones unless told otherwise, but nothing passes through them, not even
   * acknowledgements of heartbeats. Calling what is returned ends that: the silent ones are reset, new ones work.
   */
  silence({ newOnes = true }: { readonly newOnes?: boolean } = {}): () => void {
    return this.#gateway.silence(newOnes);
  }

  /** Whoever connects to the gateway from now on gets no HELLO. Calling what is returned ends that, for new ones. */
  withholdHello(): () => void {
    return this.#gateway.withholdHello();
  }

  /** A RESUME gets no answer, until what is returned is called. */
  ignoreResumes(): () => void {
    return this.#gateway.ignoreResumes();
  }

  /** Sends a message to all that are connected to the gateway, whatever it may be. */
  babble(message: string | Buffer): void {
    this.#gateway.babble(message);
  }

  /** Writes bytes into the gateway's connections, between the frames. */
  scramble(bytes: Buffer): void {
    this.#gateway.scramble(bytes);
  }

  /**
   * Goes off the network: all connections are reset, new ones too, REST's as well, until the returned function is
   * called. Sessions outlive it. The port stays taken: another program must not get it meanwhile.
   */
  goOffline(): () => void {
    this.#offline = true;
    this.#gateway.drop();
    this.#server.closeAllConnections();
    return () => {
      this.#offline = false;
    };
  }

  /** The token is worth nothing any more: REST answers 401, the gateway closes with 4004. */
  revokeToken(): void {
    this.#revoked = true;
    this.#gateway.closeAll(4004);
  }

  #on(event: 'message' | 'edit' | 'delete', listener: (message: StandInMessage) => void): () => void {
    this.#world.on(event, listener);
    return () => {
      this.#world.off(event, listener);
    };
  }

  #checkPresent({ guild, recipient, name }: StandInChannel, user: StandInUser): void {
    const isThere = guild ? guild.members.has(user.id) : user === recipient;
    if (!isThere) throw new Error(`${user.username} is not in ${name}`);
  }
}

/** A token in the form of Discord's: the bot's id, a time and a signature, in base 64. */
function tokenOf({ id }: StandInUser): string {
  const [user, time, signature] = [id, 'time', `a stand-in signs nothing ${id}`].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  return `${user}.${time}.${signature}`;
}
