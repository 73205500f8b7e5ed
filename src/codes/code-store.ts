import type { AuditEvent } from './audit.js';
import type { Code, CodeStatus } from './code.js';

/** Four, whether they differ or not: a statement has a fixed number of parameters. */
export type Skeletons = readonly [string, string, string, string];

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
  /** As typed. */
  readonly username: string;
  /** Keyed hash of the username as compared. */
  readonly nameHash: string;
  /** What the username looks like; one that shares any of them is a look-alike. */
  readonly skeletons: Skeletons;
  readonly textHash: string;
  readonly pairHash: string;
  readonly sealedText: string;
  readonly issuedAt: number;
  readonly expiresAt: number | null;
  readonly maxUses: number | null;
}

/** What one member may have, judged in the same transaction that stores the code. */
export interface IssueLimits {
  /** A code that is not delivered reserves its username only if it was issued since then. */
  readonly reservedSince: number;
  /** At most `codes` issued to one member within `spanMs`. */
  readonly codes: number;
  readonly spanMs: number;
  /** How many usernames one member may hold or have reserved. */
  readonly usernames: number;
}

/**
 * What became of a request for a code. Only `issued` stored one.
 *
 * - `repeated`: the request was claimed before.
 * - `taken`: somebody else holds or has reserved the username, or one that looks like it.
 * - `limitedUntil`: the member has had as many codes as they may, until then.
 * - `usernamesHeld`: the member holds as many usernames as they may, these.
 * - `collision`: a code with this text exists; not even the request is claimed.
 */
export type IssueOutcome =
  | 'issued'
  | 'repeated'
  | 'taken'
  | 'collision'
  | { readonly limitedUntil: number }
  | { readonly usernamesHeld: readonly string[] };

/**
 * By direct message; by one that was `found` to have arrived at some time before, where a code that was asked for later
 * and delivered already counts as the last one; or `shown` at the press of a button.
 */
export type DeliveredHow = 'delivered' | 'found' | 'shown';

/** An answer to a press is stored under this and what it shows: where that is a code, its id. */
export const PRESS = 'press:';

/** The answer to a request: stored in the transaction that claims the request, and kept until it is sent. */
export interface NewAnswer {
  /** Which command gives it. */
  readonly command: string;
  /** Where the request was made. */
  readonly channelId: string;
  readonly authorId: string;
  /** Whom it tells; `press`: whoever pressed a button, which cannot be repeated. */
  readonly to: 'author' | 'channel' | 'press';
  /** What it says, or by what Discord tells whether it was given, encrypted. */
  readonly sealedBody: string;
  /** The process that sends it: until `leasedUntil` no other does. */
  readonly owner: string;
  readonly leasedUntil: number;
}

/** An answer that nobody is known to have finished. */
export interface PendingAnswer extends Pick<NewAnswer, 'command' | 'channelId' | 'authorId' | 'to'> {
  readonly requestId: string;
  /** `null`: it is known to be delivered, and only the rest has to be done. */
  readonly sealedBody: string | null;
  readonly receivedAt: number;
}

/** Gives the answer to store with what happened; `null`: there is none. May be called again, and changes nothing. */
export type AnswerTo<T> = (outcome: T) => NewAnswer | null;

/** Which codes of a server are meant. */
export type CodeSelector =
  | { readonly by: 'text'; readonly textHash: string }
  | { readonly by: 'username'; readonly nameHash: string }
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

/** The codes of a server after {@link CodeStore.suspendElsewhere}. */
export interface GuildCodes {
  readonly guildId: string;
  readonly suspended: boolean;
  /** How many are held. */
  readonly held: number;
  /** How many were suspended by this call, or are not any more. */
  readonly changed: number;
}

/** Somebody at a website's door. */
export interface LoginAttempt {
  readonly nameHash: string;
  readonly pairHash: string;
  /** Keyed hash of the username and what the website knows its visitor by; `null`: it knows nothing. */
  readonly clientHash: string | null;
  /** Whether a use is counted where the answer is yes. */
  readonly redeem: boolean;
  /** Keyed hash of what names this redemption, so that a repeat costs nothing; `null`: nothing does. */
  readonly keyHash: string | null;
}

/**
 * - `throttledMs`: it was not looked at, and the next will be after so long (or never: infinity).
 * - `accepted`: the code that the pair names opens the door; as it is after the attempt.
 * - refused: what that code was worth, `null` where there is none.
 * - `keyReused`: this redemption's name is that of another one.
 */
export type LoginOutcome =
  | { readonly throttledMs: number }
  | { readonly accepted: true; readonly code: Code }
  | { readonly accepted: false; readonly status: CodeStatus | null }
  | { readonly keyReused: true };

/** Which rows of the audit are asked for: those that fit every property that is given. */
export interface AuditFilter {
  readonly since?: number;
  readonly nameHash?: string;
  /** As holder or as administrator. */
  readonly memberId?: string;
  readonly codeId?: string;
}

/** A row of the audit with the username as it was issued, where its code is known. */
export interface AuditRow extends AuditEvent {
  readonly username: string | null;
}

/** The store cannot be used, just now or until somebody acts. What it stored stays as it was. */
export class StoreOutage extends Error {}

/**
 * Where codes are kept. Each method but `prune` and `countHeld`, which may stop between their steps and harm nothing,
 * stores what it stores in one transaction: it happens whole or not at all, together with its rows of the audit, and once its promise is fulfilled it outlives a power cut.
 *
 * Whatever keeps a method from that rejects, with a {@link StoreOutage} where the cause lies outside the program.
 *
 * A code is *held* while it is delivered and not ended (revoked, withdrawn, replaced, expired), used up
 * or not. Times are Unix milliseconds.
 */
