import type { IncomingMessage, ServerResponse } from 'node:http';
import { ApiError, invalidForm, refusal } from './api-error.js';
import { Faults, type StandInCalls, toAnswer, toPattern } from './faults.js';
import { asRecord, checkNotEmpty, type MessageForm, readMessageForm } from './form-check.js';
import {
  FLAGS,
  INTERACTION_ANSWER_MS,
  INTERACTION_TOKEN_MS,
  LIMITS,
  PERMISSIONS,
  SESSION_STARTS,
  SESSION_STARTS_RESET_MS,
} from './limits.js';
import { RateLimits } from './rate-limits.js';
import { applicationPayload, channelPayload, guildPayload } from './payloads.js';
import { memberWithUser, messagePayload, userPayload } from './payloads.js';
import type {
  Interaction,
  MessageDraft,
  StandInChannel,
  StandInGuild,
  StandInMessage,
  World,
} from './world.js';

/** A REST call of the bot. */
export interface StandInRequest {
  readonly method: string;
  /** Without `/api/v10` and without the query, e.g. `/users/@me/channels`. */
  readonly path: string;
  readonly query: string;
  /** The parsed JSON; `undefined` if there is none. */
  readonly body: unknown;
  /** The HTTP status of the answer; `null` before the answer, or if it is lost. */
  readonly status: number | null;
}

export interface RestOptions {
  readonly messageContentIntent: boolean;
  readonly publicBot: boolean;
  readonly enforcesNonces: boolean;
  readonly enforcesRateLimits: boolean;
  isToken(token: string): boolean;
  gatewayUrl(): string;
  identifies(): number;
}

interface Call {
  readonly body: unknown;
  readonly query: URLSearchParams;
}

/** Returns the body of a 200, or `undefined` for a 204. Throws refusals. */
type Handler = (call: Call, ...ids: string[]) => object | undefined;

export class Rest {
  readonly #world: World;
  readonly #options: RestOptions;
  readonly #routes: readonly (readonly [pattern: RegExp, handler: Handler])[];
  readonly requests: StandInRequest[] = [];
  readonly faults: Faults;
  readonly #limits: RateLimits | null;
  readonly #listeners = new Set<(request: StandInRequest) => void>();

