import type { FastifyError, FastifyReply } from 'fastify';

import { MAX_BODY_BYTES } from './schemas.js';

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

const BODY =
  'Send {"username": "...", "code": "..."} as JSON, with an optional "client": "..." and nothing else.';

/** Responds to what fastify and the token check reject; returns `null` for other errors. */
export function refuseRequest(reply: FastifyReply, error: FastifyError): Problem | null {
  const { validation, validationContext, statusCode = 500, code, message } = error;
  if (statusCode === 401) {
    reply.header('www-authenticate', 'Bearer');
    return refuse(reply, 401, 'unauthorized', 'Send "Authorization: Bearer" with the HTTP_TOKEN of the bot.');
  }
  if (validationContext === 'headers') {
    return refuse(reply, 400, 'invalid_key', 'An Idempotency-Key has 1 to 255 visible ASCII characters.');
  }
  if (validation !== undefined) return refuse(reply, 400, 'invalid_body', `${BODY} Found: ${message}.`);
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return refuse(reply, 413, 'too_large', `The body has more than ${MAX_BODY_BYTES} bytes.`);
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return refuse(reply, 415, 'unsupported_media_type', 'Send the body with Content-Type: application/json.');
  }
  // This message may quote the body, which holds a code.
  if (statusCode < 500) return refuse(reply, 400, 'invalid_body', `${BODY} The body is not valid JSON.`);
  return null;
}
