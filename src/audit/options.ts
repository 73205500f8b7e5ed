import { parseArgs } from 'node:util';

import { parseMention } from '../bot/parse.js';
import { parseUsername, type Username } from '../codes/username.js';
import { parseSpanMs } from '../config.js';

export const USAGE = `Usage: npm run --silent audit -- [options]
  --username NAME  what happened to a username, and at the website's door with it
  --member ID      a member's codes, and what they did as an administrator
  --code CODE      one code, whether it still works or not
  --since WHEN     for example 24h, 7d, 2026-01-31 or 2026-01-31T12:00Z
  --json           one JSON object a line
Rows have to fit every option that is given.`;

/** What is asked for; `null`: whatever it is. */
export interface AuditOptions {
  /** Unix time in milliseconds. */
  readonly since: number;
  readonly username: Username | null;
  /** As holder or as administrator. */
  readonly memberId: string | null;
  /** As typed. It may still work: it must not be printed. */
  readonly code: string | null;
  readonly json: boolean;
}

/** The options do not fit. `message` is for whoever typed them, and quotes nothing: it might be a code. */
export class OptionsError extends Error {}

/**
 * Reads the options at `now` (Unix ms), from which spans are counted back.
 *
 * @throws {OptionsError}
 */
export function parseOptions(args: readonly string[], now: number): AuditOptions | 'help' {
  const { help, json, code = null, ...typed } = split(args);
  if (help) return 'help';
  const username = read(
    typed.username,
    parseUsername,
    'Nobody can have this username. --username takes one as !getcode does.',
  );
  const memberId = read(
    typed.member,
    (text) => (/^\d{17,20}$/.test(text) ? text : parseMention(text)),
    '--member takes the id of a Discord account. Example: 197038439483310086',
  );
  const since = read(
    typed.since,
    (text) => {
      const span = parseSpanMs(text);
      return span === undefined ? parseDate(text) : now - span;
    },
    '--since takes a span of time or a date. Examples: 24h, 7d, 2026-01-31, 2026-01-31T12:00Z',
  );
  return { since: since ?? 0, username, memberId, code, json };
}

function split(args: readonly string[]) {
  try {
    const options = {
      username: { type: 'string' },
      member: { type: 'string' },
      code: { type: 'string' },
      since: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch {
    throw new OptionsError(USAGE);
  }
}

function read<T>(text: string | undefined, parse: (text: string) => T | null, complaint: string): T | null {
  if (text === undefined) return null;
  const value = parse(text);
  if (value === null) throw new OptionsError(complaint);
  return value;
}

/** An ISO date or date-time, or a time as the table prints it; without a zone it is in this computer's. */
function parseDate(text: string): number | null {
  const [, day, time = '00:00', zone = ''] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? [];
  const when = Date.parse(`${day}T${time}${zone}`);
  // Date takes 31 February for 3 March.
  const exists = day !== undefined && new Date(Date.parse(`${day}T00:00Z`)).toJSON()?.startsWith(day);
  return exists && !Number.isNaN(when) ? when : null;
}
