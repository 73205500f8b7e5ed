/** What happened to a code, or at a website's door. */
export type AuditEventName =
  | 'issued'
  | 'delivered'
  | 'undeliverable'
  | 'shown'
  | 'withdrawn'
  | 'replaced'
  | 'revoked'
  | 'suspended'
  | 'resumed'
  | 'listed'
  | 'redeemed'
  | 'refused'
  | 'throttled';

/** One row of the audit. It holds ids and hashes, never a code, nor a name that somebody typed at a door. */
export interface AuditEvent {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly event: AuditEventName;
  readonly codeId: string | null;
  /** Keyed hash of the username that it is about. */
  readonly nameHash: string | null;
  readonly guildId: string | null;
  /** Whose code it is. */
  readonly holderId: string | null;
  /** Who did it: an administrator; `null` for the holder, the bot and visitors. */
  readonly actorId: string | null;
  readonly reason: string | null;
}
