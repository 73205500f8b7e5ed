import { EventEmitter, once } from 'node:events';
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { asRecord } from './form-check.js';
import { INTENTS, MESSAGE_CONTENT_FLAG, PERMISSIONS, REQUESTED_MEMBERS } from './limits.js';
import {
  channelPayload,
  guildCreatePayload,
  interactionPayload,
  memberWithUser,
  messageEventPayload,
  userPayload,
} from './payloads.js';
import type { StandInChannel, StandInGuild, StandInMessage, World } from './world.js';

export interface GatewayOptions {
  readonly gatewayUrl: string;
  readonly heartbeatIntervalMs: number;
  /** Whether the bot may ask for the message content intent. */
  readonly messageContentIntent: boolean;
  /** Whether this is the bot's current token. */
  isToken(token: unknown): boolean;
}

/** Remains after its connection is lost, so that the client can resume it. */
interface Session {
  readonly id: string;
  readonly intents: number;
  /** The number of the last event. */
  sequence: number;
  /** The number up to which the client is known to have received events. */
  processed: number;
  /** The frames after `processed`, sent again on RESUME. */
  missed: { readonly sequence: number; readonly frame: string }[];
  connection: Connection | null;
}

/** An HTTP status, with headers, that refuses the handshake; or a close code that follows HELLO. */
export type StandInGatewayRefusal =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>> }
  | { readonly close: number };

interface Connection {
  readonly webSocket: WebSocket;
  readonly tcp: Socket;
  session: Session | null;
  silent: boolean;
}

/** Page "Opcodes and Status Codes". */
const OP = {
  dispatch: 0,
  heartbeat: 1,
  identify: 2,
  presence: 3,
  resume: 6,
  reconnect: 7,
  requestMembers: 8,
  invalidSession: 9,
  hello: 10,
  heartbeatAck: 11,
} as const;
const CLOSE = {
  unknownOpcode: 4001,
  decodeError: 4002,
  authenticationFailed: 4004,
  invalidSequence: 4007,
  disallowedIntents: 4014,
} as const;
/** Close codes that end the session. */
const ENDING_CODES: ReadonlySet<number> = new Set([
  1000, 1001, 4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014,
]);

export class Gateway {
  readonly #world: World;
  readonly #options: GatewayOptions;
  readonly #server = new WebSocketServer({ noServer: true });
  readonly #connections = new Set<Connection>();
  readonly #sessions = new Map<string, Session>();
  readonly #events = new EventEmitter<{ attached: []; progress: [] }>().setMaxListeners(0);
  #silent = false;
  /** Whether new connections get a HELLO. */
  greets = true;
  /** Asked about each new connection. */
  refuse: () => StandInGatewayRefusal | null = () => null;
  /** Of the last IDENTIFY. */
  presence: unknown;
  identifies = 0;
  resumes = 0;

  constructor(world: World, options: GatewayOptions) {
    this.#world = world;
    this.#options = options;
    const { events } = world;
    events.on('message', (message) => this.sendMessage('MESSAGE_CREATE', message));
    events.on('edit', (message) => this.sendMessage('MESSAGE_UPDATE', message));
    events.on('guildCreate', (guild) => {
      this.#dispatch('GUILD_CREATE', INTENTS.guilds, guildCreatePayload(world, guild));
    });
    events.on('guildDelete', ({ id, members }) => {
      const unavailable = members.has(world.botUser.id) || undefined;
      this.#dispatch('GUILD_DELETE', INTENTS.guilds, { id, unavailable });
    });
    events.on('channelCreate', (channel) => {
      const type = channel.kind === 'thread' ? 'THREAD_CREATE' : 'CHANNEL_CREATE';
      this.#sendChannel(type, channel);
    });
    events.on('channelUpdate', (channel) => this.#sendChannel('CHANNEL_UPDATE', channel));
    events.on('interaction', (interaction) => {
      this.#dispatch('INTERACTION_CREATE', null, interactionPayload(world, interaction));
    });
  }

  /** Number of sessions that have a connection. */
  get connected(): number {
    return [...this.#sessions.values()].filter(({ connection }) => connection !== null).length;
  }

  accept(request: IncomingMessage, head: Buffer): void {
    const refusal = this.refuse();
    if (refusal !== null && 'status' in refusal) {
      const { status, headers = {} } = refusal;
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      request.socket.end(
        `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}Connection: close\r\n\r\n`,
      );
      return;
    }
    this.#server.handleUpgrade(request, request.socket, head, (webSocket) => {
      const connection: Connection = { webSocket, tcp: request.socket, session: null, silent: this.#silent };
      this.#connections.add(connection);
      webSocket.on('message', (data) => {
        this.#receive(connection, Buffer.isBuffer(data) ? data.toString() : '');
      });
      webSocket.on('pong', (data) => {
        if (connection.session) this.#progress(connection.session, Number(data.toString()));
      });
      webSocket.on('close', (code) => {
        const { session } = connection;
        this.#detach(connection);
        this.#connections.delete(connection);
        if (session && ENDING_CODES.has(code)) this.#sessions.delete(session.id);
      });
      webSocket.on('error', () => undefined); // 'close' follows
      if (connection.silent) {
        webSocket.pause();
      } else if (this.greets) {
        this.#send(connection, OP.hello, { heartbeat_interval: this.#options.heartbeatIntervalMs });
        if (refusal !== null) this.#close(connection, refusal.close);
      }
    });
  }

  /** Without the intent for contents, a client gets none. */
  sendMessage(type: 'MESSAGE_CREATE' | 'MESSAGE_UPDATE', message: StandInMessage): void {
    const world = this.#world;
    const channel = world.channelOf(message);
    const isSeen = world.botMay(PERMISSIONS.viewChannel, channel) && channel.guild?.available !== false;
    if (!isSeen || message.ephemeralTo !== null) return;
    const intent = channel.guild === null ? INTENTS.directMessages : INTENTS.guildMessages;
    this.#dispatch(type, intent, (intents) =>
      messageEventPayload(world, message, (intents & INTENTS.messageContent) !== 0),
    );
  }

