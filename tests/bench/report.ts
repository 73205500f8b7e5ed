import { cpus, loadavg } from 'node:os';

export interface Bench {
  /** For databases; deleted at the end. */
  readonly folder: string;
  readonly isQuick: boolean;
  /** Whether the part writes its section of docs/performance.md. */
  readonly writes: boolean;
  readonly report: Report;
}

/** The middle of several measurements, and the quarter of them below and above. */
export interface Spread {
  readonly p25: number;
  readonly median: number;
  readonly p75: number;
}

/** Of a ratio to the floor, or of the figure itself where there is no floor. */
export type Target = { readonly atMost: number } | { readonly atLeast: number };

export interface Figure {
  readonly what: string;
  readonly unit: string;
  /** One measurement per round. */
  readonly values: readonly number[];
  /** What it is compared with, measured in the same rounds. */
  readonly floor?: { readonly what: string; readonly values: readonly number[] };
  readonly target?: Target;
}

/** Prints figures as they are measured, or all of them as one JSON document at the end. */
export class Report {
  readonly #isJson: boolean;
  readonly #figures: object[] = [];
  readonly #startedWithLoad = loadavg()[0];

  constructor(isJson: boolean) {
    this.#isJson = isJson;
  }

  /** Of a rate the ratio is floor / value: both are times. */
  add({ what, unit, values, floor, target }: Figure): void {
    const isRate = target !== undefined && 'atLeast' in target;
    const ratios = floor?.values.map((base, round) => {
      const value = values[round] ?? Number.NaN;
      return isRate ? base / value : value / base;
    });
    const compared = spreadOf(ratios ?? values);
    const isMet = target === undefined ? null : meets(compared.median, target);
    const value = spreadOf(values);
    const base = floor === undefined ? null : { what: floor.what, ...spreadOf(floor.values) };
    const ratio = floor === undefined ? null : compared;
    this.#figures.push({ what, unit, ...value, floor: base, ratio, target: target ?? null, isMet });
    const aim =
      target === undefined
        ? ''
        : ` (target: ${'atMost' in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`}${isMet === true ? '' : ', MISSED'})`;
    const absolute = `${inWords(value)} ${unit}`.trimEnd();
    const text =
      base === null || ratio === null
        ? `${absolute}${aim}`
        : `${inWords(ratio)} ×${aim}; ${absolute}, ${base.what}: ${inWords(base)} ${unit}`;
    this.print(`${what}: ${text}`);
  }

  print(line: string): void {
    (this.#isJson ? process.stderr : process.stdout).write(`${line}\n`);
  }

  finish(): void {
    if (!this.#isJson) return;
    const load = { before: this.#startedWithLoad, after: loadavg()[0] };
    const document = { ...machine(), load, figures: this.#figures };
    process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  }
}

export function machine() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}`,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}

export function median(values: readonly number[]): number {
  return spreadOf(values).median;
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p25: at(0.25), median: at(0.5), p75: at(0.75) };
}

function meets(value: number, target: Target): boolean {
  return 'atMost' in target ? value <= target.atMost : value >= target.atLeast;
}

function inWords({ p25, median: middle, p75 }: Spread): string {
  const [low, mid, high] = [p25, middle, p75].map((value) => String(Number(value.toPrecision(3))));
  return low === high ? `${mid}` : `${mid} [${low}–${high}]`;
}
