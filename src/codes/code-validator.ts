import type { CodeKeys } from './code-keys.js';
import type { CodeStore } from './code-store.js';
import { parseCodeText } from './code-text.js';
import { statusOf, usesLeft, type Code } from './code.js';
import { parseUsername } from './username.js';

/** Why a login was refused. For the website's own logic: its visitors are told "invalid" and no more. */
export type InvalidReason = 'unknown' | 'expired' | 'replaced' | 'revoked' | 'used_up';

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
  | { readonly valid: false; readonly reason: InvalidReason };

/** Says whether a username and a code belong together. Both methods answer; only an outage throws. */
export class CodeValidator {
  readonly #store: Pick<CodeStore, 'findByPair' | 'redeem'>;
  readonly #keys: Pick<CodeKeys, 'hashPair'>;
  readonly #clock: () => number;

  constructor(options: {
    readonly store: Pick<CodeStore, 'findByPair' | 'redeem'>;
    readonly keys: Pick<CodeKeys, 'hashPair'>;
    readonly clock: () => number;
  }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#clock = options.clock;
  }

  /** Looks, and changes nothing. */
  async validate(username: string, code: string): Promise<Verdict> {
    const pairHash = this.#hashPair(username, code);
    return pairHash === null ? UNKNOWN : this.#judge(await this.#store.findByPair(pairHash));
  }

  /** Looks and, where the answer is valid, counts one use: n uses are n uses, from however many processes. */
  async redeem(username: string, code: string): Promise<Verdict> {
    const pairHash = this.#hashPair(username, code);
    if (pairHash === null) return UNKNOWN;
    const redeemed = await this.#store.redeem(pairHash, this.#clock());
    if (redeemed !== null) return accept(redeemed);
    const verdict = this.#judge(await this.#store.findByPair(pairHash));
    // Delivered in this very moment: no use was counted, so nobody is let in.
    return verdict.valid ? UNKNOWN : verdict;
  }

  #hashPair(username: unknown, code: unknown): string | null {
    if (typeof username !== 'string' || typeof code !== 'string') return null;
    const name = parseUsername(username);
    const text = parseCodeText(code);
    return name === null || text === null ? null : this.#keys.hashPair(name.key, text);
  }

  #judge(code: Code | null): Verdict {
    if (code === null) return UNKNOWN;
    const status = statusOf(code, this.#clock());
    if (status === 'active') return accept(code);
    // Nobody was ever told a code that is pending or withdrawn: whoever brings it guessed it.
    if (status === 'pending' || status === 'withdrawn') return UNKNOWN;
    return { valid: false, reason: status };
  }
}

const UNKNOWN: Verdict = Object.freeze({ valid: false, reason: 'unknown' });

function accept(code: Code): Verdict {
  const { username, holderId, expiresAt } = code;
  return { valid: true, username, discordUserId: holderId, expiresAt, usesLeft: usesLeft(code) };
}
