import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseCommand, parseMention, splitWords } from '../../src/bot/parse.js';
import { refusals } from '../../src/bot/replies.js';
import { UserError } from '../../src/bot/user-error.js';

describe('parseCommand', () => {
  it.each([
    ['!getcode', '!', { name: 'getcode', rest: '' }],
    ['!GetCode Alice', '!', { name: 'getcode', rest: 'Alice' }],
    ['!getcode\n"a \t\u3000b" ', '!', { name: 'getcode', rest: '"a b" ' }],
    ['!getcode\u200b Alice', '!', { name: 'getcode', rest: 'Alice' }],
    ['\u2060!codes', '!', { name: 'codes', rest: '' }],
    ['!\ufeffcodes\u200f', '!', { name: 'codes', rest: '' }],
    ['!getcode\u00a0Alice\u0085Smith', '!', { name: 'getcode', rest: 'Alice Smith' }],
    ['!getcode \u200e\u2066Alice\u2069 \u00ad', '!', { name: 'getcode', rest: 'Alice ' }],
    ['!getcode \u200b"\u200bAlice Smith\ufe0f"\u3164', '!', { name: 'getcode', rest: '"Alice Smith"' }],
    ['!getcode Al\u200bice', '!', { name: 'getcode', rest: 'Al\u200bice' }],
    ['!get\u200bcode Alice', '!', null],
    ['bot!codes 2', 'bot!', { name: 'codes', rest: '2' }],
    ['.*codes', '.*', { name: 'codes', rest: '' }],
    ['xcodes', '.*', null],
    ['! getcode', '!', null],
    ['!', '!', null],
    ['!!getcode', '!', null],
    ['!getcode"Alice"', '!', null],
    ['getcode', '!', null],
    [' !getcode', '!', null],
    ['', '!', null],
  ])('parses %j with the prefix %j', (text, prefix, expected) => {
    expect(parseCommand(text, prefix)).toEqual(expected);
  });
});

describe('splitWords', () => {
  it.each([
    ['', []],
    ['  ', []],
    ['Alice', ['Alice']],
    ['Alice Smith', ['Alice', 'Smith']],
    ['"Alice Smith"', ['Alice Smith']],
    ['“Alice Smith”', ['Alice Smith']],
    ['„Alice Smith“ x', ['Alice Smith', 'x']],
    ['""', ['']],
    ['"Alice Smith". x', ['Alice Smith', 'x']],
    ['  a\t"b  c"\nd ', ['a', 'b  c', 'd']],
    ["O'Neil O’Neil ‘x’", ["O'Neil", 'O’Neil', '‘x’']],
  ])('splits %j', (rest, words) => {
    expect(splitWords(rest)).toEqual(words);
  });

  it.each(['"', '"Alice', 'Alice"', 'a"b"c', '"a"b', '"a" "b', '“a'])('refuses %j', (rest) => {
    expect(() => splitWords(rest)).toThrow(expect.objectContaining({ message: refusals.unclosedQuote() }));
  });

  const word = fc.string({ unit: 'grapheme', minLength: 1 }).filter((text) => !/[\s"“”„‟]/.test(text));
  const spaced = fc.array(word, { minLength: 1 }).map((words) => words.join(' '));
  const quotes = fc.constantFrom(['"', '"'], ['“', '”'], ['„', '“']);

  it('returns quoted words as they were quoted', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(spaced, quotes)), (parts) => {
        const text = parts.map(([inner, [open, close]]) => `${open}${inner}${close}`).join(' ');
        expect(splitWords(text)).toEqual(parts.map(([inner]) => inner));
      }),
    );
  });

  it('splits or refuses any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
        const words = wordsOrRefusal(text);
        if (words instanceof UserError) expect(words.message).toBe(refusals.unclosedQuote());
        else expect(words.filter((one) => !text.includes(one))).toEqual([]);
      }),
    );
  });
});

function wordsOrRefusal(text: string): string[] | UserError {
  try {
    return splitWords(text);
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

describe('parseMention', () => {
  it.each([
    ['<@12345678901234567>', '12345678901234567'],
    ['<@!12345678901234567>', '12345678901234567'],
    ['<@&12345678901234567>', null],
    ['<@123>', null],
    ['12345678901234567', null],
    ['x<@12345678901234567>', null],
  ])('parses the mention %j', (word, id) => {
    expect(parseMention(word)).toBe(id);
  });
});
