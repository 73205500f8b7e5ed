/** In bytes; a username, a code and a client fit several times. */
export const MAX_BODY_BYTES = 1_024;

function object(properties: object, rest: object = {}) {
  const required = Object.keys(properties);
  return { type: 'object', properties, required, additionalProperties: false, ...rest };
}

function text(description: string) {
  return { type: 'string', description };
}

const VERDICT = {
  description: 'The verdict.',
  oneOf: [
    object({
      valid: { const: true },
      username: text('As it was issued.'),
      discordUserId: text('The Discord account that holds the code: key your accounts by it.'),
      expiresAt: { type: ['integer', 'null'], description: 'Unix time in milliseconds; null: never.' },
      usesLeft: { type: ['integer', 'null'], description: 'Redemptions that are left; null: unlimited.' },
    }),
    object({
      valid: { const: false },
      reason: {
        enum: ['unknown', 'expired', 'replaced', 'revoked', 'suspended', 'used_up'],
        description: 'For the website only: show its visitors that the code is invalid, and no more.',
      },
    }),
  ],
};

function problem(description: string, rest: object = {}) {
  const properties = {
    error: text('Stable, for programs.'),
    message: text('For the developer of the website.'),
  };
  return object(properties, { description, ...rest });
}

const RETRY_AFTER = {
  headers: { 'Retry-After': { type: 'integer', minimum: 1, description: 'In seconds.' } },
};

const LOGIN = {
  security: [{ token: [] }],
  body: object(
    {
      username: text('As the visitor typed it.'),
      code: text('As the visitor typed it.'),
      client: text(
        'An address or device id of the visitor. Failures of others never lock out a client that has logged in with this username before. Any other client can enter 100 wrong codes per clock hour, over all usernames. Only a keyed hash of it is stored.',
      ),
    },
    { description: `At most ${MAX_BODY_BYTES} bytes.`, required: ['username', 'code'] },
  ),
  response: {
    200: VERDICT,
    400: problem('The body or a header is invalid.'),
    401: problem('The token is missing or wrong.'),
    413: problem('The body is too large.'),
    415: problem('The body is not application/json.'),
    429: problem(
      'Too many wrong codes for this username or from this client: the code was not evaluated.',
      RETRY_AFTER,
    ),
    503: problem('The bot cannot check codes right now: let nobody in.', RETRY_AFTER),
  },
};

export const VALIDATE = {
  operationId: 'validate',
  summary: 'Checks a username and a code without counting a use. Wrong codes count as failures.',
  ...LOGIN,
};

const IDEMPOTENCY_KEY = {
  ...text(
    "1 to 255 visible ASCII characters. Repeating the code's last redemption with the same key within 10 minutes counts no second use.",
  ),
  pattern: '^[!-~]{1,255}$',
};

export const REDEEM = {
  operationId: 'redeem',
  summary: 'Checks a username and a code and, when valid, counts one use.',
  headers: { type: 'object', properties: { 'Idempotency-Key': IDEMPOTENCY_KEY } },
  ...LOGIN,
};

function health(description: string) {
  const state = { enum: ['ok', 'failing'] };
  const database = { ...state, description: 'Whether it can be written.' };
  const gateway = { ...state, description: 'Whether messages on Discord reach the bot.' };
  const guessedUsernames = {
    type: 'integer',
    description: 'Usernames at which somebody entered a wrong code within the last minute.',
  };
  return object({ status: state, database, gateway, guessedUsernames }, { description });
}

export const HEALTH = {
  operationId: 'health',
  summary: 'Reports what works. HEAD returns the status code alone.',
  response: { 200: health('Everything works.'), 503: health('Something is failing.') },
};

export const LIVE = {
  operationId: 'live',
  summary: 'Responds while the process is alive, whatever works. HEAD returns the status code alone.',
  response: { 200: object({ status: { const: 'ok' } }, { description: 'The process is alive.' }) },
};

/** What the OpenAPI document holds besides the routes. */
export const OPENAPI = {
  openapi: '3.1.0',
  info: {
    title: 'Chat-room access codes',
    version: '1',
    description: 'Checks whether a username and an access code belong together.',
  },
  components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
} as const;
