import unhomoglyph from 'unhomoglyph';

import type { Skeletons } from './code-store.js';
import type { Username } from './username.js';

/**
 * What `username` looks like, whatever letters make it up: two usernames that share one of these can be
 * taken for each other. Cyrillic `а` and Latin `a`, `0` and `O`, `rn` and `m`, capital `I` and small `l`.
 *
 * The skeletons of Unicode's technical standard 39, section 4, by Unicode's own table of confusables; one
 * for each case, because letters may be alike in one case alone.
 */
export function skeletonsOf({ text, key }: Username): Skeletons {
  return [skeletonOf(text), skeletonOf(text.toLowerCase()), skeletonOf(text.toUpperCase()), skeletonOf(key)];
}

function skeletonOf(text: string): string {
  return unhomoglyph(text.normalize('NFD')).normalize('NFD').toLowerCase();
}
