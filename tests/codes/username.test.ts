import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { plainText } from '../../src/codes/plain-text.js';
import {
  MAX_USERNAME_LENGTH,
  parseTypedUsername,
  parseUsername,
  usernameFault,
  withoutFullStops,
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
    ['letters, digits and signs', ['A', '7', 'Alice2024', '_al-ice.', '_', 'Alice Smith', 'Alice B Smith']],
    ['32 characters, of one or two UTF-16 units', ['a'.repeat(32), '𠀀'.repeat(32)]],
    ['apostrophes', ["O'Hara-D'Arcy", "Мар'яна", "צ'רלי"]],
    ['Western Europe', ['Zoë Lefèvre', 'Íñigo Muñoz', 'Þórður Æsa', 'Renée Müller', 'Siôn Tŷ']],
    ['Central Europe', ['Łukasz Żądło', 'Jiří Růžička', 'Győző Szűcs', 'Ștefan Țîrlea']],
    ['Latvia, Malta and Turkey', ['Ģirts Ķēniņš', 'Ħal Għaxaq Ċikku', 'Işıl İnci', 'Əli Rəsul']],
    ['Africa', ['Ṣọlá', 'Ɓala Ɗanjuma Ƙasa', 'Kɔƒi Ɣe', 'Ṅnaemeka Ụzọ', 'አበበ']],
    ['Vietnam and Pinyin', ['Nguyễn Thị Đặng', 'Lǐ Hǎo']],
    ['Cyrillic', ['Алиса', 'Їжак Ґалаґан Є', 'Ђорђе Љубица', 'Әлия Қасым Ұлы', 'Ӑшӑ Ҫӗр', 'Ӏиса']],
    ['Greek, Armenian and Georgian', ['Αλίκη', 'Արամ Գրիգոր', 'Արևիկ', 'გიორგი', 'ᲒᲘᲝᲠᲒᲘ']],
    ['Hebrew and Thaana', ['שרה', 'އަލީ']],
    ['Arabic', ['عائشة', 'مُحَمَّد', 'علي٣', 'ڄام ڪريم', 'ئۇيغۇر', 'پریسا کیان', 'ٹیپو ڈار']],
    ['Northern India', ['प्रिया', 'অমিত', 'ਗੁਰਪ੍ਰੀਤ', 'ધ્રુવ', 'ଅମିତ']],
    ['Southern India and Sri Lanka', ['கமல்', 'రామ', 'ಕುಮಾರ', 'അനിൽ', 'නිමල්']],
    ['South-East Asia and Tibet', ['สมชาย', 'ที่รัก', 'คำ', 'សុខា', 'ສົມພອນ', 'အောင်', 'བསྟན']],
    ['Chinese', ['李小龙', '𠮷田 﨑山 髙木', 'ㄅㄆ', '李ㄅ']],
    ['Japanese and Korean', ['さくら', 'アリー', 'さくら木アリー', '佐々木', '김민준', '김金']],
  ])('accepts usernames of %s and returns them as typed', (_what, names) => {
    expect(names.map((typed) => parseUsername(typed)?.text)).toEqual(names);
  });

  it.each([
    ['phonetic, historic or small letters', 'ᴬlice ᴀdmin ɪsa ɑlice ɡina ſara ꝺan ǃxam ꞃon ɐnna 𐐀'],
    ['letters that no present alphabet has', 'ȧlice ṁod Ţara amĭcus Ǝn Ɩrma ѡмега ϝανα ἀλίκη Ⴀნა 𛀁め Արամՙ'],
    [
      'letters with compatibility forms',
      'Ａｌｉｃｅ Alice２ \u212aelvin \u212bngström 𝐀𝐥𝐢𝐜𝐞 Ⓐlice ﬁona Alice² AliceⅡ',
    ],
    [
      'modifiers, marks and stretching',
      'Alice\u02bc\u02d0 \u1100\u1161 ㄅㄆˇ प्रि\u1cd0या ٱلله عـلي ש\u05b8רה a\u0332lice',
    ],
    ['digits of another script', 'Ali٣ އަލީ٣'],
    ['signs', '"Alice" “Alice” `Alice` Al*ice <@1> @everyone a/b a:b'],
    ['private or half characters', 'Alice\ue000 Alice\ud83d Alice\ude00'],
  ])('refuses %s', (_what, names) => {
    expect(names.split(' ').filter((typed) => parseUsername(typed) !== null)).toEqual([]);
  });

  it.each([
    ['Alice', ['ALICE', 'aLiCe'], ['Alicia', 'Alicé', 'Alice.']],
    ['Müller', ['MÜLLER'], ['Muller']],
    ['Straße', ['STRASSE', 'strasse', 'STRAẞE'], []],
    ['σας', ['ΣΑΣ', 'σασ'], []],
    ['Алиса', ['АЛИСА'], []],
    ['Irmak', ['ırmak'], []],
    ['İnci', ['inci'], []],
    ['Արևիկ', ['ԱՐԵՒԻԿ'], []],
    ["O'Brien", ["o'brien"], ['OBrien']],
    ['Alice Smith', ['alice smith'], ['AliceSmith', 'Alice_Smith', 'Alice-Smith']],
  ])('compares %s and %j as equal, but not %j', (name, equal, others) => {
    const { key } = usernameOf(name);
    expect(equal.map((typed) => usernameOf(typed).key)).toEqual(equal.map(() => key));
    expect(others.map((typed) => usernameOf(typed).key)).not.toContain(key);
  });

  it('never throws and accepts only what it documents', () => {
    fc.assert(
      fc.property(typedNames, (typed) => {
        const username = parseUsername(typed);
        expect(username?.text ?? typed).toBe(typed);
        expect(username === null).toBe(usernameFault(typed) !== null);
        expect(username === null || Array.from(typed).length <= MAX_USERNAME_LENGTH).toBe(true);
        expect(username?.text ?? 'none').toMatch(/^[\p{L}\p{M}\p{Nd}_.' -]+$/u);
        // The key is its own key.
        expect(username === null ? undefined : parseUsername(username.key)?.key).toBe(username?.key);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each(Array.from("'`´΄ʹʹʻʼʽʾʿˈˊˋ՚׳ߴߵ᾽᾿῾‘’‛′‵ꞌ＇｀"))('reads %s as an apostrophe', (sign) => {
    expect(parseUsername(`O${sign}Brien`)).toEqual(usernameOf("O'Brien"));
    expect(parseUsername(`O${sign}`)).toBeNull();
    expect(parseTypedUsername(`o${sign}brien`)).toMatchObject({ key: "o'brien" });
  });

  it.each<[UsernameFault, readonly string[]]>([
    ['empty', ['']],
    ['emoji', ['Alice😀', '😀', 'Alice❤', '👩‍👩‍👧', '🇫🇷', '1️⃣', '👍🏽']],
    [
      'invisible',
      ['Alice\u00a0Smith', 'Alice\u3000Smith', 'Alice\tSmith', 'Alice\n', 'Ali\0ce', 'Ali\u0001ce'],
    ],
    ['invisible', ['Ali\u200bce', 'Ali\u200cce', 'Ali\u200dce', 'Ali\u2060ce', '\ufeffAlice', 'Ali\u00adce']],
    [
      'invisible',
      ['Ali\u202ece', 'Alice\u200f', 'Ali\u2066ce', 'Alice\ufe0f', 'Ali\u034fce', '\u1160', '\u2800'],
    ],
    ['invisible', ['ก\u034fข', '\u17b4ក']],
    ['alphabets', ['Аlice', 'Αλίkη', 'Aliceさ', 'Ali٣']],
    ['words', [' ', ' Alice', 'Alice ', 'Alice  Smith', "'Alice'", "Alice' Smith", "O''Brien", "ที'่", 'สม ่']],
    ['accents', ['ก\u0e31\u0e31\u0e31\u0e31', '\u09dc']],
    ['direction', ['1שרה', '_علي', '٣علي']],
    [{ character: '&' }, ['R&B', 'Tom & Jerry']],
    [{ character: '@' }, ['@everyone', 'Al@ice']],
    [{ character: '<' }, ['<@&1>', '<#1>']],
    [{ character: 'ᴀ' }, ['ᴀlice']],
    [{ character: '\u0301' }, ['Rene\u0301e', '\u0301Alice', 'Alice \u0301Smith']],
    [{ character: '\u0332' }, ['a\u0332\u0332\u0332\u0332lice']],
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
});

describe('parseTypedUsername', () => {
  it.each([
    ['a space after it, from a phone', 'Zoë Smith '],
    ['spaces of other scripts around it', '\u3000Zoë Smith\u00a0'],
    ['a tab and a next-line inside', 'Zoë\t\u0085Smith'],
    ['zero-width characters', 'Z\u200bo\u200cë\u200d Smi\u2060th'],
    ['direction controls', '\u200eZoë\u061c \u202aSmith\u202c\u2066\u2069'],
    ['variation selectors', 'Zoë\ufe0f Smith\u{e0101}'],
    ['fillers and tag characters', 'Zoë\u3164 Smith\u{e0061}'],
    ['an accent apart from its letter', 'Zoe\u0308 Smith'],
    ['a joiner between a letter and its accent', 'Zoe\u034f\u0308 Smith'],
    ['full-width letters', 'Ｚｏë Ｓｍｉｔｈ'],
    ['decoration up to 256 characters', `${' '.repeat(247)}Zoë Smith`],
  ])('reads a username with %s', (_what, typed) => {
    expect(parseTypedUsername(typed)?.key).toBe('zoë smith');
  });

  it.each([
    'Zoë\u0001Smith',
    'Zoë\u007fSmith',
    'Zoë\u009bSmith',
    '',
    '   ',
    '\u200b',
    '.',
    `${' '.repeat(254)}Zoë`,
  ])('refuses %j', (typed) => {
    expect(parseTypedUsername(typed)).toBeNull();
  });

  it.each([
    ['Alice.', 'Alice'],
    ['J.R...', 'J.R'],
    ['Alice . ', 'Alice'],
    ['Alice。', 'Alice'],
    ['Alice…', 'Alice'],
    [`${'a'.repeat(32)}.`, 'a'.repeat(32)],
    ['.net', '.net'],
  ])('reads %s without full stops at its end', (typed, text) => {
    expect(parseTypedUsername(typed)?.text).toBe(text);
  });

  it('reads every issued username as itself, whatever decorates it', () => {
    const invisible = fc.string({
      unit: fc.constantFrom(' ', '\u200b', '\u200f', '\u00ad', '\ufeff', '\u00a0', '\ufe0f', '\n'),
      maxLength: 4,
    });
    const issued = typedNames
      .map((typed) => parseUsername(withoutFullStops(typed)))
      .filter((username) => username !== null);
    fc.assert(
      fc.property(issued, invisible, invisible, (username, before, after) => {
        expect(plainText(username.text)).toBe(username.text);
        expect(parseTypedUsername(before + username.text + after)).toEqual(username);
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
