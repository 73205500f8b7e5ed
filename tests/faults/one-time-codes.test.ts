import { expect, it } from 'vitest';

import { SECRET } from '../services/support.js';
import { openCodes } from '../support/codes.js';
import { ENGINES } from '../support/engines.js';
import type { Guess } from '../support/guesser.js';
import { startBotWithHttp, TOKEN } from '../validation/bot.js';
import { startWebsite, type Website } from '../validation/websites.js';
import { sized } from './size.js';

/** Redemptions that a website sends at once. */
const AT_ONCE = 20;

type Pair = Pick<Guess, 'username' | 'code'>;

/** Redeems all pairs. Returns how many were valid. */
async function redeemAll(website: Website, by: Guess['by'], pairs: readonly Pair[]): Promise<number> {
  let valid = 0;
  for (let from = 0; from < pairs.length; from += AT_ONCE) {
    const guesses = pairs
      .slice(from, from + AT_ONCE)
      .map((pair) => ({ ...pair, by, method: 'redeem' as const }));
    valid += (await website(guesses)).filter((word) => word === 'valid').length;
  }
  return valid;
}

it.each(ENGINES)(
  'accepts each one-time code in %s once, by two websites with HTTP and two with the module',
  async (_engine, newDatabase) => {
    const databasePath = await newDatabase();
    const env = { CODE_SECRET: SECRET };
    const { url } = await startBotWithHttp({ databasePath, settings: env });
    const { clock, issueCode } = await openCodes({ databasePath, codeSecret: SECRET, codeMaxUses: 1 });
    const count = sized(200, 5_000);
    const pairs: Pair[] = [];
    for (let index = 0; index < count; index++) {
      const username = `user${index}`;
      const { text: code } = await issueCode({ username, holderId: String(index) });
      pairs.push({ username, code });
    }

    const http = { url, token: TOKEN };
    const ways = ['HTTP', 'HTTP', 'module', 'module'] as const;
    const websites = await Promise.all(
      ways.map(async () => startWebsite(databasePath, { clock: clock.read, http, env })),
    );
    // In two orders, so that all four meet at the same codes and none is always first.
    const orders = [pairs, pairs.toReversed(), pairs.toReversed(), pairs];
    const valid = await Promise.all(
      websites.map(async (website, index) =>
        redeemAll(website, ways[index] ?? 'module', orders[index] ?? []),
      ),
    );
    expect(valid.reduce((sum, each) => sum + each, 0)).toBe(count);
  },
);
