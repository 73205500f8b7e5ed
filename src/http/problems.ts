import type { Socket } from 'node:net';

import type { FastifyError, FastifyReply } from 'fastify';

import { MAX_BODY_BYTES } from './schemas.js';

export const MAX_HEADER_BYTES = 8_192;

/** The body of every response that is neither a verdict nor a report. It never quotes the request. */
export interface Problem {
  /** Stable, for programs. */
  readonly error: string;
  /** For the developer of the website. */
  readonly message: string;
}

/** Sets the status code and returns the body. */
export function refuse(reply: FastifyReply, status: number, error: string, message: string): Problem {
  reply.code(status);
  return { error, message };
}

export function refuseRoute(reply: FastifyReply): Problem {
  const message = 'The endpoints are POST /v1/validate, POST /v1/redeem, GET /healthz and GET /openapi.json.';
  return refuse(reply, 404, 'not_found', message);
}

const BODY =
  'Send {"username": "...", "code": "..."} as JSON, with an optional "client": "..." and nothing else.';

/** Responds to what fastify and the token check reject; returns `null` for other errors. */
export function refuseRequest(reply: FastifyReply, error: FastifyError): Problem | null {
  const { validation, validationContext, statusCode = 500, code } = error;
  if (statusCode === 401) {
    reply.header('www-authenticate', 'Bearer');
    return refuse(reply, 401, 'unauthorized', 'Send "Authorization: Bearer" with the HTTP_TOKEN of the bot.');
  }
  if (validationContext === 'headers') {
    return refuse(reply, 400, 'invalid_key', 'An Idempotency-Key has 1 to 255 visible ASCII characters.');
  }
  if (validation !== undefined) {
    const [first] = validation;
    const found = `${first?.instancePath.slice(1) || 'The body'} ${first?.message ?? 'is invalid'}`;
    return refuse(reply, 400, 'invalid_body', `${BODY} ${found}.`);
  }
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return refuse(reply, 413, 'too_large', `The body has more than ${MAX_BODY_BYTES} bytes.`);
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return refuse(reply, 415, 'unsupported_media_type', 'Send the body with Content-Type: application/json.');
  }
  // The error's own message may quote the body, which holds a code.
  if (statusCode < 500) return refuse(reply, 400, 'invalid_body', `${BODY} The body is not valid JSON.`);
  return null;
}

const MALFORMED = ['400 Bad Request', 'bad_request', 'The request is not valid HTTP.'] as const;

const SOCKET_PROBLEMS: Readonly<Record<string, readonly [status: string, error: string, message: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'too_slow', 'The request took too long to arrive.'],
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'headers_too_large',
    `The headers have more than ${MAX_HEADER_BYTES} bytes.`,
  ],
};

/** Responds to malformed or slow requests and closes the socket. */
export function refuseSocket({ code = '' }: NodeJS.ErrnoException, socket: Socket): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, error, message] = SOCKET_PROBLEMS[code] ?? MALFORMED;
  const body = JSON.stringify({ error, message });
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
}
