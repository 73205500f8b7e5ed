import type { AuditEvent, AuditEventName } from '../codes/audit.js';
import type {
  AnswerTo,
  AuditFilter,
  AuditRow,
  CodeSelector,
  CodeStore,
  DeliveredHow,
  GuildCodes,
  IssueLimits,
  IssueOutcome,
  ListRange,
  LoginAttempt,
  LoginOutcome,
  NewAnswer,
  NewCode,
  PendingAnswer,
  Revocation,
  SealedCode,
} from '../codes/code-store.js';
import { statusOf, type Code, type CodeStatus } from '../codes/code.js';
import { afterFailure, MAX_GUESSES, NO_FAILURES, throttledMs, type Guard } from '../codes/guessing.js';
import {
  integerIn,
  integerOrNullIn,
  textIn,
  textOrNullIn,
  type Query,
  type SqlDriver,
  type SqlRow,
} from './driver.js';
import * as sql from './statements.js';

/** Discord repeats an event within minutes; a claimed request is remembered for a day. */
const REQUEST_MEMORY_MS = 24 * 3_600_000;

/** A website that heard no answer asks again within seconds. Longer, and a one-time code would be good for as long. */
const REDEMPTION_MEMORY_MS = 10 * 60_000;

/** A visitor who does not come back for so long is a stranger again. */
const CLIENT_MEMORY_MS = 90 * 24 * 3_600_000;
/** How often it is noted that a known visitor came: a write for each visit would be one too many. */
const CLIENT_NOTE_MS = 24 * 3_600_000;

/** Of names that nobody has, what is older than the latest so many guards, and wrong codes in the audit, is forgotten. */
const STRANGERS_KEPT = 100_000;
/** So many wrong codes come between two looks at whether that is passed. */
const FAILURES_BETWEEN_PRUNES = 1_000;

/** What an event is about. */
type Subject = Partial<Pick<AuditEvent, 'codeId' | 'nameHash' | 'guildId'>>;

/** The code store in SQL that SQLite and PostgreSQL both understand. */
export class SqlCodeStore implements CodeStore {
  readonly #driver: SqlDriver;
  #failuresSincePrune = 0;
  /** The last attempt whose code was evaluated, until its transaction is committed. */
  #uncommitted: LoginAttempt | null = null;

  constructor(driver: SqlDriver) {
    this.#driver = driver;
  }

