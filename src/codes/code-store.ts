import type { Code } from './code.js';
import type { Username } from './username.js';

/** A code whose text only the secret can read. */
export interface SealedCode extends Code {
  readonly sealedText: string;
}

/** What is stored when a code is issued. Nobody can use it before {@link CodeStore.deliver}. */
export interface NewCode {
  readonly id: string;
  readonly guildId: string;
  readonly holderId: string;
  readonly holderTag: string;
  readonly username: Username;
  readonly textHash: string;
  readonly pairHash: string;
  readonly sealedText: string;
  readonly issuedAt: number;
  readonly expiresAt: number | null;
  readonly maxUses: number | null;
}

/** Which codes of a server an administrator means. */
export type CodeSelector =
  | { readonly by: 'text'; readonly textHash: string }
  | { readonly by: 'username'; readonly usernameKey: string }
  | { readonly by: 'holder'; readonly holderId: string };

export interface ListRange {
  /** Default: `oldest`. */
  readonly first?: 'oldest' | 'newest';
  /** How many are skipped: each costs a little. */
  readonly offset: number;
  readonly limit: number;
}

export interface Revocation {
  /** The selector that matched; `null` when none did. */
  readonly by: CodeSelector['by'] | null;
  /** The codes that ended now, oldest first. */
  readonly codes: readonly Code[];
}

/**
 * Where codes are kept. Each method is one transaction: it happens whole or not at all, and once its
 * promise is fulfilled it outlives a power cut.
 *
 * A code is *held* while it is delivered and not ended (revoked, withdrawn, replaced, expired), used up
 * or not. Times are Unix milliseconds.
 */
export interface CodeStore {
  /** @returns `false` when the request `requestId` was claimed before, by whichever process. */
  claim(requestId: string, now: number): Promise<boolean>;

  /**
   * Claims the request `code.id` and stores its code, not yet delivered.
   *
   * @param reservedSince a code issued before this that is still not delivered reserves its username no more.
   * @returns `repeated` when the request was claimed before; `taken` when somebody else holds or has
   *   reserved the username (the request stays claimed); `collision` when a code with this text
   *   exists (nothing is stored, not even the claim).
   */
  issue(code: NewCode, reservedSince: number): Promise<'issued' | 'repeated' | 'taken' | 'collision'>;

  /**
   * Makes the code `id` active, and replaces the one that was active for its username. One that is still to be
   * delivered replaces it in turn: the code that arrived last is the one that counts.
   *
   * @returns `false` when it cannot become active: it has ended, or somebody else holds the username by now.
   */
  deliver(id: string, now: number): Promise<boolean>;

  /** Ends a code that was not delivered. */
  withdraw(id: string, now: number): Promise<void>;

  countHeld(guildId: string, now: number): Promise<number>;

  /** Held codes of one server in the order of their issue, or from the newest back. */
  listHeld(guildId: string, now: number, range: ListRange): Promise<SealedCode[]>;

  /**
   * Claims the request and ends codes of one server, held or not yet delivered: those of the first of
   * `selectors` that matches any.
   *
   * @returns `repeated` when the request was claimed before.
   */
  revoke(
    guildId: string,
    selectors: readonly CodeSelector[],
    requestId: string,
    now: number,
  ): Promise<Revocation | 'repeated'>;

  findByPair(pairHash: string): Promise<Code | null>;

  /** Counts one use of an active code. @returns the code after it, or `null` when there was none to count. */
  redeem(pairHash: string, now: number): Promise<Code | null>;
}
