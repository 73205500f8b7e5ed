import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { CodeKeys } from '../../src/codes/code-keys.js';
import { CODE_ALPHABET } from '../../src/codes/code-text.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const keys = new CodeKeys(SECRET);
const others = new CodeKeys('0123456789abcdef0123456789abcdeF');

const texts = fc.string({ unit: fc.constantFrom(...Array.from(CODE_ALPHABET)), minLength: 6, maxLength: 32 });
const names = fc.string({ unit: fc.constantFrom(...Array.from('abc234. ')), minLength: 1, maxLength: 32 });
const ids = fc.string({ unit: fc.constantFrom(...Array.from('0123456789')), minLength: 1, maxLength: 20 });

/** The error with which `open` refuses; fails the test when it does not. */
function refusal(open: () => string): unknown {
  try {
    open();
  } catch (error) {
    return error;
  }
  throw new Error('It was opened');
}

describe('CodeKeys', () => {
  it('gives the same hashes for the same secret', () => {
    const same = new CodeKeys(SECRET);
    expect(same.fingerprint).toBe(keys.fingerprint);
    expect(same.hashText('ABC234')).toBe(keys.hashText('ABC234'));
    expect(same.hashPair('alice', 'ABC234')).toBe(keys.hashPair('alice', 'ABC234'));
    expect(same.hashName('alice')).toBe(keys.hashName('alice'));
    expect(same.hashClient('alice', '192.0.2.1')).toBe(keys.hashClient('alice', '192.0.2.1'));
  });

  it('gives hashes that stay: those in the databases of today', () => {
    expect(keys.fingerprint).toBe('m0yv_z7L4NcYrFU11YbmLmExmAp-AN7Pre0CSgajFwM');
    expect(keys.hashText('ABC234')).toBe('keHysjJkZpd6Vou7e1FSd5s25VGhoC1nfitd9rQeiA8');
    expect(keys.hashPair('alice', 'ABC234')).toBe('TIaorBbhEEPXyxOGajmYUCxYZ8-U-16v1zGqvWD3KJ8');
  });

  it('gives other hashes for another secret', () => {
    expect(others.fingerprint).not.toBe(keys.fingerprint);
    expect(others.hashText('ABC234')).not.toBe(keys.hashText('ABC234'));
    expect(others.hashPair('alice', 'ABC234')).not.toBe(keys.hashPair('alice', 'ABC234'));
    expect(others.hashName('alice')).not.toBe(keys.hashName('alice'));
    expect(others.hashRedemption('form 1')).not.toBe(keys.hashRedemption('form 1'));
    expect(others.hashClient('alice', '192.0.2.1')).not.toBe(keys.hashClient('alice', '192.0.2.1'));
  });

  it('keeps the purposes apart: one text has a hash of its own in each', () => {
    expect(keys.hashText('alice\0ABC234')).not.toBe(keys.hashPair('alice', 'ABC234'));
    expect(keys.fingerprint).not.toBe(keys.hashText(''));
    const hashes = [
      keys.hashText('alice\0ABC234'),
      keys.hashName('alice\0ABC234'),
      keys.hashPair('alice', 'ABC234'),
      keys.hashClient('alice', 'ABC234'),
      keys.hashRedemption('alice\0ABC234'),
    ];
    expect(new Set(hashes).size).toBe(5);
  });

  it('knows a client at one username only, and one client from another', () => {
    const hash = keys.hashClient('alice', '192.0.2.1');
    expect(keys.hashClient('bob', '192.0.2.1')).not.toBe(hash);
    expect(keys.hashClient('alice', '192.0.2.2')).not.toBe(hash);
    expect(keys.hashClient('alic', 'e192.0.2.1')).not.toBe(hash);
    expect(keys.hashName('alicE')).not.toBe(keys.hashName('alice'));
  });

  it('tells where the username ends and the code begins', () => {
    expect(keys.hashPair('alicea', 'BC234A')).not.toBe(keys.hashPair('alice', 'ABC234A'));
    fc.assert(
      fc.property(names, texts, names, texts, (name, text, otherName, otherText) => {
        const isSame = name === otherName && text === otherText;
        expect(keys.hashPair(name, text) === keys.hashPair(otherName, otherText)).toBe(isSame);
      }),
    );
  });

  it('has a fingerprint that holds no part of the secret', () => {
    const decoded = Buffer.from(keys.fingerprint, 'base64url').toString('latin1');
    for (let start = 0; start + 6 <= SECRET.length; start++) {
      expect(keys.fingerprint + decoded).not.toContain(SECRET.slice(start, start + 6));
    }
  });

  it('opens what it sealed', () => {
    fc.assert(
      fc.property(texts, ids, (text, id) => {
        expect(new CodeKeys(SECRET).open(keys.seal(text, id), id)).toBe(text);
      }),
    );
  });

  it('seals the same code differently each time, and never in the clear', () => {
    const sealed = Array.from({ length: 100 }, () => keys.seal('ABC234', '1'));
    expect(new Set(sealed).size).toBe(100);
    for (const text of sealed)
      expect(Buffer.from(text, 'base64url').toString('latin1')).not.toContain('ABC234');
  });

  it('refuses a sealed text with any byte changed', () => {
    const sealed = Buffer.from(keys.seal('ABC234', '1'), 'base64url');
    for (const index of sealed.keys()) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(() => keys.open(changed.toString('base64url'), '1'), `byte ${index}`).toThrow('damaged');
    }
  });

  it('refuses a sealed text cut off anywhere', () => {
    const sealed = Buffer.from(keys.seal('ABC234', '1'), 'base64url');
    for (const length of sealed.keys()) {
      const cut = sealed.subarray(0, length).toString('base64url');
      expect(() => keys.open(cut, '1'), `${length} bytes`).toThrow('damaged');
    }
  });

  it.each([
    ['sealed for another code', () => keys.open(keys.seal('ABC234', '1'), '2')],
    ['sealed with another secret', () => keys.open(others.seal('ABC234', '1'), '1')],
    ['lengthened', () => keys.open(`${keys.seal('ABC234', '1')}AAAA`, '1')],
    ['empty', () => keys.open('', '1')],
    ['the code itself', () => keys.open('ABC234', '1')],
  ])('refuses a text that is %s, and names the id but no code', (_what, open) => {
    const error = refusal(open);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toMatch(/^Error: The sealed text of [12] is damaged$/);
    expect(error).toHaveProperty('stack', expect.not.stringContaining('ABC234'));
  });
});
