import type { Socket } from 'node:net';

import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';

import type { CodeValidator, RedeemOptions, Verdict } from '../codes/code-validator.js';
import type { Log } from '../log.js';
import { bearerCheck } from './bearer.js';
import type { Health } from './health.js';
import { HttpSetupError } from './http-setup-error.js';
import { IDEMPOTENCY_KEY, LOGIN_SCHEMA, MAX_BODY_BYTES, OPENAPI } from './openapi.js';

/** A request is a few hundred bytes: whoever takes longer is broken, or holds a connection on purpose. */
const REQUEST_TIMEOUT_MS = 5_000;
const IDLE_TIMEOUT_MS = 5_000;
const MAX_HEADER_BYTES = 8_192;

/** Fewer than the 1,024 files that a process may often open at most. */
const MAX_CONNECTIONS = 500;

/** How long requests under way may take when the door is closed. */
const CLOSE_PATIENCE_MS = 1_000;

/** What is throttled until somebody does something may as well be asked again in an hour. */
const LONG_RETRY_S = 3_600;
const OUTAGE_RETRY_S = 5;

/** What happens a thousand times a minute is logged once. */
const LOG_PAUSE_MS = 60_000;

export interface HttpOptions {
  readonly host: string;
  /** With 0 a free one is taken. */
  readonly port: number;
  /** One, or two while one replaces the other. */
  readonly tokens: readonly string[];
  readonly validator: Pick<CodeValidator, 'validate' | 'redeem'>;
  readonly health: () => Promise<Health>;
  readonly clock: () => number;
  readonly log: Pick<Log, 'debug' | 'info' | 'warn' | 'error'>;
}

/** The validator's door for websites that cannot open the database. */
export interface HttpDoor {
  readonly port: number;
  /** Hears nothing more and finishes what is under way, within {@link CLOSE_PATIENCE_MS}. */
  close(): Promise<void>;
}

/** @throws {HttpSetupError} the address cannot be listened on. */
export async function openHttpDoor(options: HttpOptions): Promise<HttpDoor> {
  const { host, port, log } = options;
  const app = createHttpApp(options);
  try {
    // Of localhost fastify would make two servers, the second without the limits of the first.
    await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
  } catch (error) {
    await app.close();
    throw explain(error, host, port);
  }
  const address = app.server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : port;
  log.info({ host, port: listening }, 'Websites can ask over HTTP');
  if (!isLoopback(host)) {
    log.warn(
      { host },
      'Other machines can reach the HTTP port, and what they send is not encrypted: put a reverse proxy with TLS (Caddy, nginx) in front of it and set HTTP_HOST=127.0.0.1, or keep the port in a private network',
    );
  }
  return {
    port: listening,
    close: async () => {
      const impatience = setTimeout(() => app.server.closeAllConnections(), CLOSE_PATIENCE_MS);
      await app.close();
      clearTimeout(impatience);
    },
  };
}

/** The endpoints, not yet listening. */
export function createHttpApp(options: Omit<HttpOptions, 'host' | 'port'>): FastifyInstance {
  const { tokens, validator, health, clock, log } = options;
  const isAllowed = bearerCheck(tokens);
  const sayRefused = atIntervals(clock, (times) =>
    log.warn(
      { times },
      'A request over HTTP had no right token: the website needs the HTTP_TOKEN of the bot',
    ),
  );

  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    return503OnClosing: false,
    http: {
      headersTimeout: REQUEST_TIMEOUT_MS,
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: 1_000,
    },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
    clientErrorHandler: refuseSocket,
    // A path that cannot be decoded comes past the hooks, and would be quoted.
    frameworkErrors: (_error, _request, reply) => {
      reply.header('cache-control', 'no-store');
      sendNoRoute(reply);
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.removeContentTypeParser('text/plain');
  app.setErrorHandler(answerError);
  app.setNotFoundHandler(async (_request, reply) => refuseRoute(reply));
  // With a callback: a promise for each request would cost a tenth of it.
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store');
    done();
  });

  /** Before the body is read: a stranger's is not looked at. */
  function authorize({ headers }: FastifyRequest, reply: FastifyReply, done: () => void): void {
    if (isAllowed(headers.authorization)) {
      done();
      return;
    }
    sayRefused();
    reply.header('www-authenticate', 'Bearer');
    const message = 'Send the header Authorization: Bearer and the HTTP_TOKEN of the bot.';
    reply.send(refuse(reply, 401, 'unauthorized', message));
  }

  const door = { onRequest: authorize, schema: { body: LOGIN_SCHEMA } };
  app.post<{ Body: Login }>('/v1/validate', door, async ({ body }, reply) =>
    answer(reply, await validator.validate(body.username, body.code, { client: body.client })),
  );
  app.post<{ Body: Login }>('/v1/redeem', door, async ({ body, headers }, reply) => {
    const key = headers['idempotency-key'];
    if (key !== undefined && !(typeof key === 'string' && KEY.test(key))) {
      return refuse(reply, 400, 'invalid_key', 'An Idempotency-Key has 1 to 255 visible ASCII characters.');
    }
    const redemption: RedeemOptions = { client: body.client, idempotencyKey: key };
    return answer(reply, await validator.redeem(body.username, body.code, redemption));
  });
  // Monitors ask by HEAD.
  app.get('/healthz', { exposeHeadRoute: true }, async (_request, reply) => {
    const { database, gateway } = await health();
    const well = database && gateway;
    reply.code(well ? 200 : 503);
    return { status: word(well), database: word(database), gateway: word(gateway) };
  });
  app.get('/openapi.json', async () => OPENAPI);

  const sayOutage = atIntervals(clock, (times, err) =>
    log.error({ err, times }, 'A request over HTTP could not be answered'),
  );

  function answerError(error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
    reply.send(problemOf(error, reply));
  }

  function problemOf(error: FastifyError, reply: FastifyReply): Problem {
    const { validation, statusCode = 500, code } = error;
    if (validation !== undefined) {
      const [first] = validation;
      const found = `${first?.instancePath.slice(1) || 'The body'} ${first?.message ?? 'does not fit'}`;
      return refuse(reply, 400, 'invalid_body', `${WANTED} ${found}.`);
    }
    if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
      return refuse(reply, 413, 'too_large', `A body has at most ${MAX_BODY_BYTES} bytes.`);
    }
    if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
      return refuse(reply, 415, 'unsupported_media_type', 'Send a body with Content-Type: application/json.');
    }
    if (statusCode >= 400 && statusCode < 500) {
      // Not the error's own text: it may quote the body, with the code in it.
      return refuse(reply, 400, 'invalid_body', `${WANTED} The body is no JSON.`);
    }
    sayOutage(error);
    reply.header('retry-after', OUTAGE_RETRY_S);
    return refuse(reply, 503, 'unavailable', 'It cannot be told just now. Let nobody in, and ask again.');
  }

  return app;
}

