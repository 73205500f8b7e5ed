import { writeFileSync } from 'node:fs';

import { caption, inUnits } from './report.js';

/** In px. Points keep away from the edges. */
const [PANEL, HEIGHT, LEFT, TOP, GAP, LEGEND, MARGIN] = [300, 400, 70, 70, 30, 250, 18] as const;
const STYLE = `text { font: 13px sans-serif } .bold { font-weight: bold } .middle { text-anchor: middle }
.end { text-anchor: end } polyline { fill: none; stroke-width: 2 }`;
const MARKS = '●■▲◆▼';

type Point = readonly [x: number, y: number];

/** Times in ms. */
interface Panel {
  readonly title: string;
  readonly curves: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

/** Draws panels with the same curves side by side over the same logarithmic axes, in docs/performance.svg. */
export function writePlot(title: string, panels: readonly Panel[]): void {
  const points = panels.flatMap(({ curves }) => curves.flatMap((curve) => curve.points));
  const xs = axis(points, 0, MARGIN, PANEL - MARGIN);
  const ys = axis(points, 1, HEIGHT, 0);
  const project = ([x, y]: Point): Point => [xs.place(x), ys.place(y)];
  const grid = [
    ...ys.ticks.map((y) => `M0 ${ys.place(y)}h${PANEL}`),
    ...xs.ticks.map((x) => `M${xs.place(x)} 0v${HEIGHT}`),
  ].join('');
  const [width, height] = [LEFT + panels.length * (PANEL + GAP) + LEGEND, TOP + HEIGHT + 60];
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    `<style>${STYLE}</style>`,
    '<rect width="100%" height="100%" fill="#ffffff"/>',
    text(LEFT, 28, title, 'bold'),
    ...panels.flatMap((panel, index) => [
      `<g transform="translate(${LEFT + index * (PANEL + GAP)} ${TOP})">`,
      `<path d="${grid}" stroke="#d8dee4"/>`,
      text(0, -12, panel.title, 'bold'),
      ...xs.ticks.map((x) => text(xs.place(x), HEIGHT + 18, x.toLocaleString('en'), 'middle')),
      ...ys.ticks.map((y) => text(-8, ys.place(y) + 4, index === 0 ? inUnits(y, 'ms') : '', 'end')),
      ...panel.curves.map((curve, number) => draw(number, curve.points.map(project))),
      '</g>',
    ]),
    ...(panels[0]?.curves ?? []).flatMap(({ name }, number) => {
      const [x, y] = [width - LEGEND, TOP + 14 + number * 24];
      return [draw(number, [[x, y]]), text(x + 14, y + 4, name)];
    }),
    text(LEFT, height - 10, caption()),
    '</svg>\n',
  ];
  writeFileSync(new URL('../../docs/performance.svg', import.meta.url), svg.join('\n'));
}

/** Places values between two positions in px, with ticks at the powers of 10 around them. */
function axis(points: readonly Point[], coordinate: 0 | 1, from: number, to: number) {
  const values = points.map((point) => point[coordinate]);
  const first = Math.floor(Math.log10(Math.min(...values)));
  const decades = Math.ceil(Math.log10(Math.max(...values))) - first;
  const place = (value: number): number =>
    Math.round(from + ((to - from) * (Math.log10(value) - first)) / decades);
  return { ticks: Array.from({ length: decades + 1 }, (_, index) => 10 ** (first + index)), place };
}

/** Draws a curve, told apart by colour and by mark. */
function draw(number: number, points: readonly Point[]): string {
  const colour = `hsl(${number * 40}, 65%, 40%)`;
  const marks = points.map(([x, y]) => text(x, y + 4, MARKS[number % MARKS.length] ?? '', 'middle'));
  const line = `<polyline points="${points.join(' ')}" stroke="${colour}"/>`;
  return `<g fill="${colour}">${line}${marks.join('')}</g>`;
}

function text(x: number, y: number, content: string, style = ''): string {
  return `<text x="${x}" y="${y}" class="${style}">${content}</text>`;
}
