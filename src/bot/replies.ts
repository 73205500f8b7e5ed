import { PENDING_MS, type Code } from '../codes/code.js';
import { MAX_USERNAME_LENGTH, type FaultKind, type UsernameFault } from '../codes/username.js';
import {
  CODES_PER_PAGE,
  type CodePage,
  type CodeTarget,
  type ListedCode,
  type Revocation,
} from '../services/code-service.js';
import type { Embed, EmbedField, MessageBody, SendResult } from './message.js';

/** discord.py's Color.green, blue and purple, which the original bot used. */
const GREEN = 0x2ecc71;
const BLUE = 0x3498db;
const PURPLE = 0x9b59b6;

/** Quoted text is cut to this many characters. */
const MAX_QUOTED = 40;

/** In characters. */
const MAX_MESSAGE = 2_000;
const MAX_LISTED = 10;

// Getting a code

/** The code is also plain text: phones cannot copy from an embed. */
export function accessCode(
  { username, expiresAt }: Code,
  text: string,
  websiteUrl: string | null,
): MessageBody {
  return {
    content: text,
    embed: {
      title: '🎫 Your Chat Room Access Code',
      description: `Use this code to log into the chat room${websiteUrl === null ? '!' : `: ${websiteUrl}`}`,
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
  return { content: `✅ Access code sent to ${mention(authorId)} via DM!`, mentions: [authorId] };
}

type NotSent = Exclude<SendResult, 'sent'>;

const NOT_SENT: Readonly<Record<NotSent, string>> = {
  refused: "I couldn't send you a DM! Please enable DMs from server members.",
  delayed: 'I am sending too many DMs right now. Please try again in a minute.',
  failed: "I couldn't send you a DM because Discord rejected it. Please try again in a minute.",
  unknown: 'Discord did not confirm my DM to you. If it did not arrive, please try again in a minute.',
};

export function directMessageNotSent(result: NotSent, authorId: string): MessageBody {
  return toMember(result === 'delayed' ? '⏳' : '❌', authorId, NOT_SENT[result]);
}

const PRESS = `ress the button within ${PENDING_MS / 60_000} minutes to see your code.`;

const CODE_NOT_SENT: Readonly<Record<Exclude<NotSent, 'failed'>, string>> = {
  refused: `I couldn't send you a DM! Please enable DMs from server members, or p${PRESS}`,
  delayed: `many members are asking for codes, so I cannot send you a DM now. P${PRESS}`,
  unknown: `Discord did not confirm my DM to you. P${PRESS}`,
};

/** With the button `Show my code`. */
export function codeNotSent(result: Exclude<NotSent, 'failed'>, authorId: string): MessageBody {
  return toMember(result === 'delayed' ? '⏳' : '❌', authorId, CODE_NOT_SENT[result]);
}

/** The code was revoked, or 30 minutes passed, before it was delivered. */
export function codeEnded(authorId: string, command: string): MessageBody {
  return toMember(
    '❌',
    authorId,
    `your access code is no longer valid. Please ask for another: ${inlineCode(`${command} <username>`)}`,
  );
}

export function usernameReserved(username: string): MessageBody {
  return { content: `❌ The username ${inlineCode(username)} is reserved. Please choose another.` };
}

export function usernameTaken(username: string): MessageBody {
  return {
    content: `❌ The username ${inlineCode(username)}, or one that looks like it, belongs to another member. Please choose another, or ask an administrator of this server.`,
  };
}

export function tooManyUsernames(authorId: string, usernames: readonly string[]): MessageBody {
  return toMember(
    '❌',
    authorId,
    `you already have ${counted(usernames.length, 'username')}: ${inlineCodes(usernames)}. Use one of them, or ask an administrator to revoke one.`,
  );
}

export function tooManyCodes(authorId: string, until: number): MessageBody {
  return toMember(
    '⏳',
    authorId,
    `you have asked for too many codes. Please try again ${relativeTime(until)}.`,
  );
}

export function notYourButton(): MessageBody {
  return { content: '❌ Only the member who asked for this code can see it.' };
}

export function codeNotShown(command: string): MessageBody {
  return {
    content: `❌ This code can no longer be shown. Please ask for another: ${inlineCode(`${command} <username>`)}`,
  };
}

// The administrators' list

export function codeList({ total, page, codes }: CodePage): Embed {
  const offset = (page - 1) * CODES_PER_PAGE;
  return {
    title: '📋 Active Access Codes',
    description: `Total codes: ${total}`,
    color: BLUE,
    fields: codes.map((code) => ({ name: `Code: ${code.text}`, value: describeCode(code) })),
    footer: total > codes.length ? `Showing ${offset + 1}-${offset + codes.length} of ${total} codes` : null,
  };
}

function describeCode({ username, holderTag, uses, maxUses, deliveredAt }: ListedCode): string {
  const lines = [`Username: ${escapeMarkdown(username)}`, `Requested by: ${escapeMarkdown(holderTag)}`];
  if (deliveredAt === null) lines.push('Status: not delivered yet');
  if (maxUses !== null) lines.push(`Uses: ${uses} of ${maxUses}`);
  return lines.join('\n');
}

export function codeListSent(authorId: string): MessageBody {
  return { content: `📋 List of access codes sent to ${mention(authorId)} via DM!`, mentions: [authorId] };
}

export function noCodes({ isUnused }: CodePage): MessageBody {
  return {
    content: isUnused
      ? '📝 No access codes have been generated yet.'
      : '📝 There are no active access codes on this server.',
  };
}

// Revoking

export function codesNotFound({ memberId = null, typed = '' }: CodeTarget, listCommand: string): MessageBody {
  return {
    content:
      memberId === null
        ? `❌ Code ${inlineCode(typed)} not found. No username with a code matches it either. To list the codes: ${inlineCode(listCommand)}`
        : `❌ ${mention(memberId)} has no access codes on this server.`,
  };
}

/** Repeats the reason: in `!revoke Alice Smith`, it is `Smith`. */
export function codesRevoked(
  target: CodeTarget,
  { by, texts, codes, reason, isFree }: Revocation,
  listCommand: string,
): MessageBody {
  if (by === null) return codesNotFound(target, listCommand);
  const names = [...new Map(codes.map(({ nameHash, username }) => [nameHash, username])).values()];
  const isOne = names.length === 1;
  const users = `for ${isOne ? 'user' : 'users'} ${inlineCodes(names)}`;
  const owner = by === 'member' ? `of ${mention(target.memberId ?? '')}` : users;
  const what =
    by === 'code'
      ? `Access ${texts.length === 1 ? 'code' : 'codes'} ${inlineCodes(texts)} ${users} ${hasOrHave(texts.length)}`
      : `${counted(codes.length, 'access code')} ${owner} ${hasOrHave(codes.length)}`;
  const freed = isOne ? 'The username is free again.' : 'The usernames are free again.';
  const reserved = `A code for a look-alike, or of another server, still reserves ${isOne ? 'the' : 'a'} username.`;
  const label = by === 'code' ? 'Reason (words that are not codes of this server)' : 'Reason';
  const because = reason === null ? '' : ` ${label}: ${inlineCode(reason)}`;
  return { content: `✅ ${what} been revoked. ${isFree ? freed : reserved}${because}` };
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
  return toMember(
    '⏳',
    authorId,
    `you are sending commands too fast. Please try again ${relativeTime(until)}.`,
  );
}

/** A reply by DM, because Discord rejected it in the channel; `null`: one that the bot no longer sees. */
export function replyByDm(
  channel: { readonly name: string; readonly guild: { readonly name: string } } | null,
  body: MessageBody,
): MessageBody {
  const where =
    channel === null
      ? 'that channel'
      : `${inlineCode(`#${channel.name}`)} on ${inlineCode(channel.guild.name)}`;
  const sentence = `⚠️ I cannot write in ${where}, so I reply here. Please tell an administrator.`;
  return { ...body, content: body.content === undefined ? sentence : `${sentence}\n\n${body.content}` };
}

/** For the owner of a server that the bot joined. */
export function welcome(serverName: string, prefix: string): MessageBody {
  return {
    content: [
      `👋 I am now on ${inlineCode(serverName)}. Members type ${inlineCode(`${prefix}getcode <username>`)} in a channel and get an access code for the chat room by DM.`,
      `Try it yourself. ${inlineCode(`${prefix}help_chatroom`)} lists the commands.`,
    ].join('\n'),
  };
}

const FAULTS: Readonly<Record<FaultKind, string>> = {
  empty: 'it is empty',
  emoji: 'it contains an emoji',
  invisible: 'it contains an invisible character',
  alphabets: 'it contains letters of two alphabets',
  words: 'an apostrophe or an accent is not inside a word',
  accents: 'it contains accents that are not part of a letter',
  direction: 'a digit or sign is before letters that are read from right to left',
};

function describeFault(fault: UsernameFault): string {
  if (typeof fault === 'string') return FAULTS[fault];
  if ('tooLong' in fault) return `it is too long: ${fault.tooLong} characters`;
  // A mark alone would be displayed on the backtick before it.
  return `it contains the character ${inlineCode(fault.character.replace(/^\p{M}/u, '◌$&'))}`;
}

/** The sentences of `UserError`. */
export const refusals = {
  guildOnly: () => '❌ Please use this command in a channel of the server, not in a direct message.',
  roleMissing: () =>
    '❌ You need another role to get an access code. Please ask an administrator of this server for it.',
  notAdministrator: () => "❌ You don't have permission to use this command!",
  missingUsername: (usage: string) => `❌ Please provide a username! Usage: ${inlineCode(usage)}`,
  missingArgument: (command: string) => `❌ Missing argument! Use ${inlineCode(command)} for command usage.`,
  unclosedQuote: () => '❌ Quotation marks must be in pairs, around whole words. Example: `"Alice Smith"`',
  tooManyWords: (example: string) =>
    `❌ A username with a space in it needs quotation marks: ${inlineCode(example)}`,
  decorated: (username: string) =>
    `❌ Please type the username alone, without \`@\`, \`<\`, \`>\`, \`*\` or backticks: ${inlineCode(username)}`,
  invalidUsername: (fault: UsernameFault) =>
    `❌ This username is not allowed: ${describeFault(fault)}. A username has 1 to ${MAX_USERNAME_LENGTH} characters: letters of one alphabet, digits, \`_\`, \`-\`, \`.\`, and single spaces and apostrophes inside. Please choose another.`,
  notMention: (word: string) =>
    `❌ ${inlineCode(word)} is not a mention. Please choose the member from the list that Discord shows, or type a username without \`@\`.`,
  invalidPage: (example: string) =>
    `❌ The page must be a whole number from 1, and a username with a space in it needs quotation marks: ${inlineCode(example)}`,
};

export function databaseOutage(): MessageBody {
  return { content: '❌ I cannot reach my database. Please try again in a few minutes.' };
}

/** Without the error's own text, which may contain a secret. The log has the same reference. */
export function unexpected(reference: string): MessageBody {
  return {
    content: `❌ An error occurred. Please try again in a minute. If it happens again, send an administrator this reference: ${inlineCode(reference)}`,
  };
}

// Formatting

function toMember(emoji: string, memberId: string, text: string): MessageBody {
  return { content: `${emoji} ${mention(memberId)}, ${text}`, mentions: [memberId] };
}

function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}

function hasOrHave(count: number): string {
  return count === 1 ? 'has' : 'have';
}

/**
 * One message for both; `null` if they mention nobody, differ in more than whom they mention, mention the same member,
 * or do not fit into one.
 */
export function joinReplies(first: MessageBody, second: MessageBody): MessageBody | null {
  const mentions = [first, second].flatMap((body) => body.mentions ?? []);
  const [content, same] = [first, second].map((body) =>
    body.content?.replace(mentionAll(body.mentions), mentionAll(mentions)),
  );
  const isOne = content !== undefined && content === same && content.length <= MAX_MESSAGE;
  const areNamed = first.mentions !== undefined && new Set(mentions).size === mentions.length;
  return isOne && areNamed && first.embed === undefined ? { ...first, content, mentions } : null;
}

/** Whether the text mentions everybody whom the message pings. */
export function isNamed({ mentions = [] }: MessageBody, text: string): boolean {
  return mentions.every((id) => text.includes(mention(id)));
}

function mentionAll(userIds: readonly string[] = []): string {
  return userIds.map((id) => mention(id)).join(', ');
}

function mention(userId: string): string {
  return `<@${userId}>`;
}

/** Discord shows it in each reader's time zone. */
function timestamp(unixMs: number): string {
  const seconds = Math.floor(unixMs / 1_000);
  return `<t:${seconds}:F> (<t:${seconds}:R>)`;
}

/** Rounded up to seconds: never too early. */
function relativeTime(unixMs: number): string {
  return `<t:${Math.ceil(unixMs / 1_000)}:R>`;
}

/** In code style, nothing pings or formats. Removes characters that could end it or forge a line. */
function inlineCode(text: string): string {
  const plain = text.replaceAll(/[`\p{C}\p{Z}]+/gu, ' ');
  const characters = Array.from(plain);
  const shown = characters.length > MAX_QUOTED ? `${characters.slice(0, MAX_QUOTED).join('')}…` : plain;
  return `\`${shown.trim() || ' '}\``;
}

/** The first ten, and the number of the others. */
function inlineCodes(texts: readonly string[]): string {
  const shown = texts.slice(0, MAX_LISTED).map((text) => inlineCode(text));
  const more = texts.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** On one line: old accounts have Discord names of any characters. */
function escapeMarkdown(text: string): string {
  return text.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').replaceAll(/[!-/:-@[-`{-~]/g, String.raw`\$&`);
}
