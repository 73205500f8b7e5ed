/** One curve: x and y above 0. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly curves: readonly Curve[];
}

interface Plot {
  readonly title: string;
  readonly caption: string;
  readonly xLabel: string;
  readonly panels: readonly Panel[];
  /** Labels a tick of the y axis. */
  readonly inWords: (y: number) => string;
}

const [PANEL, HEIGHT, LEFT, TOP, BOTTOM, GAP, LEGEND] = [300, 400, 70, 70, 75, 30, 250] as const;
/** Of curves in the order of the first panel; told apart by colour and by mark. */
const COLOURS = [
  '#0b6e4f',
  '#d1495b',
  '#00798c',
  '#edae49',
  '#5f4b8b',
  '#8c5e2a',
  '#2e4057',
  '#e07a1f',
  '#7a9e1f',
  '#b0579a',
];
const MARKS = ['●', '■', '▲', '◆', '▼'];

/** Draws panels side by side over the same logarithmic axes, as SVG. */
export function draw({ title, caption, xLabel, panels, inWords }: Plot): string {
  const all = panels.flatMap(({ curves }) => curves.flatMap(({ points }) => points));
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const [xs, ys] = [decadesOf(all.map(([x]) => x)), decadesOf(all.map(([, y]) => y))];
  const width = LEFT + panels.length * (PANEL + GAP) + LEGEND;
  const parts: string[] = [text(LEFT, 28, title, 'font-size="17" font-weight="bold"')];
  const yOf = (y: number): number => TOP + HEIGHT * (1 - share(y, ys));
  for (const [index, panel] of panels.entries()) {
    const left = LEFT + index * (PANEL + GAP);
    // Points keep away from the edges.
    const xOf = (x: number): number => left + 18 + (PANEL - 36) * share(x, xs);
    parts.push(text(left, TOP - 12, panel.title, 'font-weight="bold"'));
    for (const y of ys) {
      parts.push(line(left, yOf(y), left + PANEL, yOf(y), '#d8dee4'));
      if (index === 0) parts.push(text(left - 8, yOf(y) + 4, inWords(y), 'text-anchor="end"'));
    }
    for (const x of xs) {
      parts.push(line(xOf(x), TOP, xOf(x), TOP + HEIGHT, '#d8dee4'));
      parts.push(
        text(xOf(x), TOP + HEIGHT + 18, x.toLocaleString('en'), 'text-anchor="middle" font-size="11"'),
      );
    }
    parts.push(text(left + PANEL / 2, TOP + HEIGHT + 38, xLabel, 'text-anchor="middle"'));
    for (const { name, points } of panel.curves) {
      const [colour, mark] = styleOf(names.indexOf(name));
      const places = points.map(([x, y]) => [xOf(x), yOf(y)] as const);
      const path = places.map((place) => place.map((value) => value.toFixed(1)).join(',')).join(' ');
      parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
      for (const [x, y] of places) parts.push(text(x, y + 4, mark, `text-anchor="middle" fill="${colour}"`));
    }
  }
  for (const [index, name] of names.entries()) {
    const [colour, mark] = styleOf(index);
    const [x, y] = [width - LEGEND, TOP + 14 + index * 24];
    parts.push(
      line(x, y, x + 26, y, colour),
      text(x + 13, y + 4, mark, `text-anchor="middle" fill="${colour}"`),
    );
    parts.push(text(x + 34, y + 4, name));
  }
  const height = TOP + HEIGHT + BOTTOM;
  parts.push(text(LEFT, height - 10, caption, 'font-size="11" fill="#57606a"'));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
}

/** Returns the powers of 10 from the one at or below the smallest value to the one at or above the largest. */
function decadesOf(values: readonly number[]): number[] {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const last = Math.ceil(Math.log10(Math.max(...values)));
  return Array.from({ length: last - first + 1 }, (_, index) => Number(`1e${first + index}`));
}

/** Returns where a value is between the first and the last of the decades, from 0 to 1. */
function share(value: number, decades: readonly number[]): number {
  const first = Math.log10(decades[0] ?? 1);
  return (Math.log10(value) - first) / Math.max(1, decades.length - 1);
}

function styleOf(index: number): readonly [colour: string, mark: string] {
  return [COLOURS[index % COLOURS.length] ?? '#000000', MARKS[index % MARKS.length] ?? '●'];
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${x1}" y1="${y1.toFixed(1)}" x2="${x2}" y2="${y2.toFixed(1)}" stroke="${colour}"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${attributes}>${escaped}</text>`;
}
