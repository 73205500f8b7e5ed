import { describe, expect, it } from 'vitest';

import { parseCommand, parseMention } from '../../src/bot/parse.js';
import { parseOptions } from '../../src/cli/audit.js';
import { ProgramError } from '../../src/cli/program-error.js';
import { parseCodeText } from '../../src/codes/code-text.js';
import { parseTypedUsername, parseUsername } from '../../src/codes/username.js';
import { startBot } from '../support/bot.js';
import { openWebsite } from '../support/website.js';

const HUGE = 100_000_000;
const CALLS = 200;
/** To read or hash that many characters takes 50 ms at least. */
const TIMEOUT_MS = 5_000;

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
    const end = performance.now() + TIMEOUT_MS;
    let calls = 0;
    for (; calls < CALLS && performance.now() < end; calls++)
      expect(texts.map((text) => parse(text))).toEqual([null, null, null, null]);
    expect(calls).toBe(CALLS);
  });

  it('is never read by the validator, wherever it is passed', { timeout: 2 * TIMEOUT_MS }, async () => {
    const bot = await startBot();
    const code = await bot.getCode(bot.server.alice, 'Alice');
    const validator = await openWebsite(bot);
    const huge = 'a'.repeat(HUGE);
    for (let call = 0; call < CALLS; call++) {
      expect(await validator.validate(huge, code)).toEqual({ valid: false, reason: 'unknown' });
      expect(await validator.validate('Alice', huge)).toEqual({ valid: false, reason: 'unknown' });
      const options = { client: huge, idempotencyKey: huge };
      expect(await validator.redeem('Alice', code, options)).toMatchObject({ valid: true });
    }
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
