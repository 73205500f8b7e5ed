import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { skeletonsOf } from '../../src/codes/look-alikes.js';
import { parseUsername, type Username } from '../../src/codes/username.js';
import { usernameOf } from '../support/codes.js';

/** Whether two usernames count as one: whoever holds the first keeps others from the second. */
function areAlike(one: Username, other: Username): boolean {
  const skeletons = skeletonsOf(other);
  return skeletonsOf(one).some((skeleton) => skeletons.includes(skeleton));
}

/** Letters that people mistake for each other, of several scripts, with some that change oddly with case. */
const LETTERS = Array.from('aAiIlL1oO0sSmMrRnNbB8eEдДаАеЕоОіІсСрРсхХΑαΟοΣσςΙιИßẞſıİéÉ_.-');
const usernames = fc
  .string({ unit: fc.constantFrom(...LETTERS), minLength: 1, maxLength: 6 })
  .map(parseUsername)
  .filter((username) => username !== null);

/** A username in the cases in which it can be typed. */
const recased = fc
  .tuple(usernames, fc.infiniteStream(fc.constantFrom('up', 'down', 'as it is')))
  .map(([username, cases]) => {
    const letters = Array.from(username.text, (letter) => {
      const { value } = cases.next();
      if (value === 'up') return letter.toUpperCase();
      return value === 'down' ? letter.toLowerCase() : letter;
    });
    return [username, parseUsername(letters.join(''))] as const;
  });

describe('skeletonsOf', () => {
  it.each([
    ['alice', 'Alice'],
    ['Alice', 'AIice'],
    ['Alice', 'A1ice'],
    ['Alice', 'ALlCE'],
    ['alice', 'аӏісе'],
    ['ALICE', 'АӀІСЕ'],
    ['Ivan', 'lvan'],
    ['Ivan', '1van'],
    ['modern', 'rnodern'],
    ['modern', 'modem'],
    ['MODERN', 'rnodern'],
    ['O0O', '0o0'],
    ['Bob', 'B0b'],
    ['Bob', 'ВОВ'],
    ['paypal', 'раураӏ'],
    ['ABE', 'АВЕ'],
    ['ABE', 'ΑΒΕ'],
    ['straße', 'STRASSE'],
    ['ΣΑΣ', 'σας'],
    ['User.Name', 'user.narne'],
    ['a-1', 'a-l'],
    ['Bill Smith', 'BiII Smith'],
  ])('takes %s and %s for alike', (one, other) => {
    expect(areAlike(usernameOf(one), usernameOf(other))).toBe(true);
    expect(areAlike(usernameOf(other), usernameOf(one))).toBe(true);
  });

  it.each([
    ['Alice', 'Alices'],
    ['Alice', 'Alic'],
    ['Alice', 'Alike'],
    ['Alice', 'Alina'],
    ['Bob', 'Rob'],
    ['Bob', 'Bab'],
    ['user1', 'user2'],
    ['user_1', 'user-1'],
    ['user.1', 'user1'],
    ['Jo Ann', 'JoAnn'],
    ['Анна', 'Инна'],
    ['André', 'Andre'],
    ['さくら', 'さくや'],
  ])('does not take %s and %s for alike', (one, other) => {
    expect(areAlike(usernameOf(one), usernameOf(other))).toBe(false);
    expect(areAlike(usernameOf(other), usernameOf(one))).toBe(false);
  });

  it('gives four that are not empty, and the same ones again', () => {
    fc.assert(
      fc.property(usernames, (username) => {
        const skeletons = skeletonsOf(username);
        expect(skeletons).toHaveLength(4);
        expect(skeletonsOf(username)).toEqual(skeletons);
        expect(skeletons).not.toContain('');
      }),
    );
  });

  it('takes every username for alike with itself in any other case', () => {
    fc.assert(
      fc.property(recased, ([username, other]) => {
        fc.pre(other !== null && other.key === username.key);
        expect(areAlike(username, other)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['istanbul', 'İstanbul'],
    ['STRASSE', 'STRAẞE'],
  ])('takes %s and %s for alike, which are the same username', (one, other) => {
    expect(usernameOf(one).key).toBe(usernameOf(other).key);
    expect(areAlike(usernameOf(one), usernameOf(other))).toBe(true);
  });

  it('takes any two usernames for alike one way round as the other', () => {
    fc.assert(
      fc.property(usernames, usernames, (one, other) => {
        expect(areAlike(one, other)).toBe(areAlike(other, one));
      }),
      { numRuns: 2_000 },
    );
  });
});
