import { describe, expect, it } from 'vitest';

import { parseCommand, parseMention } from '../../src/bot/parse.js';
import { parseOptions } from '../../src/cli/audit.js';
import { ProgramError } from '../../src/cli/program-error.js';
import { parseCodeText } from '../../src/codes/code-text.js';
import { parseTypedUsername, parseUsername } from '../../src/codes/username.js';
import { startBot } from '../support/bot.js';
import { openWebsite } from '../support/website.js';

const HUGE = 100_000_000;
const CALLS = 1_000;
/** For all calls: less than 1 ms each. */
const DEADLINE_MS = 1_000;
const LOGINS = 20;
/** Hashing 100,000,000 characters takes about half a second. */
const LOGINS_DEADLINE_MS = 3_000;

/** Returns the parser of an option of the audit; it returns `null` for a value that it refuses. */
function auditOption(name: string): (text: string) => unknown {
  return (text) => {
    try {
      return parseOptions({ [name]: text }, 0);
    } catch (error) {
      if (error instanceof ProgramError) return null;
      throw error;
    }
  };
}

describe('a text of 100,000,000 characters', () => {
  it.each([
    ['parseUsername', parseUsername],
    ['parseTypedUsername', parseTypedUsername],
    ['parseCodeText', parseCodeText],
    ['parseCommand', (text: string) => parseCommand(text, 'a')],
    ['parseMention', parseMention],
    ['npm run audit -- --username', auditOption('username')],
    ['npm run audit -- --member', auditOption('member')],
    ['npm run audit -- --since', auditOption('since')],
  ])('is refused by %s without being read', (_name, parse) => {
    const texts = ['a', ' ', 'é', '\ud83d'].map((character) => character.repeat(HUGE));
    expect(texts.map((text) => parse(text))).toEqual([null, null, null, null]);
    const start = performance.now();
    let calls = 0;
    while (calls < CALLS && performance.now() - start < DEADLINE_MS) {
      for (const text of texts) parse(text);
      calls += 1;
    }
    expect(calls).toBe(CALLS);
  });

  it('is never read by the validator, wherever it is passed', async () => {
    const bot = await startBot();
    const code = await bot.getCode(bot.server.alice, 'Alice');
    const validator = await openWebsite(bot);
    const huge = 'a'.repeat(HUGE);
    const start = performance.now();
    for (let call = 0; call < LOGINS; call++) {
      expect(await validator.validate(huge, code)).toEqual({ valid: false, reason: 'unknown' });
      expect(await validator.validate('Alice', huge)).toEqual({ valid: false, reason: 'unknown' });
      expect(await validator.validate('Alice', code, { client: huge })).toMatchObject({ valid: true });
      expect(await validator.redeem('Alice', code, { idempotencyKey: huge })).toMatchObject({ valid: true });
    }
    expect(performance.now() - start).toBeLessThan(LOGINS_DEADLINE_MS);
  });
});

it('ignores an idempotency key that is longer than 1,024 characters', async () => {
  const bot = await startBot({ settings: { CODE_MAX_USES: '5' } });
  const code = await bot.getCode(bot.server.alice, 'Alice');
  const validator = await openWebsite(bot);
  const usesLeft = async (idempotencyKey: string): Promise<unknown> => {
    const verdict = await validator.redeem('Alice', code, { idempotencyKey });
    return verdict.valid ? verdict.usesLeft : verdict;
  };
  expect(await usesLeft('k'.repeat(1_024))).toBe(4);
  expect(await usesLeft('k'.repeat(1_024))).toBe(4);
  expect(await usesLeft('k'.repeat(1_025))).toBe(3);
  expect(await usesLeft('k'.repeat(1_025))).toBe(2);
});
