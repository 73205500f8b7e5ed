import { ChannelType, OverwriteType, PermissionFlagsBits, PermissionsBitField } from 'discord.js';
import { expect, it } from 'vitest';

import { permissionsIn } from '../../src/discord/account.js';

const { Administrator, ViewChannel, SendMessages, EmbedLinks } = PermissionFlagsBits;
const ROLES = [
  { id: 'everyone', permissions: String(ViewChannel | SendMessages) },
  { id: 'embeds', permissions: String(EmbedLinks) },
  { id: 'admin', permissions: String(Administrator) },
  { id: 'not the bot', permissions: String(Administrator) },
];

/** Whom it is for, what it denies and what it allows. */
type Overwrite = readonly [id: string, deny: bigint, allow: bigint];

it.each<[string, readonly string[], readonly Overwrite[], bigint]>([
  ['those of @everyone without a role', [], [], ViewChannel | SendMessages],
  ['those of all its roles', ['embeds'], [], ViewChannel | SendMessages | EmbedLinks],
  ['what the channel denies to everyone', [], [['everyone', SendMessages, 0n]], ViewChannel],
  [
    'what the channel allows to a role after denying it to everyone',
    ['embeds'],
    [
      ['embeds', 0n, SendMessages],
      ['everyone', SendMessages, 0n],
    ],
    ViewChannel | SendMessages | EmbedLinks,
  ],
  [
    'what one role allows and another denies',
    ['embeds', 'other'],
    [
      ['embeds', 0n, SendMessages],
      ['other', SendMessages, 0n],
    ],
    ViewChannel | SendMessages | EmbedLinks,
  ],
  [
    'what the channel denies to the bot itself',
    ['embeds'],
    [
      ['bot', SendMessages, 0n],
      ['embeds', 0n, SendMessages],
    ],
    ViewChannel | EmbedLinks,
  ],
  [
    'nothing for roles that the bot lacks',
    [],
    [['embeds', ViewChannel, EmbedLinks]],
    ViewChannel | SendMessages,
  ],
  [
    'everything for administrators',
    ['admin'],
    [['everyone', SendMessages, 0n]],
    Administrator | ViewChannel | SendMessages,
  ],
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
  const found = permissionsIn(
    { ...channel, permission_overwrites: [...channel.permission_overwrites] },
    ROLES,
    'everyone',
    roleIds,
    'bot',
  );
  expect(found.toArray()).toEqual(new PermissionsBitField(expected).toArray());
});
