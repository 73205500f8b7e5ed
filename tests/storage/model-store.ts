import type { AuditEvent, AuditEventName } from '../../src/codes/audit.js';
import type {
  AuditRow,
  CodeSelector,
  CodeStore,
  DeliveredHow,
  IssueLimits,
  IssueOutcome,
  ListRange,
  LoginAttempt,
  LoginOutcome,
  NewCode,
  Revocation,
  SealedCode,
} from '../../src/codes/code-store.js';
import { statusOf, type Code, type CodeStatus } from '../../src/codes/code.js';

/** What the model does as well: all but the small change of upkeep. */
export type ModelledStore = Omit<
  CodeStore,
  | 'findChannel'
  | 'rememberChannel'
  | 'forgetChannel'
  | 'findIdByText'
  | 'noteListing'
  | 'prune'
  | 'suspendElsewhere'
  | 'findServedGuild'
  | 'rememberServedGuild'
  | 'touch'
  | 'keepAnswer'
  | 'takeAnswers'
  | 'renewAnswers'
  | 'releaseAnswers'
  | 'finishAnswers'
>;

const HOUR_MS = 3_600_000;

interface Entry {
  readonly made: NewCode;
  code: SealedCode;
}

interface Failures {
  readonly nameHash: string;
  readonly times: readonly number[];
  readonly inARow: number;
}

function statusOfPair(entries: readonly Entry[], pairHash: string, now: number): CodeStatus | null {
  const entry = entries.find(({ made }) => made.pairHash === pairHash);
  return entry === undefined ? null : statusOf(entry.code, now);
}

/** The contract of the store in its plainest form: a list in memory, slow and obviously right. */
export class ModelStore implements ModelledStore {
  readonly #requests = new Set<string>();
  readonly #entries: Entry[] = [];
  readonly #looks: { readonly nameHash: string; readonly skeletons: readonly string[] }[] = [];
  readonly #failures = new Map<string, Failures>();
  /** Whose code a client got in with. */
  readonly #clients = new Map<string, string>();
  readonly #redemptions = new Map<string, { pairHash: string; outcome: LoginOutcome; at: number }>();
  readonly #audit: AuditEvent[] = [];

  async claim(requestId: string): Promise<boolean> {
    if (this.#requests.has(requestId)) return false;
    this.#requests.add(requestId);
    return true;
  }

  async issue(made: NewCode, limits: IssueLimits): Promise<IssueOutcome> {
    if (!(await this.claim(made.id))) return 'repeated';
    const { nameHash, skeletons, textHash, pairHash: _pairHash, ...rest } = made;
    const refusal = this.#refusalOf(made, limits);
    if (refusal === null && this.#entries.some((entry) => entry.made.textHash === textHash)) {
      this.#requests.delete(made.id);
      return 'collision';
    }
    if (refusal !== null) return refusal;
    this.#looks.push({ nameHash, skeletons });
    const never = {
      deliveredAt: null,
      expiredAt: null,
      replacedAt: null,
      revokedAt: null,
      withdrawnAt: null,
      suspendedAt: null,
    };
    const entry = { made, code: { ...rest, ...never, uses: 0 } };
    this.#entries.push(entry);
    this.#note(made.issuedAt, 'issued', entry);
    return 'issued';
  }

  async deliver(id: string, how: DeliveredHow, now: number): Promise<boolean> {
    const entry = this.#entries.find(({ code }) => code.id === id);
    if (entry === undefined || !isAlive(entry, now)) return false;
    const held = this.#entries.filter((other) => other !== entry && isHeld(other, now));
    const isTaken = held.some(
      (other) => other.code.holderId !== entry.code.holderId && this.#areAlike(other.made, entry.made),
    );
    if (isTaken) return false;
    if (entry.code.deliveredAt !== null) return true;
    entry.code = { ...entry.code, deliveredAt: now };
    this.#note(now, how === 'shown' ? how : 'delivered', entry);
    const isOfName = ({ made }: Entry): boolean => made.nameHash === entry.made.nameHash;
    const later = this.#entries.find(
      (other) =>
        isOfName(other) && other.code.deliveredAt !== null && other.made.issuedAt > entry.made.issuedAt,
    );
    if (how === 'found' && later !== undefined) {
      entry.code = { ...entry.code, replacedAt: now };
      this.#note(now, 'replaced', entry, { reason: later.code.id });
      return true;
    }
    for (const other of held.filter(isOfName)) {
      other.code = { ...other.code, replacedAt: now };
      this.#note(now, 'replaced', other, { reason: id });
    }
    for (const [budget, { nameHash }] of this.#failures) {
      if (nameHash === entry.made.nameHash) this.#failures.delete(budget);
    }
    return true;
  }

  async noteUndeliverable(id: string, now: number): Promise<void> {
    const entry = this.#entries.find(({ code }) => code.id === id);
    if (entry !== undefined) this.#note(now, 'undeliverable', entry);
  }

