import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, invalidForm, refusal } from './api-error.js';
import { type Answer, type Faults, type StandInRequest, toAnswer, toPattern } from './faults.js';
import { asRecord, checkNotEmpty, readMessageForm } from './form-check.js';
import {
  EPHEMERAL_FLAG,
  INTERACTION_ANSWER_MS,
  PERMISSIONS,
  SESSION_STARTS,
  SESSION_STARTS_RESET_MS,
} from './limits.js';
import {
  applicationPayload,
  channelPayload,
  guildPayload,
  memberWithUser,
  messagePayload,
  userPayload,
} from './payloads.js';
import { RateLimits } from './rate-limits.js';
import type { StandInChannel, StandInGuild, World } from './world.js';

export interface RestOptions {
  readonly gatewayUrl: string;
  readonly messageContentIntent: boolean;
  readonly publicBot: boolean;
  readonly enforcesNonces: boolean;
  readonly enforcesRateLimits: boolean;
  isToken(token: unknown): boolean;
  identifies(): number;
}

/** Gets the request's body, and the segments that its route has `*` for. Returns the body of a 200; `undefined`: a 204. */
type Handler = (body: unknown, id: string, otherId: string) => object | undefined;

export class Rest {
  readonly #world: World;
  readonly #faults: Faults;
  readonly #options: RestOptions;
  readonly #routes: readonly (readonly [pattern: RegExp, handler: Handler])[];
  readonly #limits: RateLimits | null;
  readonly requests: StandInRequest[] = [];
  /** Called with each call as it arrives. */
  readonly listeners: ((request: StandInRequest) => void)[] = [];

