/** Escapes control and invisible characters, as JSON does: strangers choose names that could forge a line. */
export function printable(text: string): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (found) => found.replaceAll(/[^]/g, escape));
}

/** Escapes the same in a text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
