import { hash, timingSafeEqual } from 'node:crypto';

/**
 * Tells whether an `Authorization` header brings one of `tokens`. Digests of one length are compared, all of them
 * and each whole, so that no timing tells how much of a token was right.
 */
export function bearerCheck(tokens: readonly string[]): (header: string | undefined) => boolean {
  const digests = tokens.map(digest);
  return (header) => {
    const [, brought = ''] = /^bearer +(\S+) *$/i.exec(header ?? '') ?? [];
    const found = digest(brought);
    return digests.filter((known) => timingSafeEqual(known, found)).length > 0;
  };
}

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
