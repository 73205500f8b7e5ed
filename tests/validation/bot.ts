import { startBot, type TestBot, type TestBotOptions } from '../support/bot.js';

/** A token has at least 32 characters. */
export const TOKEN = 'crab_only-for-tests_0123456789abcdef';

/** Starts the production bot with its HTTP API on a free port. */
export async function startBotWithHttp({ settings, ...options }: TestBotOptions = {}): Promise<{
  readonly bot: TestBot;
  readonly url: string;
}> {
  const bot = await startBot({ ...options, settings: { HTTP_PORT: '0', HTTP_TOKEN: TOKEN, ...settings } });
  return { bot, url: `http://127.0.0.1:${bot.app.httpPort}` };
}
