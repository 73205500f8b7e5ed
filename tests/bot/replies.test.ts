import { expect, it } from 'vitest';

import * as replies from '../../src/bot/replies.js';

it('joins messages that differ in whom they mention, as long as they fit into one', () => {
  const ids = Array.from({ length: 100 }, (_, index) => String(10n ** 19n + BigInt(index)));
  const [a = '', b = ''] = ids;
  const both = replies.joinReplies(replies.codeSent(a), replies.codeSent(b));
  expect(both).toEqual({ content: `✅ Access code sent to <@${a}>, <@${b}> via DM!`, mentions: [a, b] });
  expect(replies.joinReplies(both ?? {}, replies.codeSent(b))).toBeNull();
  const differing = [replies.codeListSent(b), replies.help([]), replies.notYourButton()];
  for (const other of differing) expect(replies.joinReplies(replies.codeSent(a), other)).toBeNull();
  for (const same of [replies.help([]), replies.databaseOutage()])
    expect(replies.joinReplies(same, same)).toBeNull();
  for (const reply of [replies.codeSent, replies.codeNotSent.bind(null, 'delayed')]) {
    let joined = reply(a);
    let named = 1;
    for (const id of ids.slice(1)) {
      const next = replies.joinReplies(joined, reply(id));
      if (next === null) break;
      joined = next;
      named += 1;
    }
    expect(joined.content?.length).toBeLessThanOrEqual(2_000);
    expect([joined.mentions, named > 70]).toEqual([ids.slice(0, named), true]);
  }
});
