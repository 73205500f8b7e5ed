/** The errors of a form, as a tree with the form's structure. */
export interface FormErrors {
  readonly _errors?: readonly [FormError];
  readonly [key: string]: FormErrors | readonly [FormError] | undefined;
}

export interface FormError {
  readonly code: string;
  readonly message: string;
}

/** A refusal in Discord's format: an HTTP status, a code and, for forms, the errors and where they are. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: number;
  readonly errors: FormErrors | undefined;

  constructor(status: number, code: number, message: string, errors?: FormErrors) {
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
  unknownUser: [404, 10013, 'Unknown User'],
  unknownWebhook: [404, 10015, 'Unknown Webhook'],
  unknownInteraction: [404, 10062, 'Unknown interaction'],
  openingTooFast: [403, 40003, 'You are opening direct messages too fast.'],
  alreadyAcknowledged: [400, 40060, 'Interaction has already been acknowledged.'],
  missingAccess: [403, 50001, 'Missing Access'],
  foreignMessage: [403, 50005, 'Cannot edit a message authored by another user'],
  emptyMessage: [400, 50006, 'Cannot send an empty message'],
  directMessagesClosed: [403, 50007, 'Cannot send messages to this user'],
  missingPermissions: [403, 50013, 'Missing Permissions'],
  invalidWebhookToken: [401, 50027, 'Invalid Webhook Token'],
  invalidRecipient: [400, 50033, 'Invalid Recipient(s)'],
  invalidJson: [400, 50109, 'The request body contains invalid JSON.'],
  noCommonGuild: [403, 50278, 'Cannot send messages to this user due to having no mutual guilds'],
  replyWithoutHistory: [403, 160002, 'You cannot reply without permission to read message history'],
} as const;

export function refusal(name: keyof typeof REFUSALS): ApiError {
  const [status, code, message] = REFUSALS[name];
  return new ApiError(status, code, message);
}

export type Path = readonly (string | number)[];

/** 50035: the errors of a form by path. If one path contains another, the outer error counts. */
export function invalidForm(
  mistakes: readonly { readonly path: Path; readonly error: FormError }[],
): ApiError {
  const treeOf = (depth: number, at: typeof mistakes): FormErrors => {
    const here = at.find(({ path }) => path.length === depth);
    if (here) return { _errors: [here.error] };
    const keys = new Set(at.map(({ path }) => path[depth]));
    return Object.fromEntries(
      Array.from(keys, (key) => [
        key,
        treeOf(
          depth + 1,
          at.filter(({ path }) => path[depth] === key),
        ),
      ]),
    );
  };
  return new ApiError(400, 50035, 'Invalid Form Body', treeOf(0, mistakes));
}
