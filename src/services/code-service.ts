import { generateCodeText, parseCodeText, type RandomInt } from '../codes/code-text.js';
import {
  decideIssue,
  RESERVATION_MS,
  reserves,
  type Code,
  type IssueLimits,
  type IssueRefusal,
} from '../codes/code.js';
import type { Keys } from '../codes/keys.js';
import { reservation, skeletonsOf } from '../codes/look-alikes.js';
import { parseTypedUsername, type Username } from '../codes/username.js';
import type { CodeColumn } from '../storage/codes.js';
import type { Rows, Store } from '../storage/store.js';

/** With 1,000,000 codes stored, one text in 1,000 is in use. */
const TEXT_TRIES = 10;
export const CODES_PER_PAGE = 10;

export interface CodeRequest extends Pick<Code, 'guildId' | 'channelId' | 'holderId' | 'holderTag'> {
  /** The Discord message id: one message gets at most one code. */
  readonly id: string;
  readonly username: Username;
}

/** An administrator's command. */
export interface AdminRequest {
  /** The id of the Discord message or button press. */
  readonly id: string;
  readonly guildId: string;
  readonly actorId: string;
}

export interface ListedCode extends Code {
  /** For an administrator only, never for a log. */
  readonly text: string;
}

export interface CodePage {
  /** Codes on all pages. */
  readonly total: number;
  /** From 1; a page past the end is the last. */
  readonly page: number;
  readonly pages: number;
  readonly codes: readonly ListedCode[];
  /** No code is stored, of any server. */
  readonly isUnused: boolean;
}

export interface Revocation {
  /** What the argument named; `null`: no code. */
  readonly by: 'code' | 'username' | 'member' | null;
  /** The codes that were named. */
  readonly texts: readonly string[];
  readonly codes: readonly Code[];
  /** Without the codes that were named in it. */
  readonly reason: string | null;
  /** Whether other members can get the usernames now. */
  readonly isFree: boolean;
}

/** What an administrator names: a member, or a code or username. */
export interface CodeTarget {
  readonly memberId?: string | null;
  readonly typed?: string;
}

export interface CodeServiceOptions {
  readonly store: Store;
  readonly keys: Keys;
  /** In characters. */
  readonly codeLength: number;
  /** `null`: codes never expire. */
  readonly codeTtlMs: number | null;
  /** `null`: unlimited. */
  readonly codeMaxUses: number | null;
  readonly limits: IssueLimits;
  /** Nobody gets a code for these usernames, or for their look-alikes. */
  readonly reservedUsernames: readonly Username[];
  readonly clock: () => number;
  readonly random: RandomInt;
}

/** Issues, lists and revokes codes. Each command claims its message in the transaction that does the work. */
export class CodeService {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #options: CodeServiceOptions;
  readonly #isReserved: (username: Username) => boolean;

  constructor(options: CodeServiceOptions) {
    this.#store = options.store;
    this.#keys = options.keys;
    this.#options = options;
    this.#isReserved = reservation(options.reservedUsernames);
  }

  /** Claims a message for a reply that changes nothing. Returns `false` for a repeat. */
  async claim(requestId: string): Promise<boolean> {
    return this.#store.requests.claim(requestId, this.#options.clock());
  }

