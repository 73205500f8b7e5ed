import { describe, expect, it } from 'vitest';

import { integerIn, integerOrNullIn, textIn } from '../../src/storage/driver.js';

describe('textIn', () => {
  it.each(['', 'text', '7'])('reads %j', (value) => {
    expect(textIn({ column: value }, 'column')).toBe(value);
  });

  it.each([null, undefined, 7, {}])('throws for %j', (value) => {
    expect(() => textIn({ column: value }, 'column')).toThrow(TypeError);
  });
});

describe('integerIn', () => {
  it.each([
    [0, 0],
    [-1, -1],
    [Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['1767225600000', 1_767_225_600_000],
    ['-5', -5],
  ])('reads %j', (value, expected) => {
    expect(integerIn({ column: value }, 'column')).toBe(expected);
  });

  it.each([null, undefined, 1.5, NaN, 2 ** 53, '', '1.5', '1e3', ' 1', 'x', '9007199254740993', true, {}])(
    'throws for %j',
    (value) => {
      expect(() => integerIn({ column: value }, 'column')).toThrow(TypeError);
    },
  );
});

describe('integerOrNullIn', () => {
  it('reads NULL', () => {
    expect(integerOrNullIn({ column: null }, 'column')).toBeNull();
  });

  it('reads a number', () => {
    expect(integerOrNullIn({ column: '7' }, 'column')).toBe(7);
  });

  it('throws for a column that is not there: it is not NULL', () => {
    expect(() => integerOrNullIn({}, 'column')).toThrow('Column column');
  });
});
