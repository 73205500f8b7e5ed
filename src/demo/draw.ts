import { styleText } from 'node:util';

import type { StandInEmbed, StandInMessage } from './stand-in/stand-in.js';

/** How messages are drawn. */
export interface Drawing {
  readonly colors: boolean;
  readonly nameOf: (userId: string) => string;
}

/** Returns the lines of a message: text, embeds, buttons. */
export function drawMessage(message: StandInMessage, drawing: Drawing): string[] {
  const { content, embeds, components } = message;
  const lines = content === '' ? [] : drawText(content, drawing);
  for (const embed of embeds) lines.push(...drawEmbed(embed, drawing).map((line) => `┃ ${line}`.trimEnd()));
  for (const { components: buttons } of components) {
    const drawn = buttons.map(({ label, disabled }) =>
      disabled ? styled('dim', `( ${label} )`, drawing) : `[ ${label} ]`,
    );
    lines.push(drawn.join(' '));
  }
  return lines;
}

export function styled(style: 'bold' | 'dim' | 'green' | 'red', text: string, { colors }: Drawing): string {
  return colors ? styleText(style, text) : text;
}

function drawEmbed({ title, description, fields = [], footer }: StandInEmbed, drawing: Drawing): string[] {
  const lines: string[] = [];
  if (title !== undefined) lines.push(styled('bold', title, drawing));
  if (description !== undefined) lines.push(...drawText(description, drawing));
  for (const { name, value } of fields) {
    lines.push('', styled('bold', name, drawing), ...drawText(value, drawing).map((line) => `  ${line}`));
  }
  if (footer?.text !== undefined) lines.push('', styled('dim', footer.text, drawing));
  return lines;
}

/** Draws the part of Discord's markup that the bot uses: mentions, times, bold, escapes. */
function drawText(text: string, drawing: Drawing): string[] {
  return text
    .replaceAll(/<@(\d+)>/g, (_, id: string) => styled('bold', `@${drawing.nameOf(id)}`, drawing))
    .replaceAll(/<t:(\d+):F>/g, (_, seconds: string) => new Date(Number(seconds) * 1_000).toLocaleString())
    .replaceAll(/<t:(\d+):R>/g, (_, seconds: string) => drawDuration(Number(seconds) * 1_000 - Date.now()))
    .replaceAll(/\*\*([^*\\]+)\*\*/g, (_, bold: string) => styled('bold', bold, drawing))
    .replaceAll(/\\([!-/:-@[-`{-~])/g, '$1')
    .split('\n');
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const;

function drawDuration(ms: number): string {
  const [unit, size] = UNITS.find(([, length]) => Math.abs(ms) >= length) ?? (['second', 1_000] as const);
  return new Intl.RelativeTimeFormat('en', { numeric: 'auto' }).format(Math.round(ms / size), unit);
}
