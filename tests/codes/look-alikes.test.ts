import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { CONFUSABLES } from '../../src/codes/confusables.js';
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

describe('CONFUSABLES', () => {
  const entries = CONFUSABLES.split(';').map((line) => {
    const [prototype = '', sources = ''] = line.split(':');
    const points = prototype.split('+').map((digits) => Number.parseInt(digits, 16));
    return { prototype: String.fromCodePoint(...points), sources };
  });

  it('replaces no prototype, nor a part of one', () => {
    expect(entries.length).toBeGreaterThan(200);
    const replaced = entries.filter(({ prototype }) => skeletonOf(prototype) !== prototype);
    expect(replaced).toEqual([]);
  });

  it('names each prototype once, with at least one character', () => {
    expect(new Set(entries.map(({ prototype }) => prototype)).size).toBe(entries.length);
    expect(entries.filter(({ sources }) => !/^[\da-f]+/.test(sources))).toEqual([]);
  });
});

describe('skeletonOf', () => {
  it('returns a skeleton unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(skeletonOf(skeletonOf(text))).toBe(skeletonOf(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it('returns the same skeleton for both normalization forms', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(skeletonOf(text.normalize('NFC'))).toBe(skeletonOf(text.normalize('NFD')));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('skeletonsOf', () => {
  it.each([
    ['alice', 'Alice'],
    ['Alice', 'AIice'],
    ['Alice', 'A1ice'],
    ['Alice', 'ALlCE'],
    ['alice', 'аӏісе'],
    ['ALICE', 'АӀІСЕ'],
    ['Ivan', 'lvan'],
    ['Ivan', '1van'],
    ['modern', 'rnodern'],
    ['modern', 'modem'],
    ['MODERN', 'rnodern'],
    ['O0O', '0o0'],
    ['Bob', 'B0b'],
    ['Bob', 'ВОВ'],
    ['paypal', 'раураӏ'],
    ['ABE', 'АВЕ'],
    ['ABE', 'ΑΒΕ'],
    ['straße', 'STRASSE'],
    ['ΣΑΣ', 'σας'],
    ['User.Name', 'user.narne'],
    ['a-1', 'a-l'],
    ['Bill Smith', 'BiII Smith'],
    ["K'ala", 'Ƙala'],
    ["O'BRIEN", "0'brien"],
    ['Fiona', 'Ƒiona'],
    ['fiona', 'ƒiona'],
    ['paul', 'þaul'],
    ['Paul', 'Þaul'],
    ['ida', 'ıda'],
    ['Đan', 'Ðan'],
    ['儿', 'ㄦ'],
    ['sos', 'ѕоѕ'],
    ['HAH', 'ΗΑΗ'],
    ['kok', 'кок'],
    ['хохо', 'xoxo'],
    ['ТОМ', 'TOM'],
    ['MAT', 'МАТ'],
    ['ΜΑΝΟΣ', 'μανοσ'],
    ['ΟΟΟ', '000'],
    ['ооо', 'οοο'],
    ['ՕՕ', 'OO'],
    ['סס', 'oo'],
    ['ןן', 'll'],
    ['علي', 'على'],
    ['علي', 'علی'],
    ['كمال', 'کمال'],
    ['ه', 'ہ'],
    ['٣', '۳'],
    ['ठ', 'ਠ'],
    ['ഴ', 'ழ'],
    ['అ', 'ಅ'],
    ['రజ', 'ರಜ'],
    ['ขวด', 'ฃวด'],
    ['บ', 'ບ'],
    ['თა', 'Თა'],
    ['へ', 'ヘ'],
    ['カナ', '力ナ'],
    ['ロ', '口'],
    ['ニ', '二'],
    ['カー', 'カ一'],
    ['Ё', 'Ë'],
  ])('matches %s and %s', (one, other) => {
    expect(areAlike(usernameOf(one), usernameOf(other))).toBe(true);
    expect(areAlike(usernameOf(other), usernameOf(one))).toBe(true);
  });

  it.each([
    ['Alice', 'Alices'],
    ['Alice', 'Alic'],
    ['Alice', 'Alike'],
    ['Alice', 'Alina'],
    ['Bob', 'Rob'],
    ['Bob', 'Bab'],
    ['user1', 'user2'],
    ['user_1', 'user-1'],
    ['user.1', 'user1'],
    ['Jo Ann', 'JoAnn'],
    ['Анна', 'Инна'],
    ['André', 'Andre'],
    ['Ádám', 'Adam'],
    ['Ṣola', 'Sola'],
    ['vera', 'nera'],
    ['yes', 'ges'],
    ['Dan', 'Ban'],
    ['cat', 'eat'],
    ['Иван', 'Иваи'],
    ['علي', 'عمر'],
    ['김민준', '김민중'],
    ['王力', '王刀'],
    ['Alice', 'Alice_'],
    ['Alice', 'Allice'],
    ['さくら', 'さくや'],
  ])('does not match %s and %s', (one, other) => {
    expect(areAlike(usernameOf(one), usernameOf(other))).toBe(false);
    expect(areAlike(usernameOf(other), usernameOf(one))).toBe(false);
  });

  it('returns 1 to 4 different skeletons, none of them empty', () => {
    fc.assert(
      fc.property(usernames, (username) => {
        const skeletons = skeletonsOf(username);
        expect([1, 2, 3, 4]).toContain(skeletons.length);
        expect(new Set(skeletons).size).toBe(skeletons.length);
        expect(skeletons).not.toContain('');
      }),
    );
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

  it.each([
    ['istanbul', 'İstanbul'],
    ['STRASSE', 'STRAẞE'],
  ])('matches %s and %s, which are the same username', (one, other) => {
    expect(usernameOf(one).key).toBe(usernameOf(other).key);
    expect(areAlike(usernameOf(one), usernameOf(other))).toBe(true);
  });

  it('matches two usernames in either order', () => {
    fc.assert(
      fc.property(usernames, usernames, (one, other) => {
        expect(areAlike(one, other)).toBe(areAlike(other, one));
      }),
      { numRuns: 2_000 },
    );
  });
});