  /** Issues a pending code, or returns why not; `null` for a repeat. */
  async issue(request: CodeRequest): Promise<Code | IssueRefusal | null> {
    const { limits, clock } = this.#options;
    const { holderId, username } = request;
    const now = clock();
    const nameHash = this.#keys.hashName(username.key);
    const skeletons = skeletonsOf(username);
    return this.#store.changeCodes(async (rows) => {
      if (!(await rows.requests.claim(request.id, now))) return null;
      if (this.#isReserved(username)) return { refusal: 'reserved' };
      const since = { issuedSince: now - limits.withinMs, endedSince: now - RESERVATION_MS };
      const known = await rows.codes.findKnown(holderId, skeletons, since);
      const refusal = decideIssue(known, { holderId, nameHash }, limits, now);
      if (refusal !== null) return refusal;
      const code = await this.#insert(rows, request, nameHash, now);
      await rows.codes.insertLookAlikes(nameHash, skeletons);
      await rows.audit.write({ at: now, event: 'issued', codeId: code.id });
      return code;
    });
  }

  /** Lists a server's codes that `target` names, oldest first; `null`: all of them. Returns `null` for a repeat. */
  async list(
    { id, guildId, actorId }: AdminRequest,
    page: number,
    target: CodeTarget | null = null,
  ): Promise<CodePage | null> {
    const now = this.#options.clock();
    const columns = target === null ? [[null, 'guild_id', guildId] as const] : this.#columnsOf(target);
    const found = await this.#store.changeCodes(async (rows) => {
      if (!(await rows.requests.claim(id, now))) return null;
      await rows.audit.write({ at: now, event: 'listed', guildId, actorId });
      for (const [, column, value] of columns) {
        const total = await rows.codes.count(guildId, column, value, now);
        const pages = Math.max(1, Math.ceil(total / CODES_PER_PAGE));
        const shown = Math.min(page, pages);
        const offset = (shown - 1) * CODES_PER_PAGE;
        const codes = await rows.codes.list(guildId, column, value, now, CODES_PER_PAGE, offset);
        if (total > 0) return { total, page: shown, pages, codes, isUnused: false };
      }
      return { total: 0, page: 1, pages: 1, codes: [], isUnused: await rows.codes.isEmpty() };
    });
    if (found === null) return null;
    return { ...found, codes: found.codes.map((code) => ({ ...code, text: this.textOf(code) })) };
  }

  /**
   * Ends a server's codes that `target` names, a code before a username. With a code, the server's other codes for its
   * username end too, and so do all codes that are words of the reason. Returns `null` for a repeat.
   */
  async revoke(by: AdminRequest, target: CodeTarget, reason: string | null): Promise<Revocation | null> {
    const now = this.#options.clock();
    const since = { now, endedSince: now - RESERVATION_MS };
    return this.#store.changeCodes(async ({ requests, codes, audit }) => {
      if (!(await requests.claim(by.id, now))) return null;
      const revoke = async (column: CodeColumn, value: string): Promise<Code[]> =>
        codes.revoke(by.guildId, column, value, since);
      for (const [kind, column, value] of this.#columnsOf(target)) {
        const revoked = await revoke(column, value);
        if (revoked.length === 0) continue;
        const texts = kind === 'code' ? [parseCodeText(target.typed ?? '') ?? ''] : [];
        const words: string[] = [];
        for (const word of reason?.split(' ') ?? []) {
          const text = kind === 'code' ? (parseCodeText(word.replace(/[,;.]+$/, '')) ?? '') : '';
          const more = text === '' ? [] : await revoke('text_hash', this.#keys.hashText(text));
          revoked.push(...more);
          if (more.length > 0) texts.push(text);
          else if (!texts.includes(text)) words.push(word);
        }
        const names = new Set(revoked.map(({ nameHash }) => nameHash));
        if (kind === 'code') for (const name of names) revoked.push(...(await revoke('name_hash', name)));
        let isFree = true;
        for (const name of names) {
          const others = await codes.findReserving(name, since.endedSince);
          isFree &&= !others.some((code) => reserves(code, now));
        }
        const rest = words.join(' ') || null;
        for (const { id } of revoked) {
          const why = rest === null ? {} : { reason: rest };
          await audit.write({ at: now, event: 'revoked', codeId: id, actorId: by.actorId, ...why });
        }
        return { by: kind, texts, codes: revoked, reason: rest, isFree };
      }
      return { by: null, texts: [], codes: [], reason, isFree: false };
    });
  }

  /** Decrypts a code: for its holder or an administrator, never for a log. */
  textOf({ encryptedText, id }: Code): string {
    return this.#keys.decrypt(encryptedText, id);
  }

  #columnsOf({
    memberId = null,
    typed = '',
  }: CodeTarget): (readonly [Revocation['by'], CodeColumn, string])[] {
    const text = parseCodeText(typed);
    const username = parseTypedUsername(typed);
    return [
      ...(memberId === null ? [] : [['member', 'holder_id', memberId] as const]),
      ...(text === null ? [] : [['code', 'text_hash', this.#keys.hashText(text)] as const]),
      ...(username === null ? [] : [['username', 'name_hash', this.#keys.hashName(username.key)] as const]),
    ];
  }

  async #insert(rows: Rows, request: CodeRequest, nameHash: string, now: number): Promise<Code> {
    const { codeLength, codeTtlMs, codeMaxUses, random } = this.#options;
    const { username, ...columns } = request;
    for (let tries = 0; tries < TEXT_TRIES; tries++) {
      const text = generateCodeText(codeLength, random);
      const inserted = await rows.codes.insert({
        ...columns,
        username: username.text,
        nameHash,
        textHash: this.#keys.hashText(text),
        pairHash: this.#keys.hashPair(username.key, text),
        encryptedText: this.#keys.encrypt(text, request.id),
        maxUses: codeMaxUses,
        issuedAt: now,
        expiresAt: codeTtlMs === null ? null : now + codeTtlMs,
      });
      if (inserted !== null) return inserted;
    }
    throw new Error(`No unused code in ${TEXT_TRIES} tries: the random source does not work`);
  }
}
