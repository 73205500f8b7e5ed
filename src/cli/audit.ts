import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { parseMention } from '../bot/parse.js';
import { parseCodeText } from '../codes/code-text.js';
import { parseTypedUsername } from '../codes/username.js';
import { DURATION } from '../config.js';
import { EXIT_FAILURE } from '../exit-codes.js';
import { printable } from '../printable.js';
import type { AuditRow } from '../storage/audit.js';
import { openStorage, type Storage } from '../storage/open-storage.js';
import { ProgramError, readConfig } from './program-error.js';

/** As typed. */
export interface AuditOptions {
  readonly username?: string;
  readonly member?: string;
  /** Text: a code that was typed where other accounts can see it. */
  readonly code?: boolean | string;
  readonly since?: string;
  readonly json?: boolean;
}

/** Names come last: a terminal may show them wider than they are, or from right to left. */
const HEADER = ['time', 'event', 'holder id', 'by', 'server id', 'code id', 'username', 'reason'];

/** Returns the rows of the audit that match the options, as text. */
export async function audit(options: AuditOptions): Promise<string> {
  const { since, username, memberId } = parseOptions(options, Date.now());
  const { database, codeSecret: secret } = readConfig();
  const storage = await openStorage({ database, secret, as: 'guest' });
  try {
    const { store, keys } = storage;
    const nameHash = username === null ? null : keys.hashName(username.key);
    const codeId = options.code === true ? await findCode(await readCode(), storage) : null;
    const rows = await store.audit.read({ since, nameHash, memberId, codeId });
    if (options.json === true) return formatJson(rows);
    return rows.length === 0 ? 'No matching entries.\n' : formatTable(rows);
  } finally {
    await storage.close();
  }
}

/**
 * Parses the options; durations count back from `now` (Unix ms). `null` matches everything.
 *
 * @throws {ProgramError} quotes no argument: one may be a code.
 */
export function parseOptions({ code, username, member, since }: AuditOptions, now: number) {
  if (typeof code === 'string') {
    throw new ProgramError(
      '--code has no value, because other accounts can see arguments. Type the code when asked, or send it to standard input.',
    );
  }
  return {
    username: parse(username, parseTypedUsername, '--username must be a username that !getcode accepts.'),
    memberId: parse(
      member,
      (text) => (/^\d{17,20}$/.test(text) ? text : parseMention(text)),
      '--member must be the id of a Discord account. Example: --member 197038439483310086',
    ),
    since:
      parse(
        since,
        (text) => {
          const duration = DURATION.parse(text);
          return duration === undefined ? parseDate(text) : now - duration;
        },
        '--since must be a duration or a date. Examples: 24h, 7d, 2026-01-31, 2026-01-31T12:00Z',
      ) ?? 0,
  };
}

function parse<T>(text: string | undefined, parser: (text: string) => T | null, complaint: string): T | null {
  const value = text === undefined ? null : parser(text);
  if (text !== undefined && value === null) throw new ProgramError(complaint);
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

/** Not from an argument: every account on the machine can read those, and the shell remembers them. */
async function readCode(): Promise<string> {
  const { stdin: input, stderr } = process;
  if (input.isTTY) stderr.write('Code (it is not shown): ');
  // Without an output, a terminal shows nothing of what is typed.
  const lines = createInterface({ input, terminal: input.isTTY });
  const [line]: string[] = await Promise.race([once(lines, 'line'), once(lines, 'close')]);
  lines.close();
  if (input.isTTY) stderr.write('\n');
  return line ?? '';
}

async function findCode(typed: string, { store, keys }: Storage): Promise<string> {
  const text = parseCodeText(typed);
  const id = text === null ? null : await store.codes.findIdByText(keys.hashText(text));
  if (id === null) throw new ProgramError('The bot never issued this code.', EXIT_FAILURE);
  return id;
}

/** Formats each row as one JSON object on a line of its own. */
function formatJson(rows: readonly AuditRow[]): string {
  const format = (row: AuditRow): string => JSON.stringify({ ...row, at: new Date(row.at).toISOString() });
  return rows.map((row) => `${printable(format(row))}\n`).join('');
}

/** Formats rows as a table with aligned columns. Times are local. */
export function formatTable(rows: readonly AuditRow[]): string {
  const lines = [HEADER, ...rows.map(cellsOf)];
  const widths = HEADER.map((_name, column) =>
    lines.reduce((widest, cells) => Math.max(widest, cells[column]?.length ?? 0), 0),
  );
  const format = (cells: readonly string[]): string =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return lines.map((cells) => `${format(cells).trimEnd()}\n`).join('');
}

function cellsOf({ at, event, holderId, actorId, guildId, codeId, username, reason }: AuditRow): string[] {
  const offsetMs = new Date(at).getTimezoneOffset() * 60_000;
  const localTime = new Date(at - offsetMs).toISOString().slice(0, 19).replace('T', ' ');
  const texts = [holderId, actorId, guildId, codeId, username, reason];
  return [localTime, event, ...texts.map((text) => printable(text ?? ''))];
}
