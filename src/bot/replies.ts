import type { CodePage, IssuedCode, ListedCode } from '../codes/code-service.js';
import type { Revocation } from '../codes/code-store.js';
import { MAX_USERNAME_LENGTH } from '../codes/username.js';
import type { Delivery, Embed, EmbedField, MessageBody } from './message.js';
import type { UserError, UserErrorContexts, UserErrorId } from './user-error.js';

/** discord.py's Color.green, blue and purple, which the original used. */
const GREEN = 0x2ecc71;
const BLUE = 0x3498db;
const PURPLE = 0x9b59b6;

/** What people type is cut to this many characters where it is quoted back. */
const MAX_QUOTED = 40;

/** So many usernames are listed: a message holds 2,000 characters. */
const MAX_LISTED = 10;

// Getting a code

/** The code also stands as plain text, so that a phone can copy it with one touch. */
export function accessCode({ username, text, expiresAt }: IssuedCode): MessageBody {
  return {
    content: text,
    embed: {
      title: '🎫 Your Chat Room Access Code',
      description: 'Use this code to log into the chat room!',
      color: GREEN,
      fields: [
        { name: 'Username', value: escapeMarkdown(username) },
        { name: 'Access Code', value: `**${text}**` },
        { name: 'Valid Until', value: expiresAt === null ? 'This code never expires' : timestamp(expiresAt) },
      ],
      footer: 'Keep this code private!',
    },
  };
}

export function codeSent(authorId: string): MessageBody {
  return { content: `✅ Access code sent to ${mention(authorId)} via DM!`, mention: authorId };
}

/** How a direct message can fail for good. */
type Loss = Exclude<Delivery, 'delivered' | 'found' | 'unfinished'>;

const UNDELIVERED: { readonly [Outcome in Loss]: (mention: string) => string } = {
  refused: (member) => `❌ ${member}, I couldn't send you a DM! Please enable DMs from server members.`,
  failed: (member) => `❌ ${member}, Discord did not take my DM just now. Please try again in a moment.`,
  unknown: (member) =>
    `❌ ${member}, Discord did not say whether my DM reached you. Please try again in a moment.`,
};

export function directMessageLost(delivery: Loss, authorId: string): MessageBody {
  return { content: UNDELIVERED[delivery](mention(authorId)), mention: authorId };
}

export function codeEndedMeanwhile(authorId: string): MessageBody {
  return {
    content: `❌ ${mention(authorId)}, the code that I sent you was ended before you could use it. Please ask for another.`,
    mention: authorId,
  };
}

export function tooManyUsernames(authorId: string, usernames: readonly string[]): MessageBody {
  const shown = usernames.slice(0, MAX_LISTED).map((username) => inlineCode(username));
  const more = usernames.length - shown.length;
  const held = shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
  return {
    content: `❌ ${mention(authorId)}, you hold as many usernames as one member may: ${held}. Please use one of them, or ask an administrator to end one.`,
    mention: authorId,
  };
}

export function tooManyCodes(authorId: string, until: number): MessageBody {
  return {
    content: `⏳ ${mention(authorId)}, you have asked for several codes already. Please try again ${relativeTime(until)}.`,
    mention: authorId,
  };
}

export function directMessageDelayed(authorId: string): MessageBody {
  return {
    content: `⏳ ${mention(authorId)}, many members are asking just now. Your DM will take a little longer.`,
    mention: authorId,
  };
}

export function notYourButton(): MessageBody {
  return { content: '❌ This button belongs to the member who asked for the code.' };
}

export function buttonTooLate(command: string): MessageBody {
  return {
    content: `❌ This code can no longer be shown. Please ask for another: ${inlineCode(`${command} <username>`)}`,
  };
}

export function usernameTaken(username: string): MessageBody {
  return {
    content: `❌ The username ${inlineCode(username)} is taken. Please choose another, or ask an administrator of this server.`,
  };
}

// The administrators' list

export function codeList({ total, offset, codes }: CodePage): Embed {
  return {
    title: '📋 Active Access Codes',
    description: `Total codes: ${total}`,
    color: BLUE,
    fields: codes.map((code) => ({
      name: `Code: ${code.text}`,
      value: describeCode(code),
    })),
    footer: total > codes.length ? `Showing ${offset + 1}-${offset + codes.length} of ${total} codes` : null,
  };
}

function describeCode({ username, holderTag, uses, maxUses }: ListedCode): string {
  const lines = [`Username: ${escapeMarkdown(username)}`, `Requested by: ${escapeMarkdown(holderTag)}`];
  if (maxUses !== null) lines.push(`Uses: ${uses} of ${maxUses}`);
  return lines.join('\n');
}

