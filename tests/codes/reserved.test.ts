import { expect, it } from 'vitest';

import { startBot, summarize } from '../support/bot.js';

const TYPED =
  'admin, Admin, ADMIN, adm1n, ADMlN, adrnin, admın, ádmïn, admin_, a.d.m.i.n, ad\'min, "ad min", ' +
  'Administrator, rnoderator, m0d, Systern, 0wner, Suþþort';

function refusalOf(username: string): string {
  return `#general ❌ The username \`${username}\` is reserved. Please choose another.`;
}

it('refuses reserved usernames and what looks like them, and no others', async () => {
  const { server, say, getCode } = await startBot();
  for (const typed of TYPED.split(', ')) {
    const said = summarize(await say(server.general, server.alice, `!getcode ${typed}`));
    expect(said).toEqual([refusalOf(typed.replaceAll('"', ''))]);
  }
  expect(summarize(await say(server.general, server.alice, '!getcode \u0430dmin'))).toEqual([
    expect.stringMatching(
      /^#general ❌ This username is not allowed: it contains letters of two alphabets\./,
    ),
  ]);
  expect(summarize(await say(server.general, server.admin, '!codes'))).toEqual([
    '#general 📝 No access codes have been generated yet.',
  ]);
  for (const username of ['Adam', 'Modesta', 'Modern', 'Owen', 'Supporter', 'admin1', '_']) {
    expect(await getCode(server.alice, username)).toMatch(/^[A-Z2-9]{6}$/);
  }
});

it.each([
  ['Chat Team, Алиса', ['chat-team', 'АЛИСА'], ['Admin']],
  ['none', [], ['Admin', 'none']],
])(
  'reserves the usernames of RESERVED_USERNAMES=%s instead of the default ones',
  async (setting, not, given) => {
    const { server, say, getCode } = await startBot({ settings: { RESERVED_USERNAMES: setting } });
    for (const typed of not) {
      const said = summarize(await say(server.general, server.alice, `!getcode ${typed}`));
      expect(said).toEqual([refusalOf(typed)]);
    }
    for (const username of given) {
      expect(await getCode(server.alice, username)).toMatch(/^[A-Z2-9]{6}$/);
    }
  },
);