  async claim(
    requestId: string,
    now: number,
    answer: NewAnswer | null = null,
    listing?: { readonly guildId: string; readonly actorId: string },
  ): Promise<boolean> {
    return this.#driver.transaction(async (query) => {
      if (!(await claim(query, requestId, now))) return false;
      if (listing !== undefined) {
        await note(query, now, 'listed', { guildId: listing.guildId }, { actorId: listing.actorId });
      }
      await writeAnswer(query, requestId, answer, now);
      return true;
    });
  }

  async issue(
    code: NewCode,
    limits: IssueLimits,
    answerTo: AnswerTo<Exclude<IssueOutcome, 'repeated' | 'collision'>> = () => null,
  ): Promise<IssueOutcome> {
    try {
      return await this.#driver.transaction(async (query) => {
        if (!(await claim(query, code.id, code.issuedAt))) return 'repeated';
        // What has expired gives its username up for good, also when the clock is set back later.
        await query(sql.EXPIRE, [code.issuedAt]);
        const outcome = (await refusalOf(query, code, limits)) ?? (await insert(query, code));
        if (outcome !== 'repeated') {
          await writeAnswer(query, code.id, answerTo(outcome), code.issuedAt);
        }
        return outcome;
      });
    } catch (error) {
      if (error instanceof CollisionError) return 'collision';
      throw error;
    }
  }

  async deliver(id: string, how: DeliveredHow, now: number): Promise<boolean> {
    return this.#driver.transaction(async (query) => {
      await query(sql.EXPIRE, [now]);
      const [before] = await query(sql.FIND, [id]);
      const [row] = await query(sql.DELIVER, [id, now]);
      if (row === undefined || before === undefined) return false;
      await query(sql.WIPE_ANSWER, [id]);
      if (integerOrNullIn(before, 'delivered_at') !== null) return true;
      const nameHash = textIn(row, 'name_hash');
      await note(query, now, how === 'shown' ? how : 'delivered', subjectIn(row));
      const issuedAt = integerIn(row, 'issued_at');
      const [later] = how === 'found' ? await query(sql.FIND_LATER, [nameHash, issuedAt]) : [];
      if (later !== undefined) {
        await query(sql.REPLACE, [id, now]);
        await note(query, now, 'replaced', subjectIn(row), { reason: textIn(later, 'id') });
        return true;
      }
      const replaced = await query(sql.REPLACE_OTHERS, [nameHash, id, now]);
      await query(sql.FORGET_GUARDS_OF_NAME, [nameHash]);
      for (const other of replaced) await note(query, now, 'replaced', subjectIn(other), { reason: id });
      return true;
    });
  }

  async noteUndeliverable(id: string, now: number): Promise<void> {
    await this.#driver.transaction(async (query) => {
      const [row] = await query(sql.FIND, [id]);
      if (row !== undefined) await note(query, now, 'undeliverable', subjectIn(row));
    });
  }

  async withdraw(id: string, reason: string, now: number): Promise<void> {
    await this.#withdraw(sql.WITHDRAW, [id, now], reason, now);
  }

  async withdrawUnclaimed(issuedBefore: number, now: number): Promise<void> {
    await this.#withdraw(sql.WITHDRAW_UNCLAIMED, [issuedBefore, now], 'unclaimed', now);
  }

  async expire(now: number): Promise<void> {
    await this.#driver.query(sql.EXPIRE, [now]);
  }

  async find(id: string): Promise<SealedCode | null> {
    const [row] = await this.#driver.query(sql.FIND, [id]);
    return row === undefined ? null : sealedCodeIn(row);
  }

  async countHeld(guildId: string, now: number): Promise<number> {
    // What has expired is marked and then not counted: asking each row would take twice as long.
    await this.#driver.query(sql.EXPIRE, [now]);
    const [row] = await this.#driver.query(sql.COUNT_HELD, [guildId]);
    return row === undefined ? 0 : integerIn(row, 'total');
  }

  async listHeld(
    guildId: string,
    now: number,
    { first = 'oldest', offset, limit }: ListRange,
  ): Promise<SealedCode[]> {
    const rows = await this.#driver.query(sql.LIST_HELD[first], [guildId, now, limit, offset]);
    return rows.map(sealedCodeIn);
  }

  async noteListing(guildId: string, actorId: string, now: number): Promise<void> {
    await this.#driver.transaction(async (query) => note(query, now, 'listed', { guildId }, { actorId }));
  }

  async listHolders(guildId: string, now: number, after: string, limit: number): Promise<string[]> {
    const rows = await this.#driver.query(sql.LIST_HOLDERS, [guildId, now, after, limit]);
    return rows.map((row) => textIn(row, 'holder_id'));
  }

  async revoke(
    guildId: string,
    selectors: readonly CodeSelector[],
    by: { readonly requestId: string; readonly actorId: string },
    now: number,
    answerTo: AnswerTo<Revocation> = () => null,
  ): Promise<Revocation | 'repeated'> {
    return this.#driver.transaction(async (query) => {
      if (!(await claim(query, by.requestId, now))) return 'repeated';
      const revocation = await revokeFirst(query, guildId, selectors, by.actorId, now);
      await writeAnswer(query, by.requestId, answerTo(revocation), now);
      return revocation;
    });
  }

  async revokeLeaver(guildId: string, holderId: string, now: number): Promise<readonly Code[]> {
    return this.#driver.transaction(async (query) =>
      revoke(query, guildId, { by: 'holder', holderId }, { reason: 'left the server' }, now),
    );
  }

  async suspendElsewhere(servedGuildIds: ReadonlySet<string>, now: number): Promise<readonly GuildCodes[]> {
    return this.#driver.transaction(async (query) => {
      const found: GuildCodes[] = [];
      for (const guild of await query(sql.LIST_GUILDS)) {
        const guildId = textIn(guild, 'guild_id');
        const suspended = !servedGuildIds.has(guildId);
        const { length: changed } = suspended
          ? await query(sql.SUSPEND_GUILD, [guildId, now])
          : await query(sql.RESUME_GUILD, [guildId]);
        if (changed > 0) await note(query, now, suspended ? 'suspended' : 'resumed', { guildId });
        const [row] = await query(sql.COUNT_HELD, [guildId]);
        found.push({ guildId, suspended, held: row === undefined ? 0 : integerIn(row, 'total'), changed });
      }
      return found;
    });
  }

  async login(attempt: LoginAttempt, now: number): Promise<LoginOutcome> {
    const { keyHash } = attempt;
    // Runs inside the transaction: attempts that were queued before a failure must not miss it.
    const beginEvaluation = (): boolean => {
      const mustWrite = this.#uncommitted !== null;
      this.#uncommitted = attempt;
      return mustWrite;
    };
    const outcome = await this.#driver.transaction(async (query) =>
      keyHash === null
        ? login(query, attempt, now, beginEvaluation)
        : loginOnce(query, attempt, keyHash, now, beginEvaluation),
    );
    if (this.#uncommitted === attempt) this.#uncommitted = null;
    if ('accepted' in outcome && !outcome.accepted) {
      // The verdict stands, whatever becomes of the tidying up: the next failure tries again.
      await this.#countFailure().catch(() => undefined);
    }
    return outcome;
  }

  async findServedGuild(): Promise<string | null> {
    const [row] = await this.#driver.query(sql.FIND_SERVED_GUILD);
    return row === undefined ? null : textOrNullIn(row, 'guild_id');
  }

  async rememberServedGuild(guildId: string): Promise<boolean> {
    const remembered = await this.#driver.query(sql.REMEMBER_SERVED_GUILD, [guildId]);
    return remembered.length > 0;
  }

  async keepAnswer(requestId: string, answer: NewAnswer, now: number): Promise<void> {
    await this.#driver.transaction(async (query) => writeAnswer(query, requestId, answer, now));
  }

  async takeAnswers(
    owner: string,
    now: number,
    leasedUntil: number,
    limit: number,
  ): Promise<PendingAnswer[]> {
    const tooLong = 2 * leasedUntil - now;
    const found = await this.#driver.query(sql.FIND_UNLEASED, [now, tooLong]);
    if (found.length === 0) return [];
    const rows = await this.#driver.query(sql.TAKE_ANSWERS, [now, tooLong, owner, leasedUntil, limit]);
    return rows.map(answerIn).toSorted((a, b) => a.receivedAt - b.receivedAt);
  }

  async renewAnswers(owner: string, requestIds: readonly string[], leasedUntil: number): Promise<void> {
    await this.#driver.transaction(async (query) => {
      for (const id of requestIds) await query(sql.RENEW_ANSWER, [owner, id, leasedUntil]);
    });
  }

  async releaseAnswers(owner: string, now: number): Promise<void> {
    await this.#driver.query(sql.RELEASE_ANSWERS, [owner, now]);
  }

  async finishAnswers(requestIds: readonly string[]): Promise<void> {
    await this.#driver.transaction(async (query) => {
      for (const id of requestIds) await query(sql.FINISH_ANSWER, [id]);
    });
  }

  async touch(now: number): Promise<void> {
    await this.#driver.query(sql.TOUCH, [String(now)]);
  }

  async prune(auditSince: number, now: number): Promise<void> {
    await this.#driver.query(sql.FORGET_REQUESTS, [now - REQUEST_MEMORY_MS]);
    await this.#driver.query(sql.FORGET_CLIENTS, [now - CLIENT_MEMORY_MS]);
    await this.#driver.query(sql.FORGET_REDEMPTIONS, [now - REDEMPTION_MEMORY_MS]);
    await this.#driver.query(sql.FORGET_AUDIT, [auditSince]);
    await this.#pruneStrangers();
  }

  async findIdByText(textHash: string): Promise<string | null> {
    const [row] = await this.#driver.query(sql.FIND_ID_BY_TEXT, [textHash]);
    return row === undefined ? null : textIn(row, 'id');
  }

  async readAudit({ since = 0, nameHash, memberId, codeId }: AuditFilter): Promise<AuditRow[]> {
    const filter = [since, nameHash ?? null, memberId ?? null, codeId ?? null];
    const rows = await this.#driver.query(sql.READ_AUDIT, filter);
    return rows.map(auditRowIn);
  }

  async findChannel(userId: string): Promise<string | null> {
    const [row] = await this.#driver.query(sql.FIND_CHANNEL, [userId]);
    return row === undefined ? null : textIn(row, 'channel_id');
  }

  async rememberChannel(userId: string, channelId: string): Promise<void> {
    await this.#driver.query(sql.REMEMBER_CHANNEL, [userId, channelId]);
  }

  async forgetChannel(userId: string): Promise<void> {
    await this.#driver.query(sql.FORGET_CHANNEL, [userId]);
  }

  async #withdraw(
    statement: string,
    parameters: readonly (string | number)[],
    reason: string,
    now: number,
  ): Promise<void> {
    await this.#driver.transaction(async (query) => {
      const rows = await query(statement, parameters);
      for (const row of rows) await note(query, now, 'withdrawn', subjectIn(row), { reason });
    });
  }

  /** Invented names cost a row each: whoever counts the failures sees to it that these stay bounded. */
  async #countFailure(): Promise<void> {
    this.#failuresSincePrune += 1;
    if (this.#failuresSincePrune < FAILURES_BETWEEN_PRUNES) return;
    await this.#pruneStrangers();
    this.#failuresSincePrune = 0;
  }

  async #pruneStrangers(): Promise<void> {
    const [guard] = await this.#driver.query(sql.LATEST_GUARDS, [STRANGERS_KEPT]);
    if (guard !== undefined) await this.#driver.query(sql.FORGET_GUARDS, [integerIn(guard, 'changed_at')]);
    const [row] = await this.#driver.query(sql.LATEST_GUESSES, [STRANGERS_KEPT]);
    if (row !== undefined) await this.#driver.query(sql.FORGET_STRANGERS, [integerIn(row, 'at')]);
    const [last] = await this.#driver.query(sql.LATEST_REDEMPTIONS, [STRANGERS_KEPT]);
    if (last !== undefined) {
      await this.#driver.query(sql.FORGET_REFUSED_REDEMPTIONS, [integerIn(last, 'redeemed_at')]);
    }
  }
}

