import { randomBytes } from 'node:crypto';

/** By it a token is recognised where it should not be: in a log, in a repository. "Chat-room access bot". */
const PREFIX = 'crab_';

/** 256 bits, as base64url: 43 characters. */
const TOKEN_BYTES = 32;

process.stdout.write(`${PREFIX}${randomBytes(TOKEN_BYTES).toString('base64url')}\n`);
