import { DiscordAPIError } from 'discord.js';

export const UNREACHABLE = "Cannot reach Discord. Check this machine's internet connection.";

/** Discord refuses the bot, or the bot does not know which server to serve. `message` says what to change. */
export class DiscordSetupError extends Error {
  override readonly name = 'DiscordSetupError';
  readonly isTransient = false;
}

/** Discord cannot be used now; a restart may help. */
export class DiscordOutageError extends Error {
  override readonly name = 'DiscordOutageError';
  readonly isTransient = true;
  /** When Discord asks for it: how long to wait before the next attempt. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Returns whether Discord rejected a request with one of `codes` (`RESTJSONErrorCodes`). */
export function hasCode(error: unknown, ...codes: readonly number[]): boolean {
  return error instanceof DiscordAPIError && codes.includes(Number(error.code));
}