/** Rolls back the transaction that found the code's text in use. */
class CollisionError extends Error {}

async function claim(query: Query, requestId: string, now: number): Promise<boolean> {
  const claimed = await query(sql.CLAIM, [requestId, now]);
  return claimed.length > 0;
}

async function writeAnswer(
  query: Query,
  requestId: string,
  answer: NewAnswer | null,
  now: number,
): Promise<void> {
  if (answer === null) return;
  const { command, channelId, authorId, to, sealedBody, owner, leasedUntil } = answer;
  await query(sql.WRITE_ANSWER, [
    requestId,
    command,
    channelId,
    authorId,
    to,
    sealedBody,
    now,
    owner,
    leasedUntil,
  ]);
}

async function refusalOf(
  query: Query,
  code: NewCode,
  limits: IssueLimits,
): Promise<Exclude<IssueOutcome, 'issued' | 'collision'> | null> {
  const { id, holderId, nameHash, skeletons, issuedAt } = code;
  // A code outlives the memory of its request.
  if ((await query(sql.FIND, [id])).length > 0) return 'repeated';
  const taken = await query(sql.TAKEN, [holderId, issuedAt, limits.reservedSince, ...skeletons]);
  if (taken.length > 0) return 'taken';

  const latest = await query(sql.LATEST_ISSUED, [holderId, issuedAt - limits.spanMs, limits.codes]);
  const oldest = latest.at(-1);
  if (oldest !== undefined && latest.length >= limits.codes) {
    // Of a clock that was set back since nobody waits longer than the span.
    return { limitedUntil: Math.min(integerIn(oldest, 'issued_at'), issuedAt) + limits.spanMs };
  }

  const held = await query(sql.USERNAMES_HELD, [holderId, issuedAt, limits.reservedSince]);
  // Whoever holds the username may always renew its code.
  if (held.length < limits.usernames || held.some((row) => row['name_hash'] === nameHash)) return null;
  return { usernamesHeld: held.map((row) => textIn(row, 'username')) };
}