export interface CodeStore {
  /**
   * Claims a request and stores its answer.
   *
   * @param listing an administrator who read a server's codes, where that was the request.
   * @returns `false` when it was claimed before, by whichever process.
   */
  claim(
    requestId: string,
    now: number,
    answer?: NewAnswer | null,
    listing?: { readonly guildId: string; readonly actorId: string },
  ): Promise<boolean>;

  /** Claims the request `code.id` and, where the limits allow it, stores its code, not yet delivered. */
  issue(
    code: NewCode,
    limits: IssueLimits,
    answerTo?: AnswerTo<Exclude<IssueOutcome, 'repeated' | 'collision'>>,
  ): Promise<IssueOutcome>;

  /**
   * Makes the code `id` active, replaces the one that was active for its username, and forgets wrong codes
   * for that username. A code that is still to be delivered replaces it in turn: the one that arrived last counts.
   * A repeat changes nothing. What its answer says is wiped.
   *
   * @returns `false` when it cannot become active: it has ended, or somebody else holds the username by now.
   */
  deliver(id: string, how: DeliveredHow, now: number): Promise<boolean>;

  /** Notes that a direct message with the code was refused; the code stays as it is. */
  noteUndeliverable(id: string, now: number): Promise<void>;

  /** Ends a code that was not delivered. */
  withdraw(id: string, reason: string, now: number): Promise<void>;

  /** Ends every code that was issued before `issuedBefore` and never delivered, unless its answer is still to be sent. */
  withdrawUnclaimed(issuedBefore: number, now: number): Promise<void>;

  /** Marks what has expired, so that a clock that is set back revives nothing. */
  expire(now: number): Promise<void>;

  find(id: string): Promise<SealedCode | null>;

  /** Marks what has expired, as {@link expire} does, and counts one server's held codes. */
  countHeld(guildId: string, now: number): Promise<number>;

  /** Held codes of one server in the order of their issue, or from the newest back. */
  listHeld(guildId: string, now: number, range: ListRange): Promise<SealedCode[]>;

  noteListing(guildId: string, actorId: string, now: number): Promise<void>;

  /** Members who hold codes of one server, or wait for one: `limit` of them, by id, from `after` on. */
  listHolders(guildId: string, now: number, after: string, limit: number): Promise<string[]>;

  /**
   * Claims the request and ends codes of one server, held or not yet delivered: those of the first of
   * `selectors` that matches any.
   *
   * @returns `repeated` when the request was claimed before.
   */
  revoke(
    guildId: string,
    selectors: readonly CodeSelector[],
    by: { readonly requestId: string; readonly actorId: string },
    now: number,
    answerTo?: AnswerTo<Revocation>,
  ): Promise<Revocation | 'repeated'>;

  /** Ends every code that `holderId` has from this server, because they left it. */
  revokeLeaver(guildId: string, holderId: string, now: number): Promise<readonly Code[]>;

  /** Suspends every code of the servers that are not among these, and ends the suspension of the others. */
  suspendElsewhere(servedGuildIds: ReadonlySet<string>, now: number): Promise<readonly GuildCodes[]>;

  /**
   * Judges one attempt to log in, and remembers it: wrong codes are counted for the username, whether it
   * exists or not, or for a client that got in with it before. A check of a code that is used up counts as no wrong code.
   *
   * The counter is read and written in one transaction, and transactions are serialised: parallel attempts evaluate no
   * more wrong codes than sequential ones. After an attempt that could not be stored, an attempt with any code succeeds
   * only if a wrong code could be stored.
   *
   * For ten minutes a redemption with the key of an earlier one gets that one's outcome, unless the code was ended
   * since, and changes nothing; one that was throttled leaves its key free.
   */
  login(attempt: LoginAttempt, now: number): Promise<LoginOutcome>;

  /** The server that was remembered or, before one ever was, that all codes were issued in; `null`: neither. */
  findServedGuild(): Promise<string | null>;

  /** Remembers the server that is served. The first one stays. @returns `false` when one was remembered before. */
  rememberServedGuild(guildId: string): Promise<boolean>;

  /** Stores an answer whose request needs no claim; one with the same id gives way. */
  keepAnswer(requestId: string, answer: NewAnswer, now: number): Promise<void>;

  /** Answers whose lease is over, oldest first, `limit` at most: from now on they are `owner`'s until `leasedUntil`. */
  takeAnswers(owner: string, now: number, leasedUntil: number, limit: number): Promise<PendingAnswer[]>;

  /** Makes the leases of these answers last until then, of those among them that are still the owner's. */
  renewAnswers(owner: string, requestIds: readonly string[], leasedUntil: number): Promise<void>;

  /** Ends the leases of all of the owner's answers. */
  releaseAnswers(owner: string, now: number): Promise<void>;

  /** Forgets answers: they were sent, and nothing of them is left to do. */
  finishAnswers(requestIds: readonly string[]): Promise<void>;

  /** Writes, and so tells whether anything could be. @throws what keeps it from writing. */
  touch(now: number): Promise<void>;

  /** Forgets what is too old, or too much, to keep. */
  prune(auditSince: number, now: number): Promise<void>;

  /** The id of the code with this text, dead or alive. */
  findIdByText(textHash: string): Promise<string | null>;

  /** Rows of the audit, oldest first. */
  readAudit(filter: AuditFilter): Promise<AuditRow[]>;

  /** The direct-message channel that the bot has with somebody. */
  findChannel(userId: string): Promise<string | null>;
  rememberChannel(userId: string, channelId: string): Promise<void>;
  forgetChannel(userId: string): Promise<void>;
}
