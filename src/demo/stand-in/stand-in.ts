import { createServer, type Server } from 'node:http';
import type { StandInCalls, StandInFault, StandInFaultyCalls, StandInHold } from './faults.js';
import { Gateway, type StandInGatewayRefusal } from './gateway.js';
import { Rest, type StandInRequest } from './rest.js';
import {
  type StandInAnswer,
  type StandInChannel,
  type StandInGuild,
  type StandInMessage,
  type StandInPlace,
  type StandInRole,
  type StandInUser,
  World,
} from './world.js';

export type { StandInCalls, StandInFault, StandInFaultyCalls, StandInHold } from './faults.js';
export type { StandInGatewayRefusal } from './gateway.js';
export type { StandInRequest } from './rest.js';
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
  /** Whether anybody may invite the bot to a server of their own; the default is no. */
  readonly publicBot?: boolean;
  /** The clock, in Unix ms, not before 2015-02-01: ids are made from it. `Date.now` by default. */
  readonly now?: () => number;
  readonly heartbeatIntervalMs?: number;
  /** `resume_gateway_url` in READY; the gateway's own URL by default. */
  readonly resumeUrl?: string;
  /** Whether a repeat with `enforce_nonce` returns the first message; `true` by default. */
  readonly enforcesNonces?: boolean;
  /** Whether calls above Discord's rate limits are refused; `false` by default. */
  readonly enforcesRateLimits?: boolean;
}

