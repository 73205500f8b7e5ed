import { randomInt } from 'node:crypto';

/** A to Z and 2 to 9 without I and O, which people take for 1 and 0: 32 symbols, 5 bits each. */
export const CODE_ALPHABET = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';

/** 6 symbols are 30 bits: enough only because guesses are limited. */
export const MIN_CODE_LENGTH = 6;
export const MAX_CODE_LENGTH = 32;

/** Gives a whole number from 0 up to, not including, `limit`, each as likely as the next. */
export type RandomInt = (limit: number) => number;

/** Makes the text of a new code: `length` symbols of {@link CODE_ALPHABET}. */
export function generateCodeText(length: number, random: RandomInt = randomInt): string {
  let text = '';
  while (text.length < length) text += CODE_ALPHABET.charAt(random(CODE_ALPHABET.length));
  return text;
}

/**
 * Reads a code as somebody typed it: surrounding spaces and case do not matter.
 *
 * @returns the code in capitals, or `null` when no code can look like this.
 */
export function parseCodeText(typed: string): string | null {
  const trimmed = typed.trim();
  // Judged before it is capitalised: some letters outside ASCII (ſ, ı) turn into ASCII capitals.
  if (!/^[a-zA-Z2-9]+$/.test(trimmed)) return null;
  const text = trimmed.toUpperCase();
  if (text.length < MIN_CODE_LENGTH || text.length > MAX_CODE_LENGTH || /[IO]/.test(text)) return null;
  return text;
}
