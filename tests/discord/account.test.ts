import { ChannelType, OverwriteType, PermissionFlagsBits, PermissionsBitField } from 'discord.js';
import { expect, it } from 'vitest';

import { permissionsIn } from '../../src/discord/account.js';

const { Administrator, ViewChannel, SendMessages, EmbedLinks } = PermissionFlagsBits;
const MEMBER = ViewChannel | SendMessages;
const ROLES = [
  { id: 'everyone', permissions: String(MEMBER) },
  { id: 'embeds', permissions: String(EmbedLinks) },
  { id: 'admin', permissions: String(Administrator) },
  { id: 'not the bot', permissions: String(Administrator) },
];

/** Whom it is for, what it denies and what it allows. */
type Overwrite = readonly [id: string, deny: bigint, allow: bigint];
const DENIED: Overwrite = ['everyone', SendMessages, 0n];
const ALLOWED: Overwrite = ['embeds', 0n, SendMessages];

it.each<[string, readonly string[], readonly Overwrite[], bigint]>([
  ['those of @everyone without a role', [], [], MEMBER],
  ['those of all its roles', ['embeds'], [], MEMBER | EmbedLinks],
  ['what the channel denies to everyone', [], [DENIED], ViewChannel],
  [
    'what it allows to a role after denying it to everyone',
    ['embeds'],
    [ALLOWED, DENIED],
    MEMBER | EmbedLinks,
  ],
  [
    'what one role allows and another denies',
    ['embeds', 'other'],
    [ALLOWED, ['other', SendMessages, 0n]],
    MEMBER | EmbedLinks,
  ],
  [
    'what the channel denies to the bot itself',
    ['embeds'],
    [['bot', SendMessages, 0n], ALLOWED],
    ViewChannel | EmbedLinks,
  ],
  ['nothing for roles that the bot lacks', [], [['embeds', ViewChannel, EmbedLinks]], MEMBER],
  ['everything for administrators', ['admin'], [DENIED], Administrator | MEMBER],
])('computes permissions as Discord does: %s', (_, roleIds, overwrites, expected) => {
  const channel = {
    name: 'general',
    type: ChannelType.GuildText,
    permission_overwrites: overwrites.map(([id, deny, allow]) => ({
      id,
      type: id === 'bot' ? OverwriteType.Member : OverwriteType.Role,
      deny: String(deny),
      allow: String(allow),
    })),
  } as const;
  const found = permissionsIn(channel, ROLES, 'everyone', roleIds, 'bot');
  expect(found.toArray()).toEqual(new PermissionsBitField(expected).toArray());
});