  constructor(world: World, faults: Faults, options: RestOptions) {
    this.#world = world;
    this.#faults = faults;
    this.#options = options;
    this.#limits = options.enforcesRateLimits ? new RateLimits(world.now) : null;
    const routes: Readonly<Record<string, Handler>> = {
      'GET /gateway/bot': () => this.#gatewayInformation(),
      'GET /users/@me': () => userPayload(world.botUser),
      'GET /users/@me/guilds': () =>
        [...world.guilds.values()]
          .filter(({ members }) => members.has(world.botUser.id))
          .map(({ id, name }) => ({ id, name, icon: null, owner: false, permissions: '0', features: [] })),
      'POST /users/@me/channels': (body) => this.#openDirectChannel(body),
      'GET /applications/@me': () => applicationPayload(world, options),
      'POST /channels/*/messages': (body, id) => this.#createMessage(id, body),
      'GET /guilds/*': (_, id) => guildPayload(this.#guild(id)),
      'GET /guilds/*/channels': (_, id) =>
        this.#guild(id)
          .channels.filter(({ kind }) => kind !== 'thread')
          .map((channel) => channelPayload(world, channel)),
      'GET /guilds/*/members/*': (_, id, userId) =>
        memberWithUser(this.#guild(id).members.get(userId) ?? fail('unknownMember')),
      'POST /interactions/*/*/callback': (body, id, token) => this.#answer(id, token, body),
    };
    this.#routes = Object.entries(routes).map(([route, handler]) => [toPattern(route), handler]);
  }

  /** Answers one HTTP request; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#handle(request, response);
    } catch (error) {
      // The client disconnected, or a listener of a test threw, which has to show.
      send(response, { status: 500, body: { message: String(error), code: 0 } });
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('date', new Date(this.#world.now()).toUTCString());
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    const { pathname } = new URL(request.url ?? '/', 'http://stand-in');
    const entry = {
      method: request.method ?? 'GET',
      path: decodeURIComponent(pathname).replace(/^\/api(\/v10)?(?=\/)/, ''),
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
      status: null as number | null,
    };
    this.requests.push(entry);
    for (const listener of this.listeners) listener(entry);

    const fault = await this.#faults.meet(entry);
    if (fault === 'reset') return void request.socket.resetAndDestroy();
    const isAnswerLost = fault === 'lose-answer';
    const answer =
      fault === null || isAnswerLost ? this.#answerOf(entry, request.headers.authorization) : toAnswer(fault);
    if (isAnswerLost) return void request.socket.resetAndDestroy();
    entry.status = answer.status;
    return send(response, answer);
  }

  #answerOf({ method, path, body }: StandInRequest, authorization: string | undefined): Answer {
    const limited = this.#limits?.count(method, path) ?? { status: null };
    if (limited.status !== null) return limited;
    const { headers = {} } = limited;
    try {
      const [kind, token] = (authorization ?? '').split(' ', 2);
      const isAuthorized = kind === 'Bot' && this.#options.isToken(token);
      // Interaction routes are authorized by the token in their path.
      if (!isAuthorized && !path.startsWith('/interactions/')) throw refusal('unauthorized');
      for (const [pattern, handler] of this.#routes) {
        const match = pattern.exec(`${method} ${path}`);
        if (!match) continue;
        const [, id = '', otherId = ''] = match;
        const answer = handler(body, id, otherId);
        return { status: answer === undefined ? 204 : 200, body: answer, headers };
      }
      throw refusal('notFound');
    } catch (error) {
      if (error instanceof ApiError) return { status: error.status, body: error, headers };
      throw error;
    }
  }

  #gatewayInformation(): object {
    const limit = {
      total: SESSION_STARTS,
      remaining: SESSION_STARTS - this.#options.identifies(),
      reset_after: SESSION_STARTS_RESET_MS,
      max_concurrency: 1,
    };
    return { url: this.#options.gatewayUrl, shards: 1, session_start_limit: limit };
  }

  #openDirectChannel(body: unknown): object {
    const user = this.#world.users.get(String(asRecord(body)['recipient_id']));
    if (!user || user === this.#world.botUser) throw refusal('invalidRecipient');
    this.#limits?.countOpening(user.id);
    return channelPayload(this.#world, this.#world.directChannel(user));
  }

  #guild(id: string): StandInGuild {
    const guild = this.#world.guilds.get(id);
    return guild?.members.has(this.#world.botUser.id) ? guild : fail('unknownGuild');
  }

  #createMessage(channelId: string, body: unknown): object {
    const world = this.#world;
    const channel = world.channels.get(channelId) ?? fail('unknownChannel');
    this.#checkMayPost(channel);
    const form = readMessageForm(body);
    checkNotEmpty(form);
    if (form.embeds?.length && !world.botMay(PERMISSIONS.embedLinks, channel)) fail('missingPermissions');
    const isUnique = asRecord(body)['enforce_nonce'] === true && this.#options.enforcesNonces;
    const earlier = isUnique && form.nonce ? world.messageByNonce(form.nonce) : undefined;
    if (earlier?.isDeleted) throw refusal('unknownMessage');
    return messagePayload(world, earlier ?? world.post(channel, world.botUser, form));
  }

  #checkMayPost(channel: StandInChannel): void {
    const world = this.#world;
    const { recipient } = channel;
    const { viewChannel, sendMessages, sendMessagesInThreads } = PERMISSIONS;
    if (recipient !== null) {
      const sharesGuild = [...world.guilds.values()].some(
        ({ members }) => members.has(recipient.id) && members.has(world.botUser.id),
      );
      if (!sharesGuild) throw refusal('noCommonGuild');
      if (recipient.bot || world.closed.has(recipient.id)) throw refusal('directMessagesClosed');
    }
    if (!world.botMay(viewChannel, channel)) throw refusal('missingAccess');
    const needed = channel.kind === 'thread' ? sendMessagesInThreads : sendMessages;
    if (!world.botMay(needed, channel)) throw refusal('missingPermissions');
  }

  /** The answer to an interaction: a message (4), or an edit of the pressed message (7). */
  #answer(id: string, token: string, body: unknown): undefined {
    const world = this.#world;
    const interaction = world.interactions.get(token);
    if (interaction?.id !== id) throw refusal('unknownInteraction');
    if (interaction.isAnswered) throw refusal('alreadyAcknowledged');
    if (world.now() - interaction.createdAt > INTERACTION_ANSWER_MS) throw refusal('unknownInteraction');
    const { type, data } = asRecord(body);
    if (type !== 4 && type !== 7) {
      throw invalidForm(['type'], 'BASE_TYPE_CHOICES', 'Value must be one of (4, 7).');
    }
    const form = readMessageForm(data);
    let message = interaction.message;
    if (type === 7) {
      const { content = message.content, embeds = message.embeds, components = message.components } = form;
      checkNotEmpty({ content, embeds, components });
      world.change(message, { content, embeds, components });
    } else {
      checkNotEmpty(form);
      const isEphemeral = (Number(asRecord(data)['flags']) & EPHEMERAL_FLAG) !== 0;
      const ephemeralTo = isEphemeral ? interaction.user : null;
      const draft = { ...form, ephemeralTo, webhookId: world.botUser.id };
      message = world.post(world.channelOf(message), world.botUser, draft);
    }
    interaction.isAnswered = true;
    interaction.resolve({ message, ephemeral: message.ephemeralTo !== null });
  }
}

function fail(name: Parameters<typeof refusal>[0]): never {
  throw refusal(name);
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  // As in Discord, an empty answer has no JSON type: discord.js would try to parse it.
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  response.writeHead(status, { ...type, ...headers }).end(body === undefined ? '' : JSON.stringify(body));
}
