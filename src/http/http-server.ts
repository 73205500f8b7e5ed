import type { Server, Socket } from 'node:net';

import bearerAuth from '@fastify/bearer-auth';
import swagger from '@fastify/swagger';
import fastify, { type FastifyError, type FastifyInstance, type FastifyReply } from 'fastify';

import type { Log } from '../log.js';
import type { Validator, Verdict } from '../services/validator.js';
import { StorageError } from '../storage/storage-error.js';
import { toHttpSetupError } from './http-setup-error.js';
import { refuse, refuseRequest, type Problem } from './problems.js';
import { HEALTH, LIVE, MAX_BODY_BYTES, OPENAPI, REDEEM, VALIDATE } from './schemas.js';

/** A request is a few hundred bytes. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Longer than in a proxy (nginx 60 s, Caddy 120 s): a request that is sent while the bot hangs up is lost. */
const IDLE_TIMEOUT_MS = 125_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** A process may often open no more than 1,024 files. */
const MAX_CONNECTIONS = 500;
/** Half, so that one address cannot keep the others out. A website may need two for each request in progress. */
const MAX_CONNECTIONS_PER_ADDRESS = 250;
/** For a username that stays locked until its holder's next code. */
const LOCKED_RETRY_S = 3_600;
const OUTAGE_RETRY_S = 5;
const LOG_INTERVAL_MS = 60_000;
/** Each check writes to the database: requests within this time share one. */
const CHECK_MEMORY_MS = 5_000;
const ENDPOINTS =
  'The endpoints are POST /v1/validate, POST /v1/redeem, GET /healthz, GET /livez and GET /openapi.json.';

export interface HttpOptions {
  readonly host: string;
  /** 0: a free port. */
  readonly port: number;
  /** One, or two while a website changes from one to the other. */
  readonly tokens: readonly string[];
  readonly validator: Pick<Validator, 'validate' | 'redeem'>;
  /** Writes to the database, or rejects. */
  readonly probe: (now: number) => Promise<void>;
  /** Whether messages on Discord reach the bot. */
  readonly isConnected: () => boolean;
  /** Usernames at which somebody entered a wrong code within the last minute. */
  readonly guessedUsernames: () => number;
  readonly clock: () => number;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
}

/** The validator for websites that cannot open the database. */
export interface HttpServer {
  readonly port: number;
  /** Stops listening and finishes requests in progress, within 1 second. */
  close(): Promise<void>;
}

/** @throws {HttpSetupError} the address is not available. */
export async function startHttpServer(options: HttpOptions): Promise<HttpServer> {
  const { host, port, log } = options;
  const app = await createApp(options);
  try {
    // For localhost fastify opens a second server, which lacks the limits of the first.
    await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
  } catch (error) {
    await app.close();
    throw toHttpSetupError(error, host, port);
  }
  const address = app.server.address();
  const listening = typeof address === 'object' && address !== null ? address.port : port;
  log.info({ host, port: listening }, 'Listening for HTTP requests');
  if (!/^(?:127\.\d+\.\d+\.\d+|::1|localhost)$/i.test(host)) {
    log.warn(
      { host },
      'Other machines can reach the HTTP port, and requests to it are not encrypted: put a reverse proxy with TLS (Caddy, nginx) in front of it and set HTTP_HOST=127.0.0.1, or keep the port in a private network',
    );
  }
  return {
    port: listening,
    close: async () => {
      const timer = setTimeout(() => app.server.closeAllConnections(), CLOSE_TIMEOUT_MS);
      await app.close();
      clearTimeout(timer);
    },
  };
}

