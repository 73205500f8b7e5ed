/**
 * Generates the data of `src/codes/confusables.ts` from a file that Unicode publishes in
 * https://www.unicode.org/Public/17.0.0/security/ (or in the folder of another version):
 *
 *     npx tsx tests/tools/generate-confusables.ts confusables.txt
 *
 * Run it again after a change of the characters that a username can have. The license of the data is in LICENSE.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { parseUsername } from '../../src/codes/username.js';

const TARGET = fileURLToPath(new URL('../../src/codes/confusables.ts', import.meta.url));
/** In UTF-16 units, without quotes. */
const LINE_LENGTH = 100;
/** A letter of each script that has marks: a mark alone is not a username. */
const MARKED_LETTERS = 'عঅअአઅਅಅកກഅကଅඅஅఅއกཀ';

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error('Usage: generate-confusables.ts <confusables.txt>');
const file = readFileSync(path, 'utf8');
const version = find(/(?<=^# Version: )\S+$/m);
const year = find(/(?<=© )\d{4}(?= Unicode®, Inc\.)/);

/** Every character of the forms of usernames that are compared. */
const reachable = new Set(
  allCharacters()
    .flatMap(formsOf)
    .flatMap((form) => Array.from(form.normalize('NFD'))),
);

/** The characters that are confused with each prototype. */
const sources = new Map<string, number[]>();
for (const [, source = '', target = ''] of file.matchAll(/^([\dA-F]+)\s*;\s*([\dA-F ]+?)\s*;\s*MA\b/gm)) {
  if (!reachable.has(fromHex(source))) continue;
  const decomposed = target.split(' ').map(fromHex).join('').normalize('NFD');
  const prototype = Array.from(decomposed, (character) => toHex(pointOf(character))).join('+');
  sources.set(prototype, [...(sources.get(prototype) ?? []), pointOf(fromHex(source))]);
}
const entries = [...sources].map(([prototype, points]) => `${prototype}:${ranges(points)}`);

const [notice = ''] = readFileSync(TARGET, 'utf8').split('export const CONFUSABLES');
writeFileSync(
  TARGET,
  `${notice
    .replace(/(?<=version )[\d.]+\d/, version)
    .replace(/(?<=© )\d{4}(?= Unicode)/, year)}export const CONFUSABLES =\n${quoted(entries)};\n`,
);

function find(pattern: RegExp): string {
  const [found] = pattern.exec(file) ?? [];
  if (found === undefined) throw new Error(`The file has nothing that matches ${pattern.source}`);
  return found;
}

function allCharacters(): string[] {
  const points = Array.from({ length: 0x110000 }, (_, point) => point);
  return points
    .filter((point) => point < 0xd800 || point > 0xdfff)
    .map((point) => String.fromCodePoint(point));
}

/** The forms that `skeletonsOf` compares; none unless a username can have the character. */
function formsOf(character: string): string[] {
  const letters = /\p{M}/u.test(character) ? Array.from(MARKED_LETTERS) : [''];
  return letters
    .map((letter) => parseUsername(letter + character))
    .filter((username) => username !== null)
    .flatMap(({ text, key }) => [text, text.toLowerCase(), text.toUpperCase(), key]);
}

function pointOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

function fromHex(digits: string): string {
  return String.fromCodePoint(Number.parseInt(digits, 16));
}

function toHex(point: number): string {
  return point.toString(16);
}

function ranges(points: readonly number[]): string {
  const found: [number, number][] = [];
  for (const point of points.toSorted((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === point - 1) last[1] = point;
    else found.push([point, point]);
  }
  return found.map(([first, last]) => [...new Set([first, last])].map(toHex).join('-')).join(' ');
}

/** A string literal of several lines, each ending after an entry. */
function quoted(items: readonly string[]): string {
  const lines: string[] = [];
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item};`;
    const line = lines.at(-1);
    if (line === undefined || line.length + text.length > LINE_LENGTH) lines.push(text);
    else lines[lines.length - 1] = line + text;
  }
  return lines.map((line) => `  '${line}'`).join(' +\n');
}
