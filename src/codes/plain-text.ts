/** With decoration, in UTF-16 units. Checked first: strangers can send any text. */
const MAX_TYPED_LENGTH = 256;

/**
 * Reads what a person typed or pasted: removes invisible characters, makes each run of spaces one, full-width forms
 * ASCII and the rest NFC. Changes no username or code that was issued.
 *
 * @returns `''` for a text that is too long.
 */
export function plainText(typed: string): string {
  if (typed.length > MAX_TYPED_LENGTH) return '';
  // Most texts; spares them the cost of the other patterns.
  if (/^[!-~]*$/.test(typed)) return typed;
  const visible = typed.replaceAll(/\p{Default_Ignorable_Code_Point}/gu, '');
  const ascii = visible.replaceAll(/[！-～]/g, (wide) => String.fromCharCode(wide.charCodeAt(0) - 0xfee0));
  return ascii
    .normalize('NFC')
    .replaceAll(/\p{White_Space}+/gu, ' ')
    .trim();
}
