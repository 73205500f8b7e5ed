import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Keys } from '../../src/codes/keys.js';
import { CODE_ALPHABET } from '../../src/codes/code-text.js';

const SECRET = '0123456789abcdef0123456789abcdef';
const keys = new Keys(SECRET);
const others = new Keys('0123456789abcdef0123456789abcdeF');

const texts = fc.string({ unit: fc.constantFrom(...Array.from(CODE_ALPHABET)), minLength: 6, maxLength: 32 });
const names = fc.string({ unit: fc.constantFrom(...Array.from('abc234. ')), minLength: 1, maxLength: 32 });
const ids = fc.string({ unit: fc.constantFrom(...Array.from('0123456789')), minLength: 1, maxLength: 20 });

/** Returns the error that `decrypt` throws. */
function errorOf(decrypt: () => string): unknown {
  try {
    decrypt();
  } catch (error) {
    return error;
  }
  throw new Error('It was decrypted');
}

describe('Keys', () => {
  it('derives the same hashes from the same secret', () => {
    const same = new Keys(SECRET);
    expect(same.fingerprint).toBe(keys.fingerprint);
    expect(same.hashText('ABC234')).toBe(keys.hashText('ABC234'));
    expect(same.hashPair('alice', 'ABC234')).toBe(keys.hashPair('alice', 'ABC234'));
    expect(same.hashName('alice')).toBe(keys.hashName('alice'));
    expect(same.hashClient('alice', '192.0.2.1')).toBe(keys.hashClient('alice', '192.0.2.1'));
  });

  it('derives the hashes that existing databases hold', () => {
    expect(keys.fingerprint).toBe('m0yv_z7L4NcYrFU11YbmLmExmAp-AN7Pre0CSgajFwM');
    expect(keys.hashText('ABC234')).toBe('keHysjJkZpd6Vou7e1FSd5s25VGhoC1nfitd9rQeiA8');
    expect(keys.hashPair('alice', 'ABC234')).toBe('TIaorBbhEEPXyxOGajmYUCxYZ8-U-16v1zGqvWD3KJ8');
  });

  it('derives other hashes from another secret', () => {
    expect(others.fingerprint).not.toBe(keys.fingerprint);
    expect(others.hashText('ABC234')).not.toBe(keys.hashText('ABC234'));
    expect(others.hashPair('alice', 'ABC234')).not.toBe(keys.hashPair('alice', 'ABC234'));
    expect(others.hashName('alice')).not.toBe(keys.hashName('alice'));
    expect(others.hashRedemption('form 1')).not.toBe(keys.hashRedemption('form 1'));
    expect(others.hashClient('alice', '192.0.2.1')).not.toBe(keys.hashClient('alice', '192.0.2.1'));
  });

  it('hashes one text differently for each purpose', () => {
    expect(keys.hashText('alice\0ABC234')).not.toBe(keys.hashPair('alice', 'ABC234'));
    expect(keys.fingerprint).not.toBe(keys.hashText(''));
    const hashes = [
      keys.hashText('alice\0ABC234'),
      keys.hashName('alice\0ABC234'),
      keys.hashPair('alice', 'ABC234'),
      keys.hashClient('alice', 'ABC234'),
      keys.hashClientHour('ABC234', 1),
      keys.hashClient('1', 'ABC234'),
      keys.hashClientHour('ABC234', 2),
      keys.hashRedemption('alice\0ABC234'),
    ];
    expect(new Set(hashes).size).toBe(8);
  });

  it('hashes a client differently for each username', () => {
    const hash = keys.hashClient('alice', '192.0.2.1');
    expect(keys.hashClient('bob', '192.0.2.1')).not.toBe(hash);
    expect(keys.hashClient('alice', '192.0.2.2')).not.toBe(hash);
    expect(keys.hashClient('alic', 'e192.0.2.1')).not.toBe(hash);
    expect(keys.hashName('alicE')).not.toBe(keys.hashName('alice'));
  });

  it('hashes pairs that differ in where the username ends differently', () => {
    expect(keys.hashPair('alicea', 'BC234A')).not.toBe(keys.hashPair('alice', 'ABC234A'));
    fc.assert(
      fc.property(names, texts, names, texts, (name, text, otherName, otherText) => {
        const isSame = name === otherName && text === otherText;
        expect(keys.hashPair(name, text) === keys.hashPair(otherName, otherText)).toBe(isSame);
      }),
    );
  });

  it('has a fingerprint that contains no part of the secret', () => {
    const decoded = Buffer.from(keys.fingerprint, 'base64url').toString('latin1');
    for (let start = 0; start + 6 <= SECRET.length; start++) {
      expect(keys.fingerprint + decoded).not.toContain(SECRET.slice(start, start + 6));
    }
  });

  it('decrypts what it encrypted', () => {
    fc.assert(
      fc.property(texts, ids, (text, id) => {
        expect(new Keys(SECRET).decrypt(keys.encrypt(text, id), id)).toBe(text);
      }),
    );
  });

  it('encrypts the same code differently each time', () => {
    const encrypted = Array.from({ length: 100 }, () => keys.encrypt('ABC234', '1'));
    expect(new Set(encrypted).size).toBe(100);
    for (const text of encrypted)
      expect(Buffer.from(text, 'base64url').toString('latin1')).not.toContain('ABC234');
  });

  it('refuses an encrypted text with any byte changed', () => {
    const encrypted = Buffer.from(keys.encrypt('ABC234', '1'), 'base64url');
    for (const index of encrypted.keys()) {
      const changed = Buffer.from(encrypted);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      expect(() => keys.decrypt(changed.toString('base64url'), '1'), `byte ${index}`).toThrow('damaged');
    }
  });

  it('refuses an encrypted text that is cut off', () => {
    const encrypted = Buffer.from(keys.encrypt('ABC234', '1'), 'base64url');
    for (const length of encrypted.keys()) {
      const cut = encrypted.subarray(0, length).toString('base64url');
      expect(() => keys.decrypt(cut, '1'), `${length} bytes`).toThrow('damaged');
    }
  });

  it.each([
    ['encrypted for another code', () => keys.decrypt(keys.encrypt('ABC234', '1'), '2')],
    ['encrypted with another secret', () => keys.decrypt(others.encrypt('ABC234', '1'), '1')],
    ['lengthened', () => keys.decrypt(`${keys.encrypt('ABC234', '1')}AAAA`, '1')],
    ['empty', () => keys.decrypt('', '1')],
    ['the code itself', () => keys.decrypt('ABC234', '1')],
  ])('refuses a text that is %s, with an error that holds the id but no code', (_what, decrypt) => {
    const error = errorOf(decrypt);
    expect(error).toBeInstanceOf(Error);
    expect(String(error)).toMatch(/^Error: The encrypted text of [12] is damaged$/);
    expect(error).toHaveProperty('stack', expect.not.stringContaining('ABC234'));
  });
});