interface Login {
  readonly username: string;
  readonly code: string;
  readonly client?: string;
}

const KEY = new RegExp(IDEMPOTENCY_KEY);

const WANTED = 'Send {"username": "...", "code": "..."}, with "client": "..." if you like and nothing else.';

/** The one shape of whatever is refused. */
interface Problem {
  /** A word to switch on. */
  readonly error: string;
  readonly message: string;
}

function answer(reply: FastifyReply, verdict: Verdict): Verdict | Problem {
  if (verdict.valid) return verdict;
  if (verdict.reason === 'key_reused') {
    return refuse(reply, 400, 'key_reused', 'This Idempotency-Key belongs to another username and code.');
  }
  if (verdict.reason !== 'throttled') return verdict;
  const { retryAfterMs } = verdict;
  reply.header('retry-after', retryAfterMs === null ? LONG_RETRY_S : Math.ceil(retryAfterMs / 1_000));
  const until = retryAfterMs === null ? 'until its holder has got a new code' : 'for now';
  return refuse(
    reply,
    429,
    'throttled',
    `Too many wrong codes for this username: none is looked at ${until}.`,
  );
}

/** Sets the status. @returns the body. */
function refuse(reply: FastifyReply, status: number, error: string, message: string): Problem {
  reply.code(status);
  return { error, message };
}

function sendNoRoute(reply: FastifyReply): void {
  reply.send(refuseRoute(reply));
}

function refuseRoute(reply: FastifyReply): Problem {
  return refuse(
    reply,
    404,
    'not_found',
    'There are POST /v1/validate, POST /v1/redeem, GET /healthz and GET /openapi.json.',
  );
}

const NO_HTTP: readonly [status: string, problem: Problem] = [
  '400 Bad Request',
  { error: 'bad_request', message: 'This is no HTTP request.' },
];

const SOCKET_PROBLEMS: Readonly<Record<string, typeof NO_HTTP>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [
    '408 Request Timeout',
    { error: 'too_slow', message: 'The request took too long to arrive.' },
  ],
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    { error: 'headers_too_large', message: `The headers have at most ${MAX_HEADER_BYTES} bytes.` },
  ],
};

/** Answers what is not even HTTP, or comes too slowly, and hangs up. */
function refuseSocket({ code }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, problem] = SOCKET_PROBLEMS[code ?? ''] ?? NO_HTTP;
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** Calls `say` at the first of many calls, and then at most once a minute with how many there were. */
function atIntervals(
  clock: () => number,
  say: (times: number, error: unknown) => void,
): (error?: unknown) => void {
  let times = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    times += 1;
    const now = clock();
    if (Math.abs(now - saidAt) < LOG_PAUSE_MS) return;
    say(times, error);
    times = 0;
    saidAt = now;
  };
}

function word(works: boolean): 'ok' | 'failing' {
  return works ? 'ok' : 'failing';
}

function isLoopback(host: string): boolean {
  return /^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/i.test(host);
}

function explain(error: unknown, host: string, port: number): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  const where = `${host}, port ${port}`;
  switch (code) {
    case 'EADDRINUSE':
      // Perhaps by the bot that this one replaces.
      return new HttpSetupError(
        `Another program listens on ${where}. Choose another HTTP_PORT, or end that program.`,
        { passes: true },
      );
    case 'EACCES':
      return new HttpSetupError(
        `This account may not listen on ${where}. Choose an HTTP_PORT from 1024 on.`,
        {
          passes: false,
        },
      );
    case 'EAI_AGAIN':
      return new HttpSetupError(
        `The name ${host} cannot be looked up just now. Set HTTP_HOST to an address of this machine, or leave it out.`,
        { passes: true },
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new HttpSetupError(
        `This machine has no address ${host}. Set HTTP_HOST to one that it has, or leave it out.`,
        { passes: false },
      );
    default:
      return error;
  }
}
