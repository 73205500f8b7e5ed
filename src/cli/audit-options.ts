import { parseMention } from '../bot/parse.js';
import { parseUsername } from '../codes/username.js';
import { DURATION } from '../config.js';
import { ProgramError } from './program-error.js';

/** As typed. */
export interface TypedOptions {
  readonly username?: string;
  readonly member?: string;
  /** Text: a code that was typed where other accounts can see it. */
  readonly code?: boolean | string;
  readonly since?: string;
  readonly json?: boolean;
}

const NO_CODE =
  '--code has no value, because other accounts can see arguments. Type the code when asked, or send it to standard input.';

/** `null` matches everything. `code`: the code is read from standard input. */
export type AuditOptions = ReturnType<typeof parseOptions>;

/**
 * Parses the options; durations count back from `now` (Unix ms).
 *
 * @throws {ProgramError} quotes no argument: one may be a code.
 */
export function parseOptions({ json = false, code = false, ...typed }: TypedOptions, now: number) {
  if (typeof code === 'string') throw new ProgramError(NO_CODE);
  const username = parse(
    typed.username,
    parseUsername,
    '--username must be a username that !getcode accepts.',
  );
  const memberId = parse(
    typed.member,
    (text) => (/^\d{17,20}$/.test(text) ? text : parseMention(text)),
    '--member must be the id of a Discord account. Example: --member 197038439483310086',
  );
  const since = parse(
    typed.since,
    (text) => {
      const duration = DURATION.parse(text);
      return duration === undefined ? parseDate(text) : now - duration;
    },
    '--since must be a duration or a date. Examples: 24h, 7d, 2026-01-31, 2026-01-31T12:00Z',
  );
  return { since: since ?? 0, username, memberId, code, json };
}

function parse<T>(text: string | undefined, parser: (text: string) => T | null, complaint: string): T | null {
  if (text === undefined) return null;
  const value = parser(text);
  if (value === null) throw new ProgramError(complaint);
  return value;
}

/** Parses an ISO date or date-time, or a time as the table prints it; without a zone it is local time. */
function parseDate(text: string): number | null {
  const isDate = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{3})?)?(?:Z|[+-]\d\d:\d\d)?)?$/.test(text);
  if (!isDate) return null;
  // A date alone would be in UTC.
  const at = Date.parse(/[T ]/.test(text) ? text : `${text}T00:00`);
  return Number.isNaN(at) ? null : at;
}
