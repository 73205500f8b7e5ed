import type {
  CodeSelector,
  CodeStore,
  ListRange,
  NewCode,
  Revocation,
  SealedCode,
} from '../../src/codes/code-store.js';
import { statusOf, type Code } from '../../src/codes/code.js';

interface Entry {
  readonly made: NewCode;
  code: SealedCode;
}

/** The contract of the store in its plainest form: a list in memory, slow and obviously right. */
export class ModelStore implements CodeStore {
  readonly #requests = new Set<string>();
  readonly #entries: Entry[] = [];

  async claim(requestId: string): Promise<boolean> {
    if (this.#requests.has(requestId)) return false;
    this.#requests.add(requestId);
    return true;
  }

  async issue(made: NewCode, reservedSince: number): Promise<'issued' | 'repeated' | 'taken' | 'collision'> {
    if (!(await this.claim(made.id))) return 'repeated';
    const { username, textHash, pairHash: _pairHash, ...rest } = made;
    const others = this.#of(username.key).filter(({ code }) => code.holderId !== made.holderId);
    const isTaken = others.some(
      (other) =>
        isHeld(other, made.issuedAt) ||
        (isPending(other, made.issuedAt) && other.code.issuedAt >= reservedSince),
    );
    if (isTaken) return 'taken';
    if (this.#entries.some((entry) => entry.made.textHash === textHash)) {
      this.#requests.delete(made.id);
      return 'collision';
    }
    const never = { deliveredAt: null, replacedAt: null, revokedAt: null, withdrawnAt: null };
    this.#entries.push({ made, code: { ...rest, ...never, username: username.text, uses: 0 } });
    return 'issued';
  }

  async deliver(id: string, now: number): Promise<boolean> {
    const entry = this.#entries.find(({ code }) => code.id === id);
    if (entry === undefined || !(isHeld(entry, now) || isPending(entry, now))) return false;
    const others = this.#of(entry.made.username.key).filter((other) => other !== entry && isHeld(other, now));
    if (others.some(({ code }) => code.holderId !== entry.code.holderId)) return false;
    entry.code = { ...entry.code, deliveredAt: entry.code.deliveredAt ?? now };
    for (const other of others) other.code = { ...other.code, replacedAt: now };
    return true;
  }

  async withdraw(id: string, now: number): Promise<void> {
    const entry = this.#entries.find(({ code }) => code.id === id);
    if (entry === undefined || !['pending', 'expired'].includes(statusOf(entry.code, now))) return;
    if (entry.code.deliveredAt === null) entry.code = { ...entry.code, withdrawnAt: now };
  }

  async countHeld(guildId: string, now: number): Promise<number> {
    return this.#held(guildId, now).length;
  }

  async listHeld(guildId: string, now: number, { first, offset, limit }: ListRange): Promise<SealedCode[]> {
    const held = this.#held(guildId, now);
    return (first === 'newest' ? held.toReversed() : held).slice(offset, offset + limit);
  }

  async revoke(
    guildId: string,
    selectors: readonly CodeSelector[],
    requestId: string,
    now: number,
  ): Promise<Revocation | 'repeated'> {
    if (!(await this.claim(requestId))) return 'repeated';
    const living = this.#entries.filter(
      (entry) => entry.code.guildId === guildId && (isHeld(entry, now) || isPending(entry, now)),
    );
    for (const selector of selectors) {
      const meant = living.filter((entry) => isMeant(entry, selector));
      for (const entry of meant) entry.code = { ...entry.code, revokedAt: now };
      if (meant.length > 0) return { by: selector.by, codes: meant.map(withoutText).toSorted(oldestFirst) };
    }
    return { by: null, codes: [] };
  }

  async findByPair(pairHash: string): Promise<Code | null> {
    const entry = this.#entries.find(({ made }) => made.pairHash === pairHash);
    return entry === undefined ? null : withoutText(entry);
  }

  async redeem(pairHash: string, now: number): Promise<Code | null> {
    const entry = this.#entries.find(({ made }) => made.pairHash === pairHash);
    if (entry === undefined || statusOf(entry.code, now) !== 'active') return null;
    entry.code = { ...entry.code, uses: entry.code.uses + 1 };
    return withoutText(entry);
  }

  #of(usernameKey: string): Entry[] {
    return this.#entries.filter(({ made }) => made.username.key === usernameKey);
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

function isMeant({ made }: Entry, selector: CodeSelector): boolean {
  if (selector.by === 'text') return made.textHash === selector.textHash;
  if (selector.by === 'holder') return made.holderId === selector.holderId;
  return made.username.key === selector.usernameKey;
}

function withoutText({ code: { sealedText: _sealedText, ...code } }: Entry): Code {
  return code;
}

function oldestFirst(a: Code, b: Code): number {
  return a.issuedAt - b.issuedAt || Number(a.id) - Number(b.id);
}