/**
 * A working fake of Discord for a bot that answers messages: REST and gateway, version 10, on a free port of 127.0.0.1.
 * Connect a client with `apiUrl` and `token`, add guilds and users, post messages, and read what the bot does.
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
  /** The base URL of REST, without a version. */
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
      publicBot: options.publicBot ?? false,
      enforcesNonces: options.enforcesNonces ?? true,
      enforcesRateLimits: options.enforcesRateLimits ?? false,
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

  /** Ends all connections and closes the server. Button presses without an answer reject. */
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

  /** Makes `user` a member. No event is sent: member events need a privileged intent. */
  join(guild: StandInGuild, user: StandInUser): void {
    this.#world.join(guild, user);
  }

  leave(guild: StandInGuild, user: StandInUser): void {
    this.#world.leave(guild, user);
  }

  /** Adds or removes the role Administrator; the member's next message or press carries it. */
  setAdministrator(guild: StandInGuild, user: StandInUser, isAdministrator: boolean): void {
    this.setRole(guild, user, guild.administrator, isAdministrator);
  }

  /** Adds a role without permissions. No event is sent: add it before the bot connects. */
  addRole(guild: StandInGuild, name: string): StandInRole {
    return this.#world.addRole(guild, name);
  }

  /** Gives or takes a role; the member's next message or press carries it. */
  setRole(guild: StandInGuild, user: StandInUser, { id }: StandInRole, has = true): void {
    const member = guild.members.get(user.id);
    if (!member) throw new Error(`${user.username} is no member of ${guild.name}`);
    if (has) member.roles.add(id);
    else member.roles.delete(id);
  }

  /** `closed`: direct messages of the bot to `user` are refused with 50007. */
  setDirectMessages(user: StandInUser, state: 'open' | 'closed'): void {
    if (state === 'closed') this.#world.closed.add(user.id);
    else this.#world.closed.delete(user.id);
  }

  /** Sets the bot's permission bits in `channel` and its threads; `null` restores those of its roles. */
  setBotPermissions(channel: StandInChannel, permissions: bigint | null): void {
    const target = channel.parent ?? channel;
    target.botPermissions = permissions;
    this.#world.emit('channelUpdate', target);
  }

  /** Removes the bot from `guild`: GUILD_DELETE. */
  removeBot(guild: StandInGuild): void {
    this.#world.leave(guild, this.botUser);
  }

  addBot(guild: StandInGuild): void {
    this.#world.join(guild, this.botUser);
  }

  /** Starts or ends an outage of one guild: REST works, but the gateway sends no events of the guild. */
  setGuildUnavailable(guild: StandInGuild, isUnavailable = true): void {
    this.#world.setAvailable(guild, !isUnavailable);
  }

  // Acts of people

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
   * Presses a button. Resolves with the bot's first answer, if there is one; rejects when the stand-in closes.
   *
   * @throws {Error} synchronously if the button does not exist, is disabled, or is not visible to `user`.
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

  /** Returns the labels of the enabled buttons that `user` sees, newest message first. */
  labels(user: StandInUser): readonly string[] {
    return [...new Set(this.#buttons(user).map(({ label }) => label))];
  }

  /**
   * Presses the newest enabled button with this label, ignoring case, that `user` sees; with `place`, sees there.
   * Resolves with the bot's first answer; rejects if there is no such button, or when the stand-in closes.
   */
  pressButton(user: StandInUser, label: string, place?: StandInPlace): Promise<StandInAnswer> {
    const wanted = label.toLowerCase();
    const button = this.#buttons(user, place).find((each) => each.label.toLowerCase() === wanted);
    return button === undefined
      ? Promise.reject(new Error(`There is no button ${label} that ${user.username} can press.`))
      : this.press(button.message, button.id, user);
  }

  // What happened

  /** The messages in a place, oldest first; a live list. */
  messages(place: StandInPlace): readonly StandInMessage[] {
    return this.#world.channelAt(place).messages;
  }

  /** The direct messages between `user` and the bot; a live list. */
  directMessages(user: StandInUser): readonly StandInMessage[] {
    return this.messages(user);
  }

  /** Every REST call of the bot, in order of arrival; a live list. */
  get requests(): readonly StandInRequest[] {
    return this.#rest.requests;
  }

  /** The REST calls so far that match, oldest first. */
  calls(calls: StandInCalls): readonly StandInRequest[] {
    return this.requests.filter((request) => this.#rest.faults.selects(calls, request));
  }

  /** Calls `listener` for each REST call that matches, before it has an effect. Returns a function that ends that. */
  onCall(calls: StandInCalls, listener: (request: StandInRequest) => void): () => void {
    return this.#rest.onCall(calls, listener);
  }

  /** Calls `listener` for every new message, ephemeral ones included. Returns a function that ends that. */
  onMessage(listener: (message: StandInMessage) => void): () => void {
    return this.#on('message', listener);
  }

  onEdit(listener: (message: StandInMessage) => void): () => void {
    return this.#on('edit', listener);
  }

  onDelete(listener: (message: StandInMessage) => void): () => void {
    return this.#on('delete', listener);
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

  /** Resolves when a client is READY or RESUMED. */
  connected(): Promise<void> {
    return this.#gateway.whenConnected();
  }

  /**
   * Resolves when every connected client has passed all events so far to its listeners. It does not wait for what
   * listeners do after an `await`, or for events that discord.js queues until it is ready.
   */
  delivered(): Promise<void> {
    return this.#gateway.whenProcessed();
  }

  /** Number of IDENTIFYs, refused ones included. */
  /** The presence with which the bot logged in last. */
  get presence(): unknown {
    return this.#gateway.presence;
  }

  get identifies(): number {
    return this.#gateway.identifies;
  }

  /** Number of sessions resumed. */
  get resumes(): number {
    return this.#gateway.resumes;
  }

  /** Number of sessions connected now. */
  get connections(): number {
    return this.#gateway.connected;
  }

  // Faults

  /**
   * Makes REST calls fail; of several faults for a call, the oldest counts. Returns a function that ends the fault.
   *
   * @example
   * discord.fail({ to: alice, times: 1 }, 'lose-answer');
   * discord.fail({ opening: alice }, { status: 403, code: 40003 });
   */
  fail(calls: StandInFaultyCalls, fault: StandInFault): () => void {
    return this.#rest.faults.fail(calls, fault);
  }

  /** Makes REST calls wait until they are released. Then `fault` happens to them, if it is given. */
  hold(calls: StandInFaultyCalls, fault: StandInFault | null = null): StandInHold {
    return this.#rest.faults.hold(calls, fault);
  }

  /** Sends op 7. Events wait until the next RESUMED, as with the next three faults. */
  reconnect(): void {
    this.#gateway.reconnect();
  }

  /** Sends op 9; unless `resumable`, the client misses all events until it has identified again. */
  invalidateSession(resumable: boolean): void {
    this.#gateway.invalidate(resumable);
  }

  /** Resets all TCP connections to the gateway. */
  dropConnections(): void {
    this.#gateway.drop();
  }

  closeGateway(code: number): void {
    this.#gateway.closeAll(code);
  }

  /**
   * Keeps gateway connections open without sending or reading anything, heartbeat acknowledgements included; new
   * connections too by default. The returned function ends that: it resets the silent connections, and new ones work.
   */
  silence({ newOnes = true }: { readonly newOnes?: boolean } = {}): () => void {
    return this.#gateway.silence(newOnes);
  }

  /** Sends no HELLO to new gateway connections, until the returned function is called. */
  withholdHello(): () => void {
    return this.#gateway.withholdHello();
  }

  /**
   * Refuses gateway connections while REST works: `refusal` is called for each and returns `null` to accept it. The
   * returned function ends that.
   */
  refuseGateway(refusal: () => StandInGatewayRefusal | null): () => void {
    return this.#gateway.refuse(refusal);
  }

  /** Does not answer RESUME, until the returned function is called. */
  ignoreResumes(): () => void {
    return this.#gateway.ignoreResumes();
  }

  /** Sends `message` as it is to all gateway connections. */
  babble(message: string | Buffer): void {
    this.#gateway.babble(message);
  }

  /** Writes bytes to all gateway connections, between WebSocket frames. */
  scramble(bytes: Buffer): void {
    this.#gateway.scramble(bytes);
  }

  /**
   * Resets all connections, new ones included, of REST and gateway, until the returned function is called. Sessions
   * remain. The stand-in keeps listening, so that no other program gets its port.
   */
  goOffline(): () => void {
    this.#offline = true;
    this.#gateway.drop();
    this.#server.closeAllConnections();
    return () => {
      this.#offline = false;
    };
  }

  /** Revokes the token: REST answers 401, the gateway closes with 4004. */
  revokeToken(): void {
    this.#revoked = true;
    this.#gateway.closeAll(4004);
  }

  #buttons(
    user: StandInUser,
    place?: StandInPlace,
  ): { readonly message: StandInMessage; readonly id: string; readonly label: string }[] {
    const channel = place && this.#world.channelAt(place);
    return [...this.#world.messages.values()].toReversed().flatMap((message) => {
      const { channelId, deletedAt, ephemeralTo, components } = message;
      const isSeen = deletedAt === null && (ephemeralTo ?? user) === user;
      if (!isSeen || (channel && channel.id !== channelId)) return [];
      if (!isIn(this.#world.channelOf(message), user)) return [];
      return components
        .flatMap((row) => row.components)
        .flatMap(({ custom_id: id, label = '', disabled }) =>
          id === undefined || disabled ? [] : [{ message, id, label }],
        );
    });
  }

  #on(event: 'message' | 'edit' | 'delete', listener: (message: StandInMessage) => void): () => void {
    this.#world.on(event, listener);
    return () => {
      this.#world.off(event, listener);
    };
  }

  #checkPresent(channel: StandInChannel, user: StandInUser): void {
    if (!isIn(channel, user)) throw new Error(`${user.username} is not in ${channel.name}`);
  }
}

function isIn({ guild, recipient }: StandInChannel, user: StandInUser): boolean {
  return guild ? guild.members.has(user.id) : user === recipient;
}

/** A token in Discord's format: the bot's id, a time and a signature, each in base64url. */
function tokenOf({ id }: StandInUser): string {
  const [user, time, signature] = [id, 'time', `a stand-in signs nothing ${id}`].map((part) =>
    Buffer.from(part).toString('base64url'),
  );
  return `${user}.${time}.${signature}`;
}
