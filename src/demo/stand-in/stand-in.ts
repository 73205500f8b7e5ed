import { createServer, type Server } from 'node:http';
import {
  Faults,
  type StandInCalls,
  type StandInFault,
  type StandInFaultyCalls,
  type StandInHold,
  type StandInRequest,
} from './faults.js';
import { Gateway, type StandInGatewayRefusal } from './gateway.js';
import { Rest } from './rest.js';
import { type StandInMessage, type StandInUser, World } from './world.js';

export type { StandInFault } from './faults.js';
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
  /** Whether the message content intent is enabled in the developer portal; it is by default. */
  readonly messageContentIntent?: boolean;
  /** Whether anybody may invite the bot to a server of their own; the default is no. */
  readonly publicBot?: boolean;
  /** The clock, in Unix ms, not before 2015-02-01: ids are made from it. `Date.now` by default. */
  readonly now?: () => number;
  readonly heartbeatIntervalMs?: number;
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
export class DiscordStandIn extends World {
  /** The base URL of REST, without a version. */
  readonly apiUrl: string;
  readonly token: string;
  readonly #server: Server;
  readonly #gateway: Gateway;
  readonly #faults = new Faults(this);
  readonly #rest: Rest;
  #revoked = false;
  #offline = false;

  private constructor(server: Server, options: StandInOptions) {
    super(options.now ?? Date.now);
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The server does not listen');
    this.apiUrl = `http://127.0.0.1:${address.port}/api`;
    this.token = options.token ?? tokenOf(this.botUser);
    const common = {
      gatewayUrl: `ws://127.0.0.1:${address.port}/gateway`,
      messageContentIntent: options.messageContentIntent ?? true,
      isToken: (token: unknown) => token === this.token && !this.#revoked,
    };
    this.#server = server;
    this.#gateway = new Gateway(this, {
      ...common,
      heartbeatIntervalMs: options.heartbeatIntervalMs ?? 41_250,
    });
    this.#rest = new Rest(this, this.#faults, {
      ...common,
      publicBot: options.publicBot ?? false,
      enforcesNonces: options.enforcesNonces ?? true,
      enforcesRateLimits: options.enforcesRateLimits ?? false,
      identifies: () => this.identifies,
    });
    server.on('connection', (socket) => {
      if (this.#offline) socket.resetAndDestroy();
    });
    server.on('request', (request, response) => void this.#rest.handle(request, response));
    server.on('upgrade', (request, _, head) => this.#gateway.accept(request, head));
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
    for (const { reject } of this.interactions.values()) reject(new Error('The stand-in was closed'));
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#gateway.stop();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Every REST call of the bot, in order of arrival; a live list. */
  get requests(): readonly StandInRequest[] {
    return this.#rest.requests;
  }

  /** The REST calls so far that match, oldest first. */
  calls(calls: StandInCalls): readonly StandInRequest[] {
    return this.requests.filter((request) => this.#faults.selects(calls, request));
  }

  /** Calls `listener` for each REST call that matches, before it has an effect. */
  onCall(calls: StandInCalls, listener: (request: StandInRequest) => void): void {
    this.#rest.listeners.push((request) => {
      if (this.#faults.selects(calls, request)) listener(request);
    });
  }

  /**
   * Makes REST calls fail; of several faults for a call, the oldest counts. Returns a function that ends the fault.
   *
   * @example
   * discord.fail({ to: alice, times: 1 }, 'lose-answer');
   * discord.fail({ opening: alice }, { status: 403, code: 40003 });
   */
  fail(calls: StandInFaultyCalls, fault: StandInFault): () => void {
    return this.#faults.fail(calls, fault);
  }

  /** Makes REST calls wait until they are released. Then `fault` happens to them, if it is given. */
  hold(calls: StandInFaultyCalls, fault: StandInFault | null = null): StandInHold {
    return this.#faults.hold(calls, fault);
  }

  // The gateway

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

  /** Dispatches the same MESSAGE_CREATE once more, as Discord sometimes does. */
  redeliver(message: StandInMessage): void {
    this.#gateway.sendMessage('MESSAGE_CREATE', message);
  }

  /** The presence with which the bot logged in last. */
  get presence(): unknown {
    return this.#gateway.presence;
  }

  /** Number of IDENTIFYs, refused ones included. */
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
   * connections too by default.
   */
  silence({ newOnes = true }: { readonly newOnes?: boolean } = {}): void {
    this.#gateway.silence(newOnes);
  }

  /** Sends no HELLO to new gateway connections, until the returned function is called; these never get one. */
  withholdHello(): () => void {
    this.#gateway.greets = false;
    return () => {
      this.#gateway.greets = true;
    };
  }

  /**
   * Refuses gateway connections while REST works: `refusal` is called for each and returns `null` to accept it. The
   * returned function ends that.
   */
  refuseGateway(refusal: () => StandInGatewayRefusal | null): () => void {
    this.#gateway.refuse = refusal;
    return () => {
      this.#gateway.refuse = () => null;
    };
  }

  /** Sends `message` as it is to all gateway connections. */
  babble(message: string | Buffer): void {
    this.#gateway.babble(message);
  }

  /** Writes bytes to all gateway connections, between WebSocket frames. */
  scramble(bytes: Buffer): void {
    this.#gateway.scramble(bytes);
  }

  // Both

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
}

/** A token in Discord's format: the bot's id, a time and a signature, each in base64url. */
function tokenOf({ id }: StandInUser): string {
  const parts = [id, 'time', `a stand-in signs nothing ${id}`];
  return parts.map((part) => Buffer.from(part).toString('base64url')).join('.');
}
