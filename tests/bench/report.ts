import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';

const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url));

export interface Bench {
  /** For databases; deleted at the end. */
  readonly folder: string;
  readonly isQuick: boolean;
  /** Whether the part writes its section of docs/performance.md. */
  readonly writes: boolean;
  readonly report: Report;
}

interface Figure {
  readonly what: string;
  readonly unit: string;
  /** One measurement per round. */
  readonly values: readonly number[];
  /** What it is compared with, measured in the same rounds. */
  readonly floor?: { readonly what: string; readonly values: readonly number[] };
  /** The target of the ratio to the floor, or of the figure if it has no floor. */
  readonly atMost?: number | undefined;
  /** The same for a rate. Its ratio is floor / value: both are times. */
  readonly atLeast?: number;
}

/** Prints figures as they are measured, or all of them as one JSON document at the end. */
export class Report {
  readonly #isJson: boolean;
  readonly #figures: object[] = [];

  constructor(isJson: boolean) {
    this.#isJson = isJson;
  }

  /** Returns the medians, for a cell of a table. */
  add({ what, unit, values, floor, atMost = Infinity, atLeast }: Figure): string {
    const compared = values.map((value, round) => {
      const base = floor?.values[round] ?? 1;
      return atLeast === undefined ? value / base : base / value;
    });
    const middle = median(compared);
    const isMet = middle <= atMost && middle >= (atLeast ?? -Infinity);
    const atMostText = atMost === Infinity ? null : `at most ${atMost}`;
    const target = atLeast === undefined ? atMostText : `at least ${atLeast}`;
    const base = floor && { what: floor.what, ...spreadOf(floor.values) };
    const ratio = floor && spreadOf(compared);
    this.#figures.push({ what, unit, ...spreadOf(values), floor: base, ratio, target, isMet });
    const aim = target === null ? '' : ` (target: ${target}${isMet ? '' : ', MISSED'})`;
    const [own, cell] = [inWords(values, unit), inUnits(median(values), unit)];
    this.print(
      floor === undefined
        ? `${what}: ${own}${aim}`
        : `${what}: ${inWords(compared, '×')}${aim}; ${own}, ${floor.what}: ${inWords(floor.values, unit)}`,
    );
    return floor === undefined ? cell : `${inUnits(middle, '×')} (${cell})`;
  }

  print(line: string): void {
    (this.#isJson ? process.stderr : process.stdout).write(`${line}\n`);
  }

  finish(): void {
    const document = { caption: caption(), figures: this.#figures };
    if (this.#isJson) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }
}

/** The middle of several measurements, and the quarter of them below and above. */
function spreadOf(values: readonly number[]) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p25: at(0.25), median: at(0.5), p75: at(0.75) };
}

export function median(values: readonly number[]): number {
  return spreadOf(values).median;
}

function inWords(values: readonly number[], unit: string): string {
  const { p25, median: middle, p75 } = spreadOf(values);
  const spread = p25 === p75 ? '' : ` [${inUnits(p25, unit)} to ${inUnits(p75, unit)}]`;
  return inUnits(middle, unit) + spread;
}

/** A value with its unit and three digits; a time in ms in the unit that fits. */
export function inUnits(value: number, unit: string): string {
  if (unit === 'ms' && value >= 1_000) return inUnits(value / 1_000, 's');
  if (unit === 'ms' && value < 1) return inUnits(value * 1_000, 'µs');
  return `${value.toLocaleString('en', { maximumSignificantDigits: 3 })} ${unit}`.trimEnd();
}

export function markdownTable([head = [], ...rows]: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Where and when something was measured. */
export function caption(): string {
  const cpu = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`;
  const where = `${cpu}, ${process.platform} ${process.arch}, Node ${process.version}`;
  return `${new Date().toISOString().slice(0, 10)}, ${where}, load average ${loadavg()[1]?.toFixed(1)}`;
}

/** Replaces what is between the marks of a section in docs/performance.md. */
export function writeSection(name: string, table: readonly (readonly string[])[]): void {
  const between = new RegExp(`(?<=<!-- ${name} -->)[^]*(?=<!-- end of ${name} -->)`);
  const section = `\n\n${markdownTable(table)}\n\n${caption()}.\n\n`;
  const page = readFileSync(PAGE, 'utf8').replace(between, () => section);
  writeFileSync(PAGE, page);
  execFileSync('npx', ['oxfmt', PAGE]);
}
