import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { skeletonOf, skeletonsOf } from '../../src/codes/look-alikes.js';
import { parseUsername, type Username } from '../../src/codes/username.js';
import { usernameOf } from './username-of.js';

/** Whether two usernames share a skeleton. */
function areAlike(one: Username, other: Username): boolean {
  const skeletons = skeletonsOf(other);
  return skeletonsOf(one).some((skeleton) => skeletons.includes(skeleton));
}

/** Letters that people mistake for each other, of several scripts, with some that change oddly with case. */
const LETTERS = Array.from('aAiIlL1oO0sSmMrRnNbB8eEдДаАеЕоОіІсСрРсхХΑαΟοΣσςΙιИßẞſıİéÉ_.-');
const usernames = fc
  .string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 6 })
  .map(parseUsername)
  .filter((username) => username !== null);

/** A username in the cases in which it can be typed. */
const recased = fc
  .tuple(usernames, fc.infiniteStream(fc.constantFrom('up', 'down', 'as it is')))
  .map(([username, cases]) => {
    const letters = Array.from(username.text, (letter) => {
      const { value } = cases.next();
      if (value === 'up') return letter.toUpperCase();
      return value === 'down' ? letter.toLowerCase() : letter;
    });
    return [username, parseUsername(letters.join(''))] as const;
  });

it('skeletonOf returns the same skeleton for both normalization forms and for the skeleton itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const skeleton = skeletonOf(text.normalize('NFC'));
      expect(skeletonOf(text.normalize('NFD'))).toBe(skeleton);
      expect(skeletonOf(skeleton)).toBe(skeleton);
    }),
    { numRuns: 2_000 },
  );
});

describe('skeletonsOf', () => {
  it.each([
    ['case', 'alice~Alice straße~STRASSE istanbul~İstanbul STRASSE~STRAẞE ΣΑΣ~σας'],
    ['I, l and 1', 'Alice~AIice Alice~A1ice Alice~ALlCE Ivan~lvan Ivan~1van Bill~BiII a-1~a-l'],
    ['O and 0', "O0O~0o0 Bob~B0b O'BRIEN~0'brien"],
    ['m and rn', 'modern~rnodern modern~modem MODERN~rnodern User.Name~user.narne Irma~lrrna'],
    ['letters of Latin', "K'ala~Ƙala Fiona~Ƒiona fiona~ƒiona paul~þaul Paul~Þaul ida~ıda Đan~Ðan"],
    ['small Cyrillic letters', 'alice~аӏісе paypal~раураӏ sos~ѕоѕ kok~кок хохо~xoxo'],
    ['Cyrillic capitals', 'ALICE~АӀІСЕ Bob~ВОВ ABE~АВЕ ТОМ~TOM MAT~МАТ Ё~Ë'],
    ['Greek', 'ABE~ΑΒΕ HAH~ΗΑΗ ΜΑΝΟΣ~μανοσ ΟΟΟ~000 ооо~οοο'],
    ['Armenian, Hebrew and Georgian', 'ՕՕ~OO סס~oo ןן~ll თა~Თა'],
    ['Arabic', 'علي~على علي~علی كمال~کمال ه~ہ ٣~۳'],
    ['scripts of India and South-East Asia', 'ठ~ਠ ഴ~ழ అ~ಅ రజ~ರಜ ขวด~ฃวด บ~ບ'],
    ['Chinese and Japanese', '儿~ㄦ へ~ヘ カナ~力ナ ロ~口 ニ~二 カー~カ一'],
  ])('match usernames that differ in %s only', (_what, pairs) => {
    const different = pairs.split(' ').filter((pair) => {
      const [one, other] = pair.split('~').map(usernameOf);
      return one === undefined || other === undefined || !areAlike(one, other);
    });
    expect(different).toEqual([]);
  });

  it.each([
    ['Alice', 'Alices Alic Alike Alina Alice_ Allice'],
    ['user.1', 'user1 user.2 user_1 user-1'],
    ['Ádám', 'Adam'],
    ['Ṣola', 'Sola'],
    ['JoAnn', 'Jo.Ann'],
    ['ver', 'ner yer Ver. gver'],
    ['Dan', 'Ban Den'],
    ['cat', 'eat'],
    ['yes', 'ges'],
    ['Иван', 'Иваи Ивон'],
    ['علي', 'عمر'],
    ['김민준', '김민중'],
    ['王力', '王刀'],
    ['さくら', 'さくや'],
  ])('do not match %s and %s', (name, others) => {
    const alike = others.split(' ').filter((other) => areAlike(usernameOf(name), usernameOf(other)));
    expect(alike).toEqual([]);
  });

  it('matches every username with itself in any other case', () => {
    fc.assert(
      fc.property(recased, ([username, other]) => {
        fc.pre(other !== null && other.key === username.key);
        expect(areAlike(username, other)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
