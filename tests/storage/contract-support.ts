import { expect } from 'vitest';

import type { AuditRow, CodeStore, IssueLimits, LoginOutcome, NewCode } from '../../src/codes/code-store.js';
import type { Code } from '../../src/codes/code.js';
import { skeletonsOf } from '../../src/codes/look-alikes.js';
import { nextRequestId, usernameOf } from '../support/codes.js';

export type OpenStore = () => Promise<CodeStore>;

export const NOW = Date.UTC(2026, 0, 1);
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** Whatever was issued since then, and is not delivered, reserves its username. */
export const RESERVED_SINCE = NOW - 1_000;

/** More than any test asks for, unless the limits are what it is about. */
export const LIMITS: IssueLimits = {
  reservedSince: RESERVED_SINCE,
  codes: 1_000,
  spanMs: DAY_MS,
  usernames: 1_000,
};

/** Those properties of a code that follow from the username that was typed. */
export function named(typed: string): Pick<NewCode, 'username' | 'nameHash' | 'skeletons'> {
  const username = usernameOf(typed);
  return { username: typed, nameHash: nameHashOf(typed), skeletons: skeletonsOf(username) };
}

export function nameHashOf(typed: string): string {
  return `hash of ${usernameOf(typed).key}`;
}

/** A code of holder 1 in guild 1 for Alice, without end. */
export function newCode(given: Partial<NewCode> = {}): NewCode {
  const id = given.id ?? nextRequestId();
  return {
    id,
    guildId: '1',
    holderId: '1',
    holderTag: 'alice',
    ...named('Alice'),
    textHash: `text of ${id}`,
    pairHash: `pair of ${id}`,
    sealedText: `sealed text of ${id}`,
    issuedAt: NOW,
    expiresAt: null,
    maxUses: null,
    ...given,
  };
}

export async function issue(store: CodeStore, given: Partial<NewCode> = {}): Promise<NewCode> {
  const code = newCode(given);
  expect(await store.issue(code, LIMITS)).toBe('issued');
  return code;
}

export async function hand(store: CodeStore, given: Partial<NewCode> = {}): Promise<NewCode> {
  const code = await issue(store, given);
  expect(await store.deliver(code.id, 'delivered', code.issuedAt)).toBe(true);
  return code;
}

/** The code as it is stored, without its text. */
export async function codeOf(store: Pick<CodeStore, 'find'>, { id }: { readonly id: string }): Promise<Code> {
  const found = await store.find(id);
  if (found === null) throw new Error(`No code ${id}`);
  const { sealedText: _sealedText, ...code } = found;
  return code;
}

type Pair = Pick<NewCode, 'nameHash' | 'pairHash'>;

interface Visit {
  readonly now?: number;
  readonly client?: string;
  readonly redeem?: boolean;
  readonly key?: string;
}

/** Somebody who brings a username and a code to the website's door; nobody known unless told otherwise. */
export async function login(
  store: Pick<CodeStore, 'login'>,
  { nameHash, pairHash }: Pair,
  { now = NOW, client, redeem: redeeming = false, key }: Visit = {},
): Promise<LoginOutcome> {
  const clientHash = client === undefined ? null : `${client} at ${nameHash}`;
  const keyHash = key === undefined ? null : `hash of ${key}`;
  return store.login({ nameHash, pairHash, clientHash, redeem: redeeming, keyHash }, now);
}

/** The same with a code that nobody ever had. */
export async function guess(
  store: Pick<CodeStore, 'login'>,
  username: string,
  visit: Visit = {},
): Promise<LoginOutcome> {
  return login(store, { nameHash: nameHashOf(username), pairHash: 'no such pair' }, visit);
}

/** As many guesses one after the other, each of which has to be judged. */
export async function failTimes(
  store: Pick<CodeStore, 'login'>,
  count: number,
  username: string,
  visit: Visit = {},
): Promise<void> {
  for (let n = 0; n < count; n++) expect(await guess(store, username, visit)).toEqual(WRONG);
}

/** The answer to a pair that was never issued. */
export const WRONG: LoginOutcome = { accepted: false, status: null };

/** Counts one use. @returns the uses so far, or `null` when it was refused. */
export async function redeem(store: CodeStore, pair: Pair, now = NOW): Promise<number | null> {
  const outcome = await login(store, pair, { now, redeem: true });
  return 'accepted' in outcome && outcome.accepted ? outcome.code.uses : null;
}

/** Twenty calls at once. */
export async function twenty<T>(call: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: 20 }, async (_, index) => call(index)));
}

export function idsIn(codes: readonly { readonly id: string }[]): string[] {
  return codes.map(({ id }) => id);
}

/** What the audit says in a word each, in its order: the event, and of which code. */
export function eventsIn(rows: readonly AuditRow[]): string[] {
  return rows.map(({ event, codeId }) => (codeId === null ? event : `${event} ${codeId}`));
}

/** Orders outcomes, of which some are objects. */
export function byText(one: unknown, other: unknown): number {
  return String(one) < String(other) ? -1 : 1;
}