  async withdraw(id: string, reason: string, now: number): Promise<void> {
    this.#withdraw(now, reason, ({ code }) => code.id === id);
  }

  async withdrawUnclaimed(issuedBefore: number, now: number): Promise<void> {
    this.#withdraw(now, 'unclaimed', ({ code }) => code.issuedAt < issuedBefore);
  }

  async expire(now: number): Promise<void> {
    for (const entry of this.#entries) {
      const isDue = entry.code.expiredAt === null && statusOf(entry.code, now) === 'expired';
      if (isDue) entry.code = { ...entry.code, expiredAt: now };
    }
  }

  async find(id: string): Promise<SealedCode | null> {
    return this.#entries.find(({ code }) => code.id === id)?.code ?? null;
  }

  async countHeld(guildId: string, now: number): Promise<number> {
    return this.#held(guildId, now).length;
  }

  async listHeld(guildId: string, now: number, { first, offset, limit }: ListRange): Promise<SealedCode[]> {
    const held = this.#held(guildId, now);
    return (first === 'newest' ? held.toReversed() : held).slice(offset, offset + limit);
  }

  async listHolders(guildId: string, now: number, after: string, limit: number): Promise<string[]> {
    const alive = this.#entries.filter((entry) => entry.code.guildId === guildId && isAlive(entry, now));
    const holders = new Set(alive.map(({ code }) => code.holderId).filter((id) => id > after));
    return [...holders].toSorted().slice(0, limit);
  }

  async revoke(
    guildId: string,
    selectors: readonly CodeSelector[],
    by: { readonly requestId: string; readonly actorId: string },
    now: number,
  ): Promise<Revocation | 'repeated'> {
    if (!(await this.claim(by.requestId))) return 'repeated';
    for (const selector of selectors) {
      const codes = this.#revoke(guildId, selector, { actorId: by.actorId }, now);
      if (codes.length > 0) return { by: selector.by, codes };
    }
    return { by: null, codes: [] };
  }

  async revokeLeaver(guildId: string, holderId: string, now: number): Promise<readonly Code[]> {
    return this.#revoke(guildId, { by: 'holder', holderId }, { reason: 'left the server' }, now);
  }

  async login(attempt: LoginAttempt, now: number): Promise<LoginOutcome> {
    const { keyHash, pairHash } = attempt;
    if (keyHash === null) return this.#login(attempt, now);
    const first = this.#redemptions.get(keyHash);
    if (first !== undefined && first.at > now - HOUR_MS / 6) {
      if (first.pairHash !== pairHash) return { keyReused: true };
      const status = statusOfPair(this.#entries, pairHash, now);
      const wasAccepted = 'accepted' in first.outcome && first.outcome.accepted;
      const isEnded = status !== null && status !== 'active' && status !== 'used_up';
      return wasAccepted && isEnded ? { accepted: false, status } : first.outcome;
    }
    const outcome = this.#login(attempt, now);
    if ('accepted' in outcome) this.#redemptions.set(keyHash, { pairHash, outcome, at: now });
    return outcome;
  }

  #login(attempt: LoginAttempt, now: number): LoginOutcome {
    const { nameHash, pairHash, clientHash, redeem } = attempt;
    const host = clientHash === null ? undefined : this.#clients.get(clientHash);
    const isKnown = this.#entries.some(
      (entry) => entry.made.nameHash === nameHash && entry.code.holderId === host && isHeld(entry, now),
    );
    const budget = isKnown && clientHash !== null ? clientHash : nameHash;
    const { times, inARow } = this.#failures.get(budget) ?? { times: [], inARow: 0 };
    if (inARow >= 100) return { throttledMs: Number.POSITIVE_INFINITY };
    const recent = times.filter((time) => time > now - HOUR_MS).slice(-10);
    const [tenth] = recent;
    if (tenth !== undefined && recent.length === 10) return { throttledMs: tenth + HOUR_MS - now };

