import { expect, it } from 'vitest';

import { startBot, summarize } from '../support/bot.js';

it.each([
  'admin',
  'Admin',
  'ADMIN',
  'adm1n',
  'ADMlN',
  'adrnin',
  'admın',
  'ádmïn',
  'admin_',
  'a.d.m.i.n',
  "ad'min",
  '"ad min"',
  'Administrator',
  'rnoderator',
  'm0d',
  'Systern',
  '0wner',
  'Suþþort',
])('refuses the reserved username %s', async (typed) => {
  const { server, say } = await startBot();
  const shown = typed.replaceAll('"', '');
  expect(summarize(await say(server.general, server.alice, `!getcode ${typed}`))).toEqual([
    `#general ❌ The username \`${shown}\` is reserved. Please choose another.`,
  ]);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([
    '#general 📝 No access codes have been generated yet.',
  ]);
});

it('refuses a reserved username with a letter of another script', async () => {
  const { server, say } = await startBot();
  const [refusal, ...more] = summarize(await say(server.general, server.alice, '!getcode \u0430dmin'));
  expect(refusal).toMatch(
    /^#general ❌ This username is not allowed: it contains letters of two alphabets\./,
  );
  expect(more).toEqual([]);
});

it.each(['Adam', 'Modesta', 'Modern', 'Owen', 'Supporter', 'admin1', '_'])(
  'gives a code for %s, which is not reserved',
  async (username) => {
    const { server, getCode } = await startBot();
    expect(await getCode(server.alice, username)).toMatch(/^[A-Z2-9]{6}$/);
  },
);

it('reserves the usernames of RESERVED_USERNAMES instead of the default ones', async () => {
  const { server, say, getCode } = await startBot({ settings: { RESERVED_USERNAMES: 'Chat Team, Алиса' } });
  for (const typed of ['chat-team', 'АЛИСА']) {
    expect(summarize(await say(server.general, server.alice, `!getcode ${typed}`))).toEqual([
      `#general ❌ The username \`${typed}\` is reserved. Please choose another.`,
    ]);
  }
  expect(await getCode(server.alice, 'Admin')).toMatch(/^[A-Z2-9]{6}$/);
});

it('reserves nothing when RESERVED_USERNAMES is none', async () => {
  const { server, getCode } = await startBot({ settings: { RESERVED_USERNAMES: 'none' } });
  for (const username of ['Admin', 'none']) {
    expect(await getCode(server.alice, username)).toMatch(/^[A-Z2-9]{6}$/);
  }
});