  #sendChannel(type: string, channel: StandInChannel): void {
    if (!isServed(this.#world, channel.guild)) return;
    this.#dispatch(type, INTENTS.guilds, channelPayload(this.#world, channel));
  }

  /** Resolves when a client is READY or RESUMED. */
  async whenConnected(): Promise<void> {
    while (this.connected === 0) await once(this.#events, 'attached');
  }

  /**
   * Resolves when every connected client has received all events so far: it answers a ping, which carries the number
   * of the last event, after that event. Op 1 would not do: if discord.js's own heartbeat is due before that one is
   * acknowledged, discord.js closes the connection.
   */
  async whenProcessed(): Promise<void> {
    await Promise.all(Array.from(this.#sessions.values(), (session) => this.#whenProcessed(session)));
  }

  async #whenProcessed(session: Session): Promise<void> {
    const { sequence: goal, connection } = session;
    if (connection === null) return;
    while (session.connection === connection && !connection.silent && session.processed < goal) {
      connection.webSocket.ping(String(goal), undefined, () => undefined);
      await once(this.#events, 'progress');
    }
  }

  /** Op 7: clients reconnect and resume. */
  reconnect(): void {
    for (const connection of this.#connections) {
      this.#send(connection, OP.reconnect, null);
      this.#detach(connection);
    }
  }

  /** Op 9. Unless `resumable`, it deletes the sessions. */
  invalidate(resumable: boolean): void {
    for (const connection of this.#connections) {
      if (!resumable && connection.session) this.#sessions.delete(connection.session.id);
      this.#detach(connection);
      this.#send(connection, OP.invalidSession, resumable);
    }
  }

  /** Resets every connection, as a network failure does. */
  drop(): void {
    for (const connection of this.#connections) {
      this.#detach(connection);
      connection.tcp.resetAndDestroy();
    }
  }

  closeAll(code: number): void {
    for (const connection of this.#connections) this.#close(connection, code);
  }

  /** Reads nothing from any connection and writes nothing, not even a close frame. */
  silence(newOnes: boolean): void {
    this.#silent = newOnes;
    for (const connection of this.#connections) {
      connection.silent = true;
      connection.webSocket.pause();
    }
    this.#events.emit('progress');
  }

  /** Sends `message` as it is. */
  babble(message: string | Buffer): void {
    for (const { webSocket } of this.#connections) webSocket.send(message, () => undefined);
  }

  /** Writes bytes that are not a WebSocket frame. */
  scramble(bytes: Buffer): void {
    for (const { tcp } of this.#connections) tcp.write(bytes);
  }

  /** Ends all connections at once. */
  stop(): void {
    for (const { webSocket } of this.#connections) webSocket.terminate();
    this.#server.close();
  }

  /** `null`: needs no intent. `data` may depend on the intents of the session. */
  #dispatch(type: string, intent: number | null, data: object | ((intents: number) => object)): void {
    for (const session of this.#sessions.values()) {
      if (intent !== null && (session.intents & intent) === 0) continue;
      this.#push(session, type, typeof data === 'function' ? data(session.intents) : data);
    }
  }

  #push(session: Session, type: string, data: object): void {
    session.sequence += 1;
    const { sequence } = session;
    const frame = JSON.stringify({ op: OP.dispatch, t: type, s: sequence, d: data });
    session.missed.push({ sequence, frame });
    if (session.connection) this.#write(session.connection, frame);
  }

  #send(connection: Connection, op: number, data: unknown): void {
    this.#write(connection, JSON.stringify({ op, d: data, s: null, t: null }));
  }

  #write(connection: Connection, frame: string): void {
    if (!connection.silent) connection.webSocket.send(frame, () => undefined); // a lost connection emits 'close'
  }

  #close(connection: Connection, code: number): void {
    const { session } = connection;
    if (session && ENDING_CODES.has(code)) this.#sessions.delete(session.id);
    this.#detach(connection);
    connection.webSocket.close(code);
  }

  #attach(connection: Connection, session: Session): void {
    session.connection?.webSocket.terminate();
    if (session.connection) session.connection.session = null;
    session.connection = connection;
    connection.session = session;
  }

  #detach(connection: Connection): void {
    if (connection.session) connection.session.connection = null;
    connection.session = null;
    this.#events.emit('progress');
  }

  #receive(connection: Connection, text: string): void {
    const payload = parse(text);
    if (payload === null) return this.#close(connection, CLOSE.decodeError);
    const data = asRecord(payload['d']);
    const { session } = connection;
    switch (payload['op']) {
      case OP.heartbeat:
        if (session && typeof payload['d'] === 'number') this.#progress(session, payload['d']);
        return this.#send(connection, OP.heartbeatAck, null);
      case OP.identify:
        return this.#identify(connection, data);
      case OP.resume:
        return this.#resume(connection, data);
      case OP.requestMembers:
        return session ? this.#sendMembers(session, data) : undefined;
      case OP.presence:
        return undefined;
      default:
        return this.#close(connection, CLOSE.unknownOpcode);
    }
  }

