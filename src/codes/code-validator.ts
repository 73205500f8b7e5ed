import type { CodeKeys } from './code-keys.js';
import type { CodeStore } from './code-store.js';
import { parseCodeText } from './code-text.js';
import { statusOf, usesLeft, type Code } from './code.js';
import { parseUsername } from './username.js';

/** Why a login was refused. For the website's own logic: its visitors are told "invalid" and no more. */
export type InvalidReason = 'unknown' | 'expired' | 'replaced' | 'revoked' | 'used_up';

/** What the website knows about a login beyond what its visitor typed. */
export interface LoginOptions {
  /**
   * What the website knows its visitor by: an address, a device id. Wrong codes by strangers then never lock
   * out a visitor who got in with this username before. Only a keyed hash of it is kept.
   */
  readonly client?: string | undefined;
}

/** The answer to a login. */
export type Verdict =
  | {
      readonly valid: true;
      /** As it was issued, whatever case the visitor typed. */
      readonly username: string;
      /** The Discord account that holds the code. */
      readonly discordUserId: string;
      /** Unix time in milliseconds; `null`: never. */
      readonly expiresAt: number | null;
      /** How often the code can still be redeemed; `null`: without limit. */
      readonly usesLeft: number | null;
    }
  | { readonly valid: false; readonly reason: InvalidReason }
  | {
      readonly valid: false;
      /** Too many wrong codes: this one was not even looked at. */
      readonly reason: 'throttled';
      /** Milliseconds until the next try; `null`: not before the holder has got a new code. */
      readonly retryAfterMs: number | null;
    };

/** Says whether a username and a code belong together. Both methods answer; only an outage throws. */
export class CodeValidator {
  readonly #store: Pick<CodeStore, 'login'>;
  readonly #keys: Pick<CodeKeys, 'hashName' | 'hashPair' | 'hashClient'>;
  readonly #clock: () => number;

  constructor(options: {
    readonly store: Pick<CodeStore, 'login'>;
    readonly keys: Pick<CodeKeys, 'hashName' | 'hashPair' | 'hashClient'>;
    readonly clock: () => number;
  }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#clock = options.clock;
  }

  /** Looks, and counts no use. Wrong codes are counted. */
  async validate(username: string, code: string, options: LoginOptions = {}): Promise<Verdict> {
    return this.#login(username, code, options, false);
  }

  /** Looks and, where the answer is valid, counts one use: n uses are n uses, from however many processes. */
  async redeem(username: string, code: string, options: LoginOptions = {}): Promise<Verdict> {
    return this.#login(username, code, options, true);
  }

  async #login(
    username: unknown,
    code: unknown,
    options: LoginOptions | null,
    redeem: boolean,
  ): Promise<Verdict> {
    if (typeof username !== 'string' || typeof code !== 'string') return UNKNOWN;
    const name = parseUsername(username);
    const text = parseCodeText(code);
    // What no code looks like is no guess.
    if (name === null || text === null) return UNKNOWN;
    const client = typeof options?.client === 'string' && options.client !== '' ? options.client : null;
    const now = this.#clock();
    const outcome = await this.#store.login(
      {
        nameHash: this.#keys.hashName(name.key),
        pairHash: this.#keys.hashPair(name.key, text),
        clientHash: client === null ? null : this.#keys.hashClient(name.key, client),
        redeem,
      },
      now,
    );
    if ('throttledMs' in outcome) {
      const { throttledMs } = outcome;
      const retryAfterMs = Number.isFinite(throttledMs) ? throttledMs : null;
      return { valid: false, reason: 'throttled', retryAfterMs };
    }
    if (outcome.code === null) return UNKNOWN;
    return outcome.accepted ? accept(outcome.code) : refuse(outcome.code, now);
  }
}

const UNKNOWN: Verdict = Object.freeze({ valid: false, reason: 'unknown' });

function refuse(code: Code, now: number): Verdict {
  const status = statusOf(code, now);
  // Nobody was ever told a code that is pending or withdrawn: whoever brings it guessed it.
  if (status === 'active' || status === 'pending' || status === 'withdrawn') return UNKNOWN;
  return { valid: false, reason: status };
}

function accept(code: Code): Verdict {
  const { username, holderId, expiresAt } = code;
  return { valid: true, username, discordUserId: holderId, expiresAt, usesLeft: usesLeft(code) };
}
