import { startBot, type TestBot, type TestBotOptions } from '../support/bot.js';

/** Of tests: a token has at least 32 characters. */
export const TOKEN = 'crab_only-for-tests_0123456789abcdef';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface TestDoor {
  readonly bot: TestBot;
  readonly url: string;
  /** Sends JSON with the right token, unless told otherwise. */
  readonly post: (
    path: string,
    body: unknown,
    options?: { readonly headers?: Readonly<Record<string, string>>; readonly token?: string | null },
  ) => Promise<Answer>;
  readonly get: (path: string) => Promise<Answer>;
}

/** The production bot, with its door for websites open on a free port. */
export async function openDoor(options: TestBotOptions = {}): Promise<TestDoor> {
  const bot = await startBot({
    ...options,
    settings: { HTTP_PORT: '0', HTTP_TOKEN: TOKEN, ...options.settings },
  });
  const url = `http://127.0.0.1:${bot.app.httpPort}`;

  return {
    bot,
    url,
    get: async (path) => read(await fetch(url + path)),
    post: async (path, body, { headers = {}, token = TOKEN } = {}) =>
      read(
        await fetch(url + path, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...(token === null ? {} : { authorization: `Bearer ${token}` }),
            ...headers,
          },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
      ),
  };
}

async function read(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const body: unknown = await response.json();
  return { status, headers, body };
}
