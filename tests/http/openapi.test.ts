import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';

import { createHttpApp } from '../../src/http/http-door.js';
import { OPENAPI } from '../../src/http/openapi.js';
import { startBot } from '../support/bot.js';
import { openCodes } from '../support/codes.js';
import { openRaw } from '../support/raw-database.js';
import { openDoor, TOKEN, type Answer } from './door.js';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] as const;

const ajv = new Ajv2020({ strict: false });

/** What the document says of one endpoint's answer. */
function schemaOf(document: unknown, path: string, method: string, status: number): object {
  const steps = ['paths', path, method, 'responses', String(status), 'content', 'application/json', 'schema'];
  const schema = steps.reduce<unknown>((node, step) => Reflect.get(Object(node), step), document);
  if (typeof schema !== 'object' || schema === null) throw new Error(`${method} ${path} has no ${status}`);
  return schema;
}

describe('the OpenAPI document', () => {
  it('is served', async () => {
    const { get } = await openDoor();
    expect(await get('/openapi.json')).toMatchObject({ status: 200, body: OPENAPI });
  });

  it('names the routes that there are, and no other', async () => {
    const { validator, clock } = await openCodes();
    const { log } = console;
    const app = createHttpApp({
      tokens: [TOKEN],
      validator,
      health: async () => ({ database: true, gateway: true }),
      clock: clock.read,
      log: { debug: log, info: log, warn: log, error: log },
    });
    await app.ready();
    const found = Object.entries(OPENAPI.paths).flatMap(([url, path]) =>
      METHODS.flatMap((method) =>
        (app.hasRoute({ url, method }) ? [`${method} ${url}`] : []).concat(
          Object.hasOwn(path, method.toLowerCase()) ? [`${method} ${url}`] : [],
        ),
      ),
    );
    // Each is named twice: once by the application, once by the document.
    expect(found.filter((route) => found.filter((other) => other === route).length !== 2)).toEqual([]);
    const drawn = app.printRoutes({ commonPrefix: false }).match(/\(.*\)/g);
    expect(drawn).toHaveLength(Object.keys(OPENAPI.paths).length);
    await app.close();
  });

  it('tells what is answered: every status, as the schema has it', async () => {
    const { bot, url, post, get } = await openDoor({ settings: { CODE_MAX_USES: '1' } });
    const { body: document } = await get('/openapi.json');
    const code = await bot.getCode(bot.server.alice, 'Alice');
    const good = { username: 'Alice', code };
    const bad = { username: 'Bob', code: 'AAAAAA' };
    const seen = new Set<string>();
    function hold(path: string, method: string, { status, body }: Answer): void {
      const fits = ajv.validate(schemaOf(document, path, method, status), body);
      expect({ path, status, body, fits, errors: ajv.errors ?? null }).toMatchObject({ fits: true });
      seen.add(`${method} ${path} ${status}`);
    }
    async function holdHealth(): Promise<void> {
      hold('/healthz', 'get', await get('/healthz'));
      const { status, headers, body: text } = await fetch(`${url}/healthz`, { method: 'HEAD' });
      expect([headers.get('content-type'), text]).toEqual(['application/json; charset=utf-8', null]);
      seen.add(`head /healthz ${status}`);
    }

    await holdHealth();
    hold('/openapi.json', 'get', await get('/openapi.json'));
    for (const path of ['/v1/validate', '/v1/redeem']) {
      for (const body of [good, good, bad, { ...bad, more: 1 }]) hold(path, 'post', await post(path, body));
      hold(path, 'post', await post(path, good, { token: null }));
      hold(path, 'post', await post(path, { ...good, client: 'x'.repeat(2_000) }));
      hold(path, 'post', await post(path, 'text', { headers: { 'content-type': 'text/plain' } }));
    }
    for (let n = 0; n < 10; n++) await post('/v1/validate', bad);
    const raw = openRaw(bot.databasePath);
    for (const path of ['/v1/validate', '/v1/redeem']) hold(path, 'post', await post(path, bad));
    raw.exec('ALTER TABLE meta RENAME TO gone; ALTER TABLE guards RENAME TO nobody');
    raw.close();
    bot.clock.advance(60_000);
    for (const path of ['/v1/validate', '/v1/redeem']) hold(path, 'post', await post(path, good));
    await holdHealth();

    const documented = Object.entries(OPENAPI.paths).flatMap(([path, methods]) =>
      Object.entries<object>(methods).flatMap(([method, operation]) =>
        Object.keys(Object(Reflect.get(operation, 'responses'))).map(
          (status) => `${method} ${path} ${status}`,
        ),
      ),
    );
    expect([...seen].toSorted()).toEqual(documented.toSorted());
  });
});

it('is nowhere while the bot opens no port', async () => {
  const { app } = await startBot();
  expect(app.httpPort).toBeNull();
});
