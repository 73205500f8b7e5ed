import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  CODE_ALPHABET,
  generateCodeText,
  LONGEST_CODE,
  SHORTEST_CODE,
  parseCodeText,
} from '../../src/codes/code-text.js';

const lengths = fc.integer({ min: SHORTEST_CODE, max: LONGEST_CODE });

describe('CODE_ALPHABET', () => {
  it('has 32 different characters: letters and digits without I, O, 0 and 1', () => {
    const symbols = new Set(CODE_ALPHABET);
    expect(symbols.size).toBe(32);
    expect(CODE_ALPHABET).toMatch(/^[A-HJ-NP-Z2-9]{32}$/);
  });
});

describe('generateCodeText', () => {
  it('picks each character with the random source', () => {
    const asked: number[] = [];
    const numbers = [0, 31, 8, 7, 13, 24];
    const text = generateCodeText(6, (limit) => {
      asked.push(limit);
      return numbers[asked.length - 1] ?? 0;
    });
    expect(text).toBe('A9JHP2');
    expect(asked).toEqual([32, 32, 32, 32, 32, 32]);
  });

  it('generates as many characters as requested', () => {
    fc.assert(
      fc.property(lengths, (length) => {
        expect(generateCodeText(length)).toHaveLength(length);
      }),
    );
  });

  it('generates another code each time by default', () => {
    const texts = new Set(Array.from({ length: 100 }, () => generateCodeText(32)));
    expect(texts.size).toBe(100);
  });
});

describe('parseCodeText', () => {
  it('parses every generated code in any case, whatever decorates it', () => {
    const decoration = Array.from(' \t\n\u00a0\u3000\u200b\u2060\u200f\ufeff\u00ad\ufe0f-‐‑–—−－`*');
    const space = fc.string({ unit: fc.constantFrom(...decoration), maxLength: 3 });
    const width = fc.constantFrom(0, 0xfee0);
    const capitals = fc.infiniteStream(fc.boolean());
    fc.assert(
      fc.property(lengths, capitals, space, width, (length, isCapital, between, offset) => {
        const text = generateCodeText(length);
        expect(parseCodeText(text)).toBe(text);
        const typed = Array.from(text, (symbol) => (isCapital.next().value ? symbol : symbol.toLowerCase()));
        const wide = typed.map((symbol) => String.fromCharCode(symbol.charCodeAt(0) + offset));
        expect(parseCodeText(between + wide.join(between) + between)).toBe(text);
      }),
    );
  });

  it.each([
    ['the shortest code', 'ABC234', 'ABC234'],
    ['the longest code', 'A'.repeat(32), 'A'.repeat(32)],
    ['small letters', 'abcxyz', 'ABCXYZ'],
    ['a small l, whose capital is no digit', 'lllllL', 'LLLLLL'],
    ['a code in two groups', 'ABC 234', 'ABC234'],
    ['a code with a hyphen', 'abc-234', 'ABC234'],
    ['a code with a dash', 'ABC–234', 'ABC234'],
    ['a code on two lines', 'ABC\n234', 'ABC234'],
    ['a code in inline code', '`ABC234`', 'ABC234'],
    ['a code in bold', '**ABC234**', 'ABC234'],
    ['full-width letters', 'ＡＢＣ２３４', 'ABC234'],
    ['one full-width letter', 'ＡBC234', 'ABC234'],
    ['a zero-width space', 'ABC\u200b234', 'ABC234'],
    ['the Kelvin sign, which Unicode defines as a K', 'ABC23\u212a', 'ABC23K'],
  ])('parses %s', (_what, typed, text) => {
    expect(parseCodeText(typed)).toBe(text);
  });

  it.each([
    ['nothing', ''],
    ['spaces alone', '      '],
    ['too few characters', 'ABC23'],
    ['too many characters', 'A'.repeat(33)],
    ['a capital I', 'ABCIII'],
    ['a small i', 'abciii'],
    ['a capital O', 'ABCOOO'],
    ['a small o', 'abcooo'],
    ['a zero', 'ABC230'],
    ['a one', 'ABC231'],
    ['ſ, whose capital is S', 'ABC23ſ'],
    ['ı, whose capital is I', 'ABC23ı'],
    ['a control character inside', 'ABC\u0001234'],
    ['an underline', '__ABC234__'],
    ['too much decoration', `ABC234${' '.repeat(251)}`],
    ['Arabic digits', 'ABC٢٣٤'],
    ['a letter with a combining mark', 'ABC23A\u0301'],
  ])('refuses %s', (_what, typed) => {
    expect(parseCodeText(typed)).toBeNull();
  });

  it('returns only codes, whatever is typed', () => {
    const symbols = fc.constantFrom(...Array.from(`abIO01 ſı${CODE_ALPHABET}`));
    const anything = fc.integer({ min: 0, max: 0x10ffff }).map((point) => String.fromCodePoint(point));
    const typedTexts = fc.array(fc.oneof(symbols, anything), { maxLength: 40 }).map((list) => list.join(''));
    fc.assert(
      fc.property(typedTexts, (typed) => {
        const text = parseCodeText(typed);
        expect(text === null || /^[A-HJ-NP-Z2-9]{6,32}$/.test(text)).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});
