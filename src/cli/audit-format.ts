import { printable } from '../printable.js';
import type { AuditRow } from '../storage/audit.js';

/** Names come last: a terminal may show them wider than they are, or from right to left. */
const HEADER = ['time', 'event', 'holder id', 'by', 'server id', 'code id', 'username', 'reason'];

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

/** Formats each row as one JSON object on a line of its own. */
export function formatJson(rows: readonly AuditRow[]): string {
  const format = (row: AuditRow): string => JSON.stringify({ ...row, at: new Date(row.at).toISOString() });
  return rows.map((row) => `${printable(format(row))}\n`).join('');
}

function cellsOf({ at, event, holderId, actorId, guildId, codeId, username, reason }: AuditRow): string[] {
  const others = [holderId, actorId, guildId, codeId, username, reason];
  return [localTime(at), event, ...others.map((text) => printable(text ?? ''))];
}

function localTime(at: number): string {
  const offsetMs = new Date(at).getTimezoneOffset() * 60_000;
  return new Date(at - offsetMs).toISOString().slice(0, 19).replace('T', ' ');
}
