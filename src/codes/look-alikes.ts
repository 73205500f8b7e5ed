import { CONFUSABLES } from './confusables.js';
import { parseUsername, type Username } from './username.js';

/**
 * Returns the skeletons of a username: two usernames that share one can be confused. One per case, because some
 * letters are confusable in one case only (`I` and `l`).
 */
export function skeletonsOf({ text, key }: Username): string[] {
  const forms = [text, text.toLowerCase(), text.toUpperCase(), key];
  return [...new Set(forms.map((form) => skeletonOf(form).toLowerCase()))];
}

/** Parsed on first use. */
let prototypes: ReadonlyMap<string, string> | null = null;

/**
 * Replaces each character by the prototype of those that it is confused with (UTS #39, section 4).
 *
 * Omits what the standard does for ignorable characters and mixed directions: usernames have neither.
 */
export function skeletonOf(text: string): string {
  prototypes ??= parsePrototypes();
  let skeleton = '';
  for (const character of text.normalize('NFD')) skeleton += prototypes.get(character) ?? character;
  return skeleton.normalize('NFD');
}

function parsePrototypes(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of CONFUSABLES.split(';')) {
    const [prototype = '', sources = ''] = line.split(':');
    const text = String.fromCodePoint(...prototype.split('+').map(fromHex));
    for (const range of sources.split(' ')) {
      const [first = '', last = first] = range.split('-');
      for (let point = fromHex(first); point <= fromHex(last); point++) {
        found.set(String.fromCodePoint(point), text);
      }
    }
  }
  return found;
}

function fromHex(digits: string): number {
  return Number.parseInt(digits, 16);
}

/**
 * Returns a function that decides whether a username is reserved: it is one of `usernames` or looks like one, also
 * without its accents and signs (`Ádmin`, `admin_`).
 */
export function reservation(usernames: readonly Username[]): (username: Username) => boolean {
  let reserved: ReadonlySet<string> | null = null;
  return (username) => {
    const skeletons = (reserved ??= new Set(usernames.flatMap(plainSkeletonsOf)));
    return plainSkeletonsOf(username).some((skeleton) => skeletons.has(skeleton));
  };
}

/** The skeletons of a username, and of its letters and digits alone. */
function plainSkeletonsOf(username: Username): string[] {
  const letters = username.text.normalize('NFD').replaceAll(/[\p{M}_.' -]/gu, '');
  return [username, parseUsername(letters.normalize('NFC')) ?? username].flatMap(skeletonsOf);
}