async function insert(query: Query, code: NewCode): Promise<'issued'> {
  const { id, nameHash } = code;
  const inserted = await query(sql.INSERT_CODE, [
    id,
    code.guildId,
    code.holderId,
    code.holderTag,
    code.username,
    nameHash,
    code.textHash,
    code.pairHash,
    code.sealedText,
    code.maxUses,
    code.issuedAt,
    code.expiresAt,
  ]);
  if (inserted.length === 0) throw new CollisionError();
  for (const skeleton of code.skeletons) await query(sql.INSERT_LOOK, [skeleton, nameHash]);
  await note(query, code.issuedAt, 'issued', { codeId: id, nameHash });
  return 'issued';
}

/** Ends what the first of the selectors that matches any names. */
async function revokeFirst(
  query: Query,
  guildId: string,
  selectors: readonly CodeSelector[],
  actorId: string,
  now: number,
): Promise<Revocation> {
  for (const selector of selectors) {
    const codes = await revoke(query, guildId, selector, { actorId }, now);
    if (codes.length > 0) return { by: selector.by, codes };
  }
  return { by: null, codes: [] };
}

async function revoke(
  query: Query,
  guildId: string,
  selector: CodeSelector,
  why: { readonly actorId?: string; readonly reason?: string },
  now: number,
): Promise<readonly Code[]> {
  const rows = await query(sql.REVOKE[selector.by], [guildId, selectedValue(selector), now]);
  for (const row of rows) await note(query, now, 'revoked', subjectIn(row), why);
  return rows.map(codeIn).toSorted(oldestFirst);
}

