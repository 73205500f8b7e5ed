/**
 * A server as a process of its own, so that the client's work is not counted. Its arguments: `bare`, for the HTTP
 * library alone with one constant answer, or the path of a database, for the bot's own door to it. Sends its port.
 */
import fastify from 'fastify';

import { CodeValidator } from '../../src/codes/code-validator.js';
import { openHttpDoor } from '../../src/http/http-door.js';
import { openStorage } from '../../src/storage/open-storage.js';

const [, , what = '', token = ''] = process.argv;

async function openBare(): Promise<number> {
  const app = fastify({ logger: false });
  const verdict = { valid: true, username: 'user1', discordUserId: '1', expiresAt: null, usesLeft: null };
  app.post('/v1/validate', async () => verdict);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const address = app.server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function openOurs(databasePath: string): Promise<number> {
  const { store, keys } = await openStorage({ databasePath, secret: null, as: 'guest' });
  const silent = (): void => undefined;
  const { port } = await openHttpDoor({
    host: '127.0.0.1',
    port: 0,
    tokens: [token],
    validator: new CodeValidator({ store, keys, clock: Date.now }),
    health: async () => ({ database: true, gateway: true }),
    clock: Date.now,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  });
  return port;
}

process.send?.(what === 'bare' ? await openBare() : await openOurs(what));