export function codeListSent(authorId: string): MessageBody {
  return { content: `📋 List of access codes sent to ${mention(authorId)} via DM!`, mention: authorId };
}

export function noCodes(): MessageBody {
  return { content: '📝 No access codes have been generated yet.' };
}

// Revoking

export function revoked(typed: string, { by, codes }: Revocation): MessageBody {
  const [first] = codes;
  if (first === undefined) return { content: `❌ Code ${inlineCode(typed)} not found.` };
  const user = inlineCode(first.username);
  if (by === 'text') {
    return {
      content: `✅ Access code ${inlineCode(typed.trim().toUpperCase())} for user ${user} has been revoked.`,
    };
  }
  return { content: `✅ ${counted(codes.length)} for user ${user} ${hasOrHave(codes.length)} been revoked.` };
}

export function memberRevoked(memberId: string, { codes }: Revocation): MessageBody {
  if (codes.length === 0) return { content: `❌ ${mention(memberId)} holds no access code of this server.` };
  return {
    content: `✅ ${counted(codes.length)} of ${mention(memberId)} ${hasOrHave(codes.length)} been revoked.`,
  };
}

// Help

export function help(fields: readonly EmbedField[]): MessageBody {
  return {
    embed: {
      title: '🤖 Chat Room Bot Commands',
      description: 'Commands for managing chat room access',
      color: PURPLE,
      fields,
      footer: 'Chat Room Management Bot',
    },
  };
}

// Refusals and failures

export function slowDown(authorId: string, until: number): MessageBody {
  return {
    content: `⏳ ${mention(authorId)}, that was a lot at once. Please try again ${relativeTime(until)}.`,
    mention: authorId,
  };
}

const USER_ERRORS: { readonly [Id in UserErrorId]: (context: UserErrorContexts[Id]) => string } = {
  guildOnly: () => '❌ Please use this command in a channel of the server, not in a direct message.',
  notAdministrator: () => "❌ You don't have permission to use this command!",
  missingUsername: ({ usage }) => `❌ Please provide a username! Usage: ${inlineCode(usage)}`,
  missingArgument: ({ helpCommand }) =>
    `❌ Missing argument! Use ${inlineCode(helpCommand)} for command usage.`,
  unclosedQuote: () =>
    '❌ Quotation marks come in pairs: one right before the username and one right after it.',
  tooManyWords: ({ example }) =>
    `❌ A username with a space in it needs quotation marks: ${inlineCode(example)}`,
  unusableUsername: () =>
    `❌ A username has 1 to ${MAX_USERNAME_LENGTH} characters: letters, digits, \`_\`, \`-\` and \`.\`, with single spaces inside. Please choose another.`,
  notAPage: ({ example }) => `❌ A page is a number from 1: ${inlineCode(example)}`,
};

export function userError<Id extends UserErrorId>(error: UserError<Id>): MessageBody {
  return { content: USER_ERRORS[error.id](error.context) };
}

export function storeOutage(): MessageBody {
  return { content: '❌ I cannot reach my database just now. Please try again in a few minutes.' };
}

/** Never the error's own text. The log carries the same reference. */
export function unexpected(reference: string): MessageBody {
  return { content: `❌ An error occurred. Reference: ${inlineCode(reference)}` };
}

// Words and marks

function counted(codes: number): string {
  return codes === 1 ? '1 access code' : `${codes} access codes`;
}

function hasOrHave(codes: number): string {
  return codes === 1 ? 'has' : 'have';
}

function mention(userId: string): string {
  return `<@${userId}>`;
}

/** Discord's own markup: everybody reads it in their own time zone. */
function timestamp(unixMs: number): string {
  return `<t:${Math.floor(unixMs / 1_000)}:F> (${relativeTime(Math.floor(unixMs / 1_000) * 1_000)})`;
}

/** In whole seconds, rounded up: never a moment too early. */
function relativeTime(unixMs: number): string {
  return `<t:${Math.ceil(unixMs / 1_000)}:R>`;
}

/** In code style nothing pings or formats; what could end it, forge a line or turn the text around is left out. */
function inlineCode(text: string): string {
  const plain = text.replaceAll(/[`\p{C}\p{Z}]+/gu, ' ');
  const characters = Array.from(plain);
  const shown = characters.length > MAX_QUOTED ? `${characters.slice(0, MAX_QUOTED).join('')}…` : plain;
  return `\`${shown.trim() || ' '}\``;
}

/** Outside code style every punctuation mark is escaped: Discord shows it as it is. */
function escapeMarkdown(text: string): string {
  return text.replaceAll(/[!-/:-@[-`{-~]/g, String.raw`\$&`);
}
