import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MAX_USERNAME_LENGTH, parseUsername } from '../../src/codes/username.js';
import { usernameOf } from '../support/codes.js';

/** Characters that names are made of, and some that must not pass. */
const unit = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...Array.from('aAzZ09_-. äÄßẞÇçσςΣΑαжЖİıกा\u0301\u0307\u0345')) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point)) },
);
const typedNames = fc.string({ unit, maxLength: 40 });

describe('parseUsername', () => {
  it.each([
    ['one letter', 'A'],
    ['one digit', '7'],
    ['letters and digits', 'Alice2024'],
    ['each sign that is allowed', '_al-ice.'],
    ['a sign alone', '_'],
    ['a space inside', 'Alice Smith'],
    ['several single spaces', 'Alice B Smith'],
    ['32 characters', 'a'.repeat(32)],
    ['32 characters of two UTF-16 units each', '𠀀'.repeat(32)],
    ['accents', 'Renée Müller'],
    ['Cyrillic', 'Алиса'],
    ['Greek', 'Αλίκη'],
    ['Thai', 'สมชาย'],
    ['Thai with two marks on one letter', 'ที่รัก'],
    ['Hindi', 'प्रिया'],
    ['Arabic', 'عائشة'],
    ['Arabic with vowel marks', 'مُحَمَّد'],
    ['Hebrew', 'שרה'],
    ['Chinese', '李小龙'],
    ['Japanese', 'さくら'],
    ['Katakana with a long mark', 'アリー'],
    ['Korean', '김민준'],
    ['Turkish', 'Işıl İnci'],
    ['Thai with a letter that has a compatibility form', 'คำ'],
    ['Armenian with a ligature', 'Արևիկ'],
    ['kana and kanji', 'さくら木アリー'],
    ['hangul and hanja', '김金'],
    ['Arabic digits with Arabic letters', 'علي٣'],
  ])('accepts %s and gives it as typed', (_what, typed) => {
    expect(parseUsername(typed)?.text).toBe(typed);
  });

  it.each([
    ['nothing', ''],
    ['a space alone', ' '],
    ['33 characters', 'a'.repeat(33)],
    ['33 characters of two UTF-16 units each', '𠀀'.repeat(33)],
    ['a leading space', ' Alice'],
    ['a trailing space', 'Alice '],
    ['two spaces together', 'Alice  Smith'],
    ['a no-break space', 'Alice\u00a0Smith'],
    ['an ideographic space', 'Alice\u3000Smith'],
    ['a tab', 'Alice\tSmith'],
    ['a newline', 'Alice\nSmith'],
    ['a newline at the end', 'Alice\n'],
    ['NUL', 'Ali\0ce'],
    ['straight quotes', '"Alice"'],
    ['an apostrophe', "O'Hara"],
    ['typographic quotes', '“Alice”'],
    ['backquotes', '`Alice`'],
    ['an asterisk', 'Al*ice'],
    ['a mention', '<@1>'],
    ['@everyone', '@everyone'],
    ['a slash', 'a/b'],
    ['a colon', 'a:b'],
    ['an emoji', 'Alice😀'],
    ['a zero-width space', 'Ali\u200bce'],
    ['a zero-width joiner', 'Ali\u200dce'],
    ['a zero-width non-joiner', 'Ali\u200cce'],
    ['a word joiner', 'Ali\u2060ce'],
    ['a byte order mark', '\ufeffAlice'],
    ['a soft hyphen', 'Ali\u00adce'],
    ['a right-to-left override', 'Ali\u202ece'],
    ['a right-to-left mark', 'Alice\u200f'],
    ['an isolate', 'Ali\u2066ce'],
    ['a private use character', 'Alice\ue000'],
    ['fullwidth letters', 'Ａｌｉｃｅ'],
    ['fullwidth digits', 'Alice２'],
    ['the Kelvin sign', '\u212aelvin'],
    ['the Ångström sign', '\u212bngström'],
    ['mathematical letters', '𝐀𝐥𝐢𝐜𝐞'],
    ['small capitals of the phonetic alphabet', 'ᴬlice'],
    ['circled letters', 'Ⓐlice'],
    ['a ligature', 'ﬁona'],
    ['superscript digits', 'Alice²'],
    ['a Roman numeral', 'Alice Ⅱ'],
    ['a letter and its accent apart', 'Rene\u0301e'],
    ['Latin with a Cyrillic letter', 'Аlice'],
    ['Greek with a Latin letter', 'Αλίkη'],
    ['Arabic digits with Latin letters', 'Ali٣'],
    ['a script that nobody uses any more', '𐐀'],
    ['a variation selector', 'Alice\ufe0f'],
    ['a Hangul filler', '\u1160'],
    ['a combining grapheme joiner', 'Ali\u034fce'],
    ['a Latin letter with a mark of no script', 'a\u0332lice'],
    ['four marks on one letter', 'ก\u0e31\u0e31\u0e31\u0e31'],
    ['a mark without a letter', '\u0301Alice'],
    ['a mark after a space', 'Alice \u0301Smith'],
    ['a pile of marks', 'a\u0332\u0332\u0332\u0332lice'],
    ['the first half of a surrogate pair', 'Alice\ud83d'],
    ['the second half of a surrogate pair', 'Alice\ude00'],
  ])('refuses %s', (_what, typed) => {
    expect(parseUsername(typed)).toBeNull();
  });

  it.each([
    ['Alice', 'ALICE'],
    ['Alice', 'aLiCe'],
    ['Müller', 'MÜLLER'],
    ['Straße', 'STRASSE'],
    ['Straße', 'strasse'],
    ['ΣΑΣ', 'σας'],
    ['σας', 'σασ'],
    ['Алиса', 'АЛИСА'],
    ['Irmak', 'ırmak'],
    ['İnci', 'inci'],
    ['STRAẞE', 'Straße'],
    ['Արևիկ', 'ԱՐԵՒԻԿ'],
  ])('takes %s and %s for the same username', (one, other) => {
    expect(usernameOf(other).key).toBe(usernameOf(one).key);
  });

  it.each([
    ['Alice', 'Alicia'],
    ['Alice', 'Alicé'],
    ['Alice', 'Alice.'],
    ['Alice Smith', 'AliceSmith'],
    ['Alice_Smith', 'Alice-Smith'],
    ['Müller', 'Muller'],
  ])('takes %s and %s for two usernames', (one, other) => {
    expect(usernameOf(other).key).not.toBe(usernameOf(one).key);
  });

  it('never throws, and accepts nothing longer or other than it promises', () => {
    fc.assert(
      fc.property(typedNames, (typed) => {
        const username = parseUsername(typed);
        expect(username?.text ?? typed).toBe(typed);
        expect(username === null || Array.from(typed).length <= MAX_USERNAME_LENGTH).toBe(true);
        expect(username?.text ?? 'none').toMatch(/^[\p{L}\p{M}\p{Nd}_. -]+$/u);
      }),
      { numRuns: 2_000 },
    );
  });

  it('gives a key that is its own key', () => {
    fc.assert(
      fc.property(typedNames, (typed) => {
        const username = parseUsername(typed);
        const again = username === null ? null : parseUsername(username.key);
        expect(again?.key).toBe(username?.key);
      }),
      { numRuns: 2_000 },
    );
  });
});
