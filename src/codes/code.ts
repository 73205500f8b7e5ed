/** One access code, without its text. Times are Unix milliseconds; `null`: it has not happened. */
export interface Code {
  /** The Discord message that requested it. */
  readonly id: string;
  readonly guildId: string;
  /** Where it was requested. */
  readonly channelId: string;
  readonly holderId: string;
  /** The holder's Discord name when the code was issued. */
  readonly holderTag: string;
  /** As its holder typed it. */
  readonly username: string;
  /** Keyed hash of the username as compared. */
  readonly nameHash: string;
  readonly encryptedText: string;
  readonly uses: number;
  /** `null`: unlimited. */
  readonly maxUses: number | null;
  readonly issuedAt: number;
  readonly deliveredAt: number | null;
  readonly acknowledgedAt: number | null;
  /** `null`: never expires. */
  readonly expiresAt: number | null;
  readonly suspendedAt: number | null;
  readonly endedAt: number | null;
  readonly endReason: EndReason | null;
}

/** What the status of a code depends on. */
export type CodeState = Pick<
  Code,
  'uses' | 'maxUses' | 'issuedAt' | 'deliveredAt' | 'expiresAt' | 'suspendedAt' | 'endedAt' | 'endReason'
>;

/** `left`: the holder left the server. `withdrawn`: it was not delivered within {@link PENDING_MS}. */
export const END_REASONS = ['revoked', 'left', 'replaced', 'expired', 'withdrawn'] as const;
export type EndReason = (typeof END_REASONS)[number];

export type CodeStatus = EndReason | 'suspended' | 'pending' | 'used_up' | 'active';

/** Returns what `code` is worth at `now`. A code is expired in the very millisecond of `expiresAt`. */
export function statusOf(code: CodeState, now: number): CodeStatus {
  if (code.endReason !== null) return code.endReason;
  if (code.expiresAt !== null && now >= code.expiresAt) return 'expired';
  if (code.deliveredAt === null && now > code.issuedAt + PENDING_MS) return 'withdrawn';
  if (code.suspendedAt !== null) return 'suspended';
  if (code.deliveredAt === null) return 'pending';
  if (code.maxUses !== null && code.uses >= code.maxUses) return 'used_up';
  return 'active';
}

/** Returns the number of redemptions that are left; `null`: unlimited. */
export function usesLeft({ uses, maxUses }: CodeState): number | null {
  return maxUses === null ? null : Math.max(0, maxUses - uses);
}

/** How long a username stays reserved after its code expired or its holder left: 30 days. */
export const RESERVATION_MS = 30 * 86_400_000;
/** How long an undelivered code can still be delivered or shown: 30 minutes. */
export const PENDING_MS = 30 * 60_000;

/** Returns whether `code` keeps other members from its username at `now`. */
export function reserves(code: Code, now: number): boolean {
  const status = statusOf(code, now);
  if (status !== 'expired' && status !== 'left') return code.endReason === null && status !== 'withdrawn';
  // Only a delivered code made its holder known by the username.
  return code.deliveredAt !== null && now < (code.endedAt ?? code.expiresAt ?? now) + RESERVATION_MS;
}

/** What one member may have: at most `codes` codes within `withinMs`, and `usernames` usernames at once. */
export interface IssueLimits {
  readonly codes: number;
  readonly withinMs: number;
  readonly usernames: number;
}

export type IssueRefusal =
  | { readonly refusal: 'reserved' | 'taken' }
  /** `until`: Unix ms from which the member may ask again. */
  | { readonly refusal: 'tooManyCodes'; readonly until: number }
  | { readonly refusal: 'tooManyUsernames'; readonly usernames: readonly string[] };

/**
 * Decides whether a member may have a code for a username.
 *
 * @param known the holder's own codes, and others' codes whose usernames are the same or look alike.
 * @returns `null` when the code may be issued.
 */
export function decideIssue(
  known: readonly Code[],
  { holderId, nameHash }: Pick<Code, 'holderId' | 'nameHash'>,
  limits: IssueLimits,
  now: number,
): IssueRefusal | null {
  if (known.some((code) => code.holderId !== holderId && reserves(code, now))) return { refusal: 'taken' };

  const own = known.filter((code) => code.holderId === holderId);
  const until = limitedUntil(own, limits, now);
  if (until !== null) return { refusal: 'tooManyCodes', until };

  const held = own.filter((code) => reserves(code, now));
  const usernames = new Map(held.map((code) => [code.nameHash, code.username]));
  if (usernames.size < limits.usernames || usernames.has(nameHash)) return null;
  return { refusal: 'tooManyUsernames', usernames: [...usernames.values()] };
}

/** A withdrawn code was never received, and one from after now is from before the clock was set back: they do not count. */
function limitedUntil(own: readonly Code[], { codes, withinMs }: IssueLimits, now: number): number | null {
  const recent = own
    .filter((code) => statusOf(code, now) !== 'withdrawn')
    .map(({ issuedAt }) => issuedAt)
    .filter((issuedAt) => issuedAt > now - withinMs && issuedAt <= now)
    .toSorted((a, b) => b - a);
  const oldest = recent[codes - 1];
  return oldest === undefined ? null : oldest + withinMs;
}