  #progress(session: Session, sequence: number): void {
    session.processed = Math.max(session.processed, sequence);
    session.missed = session.missed.filter((event) => event.sequence > session.processed);
    this.#events.emit('progress');
  }

  #identify(connection: Connection, { token, intents, presence }: Record<string, unknown>): void {
    this.identifies += 1;
    this.presence = presence;
    if (!this.#options.isToken(token)) return this.#close(connection, CLOSE.authenticationFailed);
    const { guildMembers, guildPresences, messageContent } = INTENTS;
    const disallowed =
      guildMembers | guildPresences | (this.#options.messageContentIntent ? 0 : messageContent);
    if (typeof intents !== 'number' || (intents & disallowed) !== 0) {
      return this.#close(connection, CLOSE.disallowedIntents);
    }

    const world = this.#world;
    const id = `session-${world.nextId()}`;
    const session: Session = { id, intents, sequence: 0, processed: 0, missed: [], connection: null };
    this.#sessions.set(id, session);
    this.#attach(connection, session);
    const guilds = [...world.guilds.values()].filter(({ members }) => members.has(world.botUser.id));
    this.#push(session, 'READY', {
      v: 10,
      session_id: id,
      resume_gateway_url: this.#options.gatewayUrl,
      user: userPayload(world.botUser),
      application: {
        id: world.botUser.id,
        flags: this.#options.messageContentIntent ? MESSAGE_CONTENT_FLAG : 0,
      },
      guilds: guilds.map((guild) => ({ id: guild.id, unavailable: true })),
    });
    for (const guild of guilds) {
      if (guild.available && (intents & INTENTS.guilds) !== 0) {
        this.#push(session, 'GUILD_CREATE', guildCreatePayload(world, guild));
      }
    }
    this.#events.emit('attached');
    return undefined;
  }

  #resume(connection: Connection, { token, session_id: id, seq }: Record<string, unknown>): void {
    if (!this.#options.isToken(token)) return this.#close(connection, CLOSE.authenticationFailed);
    const session = this.#sessions.get(String(id));
    if (!session) return this.#send(connection, OP.invalidSession, false);
    if (typeof seq !== 'number' || seq > session.sequence) {
      return this.#close(connection, CLOSE.invalidSequence);
    }
    this.resumes += 1;
    this.#attach(connection, session);
    this.#progress(session, seq);
    for (const { frame } of session.missed) this.#write(connection, frame);
    this.#push(session, 'RESUMED', {});
    this.#events.emit('attached');
    return undefined;
  }

  /** Answers requests for members by id, which need no privileged intent; ignores requests for all members. */
  #sendMembers(session: Session, request: Record<string, unknown>): void {
    const guild = this.#world.guilds.get(String(request['guild_id']));
    if (!guild || !isServed(this.#world, guild) || request['user_ids'] === undefined) return;
    const ids = [request['user_ids']].flat().slice(0, REQUESTED_MEMBERS).map(String);
    const members = ids.flatMap((id) => guild.members.get(id) ?? []);
    this.#push(session, 'GUILD_MEMBERS_CHUNK', {
      guild_id: guild.id,
      members: members.map(memberWithUser),
      chunk_index: 0,
      chunk_count: 1,
      nonce: request['nonce'],
    });
  }
}

/** Whether events of `guild` reach the bot. */
function isServed(world: World, guild: StandInGuild | null): boolean {
  return guild !== null && guild.available && guild.members.has(world.botUser.id);
}

function parse(text: string): Record<string, unknown> | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
