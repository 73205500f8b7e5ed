import type { CodeKeys } from './code-keys.js';
import type { CodeSelector, CodeStore, Revocation, SealedCode } from './code-store.js';
import { generateCodeText, parseCodeText, type RandomInt } from './code-text.js';
import type { Code } from './code.js';
import { parseUsername, type Username } from './username.js';

/** How long a code that is not delivered yet keeps its username from others: 10 minutes. */
export const RESERVATION_MS = 10 * 60_000;

/** With 1,000,000 codes stored, one try in 1,000 repeats a code; ten in a row never do. */
const ISSUE_TRIES = 10;

export interface CodeServiceOptions {
  readonly store: CodeStore;
  readonly keys: CodeKeys;
  readonly codeLength: number;
  /** `null`: codes never expire. */
  readonly codeTtlMs: number | null;
  /** `null`: codes can be redeemed without limit. */
  readonly codeMaxUses: number | null;
  readonly clock: () => number;
  readonly random: RandomInt;
}

export interface IssueRequest {
  /** The request's own id, a Discord message id: it makes at most one code. */
  readonly id: string;
  readonly guildId: string;
  readonly holderId: string;
  readonly holderTag: string;
  readonly username: Username;
}

export interface IssuedCode {
  readonly id: string;
  readonly username: string;
  /** The code itself: for its holder's eyes, never for a log. */
  readonly text: string;
  readonly expiresAt: number | null;
}

export interface ListedCode extends Code {
  /** The code itself: for an administrator's eyes, never for a log. */
  readonly text: string;
}

export interface CodePage {
  /** Held codes of the server on all pages together. */
  readonly total: number;
  /** From 1. */
  readonly page: number;
  readonly pages: number;
  /** Held codes before those of this page. */
  readonly offset: number;
  readonly codes: readonly ListedCode[];
}

/** Discord's embeds hold 25 fields; the list shows 10 a page, as the original did. */
export const CODES_PER_PAGE = 10;

/** The life of a code, from request to end. Validation is {@link CodeValidator}'s. */
export class CodeService {
  readonly #store: CodeStore;
  readonly #keys: CodeKeys;
  readonly #options: CodeServiceOptions;

  constructor(options: CodeServiceOptions) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#options = options;
  }

  /**
   * Makes a code that nobody can use yet: {@link deliver} or {@link withdraw} must follow.
   *
   * @returns `repeated` when this request was answered before, `taken` when the username is somebody else's.
   */
  async issue(request: IssueRequest): Promise<IssuedCode | 'repeated' | 'taken'> {
    const { codeLength, codeTtlMs, codeMaxUses, clock, random } = this.#options;
    const { id, guildId, holderId, holderTag, username } = request;
    const issuedAt = clock();
    const expiresAt = codeTtlMs === null ? null : issuedAt + codeTtlMs;

    for (let tries = 0; tries < ISSUE_TRIES; tries++) {
      const text = generateCodeText(codeLength, random);
      const outcome = await this.#store.issue(
        {
          id,
          guildId,
          holderId,
          holderTag,
          username,
          textHash: this.#keys.hashText(text),
          pairHash: this.#keys.hashPair(username.key, text),
          sealedText: this.#keys.seal(text, id),
          issuedAt,
          expiresAt,
          maxUses: codeMaxUses,
        },
        issuedAt - RESERVATION_MS,
      );
      if (outcome === 'issued') return { id, username: username.text, text, expiresAt };
      if (outcome !== 'collision') return outcome;
    }
    throw new Error(`No unused code in ${ISSUE_TRIES} tries: is the source of randomness stuck?`);
  }

  /** Says that the holder has the code. @returns `false` when it ended meanwhile and stays worthless. */
  async deliver(id: string): Promise<boolean> {
    return this.#store.deliver(id, this.#options.clock());
  }

  /** Says that the code reached nobody and never will. */
  async withdraw(id: string): Promise<void> {
    await this.#store.withdraw(id, this.#options.clock());
  }

  /** One page of the server's held codes; a page past the end gives the last. */
  async list(guildId: string, page: number): Promise<CodePage> {
    const now = this.#options.clock();
    const total = await this.#store.countHeld(guildId, now);
    const pages = Math.max(1, Math.ceil(total / CODES_PER_PAGE));
    const shown = Math.min(Math.max(1, page), pages);
    const offset = (shown - 1) * CODES_PER_PAGE;
    const limit = Math.min(CODES_PER_PAGE, total - offset);
    const after = total - offset - limit;
    // From the nearer end, because skipping costs.
    const sealed =
      offset <= after
        ? await this.#store.listHeld(guildId, now, { offset, limit })
        : (await this.#store.listHeld(guildId, now, { first: 'newest', offset: after, limit })).toReversed();
    return { total, page: shown, pages, offset, codes: sealed.map((code) => this.#open(code)) };
  }

  /** Ends every code that `holderId` has from this server. */
  async revokeHolder(guildId: string, holderId: string, requestId: string): Promise<Revocation | 'repeated'> {
    return this.#store.revoke(guildId, [{ by: 'holder', holderId }], requestId, this.#options.clock());
  }

  /** Ends the code that `typed` spells; where no code does, every code of the username that it spells. */
  async revoke(guildId: string, typed: string, requestId: string): Promise<Revocation | 'repeated'> {
    const text = parseCodeText(typed);
    const username = parseUsername(typed);
    const selectors: CodeSelector[] = [];
    if (text !== null) selectors.push({ by: 'text', textHash: this.#keys.hashText(text) });
    if (username !== null) selectors.push({ by: 'username', usernameKey: username.key });
    return this.#store.revoke(guildId, selectors, requestId, this.#options.clock());
  }

  /** @returns `false` when the request was answered before. */
  async claim(requestId: string): Promise<boolean> {
    return this.#store.claim(requestId, this.#options.clock());
  }

  #open({ sealedText, ...code }: SealedCode): ListedCode {
    return { ...code, text: this.#keys.open(sealedText, code.id) };
  }
}
