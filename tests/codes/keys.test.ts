import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Keys } from '../../src/codes/keys.js';
import { CODE_ALPHABET } from '../../src/codes/code-text.js';

const keys = new Keys('0123456789abcdef0123456789abcdef');
const others = new Keys('0123456789abcdef0123456789abcdeF');

const texts = fc.string({ unit: fc.constantFrom(...Array.from(CODE_ALPHABET)), minLength: 6, maxLength: 32 });
const ids = fc.string({ unit: fc.constantFrom(...Array.from('0123456789')), minLength: 1, maxLength: 20 });

describe('Keys', () => {
  // Each depends on the secret, on its purpose, and on where the username ends.
  it.each([
    ['fingerprint', keys.fingerprint, 'm0yv_z7L4NcYrFU11YbmLmExmAp-AN7Pre0CSgajFwM'],
    ['code', keys.hashText('ABC234'), 'keHysjJkZpd6Vou7e1FSd5s25VGhoC1nfitd9rQeiA8'],
    ['pair', keys.hashPair('alice', 'ABC234'), 'TIaorBbhEEPXyxOGajmYUCxYZ8-U-16v1zGqvWD3KJ8'],
    ['username', keys.hashName('alice'), 'q7_R1STySknNwusT_G8S1KfemQ_XuW5BYYbemBEgYgY'],
    ['client', keys.hashClient('alice', '192.0.2.1'), 'avvM30agFIyp_Fil4uAiY9puNa8sfZ2T01wakYJDOss'],
    ['hour', keys.hashClientHour('192.0.2.1', 490_896), '3P7mWdDtDju2_AnyZc2BCeId88wRE5IM-5kTE4gxCUU'],
    ['redemption', keys.hashRedemption('form 1'), 'iUQRzXTE7YKjUj61Tht2D50ScgKG-VdALGXdPoSiDXs'],
    ['decrypted', keys.decrypt('Bz_3RfKE0JzV6ENI2-6tS7lPbhJOfZuoCaov89rml2bapg', '1'), 'ABC234'],
  ])('derives the %s that existing databases hold', (_what, derived, stored) => {
    expect(derived).toBe(stored);
  });

  it('decrypts what it encrypted, differently each time', () => {
    fc.assert(
      fc.property(texts, ids, (text, id) => {
        const encrypted = [keys.encrypt(text, id), keys.encrypt(text, id)] as const;
        expect(encrypted.map((each) => keys.decrypt(each, id))).toEqual([text, text]);
        expect(encrypted[0]).not.toBe(encrypted[1]);
      }),
    );
  });

  it('refuses an encrypted text with any byte changed, or cut off anywhere', () => {
    const encrypted = Buffer.from(keys.encrypt('ABC234', '1'), 'base64url');
    for (const index of encrypted.keys()) {
      const changed = Buffer.from(encrypted);
      changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
      for (const bytes of [changed, encrypted.subarray(0, index)]) {
        expect(() => keys.decrypt(bytes.toString('base64url'), '1'), `byte ${index}`).toThrow('damaged');
      }
    }
  });

  it.each([
    ['encrypted for another code', keys.encrypt('ABC234', '2')],
    ['encrypted with another secret', others.encrypt('ABC234', '1')],
    ['lengthened', `${keys.encrypt('ABC234', '1')}AAAA`],
    ['empty', ''],
    ['the code itself', 'ABC234'],
  ])('refuses a text that is %s, with an error that holds the id but no code', (_what, text) => {
    const sentence = /^Error: The encrypted text of 1 is damaged$/;
    expect(() => keys.decrypt(text, '1')).toThrow(
      expect.toSatisfy((error) => sentence.test(String(error)) && !String(error.stack).includes('ABC234')),
    );
  });
});
