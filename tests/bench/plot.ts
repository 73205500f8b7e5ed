import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { caption, inUnits } from './report.js';

const PLOT = fileURLToPath(new URL('../../docs/performance.svg', import.meta.url));
/** In px. Points keep away from the edges. */
const [PANEL, HEIGHT, LEFT, TOP, GAP, LEGEND, MARGIN] = [300, 400, 70, 70, 30, 250, 18] as const;
const MARKS = '●■▲◆▼';

/** Times in ms by x. */
interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, ms: number])[];
}

/** Draws panels with the same curves side by side over the same logarithmic axes, in docs/performance.svg. */
export function writePlot(
  title: string,
  xLabel: string,
  panels: readonly { readonly title: string; readonly curves: readonly Curve[] }[],
): void {
  const points = panels.flatMap(({ curves }) => curves.flatMap((curve) => curve.points));
  const xs = axis(
    points.map(([x]) => x),
    MARGIN,
    PANEL - MARGIN,
  );
  const ys = axis(
    points.map(([, ms]) => ms),
    HEIGHT,
    0,
  );
  const svg: string[] = [text(LEFT, 28, title, 'font-size="17" font-weight="bold"')];
  for (const [index, panel] of panels.entries()) {
    svg.push(`<g transform="translate(${LEFT + index * (PANEL + GAP)} ${TOP})">`);
    svg.push(text(0, -12, panel.title, 'font-weight="bold"'));
    for (const y of ys.ticks) {
      svg.push(line(0, ys.place(y), PANEL, ys.place(y)));
      if (index === 0) svg.push(text(-8, ys.place(y) + 4, inUnits(y, 'ms'), 'text-anchor="end"'));
    }
    for (const x of xs.ticks) {
      svg.push(line(xs.place(x), 0, xs.place(x), HEIGHT));
      svg.push(text(xs.place(x), HEIGHT + 18, x.toLocaleString('en'), 'text-anchor="middle" font-size="11"'));
    }
    svg.push(text(PANEL / 2, HEIGHT + 38, xLabel, 'text-anchor="middle"'));
    for (const [number, curve] of panel.curves.entries())
      svg.push(
        draw(
          number,
          curve.points.map(([x, ms]) => [xs.place(x), ys.place(ms)]),
        ),
      );
    svg.push('</g>');
  }
  const [width, height] = [LEFT + panels.length * (PANEL + GAP) + LEGEND, TOP + HEIGHT + 75];
  for (const [number, { name }] of panels[0]?.curves.entries() ?? []) {
    const [x, y] = [width - LEGEND, TOP + 14 + number * 24];
    svg.push(
      draw(number, [
        [x, y],
        [x + 26, y],
      ]),
      text(x + 38, y + 4, name),
    );
  }
  svg.push(text(LEFT, height - 10, caption(), 'font-size="11" fill="#57606a"'));
  const attributes = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  writeFileSync(
    PLOT,
    `<svg xmlns="http://www.w3.org/2000/svg" ${attributes} font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/>
${svg.join('\n')}
</svg>
`,
  );
}

/** Places values between two positions in px, with ticks at the powers of 10 around them. */
function axis(values: readonly number[], from: number, to: number) {
  const first = Math.floor(Math.log10(Math.min(...values)));
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(...values))) - first);
  const place = (value: number): number =>
    Math.round(from + ((to - from) * (Math.log10(value) - first)) / decades);
  return { ticks: Array.from({ length: decades + 1 }, (_, index) => 10 ** (first + index)), place };
}

/** Draws a curve, told apart by colour and by mark. */
function draw(number: number, places: readonly (readonly [x: number, y: number])[]): string {
  const colour = `hsl(${number * 40}, 65%, 40%)`;
  const mark = MARKS[number % MARKS.length] ?? '';
  const marks = places.map(([x, y]) => text(x, y + 4, mark, `text-anchor="middle" fill="${colour}"`));
  return `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>${marks.join('')}`;
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="#d8dee4"/>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" ${attributes}>${content}</text>`;
}
