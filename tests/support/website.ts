import { onTestFinished } from 'vitest';

import { openValidator, type Validator } from '../../src/validator/validator.js';
import type { TestBot } from './bot.js';

/** Opens the validator of a website over the bot's database, with the bot's clock, until the test ends. */
export async function openWebsite({
  databasePath,
  codeSecret,
  clock,
}: Pick<TestBot, 'databasePath' | 'clock'> & Partial<Pick<TestBot, 'codeSecret'>>): Promise<Validator> {
  const validator = await openValidator({ databaseUrl: databasePath, codeSecret, clock: clock.read });
  onTestFinished(async () => validator.close());
  return validator;
}

/** Returns whether a website accepts the code. */
export async function accepts(
  bot: Pick<TestBot, 'databasePath' | 'clock'>,
  username: string,
  code: string,
): Promise<boolean> {
  return (await (await openWebsite(bot)).validate(username, code)).valid;
}