    const entry = this.#entries.find(({ made }) => made.pairHash === pairHash);
    if (entry === undefined || statusOf(entry.code, now) !== 'active') {
      const status = entry === undefined ? null : statusOf(entry.code, now);
      if (status === 'used_up' && !redeem) return { accepted: false, status };
      this.#failures.set(budget, { nameHash, times: [...recent, now], inARow: inARow + 1 });
      this.#note(now, 'refused', entry ?? nameHash, { reason: status ?? 'unknown' });
      if (recent.length === 9 || inARow === 99) this.#note(now, 'throttled', entry ?? nameHash);
      return { accepted: false, status };
    }
    if (inARow > 0) this.#failures.set(budget, { nameHash, times: recent, inARow: 0 });
    if (clientHash !== null) this.#clients.set(clientHash, entry.code.holderId);
    if (redeem) {
      entry.code = { ...entry.code, uses: entry.code.uses + 1 };
      this.#note(now, 'redeemed', entry);
    }
    return { accepted: true, code: withoutText(entry) };
  }

  async readAudit(): Promise<AuditRow[]> {
    return this.#audit.map((event) => {
      const username = this.#entries.find(({ code }) => code.id === event.codeId)?.code.username ?? null;
      return { ...event, username };
    });
  }

  #refusalOf(made: NewCode, limits: IssueLimits): IssueOutcome | null {
    const { nameHash, holderId, issuedAt } = made;
    const counted = this.#entries.filter(
      (entry) =>
        isHeld(entry, issuedAt) || (isAlive(entry, issuedAt) && entry.code.issuedAt >= limits.reservedSince),
    );
    if (counted.some((other) => other.code.holderId !== holderId && this.#areAlike(other.made, made))) {
      return 'taken';
    }
    const mine = this.#entries
      .filter(({ code }) => code.holderId === holderId)
      .map(({ code }) => code.issuedAt);
    const latest = mine
      .filter((time) => time > issuedAt - limits.spanMs)
      .toSorted((a, b) => b - a)
      .slice(0, limits.codes);
    if (latest.length === limits.codes) return { limitedUntil: (latest.at(-1) ?? 0) + limits.spanMs };

    const others = counted.filter(({ made: other }) => other.holderId === holderId);
    if (others.some(({ made: other }) => other.nameHash === nameHash)) return null;
    const names = [...new Set(others.map((other) => other.made.nameHash))].map((name) => {
      const codes = others.filter((other) => other.made.nameHash === name).map(({ code }) => code);
      const since = Math.min(...codes.map((code) => code.issuedAt));
      return { name, since, username: codes.map(({ username }) => username).toSorted()[0] ?? '' };
    });
    if (names.length < limits.usernames) return null;
    const sorted = names.toSorted((a, b) => a.since - b.since || (a.name < b.name ? -1 : 1));
    return { usernamesHeld: sorted.map(({ username }) => username) };
  }

  #areAlike(one: NewCode, other: NewCode): boolean {
    const of = ({ nameHash, skeletons }: NewCode): readonly string[] => [
      ...skeletons,
      ...this.#looks.filter((look) => look.nameHash === nameHash).flatMap((look) => look.skeletons),
    ];
    return one.nameHash === other.nameHash || of(one).some((skeleton) => of(other).includes(skeleton));
  }

  #withdraw(now: number, reason: string, fits: (entry: Entry) => boolean): void {
    for (const entry of this.#entries.filter((each) => fits(each) && isPending(each, now))) {
      entry.code = { ...entry.code, withdrawnAt: now };
      this.#note(now, 'withdrawn', entry, { reason });
    }
  }

  #revoke(
    guildId: string,
    selector: CodeSelector,
    why: { readonly actorId?: string; readonly reason?: string },
    now: number,
  ): readonly Code[] {
    const meant = this.#entries.filter(
      (entry) => entry.code.guildId === guildId && isAlive(entry, now) && isMeant(entry, selector),
    );
    for (const entry of meant) {
      entry.code = { ...entry.code, revokedAt: now };
      this.#note(now, 'revoked', entry, why);
    }
    return meant.map(withoutText).toSorted(oldestFirst);
  }

  #note(
    at: number,
    event: AuditEventName,
    about: Entry | string,
    why: { readonly actorId?: string; readonly reason?: string } = {},
  ): void {
    const subject =
      typeof about === 'string'
        ? { codeId: null, nameHash: about, guildId: null, holderId: null }
        : {
            codeId: about.code.id,
            nameHash: about.made.nameHash,
            guildId: about.code.guildId,
            holderId: about.code.holderId,
          };
    this.#audit.push({ at, event, actorId: null, reason: null, ...subject, ...why });
  }

  #held(guildId: string, now: number): SealedCode[] {
    const held = this.#entries.filter((entry) => entry.code.guildId === guildId && isHeld(entry, now));
    return held.map(({ code }) => code).toSorted(oldestFirst);
  }
}

function isHeld({ code }: Entry, now: number): boolean {
  return ['active', 'used_up'].includes(statusOf(code, now));
}

function isPending({ code }: Entry, now: number): boolean {
  return statusOf(code, now) === 'pending';
}

function isAlive(entry: Entry, now: number): boolean {
  return isHeld(entry, now) || isPending(entry, now);
}

function isMeant({ made }: Entry, selector: CodeSelector): boolean {
  if (selector.by === 'text') return made.textHash === selector.textHash;
  if (selector.by === 'holder') return made.holderId === selector.holderId;
  return made.nameHash === selector.nameHash;
}

function withoutText({ code: { sealedText: _sealedText, ...code } }: Entry): Code {
  return code;
}

function oldestFirst(a: Code, b: Code): number {
  return a.issuedAt - b.issuedAt || Number(a.id) - Number(b.id);
}
