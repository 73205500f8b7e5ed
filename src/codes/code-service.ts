import type { CodeKeys } from './code-keys.js';
import type {
  AnswerTo,
  CodeSelector,
  CodeStore,
  DeliveredHow,
  IssueOutcome,
  NewAnswer,
  Revocation,
  SealedCode,
} from './code-store.js';
import { generateCodeText, parseCodeText, type RandomInt } from './code-text.js';
import { statusOf, type Code } from './code.js';
import { skeletonsOf } from './look-alikes.js';
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
  /** How many codes one member gets within a span. */
  readonly getcodeLimit: { readonly codes: number; readonly spanMs: number };
  readonly maxUsernamesPerMember: number;
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

/** Why a request got no code. */
export type IssueRefusal = Exclude<IssueOutcome, 'issued' | 'repeated' | 'collision'>;

/** What is known of a code that was to be delivered. */
export type DeliveryState = 'due' | 'delivered' | 'ended';

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
   * Makes a code that nobody can use yet: {@link deliver}, {@link withdraw} or {@link noteUndeliverable} must follow.
   *
   * @param answerTo what the member is told, stored in the same transaction.
   * @returns the code, or why there is none.
   */
  async issue(
    request: IssueRequest,
    answerTo: AnswerTo<IssuedCode | IssueRefusal> = () => null,
  ): Promise<IssuedCode | IssueRefusal | 'repeated'> {
    const { codeLength, codeTtlMs, codeMaxUses, getcodeLimit, maxUsernamesPerMember, clock, random } =
      this.#options;
    const { id, guildId, holderId, holderTag, username } = request;
    const issuedAt = clock();
    const expiresAt = codeTtlMs === null ? null : issuedAt + codeTtlMs;
    const limits = {
      ...getcodeLimit,
      usernames: maxUsernamesPerMember,
      reservedSince: issuedAt - RESERVATION_MS,
    };

    for (let tries = 0; tries < ISSUE_TRIES; tries++) {
      const text = generateCodeText(codeLength, random);
      const issued = { id, username: username.text, text, expiresAt };
      const outcome = await this.#store.issue(
        {
          id,
          guildId,
          holderId,
          holderTag,
          username: username.text,
          nameHash: this.#keys.hashName(username.key),
          skeletons: skeletonsOf(username),
          textHash: this.#keys.hashText(text),
          pairHash: this.#keys.hashPair(username.key, text),
          sealedText: this.#keys.seal(text, id),
          issuedAt,
          expiresAt,
          maxUses: codeMaxUses,
        },
        limits,
        (stored) => answerTo(stored === 'issued' ? issued : stored),
      );
      if (outcome === 'issued') return issued;
      if (outcome !== 'collision') return outcome;
    }
    throw new Error(`No unused code in ${ISSUE_TRIES} tries: is the source of randomness stuck?`);
  }

  /**
   * Says that the holder has the code.
   *
   * @returns `false` when it ended meanwhile, and not because its holder has received another one since.
   */
  async deliver(id: string, how: DeliveredHow = 'delivered'): Promise<boolean> {
    const now = this.#options.clock();
    if (await this.#store.deliver(id, how, now)) return true;
    const code = await this.#store.find(id);
    return code !== null && statusOf(code, now) === 'replaced';
  }

  /** Says that its holder takes no direct message: the code waits for {@link findToShow}. */
  async noteUndeliverable(id: string): Promise<void> {
    await this.#store.noteUndeliverable(id, this.#options.clock());
  }

  /** Says that the code reached nobody and never will. */
  async withdraw(id: string, reason: string): Promise<void> {
    await this.#store.withdraw(id, reason, this.#options.clock());
  }

  /** Tells whether the code `id` is still to be delivered. */
  async stateOf(id: string): Promise<DeliveryState> {
    const code = await this.#store.find(id);
    if (code === null) return 'ended';
    if (code.deliveredAt !== null) return 'delivered';
    return statusOf(code, this.#options.clock()) === 'pending' ? 'due' : 'ended';
  }

  /**
   * The code that waits to be shown to its holder, for {@link RESERVATION_MS} from its issue. It becomes active by
   * {@link deliver} when it was shown.
   *
   * @returns `not_yours` for anybody else, `gone` when it has ended or waited too long.
   */
  async findToShow(id: string, userId: string): Promise<IssuedCode | 'not_yours' | 'gone'> {
    const now = this.#options.clock();
    const code = await this.#store.find(id);
    if (code === null) return 'gone';
    if (code.holderId !== userId) return 'not_yours';
    const status = statusOf(code, now);
    const waits = (status === 'pending' || status === 'active') && now < code.issuedAt + RESERVATION_MS;
    if (!waits) return 'gone';
    const { username, expiresAt } = code;
    return { id, username, text: this.#keys.open(code.sealedText, id), expiresAt };
  }

  /** One page of the server's held codes for the administrator `actorId`; a page past the end gives the last. */
  async list(guildId: string, page: number, actorId: string): Promise<CodePage> {
    await this.#store.noteListing(guildId, actorId, this.#options.clock());
    return this.#page(guildId, page);
  }

  /** The same as the answer to a request. @returns `repeated` when it was answered before. */
  async listOnce(
    guildId: string,
    page: number,
    by: { readonly requestId: string; readonly actorId: string },
    answerTo: AnswerTo<CodePage>,
  ): Promise<CodePage | 'repeated'> {
    const listed = await this.#page(guildId, page);
    const { requestId, actorId } = by;
    const isFirst = await this.#store.claim(requestId, this.#options.clock(), answerTo(listed), {
      guildId,
      actorId,
    });
    return isFirst ? listed : 'repeated';
  }

  async #page(guildId: string, page: number): Promise<CodePage> {
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
  async revokeHolder(
    guildId: string,
    holderId: string,
    by: { readonly requestId: string; readonly actorId: string },
    answerTo: AnswerTo<Revocation> = () => null,
  ): Promise<Revocation | 'repeated'> {
    const selectors: readonly CodeSelector[] = [{ by: 'holder', holderId }];
    return this.#store.revoke(guildId, selectors, by, this.#options.clock(), answerTo);
  }

  /** Ends the code that `typed` spells; where no code does, every code of the username that it spells. */
  async revoke(
    guildId: string,
    typed: string,
    by: { readonly requestId: string; readonly actorId: string },
    answerTo: AnswerTo<Revocation> = () => null,
  ): Promise<Revocation | 'repeated'> {
    const text = parseCodeText(typed);
    const username = parseUsername(typed);
    const selectors: CodeSelector[] = [];
    if (text !== null) selectors.push({ by: 'text', textHash: this.#keys.hashText(text) });
    if (username !== null) selectors.push({ by: 'username', nameHash: this.#keys.hashName(username.key) });
    return this.#store.revoke(guildId, selectors, by, this.#options.clock(), answerTo);
  }

  /** @returns `false` when the request was answered before. */
  async claim(requestId: string, answer: NewAnswer | null = null): Promise<boolean> {
    return this.#store.claim(requestId, this.#options.clock(), answer);
  }

  #open({ sealedText, ...code }: SealedCode): ListedCode {
    return { ...code, text: this.#keys.open(sealedText, code.id) };
  }
}
