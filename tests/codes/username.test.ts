import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { plainText } from '../../src/codes/plain-text.js';
import {
  MAX_USERNAME_LENGTH,
  parseUsername,
  typedUsernames,
  usernameFault,
  type UsernameFault,
} from '../../src/codes/username.js';
import { usernameOf } from './username-of.js';

/** Characters of usernames, and others. */
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
    ['French', 'Zoë Lefèvre'],
    ['Spanish', 'Íñigo Muñoz'],
    ['Icelandic', 'Þórður Æsa'],
    ['Polish', 'Łukasz Żądło'],
    ['Czech', 'Jiří Růžička'],
    ['Hungarian', 'Győző Szűcs'],
    ['Romanian', 'Ștefan Țîrlea'],
    ['Latvian', 'Ģirts Ķēniņš'],
    ['Maltese', 'Ħal Għaxaq Ċikku'],
    ['Welsh', 'Siôn Tŷ'],
    ['Vietnamese', 'Nguyễn Thị Đặng'],
    ['Yoruba', 'Ṣọlá'],
    ['Hausa', 'Ɓala Ɗanjuma Ƙasa'],
    ['Ewe', 'Kɔƒi Ɣe'],
    ['Azerbaijani', 'Əli Rəsul'],
    ['Ukrainian', 'Їжак Ґалаґан Є'],
    ['Serbian', 'Ђорђе Љубица'],
    ['Kazakh', 'Әлия Қасым Ұлы'],
    ['Armenian', 'Արամ Գրիգոր'],
    ['Georgian', 'გიორგი'],
    ['Chuvash', 'Ӑшӑ Ҫӗр'],
    ['Chechen', 'Ӏиса'],
    ['Pinyin', 'Lǐ Hǎo'],
    ['Igbo', 'Ṅnaemeka Ụzọ'],
    ['Sindhi', 'ڄام ڪريم'],
    ['Uyghur', 'ئۇيغۇر'],
    ['Georgian capitals', 'ᲒᲘᲝᲠᲒᲘ'],
    ['Bopomofo', 'ㄅㄆ'],
    ['Bopomofo and hanzi', '李ㄅ'],
    ['Persian', 'پریسا کیان'],
    ['Urdu', 'ٹیپو ڈار'],
    ['Divehi', 'އަލީ'],
    ['Amharic', 'አበበ'],
    ['Bengali', 'অমিত'],
    ['Punjabi', 'ਗੁਰਪ੍ਰੀਤ'],
    ['Gujarati', 'ધ્રુવ'],
    ['Odia', 'ଅମିତ'],
    ['Tamil', 'கமல்'],
    ['Telugu', 'రామ'],
    ['Kannada', 'ಕುಮಾರ'],
    ['Malayalam', 'അനിൽ'],
    ['Sinhala', 'නිමල්'],
    ['Khmer', 'សុខា'],
    ['Lao', 'ສົມພອນ'],
    ['Burmese', 'အောင်'],
    ['Tibetan', 'བསྟན'],
    ['rare ideographs of names', '𠮷田 﨑山 髙木'],
    ['iteration marks', '佐々木'],
    ['accents', 'Renée Müller'],
    ['an apostrophe', "O'Hara-D'Arcy"],
    ['a Ukrainian apostrophe', "Мар'яна"],
    ['a Hebrew geresh', "צ'רלי"],
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
  ])('accepts %s and returns it as typed', (_what, typed) => {
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
    ['an apostrophe at the beginning', "'Alice"],
    ['an apostrophe at the end of a word', "Alice' Smith"],
    ['two apostrophes together', "O''Hara"],
    ['an apostrophe before a mark', "ที'่"],
    ['typographic quotes', '“Alice”'],
    ['backticks', '`Alice`'],
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
    ['a historic script', '𐐀'],
    ['small capitals', 'ᴀdmin'],
    ['a small capital i', 'ɪsa'],
    ['a letter with a dot that no language uses', 'ȧlice'],
    ['a dotted m', 'ṁod'],
    ['a letter of the phonetic alphabet', 'ɑlice'],
    ['a script g', 'ɡina'],
    ['a long s', 'ſara'],
    ['an insular letter', 'ꝺan'],
    ['a click letter', 'ǃxam'],
    ['a letter of medieval manuscripts', 'ꞃon'],
    ['a turned letter', 'ɐnna'],
    ['modifier letters', 'Alice\u02bc\u02d0'],
    ['a historic Cyrillic letter', 'ѡмега'],
    ['a historic Greek letter', 'ϝανα'],
    ['polytonic Greek', 'ἀλίκη'],
    ['a historic Georgian capital', 'Ⴀნა'],
    ['conjoining Hangul', '\u1100\u1161'],
    ['a tone sign of Bopomofo', 'ㄅㄆˇ'],
    ['historic kana', '𛀁め'],
    ['a mark of the Vedas', 'प्रि\u1cd0या'],
    ['a Quranic letter', 'ٱلله'],
    ['Arabic stretched', 'عـلي'],
    ['an Arabic digit of Thaana', 'އަލީ٣'],
    ['a letter that an orthography dropped', 'Ţara'],
    ['a letter of Latin textbooks', 'amĭcus'],
    ['a letter of early orthographies', 'Ǝn'],
    ['a Latin iota', 'Ɩrma'],
    ['a historic Armenian sign', 'Արամՙ'],
    ['a vowel point of Hebrew', 'ש\u05b8רה'],
    ['a digit before Hebrew', '1שרה'],
    ['a sign before Arabic', '_علي'],
    ['an Arabic digit before Arabic', '٣علي'],
    ['a variation selector', 'Alice\ufe0f'],
    ['a Hangul filler', '\u1160'],
    ['a combining grapheme joiner', 'Ali\u034fce'],
    ['a Latin letter with a mark of no script', 'a\u0332lice'],
    ['four marks on one letter', 'ก\u0e31\u0e31\u0e31\u0e31'],
    ['a mark without a letter', '\u0301Alice'],
    ['a mark after a space', 'Alice \u0301Smith'],
    ['many marks on one letter', 'a\u0332\u0332\u0332\u0332lice'],
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
  ])('compares %s and %s as equal', (one, other) => {
    expect(usernameOf(other).key).toBe(usernameOf(one).key);
  });

  it.each([
    ['Alice', 'Alicia'],
    ['Alice', 'Alicé'],
    ["O'Brien", 'OBrien'],
    ['Alice', 'Alice.'],
    ['Alice Smith', 'AliceSmith'],
    ['Alice_Smith', 'Alice-Smith'],
    ['Müller', 'Muller'],
  ])('compares %s and %s as different', (one, other) => {
    expect(usernameOf(other).key).not.toBe(usernameOf(one).key);
  });

  it('never throws and accepts only what it documents', () => {
    fc.assert(
      fc.property(typedNames, (typed) => {
        const username = parseUsername(typed);
        expect(username?.text ?? typed).toBe(typed);
        expect(username === null).toBe(usernameFault(typed) !== null);
        expect(username === null || Array.from(typed).length <= MAX_USERNAME_LENGTH).toBe(true);
        expect(username?.text ?? 'none').toMatch(/^[\p{L}\p{M}\p{Nd}_.' -]+$/u);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(Array.from("'`´΄ʹʹʻʼʽʾʿˈˊˋ՚׳ߴߵ᾽᾿῾‘’‛′‵ꞌ＇｀"))('reads %s as an apostrophe', (sign) => {
    expect(parseUsername(`O${sign}Brien`)).toEqual(usernameOf("O'Brien"));
    expect(parseUsername(`O${sign}`)).toBeNull();
    expect(typedUsernames(`o${sign}brien`)).toMatchObject([{ key: "o'brien" }]);
  });

  it.each<[UsernameFault, readonly string[]]>([
    ['empty', ['']],
    ['emoji', ['Alice😀', '😀', 'Alice❤', '👩‍👩‍👧', '🇫🇷', '1️⃣', '👍🏽']],
    [
      'invisible',
      [
        'Ali\u200bce',
        'Ali\u00adce',
        'Alice\u202e',
        'Ali\u0001ce',
        'Alice\u00a0Smith',
        '\u2800',
        'ก\u034fข',
        '\u17b4ក',
      ],
    ],
    ['alphabets', ['Аlice', 'Αλίkη', 'Aliceさ', 'Ali٣']],
    ['words', ["'Alice'", "O''Brien", 'Alice  Smith', ' Alice', 'สม ่']],
    ['accents', ['ก\u0e31\u0e31\u0e31\u0e31', '\u09dc']],
    ['direction', ['1שרה', '_علي']],
    [{ character: '&' }, ['R&B', 'Tom & Jerry']],
    [{ character: '@' }, ['@everyone', 'Al@ice']],
    [{ character: '<' }, ['<@&1>', '<#1>']],
    [{ character: 'ᴀ' }, ['ᴀlice']],
    [{ character: '\u0301' }, ['Rene\u0301e']],
    [{ tooLong: 33 }, ['a'.repeat(33), '𠀀'.repeat(33), '😀'.repeat(33)]],
    [{ tooLong: 40 }, ['&'.repeat(40)]],
  ])('says that the fault is %j', (fault, texts) => {
    expect(texts.map(usernameFault)).toEqual(texts.map(() => fault));
  });

  it('accepts a letter in both cases or not at all', () => {
    const letters = Array.from({ length: 0x110000 }, (_, point) => point)
      .filter((point) => point < 0xd800 || point > 0xdfff)
      .map((point) => String.fromCodePoint(point))
      .filter((character) => /[\p{Lu}\p{Ll}]/u.test(character) && parseUsername(character) !== null);
    expect(letters.length).toBeGreaterThan(500);
    const recased = letters
      .flatMap((letter) => [letter.toLowerCase(), letter.toUpperCase()])
      .filter((letter) => Array.from(letter).length === 1);
    expect(recased.filter((letter) => parseUsername(letter) === null)).toEqual([]);
  });

  it('returns a key that is its own key', () => {
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

describe('typedUsernames', () => {
  it.each([
    ['a space after it, from a phone', 'Zoë Smith '],
    ['a line break after it', 'Zoë Smith\n'],
    ['spaces of other scripts around it', '\u3000Zoë Smith\u00a0'],
    ['a no-break space inside', 'Zoë\u00a0Smith'],
    ['a tab and a next-line inside', 'Zoë\t\u0085Smith'],
    ['several spaces inside', 'Zoë \u2003 Smith'],
    ['zero-width characters', 'Z\u200bo\u200cë\u200d Smi\u2060th'],
    ['direction controls', '\u200eZoë\u061c \u202aSmith\u202c\u2066\u2069'],
    ['a byte order mark', '\ufeffZoë Smith'],
    ['soft hyphens', 'Zoë Sm\u00adith'],
    ['variation selectors', 'Zoë\ufe0f Smith\u{e0101}'],
    ['fillers and tag characters', 'Zoë\u3164 Smith\u{e0061}'],
    ['an accent apart from its letter', 'Zoe\u0308 Smith'],
    ['a joiner between a letter and its accent', 'Zoe\u034f\u0308 Smith'],
    ['full-width letters', 'Ｚｏë Ｓｍｉｔｈ'],
    ['another case', 'ZOË sMITH'],
    ['decoration up to 256 characters', `${' '.repeat(247)}Zoë Smith`],
  ])('reads a username with %s', (_what, typed) => {
    expect(typedUsernames(typed).map(({ key }) => key)).toEqual([usernameOf('Zoë Smith').key]);
  });

  it.each([
    'Zoë\u0001Smith',
    'Zoë\u007fSmith',
    'Zoë\u009bSmith',
    '',
    '   ',
    '\u200b',
    `${' '.repeat(254)}Zoë`,
  ])('refuses %j', (typed) => {
    expect(typedUsernames(typed)).toEqual([]);
  });

  it.each([
    ['Alice', ['Alice']],
    ['Alice.', ['Alice.', 'Alice']],
    ['J.R...', ['J.R...', 'J.R']],
    ['Alice . ', ['Alice .', 'Alice']],
    ['Alice。', ['Alice']],
    ['Alice…', ['Alice']],
    [`${'a'.repeat(32)}.`, ['a'.repeat(32)]],
    ['.', ['.']],
    ['.net', ['.net']],
  ])('reads %s with and without full stops at its end', (typed, texts) => {
    expect(typedUsernames(typed).map(({ text }) => text)).toEqual(texts);
  });

  it('reads every issued username as itself, whatever decorates it', () => {
    const invisible = fc.string({
      unit: fc.constantFrom(' ', '\u200b', '\u200f', '\u00ad', '\ufeff', '\u00a0', '\ufe0f', '\n'),
      maxLength: 4,
    });
    const issued = typedNames.map(parseUsername).filter((username) => username !== null);
    fc.assert(
      fc.property(issued, invisible, invisible, (username, before, after) => {
        expect(plainText(username.text)).toBe(username.text);
        expect(typedUsernames(before + username.text + after)[0]).toEqual(username);
      }),
      { numRuns: 2_000 },
    );
  });

  it('reads a plain text as itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (typed) => {
        const plain = plainText(typed);
        expect(plainText(plain)).toBe(plain);
      }),
      { numRuns: 2_000 },
    );
  });
});
