import { END_REASONS } from './code.js';

/**
 * Every event that the audit records. `delivered`: by DM. `shown`: by the button. `listed`: an administrator read a
 * server's codes. `throttled`: a username was locked after too many wrong codes.
 */
export const AUDIT_EVENTS = [
  'issued',
  'delivered',
  'shown',
  'suspended',
  'resumed',
  'listed',
  'redeemed',
  'throttled',
  ...END_REASONS,
] as const;
export type AuditEventName = (typeof AUDIT_EVENTS)[number];

/** One row of the audit. It holds ids and hashes, never a code. */
export interface AuditEvent {
  /** Unix ms. */
  readonly at: number;
  readonly event: AuditEventName;
  readonly codeId?: string;
  /** Keyed hash of the username; for codes, the code's row has it. */
  readonly nameHash?: string;
  /** For events without a code. */
  readonly guildId?: string;
  /** The administrator who did it. */
  readonly actorId?: string;
  readonly reason?: string;
}