  constructor(world: World, options: RestOptions) {
    this.#world = world;
    this.#options = options;
    this.faults = new Faults(world);
    this.#limits = options.enforcesRateLimits ? new RateLimits(world.now) : null;
    const routes: Readonly<Record<string, Handler>> = {
      'GET /gateway': () => ({ url: options.gatewayUrl() }),
      'GET /gateway/bot': () => this.#gatewayInformation(),
      'GET /users/@me': () => ({ ...userPayload(world.bot), verified: true, email: null, flags: 0 }),
      'GET /users/@me/guilds': () =>
        [...world.guilds.values()]
          .filter(({ members }) => members.has(world.bot.id))
          .map(({ id, name }) => ({ id, name, icon: null, owner: false, permissions: '0', features: [] })),
      'POST /users/@me/channels': ({ body }) => this.#openDirectChannel(body),
      'GET /users/*': (_, id = '') => userPayload(world.users.get(id) ?? fail('unknownUser')),
      'GET /applications/@me': () => applicationPayload(world, options),
      'GET /oauth2/applications/@me': () => applicationPayload(world, options),
      'GET /channels/*': (_, id = '') => channelPayload(world, this.#channel(id)),
      'GET /channels/*/messages': ({ query }, id = '') => this.#history(id, query),
      'POST /channels/*/messages': ({ body }, id = '') => this.#createMessage(id, body),
      'GET /channels/*/messages/*': (_, id = '', messageId = '') =>
        this.#payload(this.#message(this.#channel(id), messageId)),
      'PATCH /channels/*/messages/*': ({ body }, id = '', messageId = '') =>
        this.#editMessage(id, messageId, body),
      'DELETE /channels/*/messages/*': (_, id = '', messageId = '') => this.#deleteMessage(id, messageId),
      'POST /channels/*/typing': (_, id = '') => {
        this.#checkMayPost(this.#channel(id));
        return undefined;
      },
      'GET /guilds/*': (_, id = '') => guildPayload(this.#guild(id)),
      'GET /guilds/*/channels': (_, id = '') =>
        this.#guild(id)
          .channels.filter(({ kind }) => kind !== 'thread')
          .map((channel) => channelPayload(world, channel)),
      'GET /guilds/*/members/*': (_, id = '', userId = '') =>
        memberWithUser(this.#guild(id).members.get(userId) ?? fail('unknownMember')),
      'POST /interactions/*/*/callback': ({ body, query }, id = '', token = '') =>
        this.#answer(id, token, body, query.get('with_response') === 'true'),
      'POST /webhooks/*/*': ({ body }, _, token = '') => this.#followUp(token, body),
      'GET /webhooks/*/*/messages/*': (_, __, token = '', id = '') =>
        this.#payload(this.#webhookMessage(token, id)),
      'PATCH /webhooks/*/*/messages/*': ({ body }, _, token = '', id = '') => {
        const message = this.#webhookMessage(token, id);
        this.#apply(message, readMessageForm(body));
        return this.#payload(message);
      },
      'DELETE /webhooks/*/*/messages/*': (_, __, token = '', id = '') => {
        world.delete(this.#webhookMessage(token, id));
        return undefined;
      },
    };
    this.#routes = Object.entries(routes).map(([route, handler]) => [toPattern(route), handler]);
  }

  /** Calls `listener` for each selected call as it arrives. Returns a function that ends that. */
  onCall(calls: StandInCalls, listener: (request: StandInRequest) => void): () => void {
    const listen = (request: StandInRequest): void => {
      if (this.faults.selects(calls, request)) listener(request);
    };
    this.#listeners.add(listen);
    return () => {
      this.#listeners.delete(listen);
    };
  }

  /** Answers one HTTP request; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#handle(request, response);
    } catch (error) {
      // The client disconnected, or a listener of a test threw, which has to show.
      send(response, 500, { message: String(error), code: 0 });
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('date', new Date(this.#world.now()).toUTCString());
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const text = Buffer.concat(chunks).toString();
    const { pathname, search, searchParams } = new URL(request.url ?? '/', 'http://stand-in');
    const path = decodeURIComponent(pathname).replace(/^\/api(\/v10)?(?=\/)/, '');
    const body = parse(text);
    const entry = {
      method: request.method ?? 'GET',
      path,
      query: search,
      body,
      status: null as number | null,
    };
    this.requests.push(entry);
    for (const listener of this.#listeners) listener(entry);

    const fault = await this.faults.meet(entry);
    if (fault === 'reset') return void request.socket.resetAndDestroy();
    if (fault !== null && fault !== 'lose-answer') {
      const instead = toAnswer(fault);
      entry.status = instead.status;
      return send(response, instead.status, instead.body, instead.headers);
    }
    const limited = this.#limits?.count(entry.method, path) ?? { status: null, headers: {} };
    if (limited.status !== null) {
      entry.status = limited.status;
      return send(response, limited.status, limited.body, limited.headers);
    }
    const [status, answer] = this.#applyRequest(entry, request.headers.authorization, searchParams);
    if (fault === 'lose-answer') return void request.socket.resetAndDestroy();
    entry.status = status;
    return send(response, status, answer, limited.headers);
  }

  #applyRequest(
    { method, path, body }: StandInRequest,
    authorization: string | undefined,
    query: URLSearchParams,
  ): readonly [status: number, answer: object | undefined] {
    try {
      // Interaction routes are authorized by the token in their path.
      const [kind, token] = (authorization ?? '').split(' ', 2);
      const authorized = kind === 'Bot' && this.#options.isToken(token ?? '');
      if (!authorized && !/^\/(interactions|webhooks)\//.test(path)) throw refusal('unauthorized');
      if (body === INVALID_JSON) throw refusal('invalidJson');
      for (const [pattern, handler] of this.#routes) {
        const match = pattern.exec(`${method} ${path}`);
        if (!match) continue;
        const answer = handler({ body, query }, ...match.slice(1));
        return [answer === undefined ? 204 : 200, answer];
      }
      throw refusal('notFound');
    } catch (error) {
      if (error instanceof ApiError) return [error.status, error];
      throw error;
    }
  }

  #gatewayInformation(): object {
    const remaining = SESSION_STARTS - this.#options.identifies();
    const limit = {
      total: SESSION_STARTS,
      remaining,
      reset_after: SESSION_STARTS_RESET_MS,
      max_concurrency: 1,
    };
    return { url: this.#options.gatewayUrl(), shards: 1, session_start_limit: limit };
  }

  #openDirectChannel(body: unknown): object {
    const user = this.#world.users.get(String(asRecord(body)['recipient_id']));
    if (!user || user === this.#world.bot) throw refusal('invalidRecipient');
    this.#limits?.countOpening(user.id);
    return channelPayload(this.#world, this.#world.directChannel(user));
  }

  #channel(id: string): StandInChannel {
    const world = this.#world;
    const channel = world.channels.get(id) ?? fail('unknownChannel');
    return world.botSees(channel) ? channel : fail('missingAccess');
  }

  #message(channel: StandInChannel, id: string): StandInMessage {
    return this.#world.messageIn(channel, id) ?? fail('unknownMessage');
  }

  #guild(id: string): StandInGuild {
    const guild = this.#world.guilds.get(id);
    return guild?.members.has(this.#world.bot.id) ? guild : fail('unknownGuild');
  }

  /** A message as the bot sees it: without the intent, REST too hides the content of others' messages. */
  #payload(message: StandInMessage): object {
    const mine = message.author === this.#world.bot || message.guildId === null;
    return messagePayload(this.#world, message, this.#options.messageContentIntent || mine);
  }

  #history(channelId: string, query: URLSearchParams): object {
    const channel = this.#channel(channelId);
    if (!this.#may(channel, PERMISSIONS.readMessageHistory)) return [];
    const limit = Number(query.get('limit') ?? 50);
    if (!(limit >= 1 && limit <= LIMITS.messagesPerPage)) {
      const message = `int value should be between 1 and ${LIMITS.messagesPerPage}.`;
      throw invalidForm([{ path: ['limit'], error: { code: 'NUMBER_TYPE_MAX', message } }]);
    }
    const after = BigInt(query.get('after') ?? 0);
    const before = BigInt(query.get('before') ?? -1);
    const found = channel.messages.filter(
      ({ id }) => BigInt(id) > after && (before < 0 || BigInt(id) < before),
    );
    const page = query.has('after') ? found.slice(0, limit) : found.slice(-limit);
    return page.toReversed().map((message) => this.#payload(message));
  }

  #createMessage(channelId: string, body: unknown): object {
    const world = this.#world;
    const channel = this.#channel(channelId);
    this.#checkMayPost(channel);
    const form = readMessageForm(body);
    checkNotEmpty(form);
    if (form.embeds?.length && !this.#may(channel, PERMISSIONS.embedLinks)) {
      throw refusal('missingPermissions');
    }
    const isUnique = form.enforceNonce && this.#options.enforcesNonces;
    const earlier = isUnique && form.nonce ? world.messageByNonce(form.nonce) : undefined;
    if (earlier && earlier.deletedAt !== null) throw refusal('unknownMessage');
    const message =
      earlier ??
      world.post(channel, world.bot, { ...draftOf(form), repliesTo: this.#repliesTo(channel, form) });
    return { ...this.#payload(message), nonce: message.nonce ?? undefined };
  }

  #editMessage(channelId: string, messageId: string, body: unknown): object {
    const message = this.#message(this.#channel(channelId), messageId);
    if (message.author !== this.#world.bot) throw refusal('foreignMessage');
    this.#apply(message, readMessageForm(body));
    return this.#payload(message);
  }

  #deleteMessage(channelId: string, messageId: string): undefined {
    const channel = this.#channel(channelId);
    const message = this.#message(channel, messageId);
    const mayDelete = channel.guild !== null && this.#may(channel, PERMISSIONS.manageMessages);
    if (message.author !== this.#world.bot && !mayDelete) throw refusal('missingPermissions');
    this.#world.delete(message);
  }

  /** The first answer to an interaction. */
  #answer(id: string, token: string, body: unknown, withResponse: boolean): object | undefined {
    const world = this.#world;
    const interaction = world.interactions.get(token);
    if (interaction?.id !== id) throw refusal('unknownInteraction');
    if (interaction.answer !== null) throw refusal('alreadyAcknowledged');
    if (world.now() - interaction.createdAt > INTERACTION_ANSWER_MS) throw refusal('unknownInteraction');
    const { type, data } = asRecord(body);
    if (type !== 4 && type !== 5 && type !== 6 && type !== 7) {
      const message = 'Value must be one of (4, 5, 6, 7).';
      throw invalidForm([{ path: ['type'], error: { code: 'BASE_TYPE_CHOICES', message } }]);
    }
    const form = readMessageForm(data);
    if (type === 4) checkNotEmpty(form);
    let { message } = interaction;
    if (type === 4) message = this.#postAnswer(interaction, draftOf(form), form.flags & FLAGS.ephemeral);
    if (type === 5) {
      message = this.#postAnswer(interaction, {}, (form.flags & FLAGS.ephemeral) | FLAGS.loading);
    }
    if (type === 7) this.#apply(message, form);
    const ephemeral = message.ephemeralTo !== null;
    interaction.answer = { type, message, ephemeral };
    interaction.resolve(interaction.answer);
    if (!withResponse) return undefined;
    const about = { response_message_id: message.id, response_message_ephemeral: ephemeral };
    return {
      interaction: { id, type: 3, ...about, response_message_loading: type === 5 },
      resource: { type, ...(type !== 6 && type !== 5 && { message: this.#payload(message) }) },
    };
  }

  #followUp(token: string, body: unknown): object {
    const interaction = this.#answered(token);
    const form = readMessageForm(body);
    checkNotEmpty(form);
    return this.#payload(this.#postAnswer(interaction, draftOf(form), form.flags & FLAGS.ephemeral));
  }

  #postAnswer(interaction: Interaction, draft: MessageDraft, flags: number): StandInMessage {
    const world = this.#world;
    const ephemeralTo = (flags & FLAGS.ephemeral) === 0 ? null : interaction.user;
    const channel = world.channelOf(interaction.message);
    return world.post(channel, world.bot, { ...draft, flags, ephemeralTo, webhookId: world.bot.id });
  }

  /** An interaction that was answered and whose token is valid. */
  #answered(token: string): Interaction & { readonly answer: NonNullable<Interaction['answer']> } {
    const interaction = this.#world.interactions.get(token);
    if (!interaction || this.#world.now() - interaction.createdAt > INTERACTION_TOKEN_MS) {
      fail('invalidWebhookToken');
    }
    const { answer } = interaction;
    return answer === null ? fail('unknownWebhook') : { ...interaction, answer };
  }

  /** The first answer, or a follow-up message. */
  #webhookMessage(token: string, id: string): StandInMessage {
    const { answer } = this.#answered(token);
    const message = id === '@original' ? answer.message : this.#world.messages.get(id);
    return message?.author === this.#world.bot && message.deletedAt === null
      ? message
      : fail('unknownMessage');
  }

  #apply(message: StandInMessage, form: MessageForm): void {
    const draft = draftOf(form);
    checkNotEmpty({ ...message, ...draft });
    this.#world.edit(message, draft);
  }

  #repliesTo(channel: StandInChannel, { repliesTo }: MessageForm): string | null {
    if (repliesTo === null) return null;
    if (!this.#may(channel, PERMISSIONS.readMessageHistory)) throw refusal('replyWithoutHistory');
    if (this.#world.messageIn(channel, repliesTo.messageId)) return repliesTo.messageId;
    if (!repliesTo.mustExist) return null;
    const error = { code: 'REPLIES_UNKNOWN_MESSAGE', message: 'Unknown message' };
    throw invalidForm([{ path: ['message_reference'], error }]);
  }

  #may(channel: StandInChannel, permission: bigint): boolean {
    const world = this.#world;
    return (
      channel.guild === null || (world.permissionsOf(world.bot, channel.guild, channel) & permission) !== 0n
    );
  }

  #checkMayPost(channel: StandInChannel): void {
    if (channel.recipient !== null) this.#world.checkDirectMessage(channel.recipient);
    const { sendMessages, sendMessagesInThreads } = PERMISSIONS;
    const needed = channel.kind === 'thread' ? sendMessagesInThreads : sendMessages;
    if (!this.#may(channel, needed)) throw refusal('missingPermissions');
  }
}

/** The fields that the form has, so that an edit keeps the others. */
function draftOf({ content, embeds, components, allowedMentions, nonce }: MessageForm): MessageDraft {
  return {
    allowedMentions,
    ...(content !== undefined && { content }),
    ...(embeds !== undefined && { embeds }),
    ...(components !== undefined && { components }),
    ...(nonce !== undefined && { nonce }),
  };
}

function fail(name: Parameters<typeof refusal>[0]): never {
  throw refusal(name);
}

const INVALID_JSON = Symbol('invalid JSON');

function parse(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return INVALID_JSON;
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  // As in Discord, an empty answer has no JSON type: discord.js would try to parse it.
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  response.writeHead(status, { ...type, ...headers }).end(body === undefined ? '' : JSON.stringify(body));
}
