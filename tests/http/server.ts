import { onTestFinished } from 'vitest';

import { startHttpServer } from '../../src/http/http-server.js';
import { createLog } from '../../src/log.js';
import { openCodes, type CodesOptions } from '../support/codes.js';

/** A token has at least 32 characters. */
export const TOKEN = 'crab_only-for-tests_0123456789abcdef';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export type TestServer = Awaited<ReturnType<typeof openServer>>;

interface SendOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly token?: string | null;
}

export interface TestServerOptions extends CodesOptions {
  readonly host?: string;
  readonly port?: number;
  readonly tokens?: readonly string[];
}

/** The HTTP server over the services and a SQLite database, on a free port. */
export async function openServer(options: TestServerOptions = {}) {
  const { host = '127.0.0.1', port = 0, tokens = [TOKEN], ...rest } = options;
  const codes = await openCodes(rest);
  const clock = codes.clock.read;
  let isConnected = true;
  let logged = '';
  const server = await startHttpServer({
    host,
    port,
    tokens,
    validator: codes.validator,
    probe: async (now) => codes.storage.store.probe(now),
    isConnected: () => isConnected,
    guessedUsernames: () => 0,
    clock,
    log: createLog('debug', { write: (line) => void (logged += line) }),
  });
  onTestFinished(async () => server.close());
  const url = `http://127.0.0.1:${server.port}`;

  return {
    ...codes,
    server,
    url,
    /** Everything that was logged: one JSON object per line. */
    logged: () => logged,
    setConnected: (value: boolean) => void (isConnected = value),
    get: async (path: string) => read(await fetch(url + path)),
    /** Sends JSON, by default with the token. A string is sent as it is. */
    post: async (path: string, body: unknown, { headers = {}, token = TOKEN }: SendOptions = {}) =>
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
