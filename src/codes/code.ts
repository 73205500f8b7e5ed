/**
 * One access code as the domain sees it, without its text.
 *
 * State is times: each `...At` is a Unix time in milliseconds, `null` while it has not happened.
 * What a code is worth follows from them and from now: see {@link statusOf}.
 */
export interface Code {
  /** What asked for the code: a Discord message id. One request makes at most one code. */
  readonly id: string;
  /** The server in which it was asked for. */
  readonly guildId: string;
  readonly holderId: string;
  /** What Discord called the holder when the code was issued. */
  readonly holderTag: string;
  /** The username as its holder typed it. */
  readonly username: string;
  readonly issuedAt: number;
  readonly deliveredAt: number | null;
  /** `null`: never expires. */
  readonly expiresAt: number | null;
  /** When it was first seen to be expired. From then on no clock revives it. */
  readonly expiredAt: number | null;
  readonly replacedAt: number | null;
  readonly revokedAt: number | null;
  readonly withdrawnAt: number | null;
  /** Since when its server is not served; `null` again when it is. */
  readonly suspendedAt: number | null;
  readonly uses: number;
  /** `null`: unlimited. */
  readonly maxUses: number | null;
}

export type CodeStatus =
  | 'pending'
  | 'active'
  | 'used_up'
  | 'expired'
  | 'replaced'
  | 'revoked'
  | 'withdrawn'
  | 'suspended';

/**
 * Tells what `code` is worth at `now` (Unix ms). The first that applies, in this order:
 *
 * 1. `revoked`: an administrator's act outranks everything that happened otherwise.
 * 2. `withdrawn`: it could not be delivered, so nobody ever held it.
 * 3. `replaced`: its holder got a newer one.
 * 4. `expired`: already in the very millisecond of `expiresAt`, delivered or not, and once seen for good.
 * 5. `suspended`: still holds the username, opens nothing while its server is not served.
 * 6. `pending`: not known to be delivered.
 * 7. `used_up`: still holds the username, opens nothing.
 * 8. `active`.
 */
export function statusOf(code: Code, now: number): CodeStatus {
  if (code.revokedAt !== null) return 'revoked';
  if (code.withdrawnAt !== null) return 'withdrawn';
  if (code.replacedAt !== null) return 'replaced';
  if (code.expiredAt !== null || (code.expiresAt !== null && now >= code.expiresAt)) return 'expired';
  if (code.suspendedAt !== null) return 'suspended';
  if (code.deliveredAt === null) return 'pending';
  if (code.maxUses !== null && code.uses >= code.maxUses) return 'used_up';
  return 'active';
}

/** How often `code` can still be redeemed; `null`: without limit. */
export function usesLeft(code: Code): number | null {
  return code.maxUses === null ? null : Math.max(0, code.maxUses - code.uses);
}
