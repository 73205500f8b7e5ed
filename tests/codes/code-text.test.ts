import fc from 'fast-check';
import { expect, it } from 'vitest';

import {
  CODE_ALPHABET,
  generateCodeText,
  LONGEST_CODE,
  SHORTEST_CODE,
  parseCodeText,
} from '../../src/codes/code-text.js';

const lengths = fc.integer({ min: SHORTEST_CODE, max: LONGEST_CODE });

it('CODE_ALPHABET has 32 different characters: letters and digits without I, O, 0 and 1', () => {
  expect(new Set(CODE_ALPHABET).size).toBe(32);
  expect(CODE_ALPHABET).toMatch(/^[A-HJ-NP-Z2-9]{32}$/);
});

it('generateCodeText picks each character with the random source', () => {
  const asked: number[] = [];
  const numbers = [0, 31, 8, 7, 13, 24];
  const text = generateCodeText(6, (limit) => {
    asked.push(limit);
    return numbers[asked.length - 1] ?? 0;
  });
  expect(text).toBe('A9JHP2');
  expect(asked).toEqual([32, 32, 32, 32, 32, 32]);
});

it('generateCodeText generates another code each time by default', () => {
  expect(new Set(Array.from({ length: 100 }, () => generateCodeText(32))).size).toBe(100);
});

it('parseCodeText parses every generated code in any case, whatever decorates it', () => {
  const decoration = Array.from(' \t\n\u00a0\u3000\u200b\u2060\u200f\ufeff\u00ad\ufe0f-‐‑–—−－`*');
  const space = fc.string({ unit: fc.constantFrom(...decoration), maxLength: 3 });
  const width = fc.constantFrom(0, 0xfee0);
  const capitals = fc.infiniteStream(fc.boolean());
  fc.assert(
    fc.property(lengths, capitals, space, width, (length, isCapital, between, offset) => {
      const text = generateCodeText(length);
      expect(text).toHaveLength(length);
      expect(parseCodeText(text)).toBe(text);
      const typed = Array.from(text, (symbol) => (isCapital.next().value ? symbol : symbol.toLowerCase()));
      const wide = typed.map((symbol) => String.fromCharCode(symbol.charCodeAt(0) + offset));
      expect(parseCodeText(between + wide.join(between) + between)).toBe(text);
    }),
  );
});

it.each([
  ['a small l, whose capital is no digit', 'lllllL', 'LLLLLL'],
  ['one full-width letter', 'ＡBC234', 'ABC234'],
  ['the Kelvin sign, which Unicode defines as a K', 'ABC23\u212a', 'ABC23K'],
])('parseCodeText parses %s', (_what, typed, text) => {
  expect(parseCodeText(typed)).toBe(text);
});

it.each([
  ['too few characters', ['', '      ', 'ABC23']],
  ['too many characters', ['A'.repeat(33), `ABC234${' '.repeat(251)}`]],
  ['I, O, zero or one', ['ABCIII', 'abciii', 'ABCOOO', 'abcooo', 'ABC230', 'ABC231']],
  ['ſ or ı, whose capitals are S and I', ['ABC23ſ', 'ABC23ı']],
  ['another character', ['ABC\u0001234', '__ABC234__', 'ABC٢٣٤', 'ABC23A\u0301']],
])('parseCodeText refuses %s', (_what, texts) => {
  expect(texts.map(parseCodeText)).toEqual(texts.map(() => null));
});
