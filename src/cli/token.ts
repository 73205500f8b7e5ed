import { randomBytes } from 'node:crypto';

/** Makes a leaked token recognizable, in a log or a repository. "Chat-room access bot". */
const PREFIX = 'crab_';

/** 256 bits: 43 characters in base64url. */
const TOKEN_BYTES = 32;

/** Returns a new value for HTTP_TOKEN. */
export function createToken(): string {
  return `${PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}\n`;
}