async function createApp(options: HttpOptions): Promise<FastifyInstance> {
  const { tokens, validator, isConnected, guessedUsernames, clock, log } = options;
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: IDLE_TIMEOUT_MS,
    return503OnClosing: false,
    // A malformed path, which the response of fastify would quote.
    frameworkErrors: (_error, _request, reply: FastifyReply) =>
      void reply.header('cache-control', 'no-store').send(refuse(reply, 404, 'not_found', ENDPOINTS)),
    http: { headersTimeout: REQUEST_TIMEOUT_MS, connectionsCheckingInterval: 1_000 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  limitAddresses(app.server);
  app.removeContentTypeParser('text/plain');
  // The response schemas are documentation: serializing by them would cost more and drop properties.
  app.setSerializerCompiler(() => (body) => JSON.stringify(body));
  app.addHook('onRequest', (_request, reply, done) => {
    reply.header('cache-control', 'no-store');
    done();
  });
  app.setNotFoundHandler(async (_request, reply) => refuse(reply, 404, 'not_found', ENDPOINTS));

  const logUnauthorized = oncePerMinute(clock, (count) =>
    log.warn(
      { count },
      'Rejected HTTP requests without a valid token: give your website the HTTP_TOKEN of the bot',
    ),
  );
  const logFailure = oncePerMinute(clock, (count, err) => log.error({ err, count }, 'HTTP requests failed'));
  app.setErrorHandler(async (error: FastifyError, _request, reply) => {
    const problem = refuseRequest(reply, error);
    if (reply.statusCode === 401) logUnauthorized(error);
    if (problem !== null) return problem;
    // An outage of the database is logged once, by the storage.
    if (!(error instanceof StorageError)) logFailure(error);
    reply.header('retry-after', OUTAGE_RETRY_S);
    return refuse(
      reply,
      503,
      'unavailable',
      'The bot cannot check codes right now. Let nobody in, and try again.',
    );
  });

  await app.register(swagger, { openapi: OPENAPI, convertConstToEnum: false });
  await app.register(bearerAuth, { keys: [...tokens], specCompliance: 'rfc6749', addHook: false });
  // Runs before the body is read.
  const onRequest = app.getDecorator<bearerAuth.verifyBearerAuth>('verifyBearerAuth');
  app.post<LoginRequest>('/v1/validate', { onRequest, schema: VALIDATE }, async ({ body }, reply) =>
    respond(reply, await validator.validate(body.username, body.code, { client: body.client })),
  );
  app.post<LoginRequest>('/v1/redeem', { onRequest, schema: REDEEM }, async ({ body, headers }, reply) => {
    const redemption = { client: body.client, idempotencyKey: headers['idempotency-key'] };
    return respond(reply, await validator.redeem(body.username, body.code, redemption));
  });
  const checkDatabase = databaseCheck(options);
  app.get('/healthz', { schema: HEALTH }, async (_request, reply) => {
    const database = await checkDatabase();
    const gateway = isConnected() ? 'ok' : 'failing';
    const status = database === 'ok' ? gateway : database;
    reply.code(status === 'ok' ? 200 : 503);
    return { status, database, gateway, guessedUsernames: guessedUsernames() };
  });
  app.get('/livez', { schema: LIVE }, async () => ({ status: 'ok' }));
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  return app;
}

interface LoginRequest {
  Body: { readonly username: string; readonly code: string; readonly client?: string };
  Headers: { readonly 'idempotency-key'?: string };
}

function respond(reply: FastifyReply, verdict: Verdict): Verdict | Problem {
  if (verdict.valid || verdict.reason !== 'throttled') return verdict;
  const { retryAfterMs } = verdict;
  reply.header('retry-after', retryAfterMs === null ? LOCKED_RETRY_S : Math.ceil(retryAfterMs / 1_000));
  const end = retryAfterMs === null ? "the holder's next code" : 'the time in Retry-After';
  const message = `Too many wrong codes for this username or from this client: wait for ${end}.`;
  return refuse(reply, 429, 'throttled', message);
}

function limitAddresses(server: Server): void {
  const open = new Set<Socket>();
  server.on('connection', (socket) => {
    const others = [...open].filter(({ remoteAddress }) => remoteAddress === socket.remoteAddress);
    if (others.length >= MAX_CONNECTIONS_PER_ADDRESS) socket.destroy();
    else open.add(socket.once('close', () => open.delete(socket)));
  });
}

/** Returns a function that checks whether the database can be written. */
function databaseCheck({ probe, clock }: HttpOptions): () => Promise<'ok' | 'failing'> {
  let state: Promise<'ok' | 'failing'> = Promise.resolve('failing');
  let checkedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = clock();
    // Math.abs: the clock may have been set back.
    if (Math.abs(now - checkedAt) >= CHECK_MEMORY_MS) {
      checkedAt = now;
      state = probe(now).then(
        () => 'ok',
        () => 'failing',
      );
    }
    return state;
  };
}

/** Logs the first of many errors, then at most once per minute with the number of errors since. */
function oncePerMinute(
  clock: () => number,
  write: (count: number, error: unknown) => void,
): (error: unknown) => void {
  let count = 0;
  let loggedAt = Number.NEGATIVE_INFINITY;
  return (error) => {
    count += 1;
    const now = clock();
    // Math.abs: the clock may have been set back.
    if (Math.abs(now - loggedAt) < LOG_INTERVAL_MS) return;
    write(count, error);
    count = 0;
    loggedAt = now;
  };
}