/** A redemption that has a name: a repeat gets the outcome of the first. */
async function loginOnce(
  query: Query,
  attempt: LoginAttempt,
  keyHash: string,
  now: number,
  beginEvaluation: () => boolean,
): Promise<LoginOutcome> {
  const [first] = await query(sql.FIND_REDEMPTION, [keyHash, now - REDEMPTION_MEMORY_MS]);
  if (first !== undefined) {
    if (textIn(first, 'pair_hash') !== attempt.pairHash) return { keyReused: true };
    const codeId = textOrNullIn(first, 'code_id');
    if (codeId === null) return { accepted: false, status: statusOrNullIn(first, 'refused_as') };
    const [code] = await query(sql.FIND, [codeId]);
    if (code === undefined) throw new TypeError(`There is no code ${codeId}, which was redeemed`);
    const redeemed = codeIn(code);
    const status = statusOf(redeemed, now);
    // A code that was ended since opens nothing, whoever redeemed it before.
    if (status !== 'active' && status !== 'used_up') return { accepted: false, status };
    return { accepted: true, code: { ...redeemed, uses: integerIn(first, 'uses') } };
  }
  const outcome = await login(query, attempt, now, beginEvaluation);
  if ('accepted' in outcome) {
    const { id, uses } = outcome.accepted ? outcome.code : { id: null, uses: 0 };
    const refusedAs = outcome.accepted ? null : outcome.status;
    await query(sql.WRITE_REDEMPTION, [keyHash, attempt.pairHash, id, refusedAs, uses, now]);
  }
  return outcome;
}

