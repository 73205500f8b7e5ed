import type { AuditRow } from '../storage/audit.js';

const HEADER = ['time', 'event', 'username', 'holder id', 'by', 'server id', 'code id', 'reason'];

/** Formats rows as a table with aligned columns. Times are local. */
export function formatTable(rows: readonly AuditRow[]): string {
  const lines = [HEADER, ...rows.map(cellsOf)];
  const widths = HEADER.map((_name, column) =>
    lines.reduce((widest, cells) => Math.max(widest, widthOf(cells[column] ?? '')), 0),
  );
  const pad = (cell: string, column: number): string =>
    cell + ' '.repeat((widths[column] ?? 0) - widthOf(cell));
  return lines.map((cells) => `${cells.map(pad).join('  ').trimEnd()}\n`).join('');
}

/** Formats each row as one JSON object on a line of its own. */
export function formatJson(rows: readonly AuditRow[]): string {
  const format = (row: AuditRow): string => JSON.stringify({ ...row, at: new Date(row.at).toISOString() });
  return rows.map((row) => `${printable(format(row))}\n`).join('');
}

function cellsOf({ at, event, username, holderId, actorId, guildId, codeId, reason }: AuditRow): string[] {
  const others = [holderId, actorId, guildId, codeId, reason].map((text) => printable(text ?? ''));
  return [localTime(at), event, isolate(username ?? ''), ...others];
}

function localTime(at: number): string {
  const offsetMs = new Date(at).getTimezoneOffset() * 60_000;
  return new Date(at - offsetMs).toISOString().slice(0, 19).replace('T', ' ');
}

/** After a right-to-left name, a terminal would show the ids in reverse order. */
function isolate(username: string): string {
  const mark = /[\p{scx=Arabic}\p{scx=Hebrew}\p{scx=Thaana}]/u.test(username) ? '\u200E' : '';
  return printable(username) + mark;
}

/** Escapes control and invisible characters, as JSON does. */
function printable(text: string): string {
  const escape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (found) => found.replaceAll(/[^]/g, escape));
}

/** In columns of a terminal. */
function widthOf(text: string): number {
  const wide = /[\p{scx=Han}\p{scx=Hangul}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}]/gu;
  return text.replaceAll(/[\p{Mn}\u200E]/gu, '').replaceAll(wide, '--').length;
}
