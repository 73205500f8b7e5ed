/** A refusal in Discord's format: an HTTP status, a code and, for forms, the first error and where it is. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: number;
  readonly errors: object | undefined;

  constructor(status: number, code: number, message: string, errors?: object) {
    super(message);
    this.status = status;
    this.code = code;
    this.errors = errors;
  }

  /** The body of the HTTP answer. */
  toJSON(): object {
    return { message: this.message, code: this.code, errors: this.errors };
  }
}

/** Page "Opcodes and Status Codes", JSON Error Codes: HTTP status, code, message. */
const REFUSALS = {
  notFound: [404, 0, '404: Not Found'],
  unauthorized: [401, 0, '401: Unauthorized'],
  unknownChannel: [404, 10003, 'Unknown Channel'],
  unknownGuild: [404, 10004, 'Unknown Guild'],
  unknownMember: [404, 10007, 'Unknown Member'],
  unknownMessage: [404, 10008, 'Unknown Message'],
  unknownInteraction: [404, 10062, 'Unknown interaction'],
  openingTooFast: [403, 40003, 'You are opening direct messages too fast.'],
  alreadyAcknowledged: [400, 40060, 'Interaction has already been acknowledged.'],
  missingAccess: [403, 50001, 'Missing Access'],
  emptyMessage: [400, 50006, 'Cannot send an empty message'],
  directMessagesClosed: [403, 50007, 'Cannot send messages to this user'],
  missingPermissions: [403, 50013, 'Missing Permissions'],
  invalidRecipient: [400, 50033, 'Invalid Recipient(s)'],
  noCommonGuild: [403, 50278, 'Cannot send messages to this user due to having no mutual guilds'],
} as const;

export function refusal(name: keyof typeof REFUSALS): ApiError {
  const [status, code, message] = REFUSALS[name];
  return new ApiError(status, code, message);
}

/** 50035: an error of a form, in a tree with the form's structure. */
export function invalidForm(path: readonly (string | number)[], code: string, message: string): ApiError {
  const errors = path.reduceRight<object>((inner, key) => ({ [key]: inner }), {
    _errors: [{ code, message }],
  });
  return new ApiError(400, 50035, 'Invalid Form Body', errors);
}
