/** At most so many bytes of a body are read: a username, a code and a client fit several times. */
export const MAX_BODY_BYTES = 1_024;

/** Visible ASCII characters. */
export const IDEMPOTENCY_KEY = '^[!-~]{1,255}$';

/** What both endpoints take. */
export const LOGIN_SCHEMA = {
  type: 'object',
  properties: {
    username: { type: 'string', description: 'As the visitor typed it.' },
    code: { type: 'string', description: 'As the visitor typed it; case and outer spaces do not matter.' },
    client: {
      type: 'string',
      description:
        'What the website knows its visitor by: a device id, an address. Wrong codes by strangers then never lock out a visitor who got in with this username before. Only a keyed hash of it is kept.',
    },
  },
  required: ['username', 'code'],
  additionalProperties: false,
} as const;

const VERDICT_SCHEMA = {
  oneOf: [
    {
      type: 'object',
      properties: {
        valid: { const: true },
        username: { type: 'string', description: 'As it was issued.' },
        discordUserId: { type: 'string', description: 'The Discord account that holds the code.' },
        expiresAt: { type: ['integer', 'null'], description: 'Unix time in milliseconds; null: never.' },
        usesLeft: {
          type: ['integer', 'null'],
          description: 'How often the code can still be redeemed; null: without limit.',
        },
      },
      required: ['valid', 'username', 'discordUserId', 'expiresAt', 'usesLeft'],
      additionalProperties: false,
    },
    {
      type: 'object',
      properties: {
        valid: { const: false },
        reason: {
          enum: ['unknown', 'expired', 'replaced', 'revoked', 'suspended', 'used_up'],
          description: 'For the website alone: tell its visitors that the code is invalid, and no more.',
        },
      },
      required: ['valid', 'reason'],
      additionalProperties: false,
    },
  ],
} as const;

const ERROR_SCHEMA = {
  type: 'object',
  properties: {
    error: { type: 'string', description: 'A word to switch on.' },
    message: { type: 'string', description: 'A sentence for whoever runs the website.' },
  },
  required: ['error', 'message'],
  additionalProperties: false,
} as const;

const STATE_SCHEMA = { enum: ['ok', 'failing'] } as const;

const HEALTH_SCHEMA = {
  type: 'object',
  properties: {
    status: STATE_SCHEMA,
    database: { ...STATE_SCHEMA, description: 'Whether it can be written.' },
    gateway: { ...STATE_SCHEMA, description: 'Whether the bot hears Discord.' },
  },
  required: ['status', 'database', 'gateway'],
  additionalProperties: false,
} as const;

function json(description: string, schema: object, headers?: object): object {
  const content = { 'application/json': { schema } };
  return headers === undefined ? { description, content } : { description, headers, content };
}

const RETRY_AFTER = {
  'Retry-After': { description: 'In seconds.', schema: { type: 'integer', minimum: 1 } },
};

function login(operationId: string, summary: string, parameters: readonly object[] = []): object {
  return {
    operationId,
    summary,
    security: [{ token: [] }],
    parameters,
    requestBody: {
      required: true,
      description: `At most ${MAX_BODY_BYTES} bytes.`,
      content: { 'application/json': { schema: LOGIN_SCHEMA } },
    },
    responses: {
      200: json('The verdict.', VERDICT_SCHEMA),
      400: json('The request is not what is described here.', ERROR_SCHEMA),
      401: json('The token is missing or wrong.', ERROR_SCHEMA),
      413: json('The body is too large.', ERROR_SCHEMA),
      415: json('The body is not application/json.', ERROR_SCHEMA),
      429: json(
        'Too many wrong codes for this username: this one was not looked at.',
        ERROR_SCHEMA,
        RETRY_AFTER,
      ),
      503: json('It cannot be told: let nobody in.', ERROR_SCHEMA, RETRY_AFTER),
    },
  };
}

/** The endpoints as OpenAPI 3.1 describes them. */
export const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'Chat-room access codes',
    version: '1',
    description: 'Says whether a username and an access code belong together.',
  },
  paths: {
    '/v1/validate': { post: login('validate', 'Looks, and counts no use. Wrong codes are counted.') },
    '/v1/redeem': {
      post: login('redeem', 'Looks and, where the answer is valid, counts one use.', [
        {
          name: 'Idempotency-Key',
          in: 'header',
          description:
            'For ten minutes the same key gets the same answer, unless the code was ended since, and counts no second use.',
          schema: { type: 'string', pattern: IDEMPOTENCY_KEY },
        },
      ]),
    },
    '/healthz': {
      get: {
        operationId: 'health',
        summary: 'Tells whether the bot works.',
        responses: { 200: json('It does.', HEALTH_SCHEMA), 503: json('It does not.', HEALTH_SCHEMA) },
      },
      head: {
        operationId: 'healthStatus',
        summary: 'The same, in the status alone.',
        responses: { 200: { description: 'It does.' }, 503: { description: 'It does not.' } },
      },
    },
    '/openapi.json': {
      get: {
        operationId: 'describe',
        summary: 'This document.',
        responses: { 200: json('The document.', { type: 'object' }) },
      },
    },
  },
  components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
} as const;
