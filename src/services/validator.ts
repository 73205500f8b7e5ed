import { parseCodeText } from '../codes/code-text.js';
import { usesLeft, type CodeStatus } from '../codes/code.js';
import type { Keys } from '../codes/keys.js';
import { decideLogin, type LoginAttempt, type LoginDecision } from '../codes/login.js';
import { afterFailure, clientHour, throttledMs } from '../codes/throttle.js';
import { parseTypedUsername, parseUsername } from '../codes/username.js';
import type { LoginKeys, StoredLogin } from '../storage/logins.js';
import { StorageError } from '../storage/storage-error.js';
import type { Rows, Store } from '../storage/store.js';

/** Why a login was refused. For the website only: its visitors are told that the code is invalid, and no more. */
export type InvalidReason = 'unknown' | 'expired' | 'replaced' | 'revoked' | 'suspended' | 'used_up';

export interface LoginOptions {
  /**
   * An address or device id of the visitor. Failures of others never lock out a client that has logged in with this
   * username before. Any other client can enter 100 wrong codes per clock hour, over all usernames. Only a keyed hash
   * of it is stored. Ignored when it is longer than 1,024 characters.
   */
  readonly client?: string | undefined;
}

export interface RedeemOptions extends LoginOptions {
  /**
   * Identifies this redemption: repeating the code's last redemption with the same key within 10 minutes counts no
   * second use. Only a keyed hash of it is stored. Ignored when it is longer than 1,024 characters.
   */
  readonly idempotencyKey?: string | undefined;
}

/** The result of a login. */
export type Verdict =
  | {
      readonly valid: true;
      /** As it was issued. */
      readonly username: string;
      /** The Discord account that holds the code: key your accounts by it. */
      readonly discordUserId: string;
      /** Unix ms; `null`: never. */
      readonly expiresAt: number | null;
      /** `null`: unlimited. */
      readonly usesLeft: number | null;
    }
  | { readonly valid: false; readonly reason: InvalidReason }
  | {
      readonly valid: false;
      /** Too many failures: the code was not evaluated. */
      readonly reason: 'throttled';
      /** `null`: not before the holder's next code. */
      readonly retryAfterMs: number | null;
    };

const UNKNOWN: Verdict = Object.freeze({ valid: false, reason: 'unknown' });

/** One attempt; what the visitor typed as keyed hashes. */
interface Login extends LoginKeys, LoginAttempt {
  readonly now: number;
}

/** In UTF-16 units: hashing costs time, and strangers may choose the text. */
const MAX_OPTION_LENGTH = 1_024;
/** How old the record of a known client may become before a login renews it. */
const CLIENT_RENEWAL_MS = 24 * 3_600_000;
/** A client that was not seen for 90 days is unknown again. */
const CLIENT_MEMORY_MS = 90 * 24 * 3_600_000;
/** Per username. A holder could log in with any number of them. */
const MAX_CLIENTS = 100;
/** Failures of usernames without a code are kept for an hour, and at most 100,000 of them. */
const FAILURE_MEMORY_MS = 3_600_000;
const MAX_COUNTERS = 100_000;
const REFUSALS_PER_PRUNE = 1_000;

/**
 * Validates usernames and codes. Invalid input is a result; the methods reject only when the database cannot answer.
 *
 * Checking and counting are one transaction, serialized per username in all processes. While failures cannot be
 * counted, nobody is let in.
 */
export class Validator {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #clock: () => number;
  #refused = 0;
  /** The last attempt whose writes are not known to be committed. */
  #uncommitted: Login | null = null;

