/**
 * A server in its own process, so that the client's work is not counted. Arguments: `bare` for the HTTP library with a
 * constant response, or the path of a database for the HTTP API over it; a token; a
 * secret. Sends its port.
 */
import fastify from 'fastify';

import { startHttpServer } from '../../src/http/http-server.js';
import { Validator } from '../../src/services/validator.js';
import { openStorage } from '../../src/storage/open-storage.js';

const [, , what = '', token = '', secret = ''] = process.argv;

async function startBare(): Promise<number> {
  const app = fastify({ logger: false });
  const verdict = { valid: true, username: 'user1', discordUserId: '1', expiresAt: null, usesLeft: null };
  app.post('/v1/validate', async () => verdict);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function startOurs(databasePath: string): Promise<number> {
  const { store, keys } = await openStorage({
    database: { engine: 'sqlite', path: databasePath },
    secret,
    as: 'guest',
  });
  const silent = (): void => undefined;
  const { port } = await startHttpServer({
    host: '127.0.0.1',
    port: 0,
    tokens: [token],
    validator: new Validator({ store, keys, clock: Date.now }),
    probe: async () => undefined,
    isConnected: () => true,
    guessedUsernames: () => 0,
    clock: Date.now,
    log: { info: silent, warn: silent, error: silent },
  });
  return port;
}

process.send?.(what === 'bare' ? await startBare() : await startOurs(what));
