/** What a visitor typed, and which device sent it. */
export interface Login {
  readonly username: string;
  readonly code: string;
  /** A random id of the visitor's device: guesses of others do not lock out devices that have logged in before. */
  readonly client: string;
}

/** Who holds a code. */
export interface Holder {
  /** The Discord account: key your accounts by it, because a username may pass to another member. */
  readonly discordUserId: string;
  /** As it was issued. */
  readonly username: string;
}

export type Answer =
  | { readonly kind: 'in'; readonly holder: Holder }
  | { readonly kind: 'out' }
  /** The code has no uses left: it starts no session and ends none. */
  | { readonly kind: 'used-up' }
  /** Too many wrong codes for this username or from this client. */
  | { readonly kind: 'wait'; readonly seconds: number }
  /** The code cannot be checked. Let nobody in. */
  | { readonly kind: 'unavailable' };

export interface Access {
  /** For a login: counts one use of the code. Repeating it with the same key counts no second use. */
  readonly redeem: (login: Login, idempotencyKey: string) => Promise<Answer>;
  /** For a session: checks the code again. */
  readonly validate: (login: Login) => Promise<Answer>;
}

export const TIMEOUT_MS = 3_000;

/** Your site needs one of the two. Delete the file and the lines of the other. */
export async function openAccess(): Promise<Access> {
  if (process.env.ACCESS_BOT_URL) {
    const { httpAccess } = await import('./access-http');
    return httpAccess(process.env.ACCESS_BOT_URL, process.env.ACCESS_BOT_TOKEN ?? '');
  }
  if (process.env.ACCESS_DATABASE) {
    const { moduleAccess } = await import('./access-module');
    return moduleAccess(process.env.ACCESS_DATABASE);
  }
  throw new Error('Set ACCESS_BOT_URL and ACCESS_BOT_TOKEN, or ACCESS_DATABASE');
}
