import type { CodeKeys } from './code-keys.js';
import type { CodeStore } from './code-store.js';
import { parseCodeText } from './code-text.js';
import { usesLeft, type Code, type CodeStatus } from './code.js';
import { parseUsername } from './username.js';

/** Why a login was refused. For the website's own logic: its visitors are told "invalid" and no more. */
export type InvalidReason =
  | 'unknown'
  | 'expired'
  | 'replaced'
  | 'revoked'
  | 'suspended'
  | 'used_up'
  | 'key_reused';

/** What the website knows about a login beyond what its visitor typed. */
export interface LoginOptions {
  /**
   * What the website knows its visitor by: an address, a device id. Wrong codes by strangers then never lock
   * out a visitor who got in with this username before. Only a keyed hash of it is kept.
   */
  readonly client?: string | undefined;
}

export interface RedeemOptions extends LoginOptions {
  /**
   * Names this redemption: for ten minutes the same key gets the same answer and counts no second use, so a site that
   * heard no answer may ask again; a code that was ended since is refused all the same. With another username or code
   * the reason is `key_reused`. Only a keyed hash of it is kept.
   */
  readonly idempotencyKey?: string | undefined;
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

type ValidatorKeys = Pick<CodeKeys, 'hashName' | 'hashPair' | 'hashClient' | 'hashRedemption'>;

/** Says whether a username and a code belong together. Both methods answer; only an outage throws. */
export class CodeValidator {
  readonly #store: Pick<CodeStore, 'login'>;
  readonly #keys: ValidatorKeys;
  readonly #clock: () => number;

  constructor(options: {
    readonly store: Pick<CodeStore, 'login'>;
    readonly keys: ValidatorKeys;
    readonly clock: () => number;
  }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#clock = options.clock;
  }

  /** Looks, and counts no use. Wrong codes are counted; a right one that is used up is not wrong. */
  async validate(username: string, code: string, options: LoginOptions = {}): Promise<Verdict> {
    return this.#login(username, code, options, false);
  }

  /** Looks and, where the answer is valid, counts one use: n uses are n uses, from however many processes. */
  async redeem(username: string, code: string, options: RedeemOptions = {}): Promise<Verdict> {
    return this.#login(username, code, options, true);
  }

  async #login(
    username: unknown,
    code: unknown,
    options: RedeemOptions | null,
    redeem: boolean,
  ): Promise<Verdict> {
    if (typeof username !== 'string' || typeof code !== 'string') return UNKNOWN;
    const name = parseUsername(username);
    const text = parseCodeText(code);
    // What no code looks like is no guess.
    if (name === null || text === null) return UNKNOWN;
    const client = textOrNull(options?.client);
    const key = redeem ? textOrNull(options?.idempotencyKey) : null;
    const outcome = await this.#store.login(
      {
        nameHash: this.#keys.hashName(name.key),
        pairHash: this.#keys.hashPair(name.key, text),
        clientHash: client === null ? null : this.#keys.hashClient(name.key, client),
        redeem,
        keyHash: key === null ? null : this.#keys.hashRedemption(key),
      },
      this.#clock(),
    );
    if ('throttledMs' in outcome) {
      const { throttledMs } = outcome;
      const retryAfterMs = Number.isFinite(throttledMs) ? throttledMs : null;
      return { valid: false, reason: 'throttled', retryAfterMs };
    }
    if ('keyReused' in outcome) return { valid: false, reason: 'key_reused' };
    if (!outcome.accepted) return refuse(outcome.status);
    // A damaged index leads to somebody else's row.
    if (parseUsername(outcome.code.username)?.key !== name.key) {
      throw new Error(
        `Code ${outcome.code.id} is damaged: its username is not the one that it was issued for`,
      );
    }
    return accept(outcome.code);
  }
}

const UNKNOWN: Verdict = Object.freeze({ valid: false, reason: 'unknown' });

function refuse(status: CodeStatus | null): Verdict {
  switch (status) {
    case 'expired':
    case 'replaced':
    case 'revoked':
    case 'suspended':
    case 'used_up':
      return { valid: false, reason: status };
    // Nobody was ever told a code that is pending or withdrawn: whoever brings it guessed it.
    case 'pending':
    case 'withdrawn':
    case 'active':
    case null:
      return UNKNOWN;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function accept(code: Code): Verdict {
  const { username, holderId, expiresAt } = code;
  return { valid: true, username, discordUserId: holderId, expiresAt, usesLeft: usesLeft(code) };
}
