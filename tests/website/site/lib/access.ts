/** What a visitor typed, and what is known of where it comes from. */
export interface Login {
  readonly username: string;
  readonly code: string;
  /** A random id of the visitor's device: strangers who guess do not lock out devices that got in before. */
  readonly client: string;
}

export type Answer =
  /** The username as it was issued. */
  | { readonly kind: 'in'; readonly username: string }
  | { readonly kind: 'out' }
  /** The pair is right, and its uses are spent: no new login, but no reason to end one. */
  | { readonly kind: 'used-up' }
  /** Too many wrong codes for this username. */
  | { readonly kind: 'wait'; readonly seconds: number }
  /** Nobody can tell. Let nobody in. */
  | { readonly kind: 'unavailable' };

export interface Access {
  /** For a login: counts one use of the code. The same key again costs no second use. */
  readonly redeem: (login: Login, idempotencyKey: string) => Promise<Answer>;
  /** For later: is it still so? */
  readonly validate: (login: Login) => Promise<Answer>;
}

export const PATIENCE_MS = 3_000;

/** A site needs only one of the two ways, and goes without the other's file and lines; this one has both to show them. */
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