  constructor(options: { readonly store: Store; readonly keys: Keys; readonly clock: () => number }) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#clock = options.clock;
  }

  /** Checks without counting a use. */
  async validate(username: string, code: string, options: LoginOptions = {}): Promise<Verdict> {
    return this.#logIn(username, code, options, false);
  }

  /** Checks and, when valid, counts one use. */
  async redeem(username: string, code: string, options: RedeemOptions = {}): Promise<Verdict> {
    return this.#logIn(username, code, options, true);
  }

  /** Deletes failure counters and clients that are too old, or too many, to keep. */
  async prune(): Promise<void> {
    const now = this.#clock();
    await this.#store.logins.prune(now - FAILURE_MEMORY_MS, now - CLIENT_MEMORY_MS, MAX_COUNTERS);
  }

  /** Websites in JavaScript may pass anything. */
  async #logIn(
    username: unknown,
    code: unknown,
    options: RedeemOptions | null,
    redeem: boolean,
  ): Promise<Verdict> {
    if (typeof username !== 'string' || typeof code !== 'string') return UNKNOWN;
    const name = parseTypedUsername(username);
    const text = parseCodeText(code);
    // What cannot be a code is not a guess.
    if (name === null || text === null) return UNKNOWN;
    const client = textOrNull(options?.client);
    const key = redeem ? textOrNull(options?.idempotencyKey) : null;
    const now = this.#clock();
    const login: Login = {
      nameHash: this.#keys.hashName(name.key),
      pairHash: this.#keys.hashPair(name.key, text),
      clientHash: client === null ? null : this.#keys.hashClient(name.key, client),
      hourHash: client === null ? null : this.#keys.hashClientHour(client, clientHour(now)),
      redeem,
      redemptionHash: key === null ? null : this.#keys.hashRedemption(key),
      now,
    };
    const { verdict, countsForClient, hasLocked } = await this.#store.logIn(login.nameHash, async (rows) =>
      this.#evaluate(rows, login),
    );
    if (this.#uncommitted === login) this.#uncommitted = null;
    // Not in the transaction: a failure must take no more space than the proof in `#evaluate`.
    // Nor under a lock: logins in progress with other usernames may overrun the limit of a client.
    if (countsForClient && login.hourHash !== null) {
      await this.#store.logins.writeClientFailure(login.hourHash, now).catch(ignoreOutage);
    }
    if (hasLocked) await this.#store.audit.writeThrottled(login.nameHash, now);
    if (!verdict.valid && ++this.#refused % REFUSALS_PER_PRUNE === 0) await this.prune();
    // A damaged index could lead to another username's row.
    if (verdict.valid && parseUsername(verdict.username)?.key !== name.key) {
      throw new Error('The database is damaged: a code was found under another username');
    }
    return verdict;
  }

  /** Checks and counts, in one transaction. */
  async #evaluate(
    rows: Rows,
    login: Login,
  ): Promise<{
    readonly verdict: Verdict;
    readonly countsForClient?: boolean;
    readonly hasLocked?: boolean;
  }> {
    const { nameHash, clientHash, now } = login;
    const stored = await rows.logins.read(login);
    const decision = decideLogin(stored, login, now);
    if (decision.kind === 'throttled') return { verdict: throttled(decision.ms) };
    const isFailure = decision.kind === 'refused' && decision.isFailure;
    // Read here, not before: attempts that were queued before a write was lost must not pass.
    const mustProve = this.#uncommitted !== null;
    if (isFailure || mustProve || (decision.kind === 'accepted' && decision.countUse))
      this.#uncommitted = login;
    // A known client has a counter of its own.
    const counter = stored.client ?? stored.failures;
    const counted = afterFailure(counter, now);
    if (isFailure || mustProve) {
      const key = (stored.client === null ? null : clientHash) ?? nameHash;
      await rows.logins.writeFailure(key, nameHash, counted, now);
      // After a write that was lost, an attempt that is not a failure writes the same and takes it back: a smaller
      // write might fit on a full disk where a failure does not.
      if (!isFailure) await rows.logins.undoFailure(key, counter.times);
    }
    if (decision.kind === 'refused') {
      const verdict: Verdict = { valid: false, reason: reasonOf(decision.status) };
      const countsForClient = isFailure && stored.client === null;
      return { verdict, countsForClient, hasLocked: isFailure && throttledMs(counted, now) > 0 };
    }
    return { verdict: await accept(rows, login, stored, decision) };
  }
}

/** Remembers the client and counts a use. */
async function accept(
  { logins, audit }: Rows,
  { nameHash, clientHash, redemptionHash, now }: Login,
  { clientSeenAt }: StoredLogin,
  { code, countUse }: Extract<LoginDecision, { readonly kind: 'accepted' }>,
): Promise<Verdict> {
  const { id, username, holderId, expiresAt } = code;
  if (clientHash !== null && (clientSeenAt ?? 0) <= now - CLIENT_RENEWAL_MS) {
    await logins.rememberClient(clientHash, nameHash, holderId, now);
    await logins.forgetClients(nameHash, MAX_CLIENTS);
  }
  const uses = countUse ? await logins.redeem(id, redemptionHash, now) : code.uses;
  if (uses === null) return UNKNOWN;
  // The holder of an unlimited code could make the audit grow without end.
  if (countUse && code.maxUses !== null) await audit.write({ at: now, event: 'redeemed', codeId: id });
  return { valid: true, username, discordUserId: holderId, expiresAt, usesLeft: usesLeft({ ...code, uses }) };
}

/** The failure was counted for the username. */
function ignoreOutage(error: unknown): void {
  if (!(error instanceof StorageError)) throw error;
}

function throttled(ms: number): Verdict {
  return { valid: false, reason: 'throttled', retryAfterMs: Number.isFinite(ms) ? ms : null };
}

function reasonOf(status: CodeStatus | null): InvalidReason {
  switch (status) {
    case 'left':
      return 'revoked';
    // Nobody was given a pending or withdrawn code: it was guessed.
    case 'pending':
    case 'withdrawn':
    case 'active':
    case null:
      return 'unknown';
    case 'expired':
    case 'replaced':
    case 'revoked':
    case 'suspended':
    case 'used_up':
      return status;
  }
}

function textOrNull(value: unknown): string | null {
  const fits = typeof value === 'string' && value !== '' && value.length <= MAX_OPTION_LENGTH;
  return fits ? value : null;
}