/**
 * Checks the failure counter, evaluates the code and counts a failure.
 *
 * @param beginEvaluation returns whether an earlier attempt failed to commit. A right code then makes the same writes as
 *   a wrong one, so that it is accepted only where a wrong one could be counted.
 */
async function login(
  query: Query,
  attempt: LoginAttempt,
  now: number,
  beginEvaluation: () => boolean,
): Promise<LoginOutcome> {
  const { nameHash, pairHash, clientHash, redeem } = attempt;
  const [client] = clientHash === null ? [] : await query(sql.FIND_CLIENT, [clientHash, nameHash]);
  const budget = client === undefined || clientHash === null ? nameHash : clientHash;
  const guard = guardIn((await query(sql.FIND_GUARD, [budget]))[0]);
  const wait = throttledMs(guard, now);
  if (wait > 0) return { throttledMs: wait };

  const mustWrite = beginEvaluation();
  const [row] = await query(sql.FIND_BY_PAIR, [pairHash]);
  if (row === undefined) throw new Error('The database answered a login with nothing');
  const code = codeIn(row);
  const status = code.id === sql.DECOY_ID ? 'unknown' : statusOf(code, now);
  // A website that checks the session of a one-time code again guesses nothing.
  const isFailure = status !== 'active' && (redeem || status !== 'used_up');
  if (isFailure || mustWrite) {
    const after = afterFailure(guard, now);
    await query(sql.WRITE_GUARD, [budget, nameHash, after.failures.join(','), after.inARow, now]);
    const subject = { codeId: status === 'unknown' ? null : code.id, nameHash };
    await note(query, now, 'refused', subject, { reason: isFailure ? status : 'outage' });
    if (isFailure && throttledMs(after, now) > 0) await note(query, now, 'throttled', subject);
  }
  if (status === 'expired') await query(sql.EXPIRE, [now]);
  const inARow = status === 'active' ? 0 : guard.inARow;
  if (!isFailure && (mustWrite || inARow !== guard.inARow)) {
    await query(sql.WRITE_GUARD, [budget, nameHash, guard.failures.join(','), inARow, now]);
  }
  if (status !== 'active') return { accepted: false, status: status === 'unknown' ? null : status };

  const isRemembered = client !== undefined && integerIn(client, 'seen_at') >= now - CLIENT_NOTE_MS;
  if (clientHash !== null && !isRemembered) {
    await query(sql.REMEMBER_CLIENT, [clientHash, code.holderId, now]);
  }
  if (!redeem) return { accepted: true, code };
  const [redeemed] = await query(sql.REDEEM, [pairHash, now]);
  if (redeemed === undefined) return { accepted: false, status };
  await note(query, now, 'redeemed', subjectIn(redeemed));
  return { accepted: true, code: codeIn(redeemed) };
}

async function note(
  query: Query,
  at: number,
  event: AuditEventName,
  { codeId = null, nameHash = null, guildId = null }: Subject,
  {
    actorId = null,
    reason = null,
  }: { readonly actorId?: string | null; readonly reason?: string | null } = {},
): Promise<void> {
  await query(sql.WRITE_AUDIT, [at, event, codeId, nameHash, guildId, actorId, reason]);
}

function selectedValue(selector: CodeSelector): string {
  switch (selector.by) {
    case 'text':
      return selector.textHash;
    case 'username':
      return selector.nameHash;
    case 'holder':
      return selector.holderId;
  }
}

function oldestFirst(a: Code, b: Code): number {
  return a.issuedAt - b.issuedAt || (a.id < b.id ? -1 : 1);
}

