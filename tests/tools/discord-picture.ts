import type { StandInMessage } from '../../src/demo/stand-in/stand-in.js';

type StandInEmbed = StandInMessage['embeds'][number];

/** One conversation, and where it is drawn. Everything in this file is in px. */
export interface Panel {
  readonly title: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly messages: readonly StandInMessage[];
}

const WIDTH = 880;
/** Text begins here, to the right of the avatar. */
const TEXT_LEFT = 72;

/** Colours and sizes of Discord's dark theme. */
const STYLE = `
text { font: 16px 'gg sans', 'Noto Sans', 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif; fill: #dbdee1 }
.bold, .bold tspan { font-weight: 600; fill: #f2f3f5 }
.small { font-size: 14px }
.footer { font-size: 12px }
.muted { font-size: 12px; fill: #949ba4 }
.mention { font-weight: 500; fill: #c9cdfb }
.badge { font-size: 10.5px; font-weight: 600; fill: #fff }
.avatar { font-size: 19px; fill: #fff; text-anchor: middle }`;

/** Draws messages as Discord does. */
export function drawDiscord(panels: readonly Panel[], nameOf: (userId: string) => string): string {
  const height = Math.max(...panels.map((panel) => panel.top + panel.height));
  const size = `viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size}>`,
    `<style>${STYLE}\n</style>`,
    ...panels.flatMap((panel) => drawPanel(panel, nameOf)),
    '</svg>\n',
  ].join('\n');
}

function drawPanel(
  { title, left, top, width, height, messages }: Panel,
  nameOf: (userId: string) => string,
): string[] {
  const svg = [
    `<g transform="translate(${left} ${top})">`,
    `<rect x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="10" fill="#313338" stroke="#4e5058"/>`,
    `<path d="M1 44.5h${width - 2}" stroke="#1f2023"/>`,
    drawText(title, 16, 28, 'bold'),
  ];
  let y = 58;
  for (const { author, content, embeds } of messages) {
    svg.push(...drawAuthor(author, y));
    y += 22;
    if (content !== '') {
      const named = content.replaceAll(/<@(\d+)>/g, (_, id: string) => `<@${nameOf(id)}>`);
      svg.push(...drawContent(named, y + 18));
      y += 24;
    }
    for (const embed of embeds) {
      const drawn = drawEmbed(embed, y + 6, width - TEXT_LEFT - 16);
      svg.push(...drawn.svg);
      y = drawn.bottom;
    }
    y += 16;
  }
  return [...svg, '</g>'];
}

function drawAuthor({ username, bot: isBot }: StandInMessage['author'], y: number): string[] {
  const nameWidth = Math.round(widthOf(username) * 1.06);
  const right = TEXT_LEFT + nameWidth + 8;
  const badge = [
    `<rect x="${right}" y="${y}" width="33" height="16" rx="4" fill="#5865f2"/>`,
    drawText('APP', right + 5, y + 12, 'badge', 23),
  ];
  return [
    `<circle cx="36" cy="${y + 18}" r="20" fill="${isBot ? '#5865f2' : '#3ba55c'}"/>`,
    drawText(isBot ? '🎫' : username.charAt(0).toUpperCase(), 36, y + 25, 'avatar'),
    drawText(username, TEXT_LEFT, y + 13, 'bold', nameWidth),
    ...(isBot ? badge : []),
    drawText('Today at 18:42', right + (isBot ? 41 : 0), y + 13, 'muted'),
  ];
}

/** Draws a line with mentions, as `<@name>`. Widths are fixed, so that a mention's background fits in every font. */
function drawContent(line: string, y: number): string[] {
  const parts = line.split(/<(@[^>]+)>/);
  if (parts.length === 1) return [drawText(line, TEXT_LEFT, y, '')];
  let x = TEXT_LEFT;
  return parts.flatMap((text, index) => {
    const left = x;
    const width = widthOf(text);
    x += width;
    if (index % 2 === 0) return [drawText(text, left, y, '', width)];
    x += 4;
    const background = `<rect x="${left}" y="${y - 16}" width="${width + 4}" height="21" rx="3" fill="#414675"/>`;
    return [background, drawText(text, left + 2, y, 'mention', width)];
  });
}

function drawEmbed(embed: StandInEmbed, top: number, width: number): { svg: string[]; bottom: number } {
  const { title = '', description = '', color = 0, fields = [], footer } = embed;
  const left = TEXT_LEFT + 16;
  let y = top + 28;
  const lines = [drawText(title, left, y, 'bold'), drawText(description, left, (y += 25), 'small')];
  for (const { name = '', value = '' } of fields) {
    lines.push(drawText(name, left, (y += 28), 'small bold'));
    for (const line of value.split('\n')) lines.push(drawText(line, left, (y += 19), 'small'));
  }
  if (footer?.text !== undefined) lines.push(drawText(footer.text, left, (y += 27), 'footer'));
  const bottom = y + 17;
  const height = bottom - top;
  const bar = `M${TEXT_LEFT + 4} ${top}v${height}a4 4 0 0 1-4-4v${8 - height}a4 4 0 0 1 4-4z`;
  const rest = `M${TEXT_LEFT + 4} ${top}h${width - 8}a4 4 0 0 1 4 4v${height - 8}a4 4 0 0 1-4 4h${8 - width}z`;
  const svg = [
    `<path d="${bar}" fill="#${color.toString(16).padStart(6, '0')}"/>`,
    `<path d="${rest}" fill="#2b2d31"/>`,
    ...lines,
  ];
  return { svg, bottom };
}

/** Draws text with the markup that the bot's embeds contain: bold, and escaped characters. */
function drawText(markup: string, x: number, y: number, style: string, width?: number): string {
  const text = markup
    .replaceAll(/\\(.)/g, '$1')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll(/\*\*(.+?)\*\*/g, '<tspan font-weight="700">$1</tspan>');
  const fixed = width === undefined ? '' : ` textLength="${width}"`;
  return `<text x="${x}" y="${y}" class="${style}"${fixed} xml:space="preserve">${text}</text>`;
}

/** Returns about the width of text of 16 px in a sans-serif font. */
function widthOf(text: string): number {
  const widths = Array.from(text, (character) => {
    if (/\p{Emoji_Presentation}/u.test(character)) return 20;
    if (/[ fijlt.,!'-]/.test(character)) return 4.3;
    if (/[mwMW@]/.test(character)) return 13.5;
    if (/[A-Z]/.test(character)) return 11;
    return /[cksvxyz]/.test(character) ? 8 : 8.8;
  });
  return Math.round(widths.reduce((sum, width) => sum + width, 0));
}
