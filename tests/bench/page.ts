import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';

import { machine } from './report.js';

const PAGE = new URL('../../docs/performance.md', import.meta.url);
const PLOT = new URL('../../docs/performance.svg', import.meta.url);

/** Replaces what stands in the page between the marks of a section. */
export function writeSection(name: string, text: string): void {
  const path = fileURLToPath(PAGE);
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const page = readFileSync(path, 'utf8');
  const [before, rest] = [page.split(begin)[0], page.split(end)[1]];
  if (before === undefined || rest === undefined) throw new Error(`${path} has no section ${name}`);
  writeFileSync(path, `${before}${begin}\n\n${text}\n\n${end}${rest}`);
}

export function writePlot(svg: string): void {
  writeFileSync(fileURLToPath(PLOT), svg);
}

/** A table of Markdown as oxfmt formats it: text to the left, figures to the right. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const columns = rows[0]?.map((_, column) => rows.map((row) => row[column] ?? '')) ?? [];
  const widths = columns.map((cells) => Math.max(...cells.map(({ length }) => length), 3));
  const lines = rows.map((row) =>
    widths.map((width, column) => (row[column] ?? '')[column === 0 ? 'padEnd' : 'padStart'](width)),
  );
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [lines[0] ?? [], rule, ...lines.slice(1)].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Where and when something was measured. */
export function caption(): string {
  const { date, cpu, node, platform } = machine();
  return `${date}, ${cpu}, ${platform}, Node ${node}, load average ${loadavg()[1]?.toFixed(1)}`;
}

/** A time in ms with its unit, with two or three digits. */
export function inUnits(ms: number): string {
  const [value, unit] = ms >= 1_000 ? [ms / 1_000, 's'] : ms >= 1 ? [ms, 'ms'] : [ms * 1_000, 'µs'];
  return `${Number(value.toPrecision(value < 10 ? 2 : 3))} ${unit}`;
}