function guardIn(row: SqlRow | undefined): Guard {
  if (row === undefined) return NO_FAILURES;
  const failures = textIn(row, 'failures').split(',').filter(Boolean);
  const times = failures.map((time) => integerIn({ time }, 'time'));
  return { failures: times.slice(-MAX_GUESSES), inARow: integerIn(row, 'in_a_row') };
}

function subjectIn(row: SqlRow): Subject {
  return { codeId: textIn(row, 'id'), nameHash: textIn(row, 'name_hash') };
}

function sealedCodeIn(row: SqlRow): SealedCode {
  return { ...codeIn(row), sealedText: textIn(row, 'sealed_text') };
}

function codeIn(row: SqlRow): Code {
  return {
    id: textIn(row, 'id'),
    guildId: textIn(row, 'guild_id'),
    holderId: textIn(row, 'holder_id'),
    holderTag: textIn(row, 'holder_tag'),
    username: textIn(row, 'username'),
    issuedAt: integerIn(row, 'issued_at'),
    deliveredAt: integerOrNullIn(row, 'delivered_at'),
    expiresAt: integerOrNullIn(row, 'expires_at'),
    expiredAt: integerOrNullIn(row, 'expired_at'),
    replacedAt: integerOrNullIn(row, 'replaced_at'),
    revokedAt: integerOrNullIn(row, 'revoked_at'),
    withdrawnAt: integerOrNullIn(row, 'withdrawn_at'),
    suspendedAt: integerOrNullIn(row, 'suspended_at'),
    uses: integerIn(row, 'uses'),
    maxUses: integerOrNullIn(row, 'max_uses'),
  };
}

function answerIn(row: SqlRow): PendingAnswer {
  const to = textIn(row, 'addressee');
  if (to !== 'author' && to !== 'channel' && to !== 'press')
    throw new TypeError(`Column addressee: ${to} is none`);
  return {
    requestId: textIn(row, 'request_id'),
    command: textIn(row, 'command'),
    channelId: textIn(row, 'channel_id'),
    authorId: textIn(row, 'author_id'),
    to,
    sealedBody: textOrNullIn(row, 'sealed_body'),
    receivedAt: integerIn(row, 'received_at'),
  };
}

const STATUSES: Readonly<Record<CodeStatus, true>> = {
  pending: true,
  active: true,
  used_up: true,
  expired: true,
  replaced: true,
  revoked: true,
  withdrawn: true,
  suspended: true,
};

function isStatus(text: string): text is CodeStatus {
  return Object.hasOwn(STATUSES, text);
}

function statusOrNullIn(row: SqlRow, column: string): CodeStatus | null {
  const text = textOrNullIn(row, column);
  if (text !== null && !isStatus(text)) throw new TypeError(`Column ${column}: ${text} is no status`);
  return text;
}

const EVENTS: Readonly<Record<AuditEventName, true>> = {
  issued: true,
  delivered: true,
  undeliverable: true,
  shown: true,
  withdrawn: true,
  replaced: true,
  revoked: true,
  suspended: true,
  resumed: true,
  listed: true,
  redeemed: true,
  refused: true,
  throttled: true,
};

function isEvent(text: string): text is AuditEventName {
  return Object.hasOwn(EVENTS, text);
}

function auditRowIn(row: SqlRow): AuditRow {
  const event = textIn(row, 'event');
  if (!isEvent(event)) throw new TypeError(`Column event: ${event} is none`);
  return {
    at: integerIn(row, 'at'),
    event,
    codeId: textOrNullIn(row, 'code_id'),
    nameHash: textOrNullIn(row, 'name_hash'),
    guildId: textOrNullIn(row, 'guild_id'),
    holderId: textOrNullIn(row, 'holder_id'),
    actorId: textOrNullIn(row, 'actor_id'),
    reason: textOrNullIn(row, 'reason'),
    username: textOrNullIn(row, 'username'),
  };
}
