export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints the ratio of a figure to its floor, and both. */
export function report(what: string, value: number, floor: number, target: string, unit: string): void {
  const ratio = (value / floor).toFixed(2);
  print(
    `${what}: ${ratio} (target: ${target}); ${value.toFixed(2)} ${unit} against ${floor.toFixed(2)} ${unit}`,
  );
}
