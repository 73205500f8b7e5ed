import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, it } from 'vitest';

import { openRaw } from '../support/raw-database.js';
import { openServer, type Answer } from './server.js';

const ajv = new Ajv2020({ strict: false });

function at(node: unknown, ...steps: readonly string[]): object {
  return Object(steps.reduce<unknown>((value, step) => Reflect.get(Object(value), step), node));
}

it('describes every response of every endpoint in the OpenAPI document', async () => {
  const server = await openServer({ codeMaxUses: 1 });
  const { post, get, issueCode } = server;
  const document = (await get('/openapi.json')).body;
  expect(document).toMatchObject({ openapi: '3.1.0' });
  const { text: code } = await issueCode();
  const good = { username: 'Alice', code };
  const bad = { username: 'Bob', code: 'AAAAAA' };
  const seen = new Set<string>();
  function check(path: string, method: string, { status, headers, body }: Answer): void {
    const response = at(document, 'paths', path, method, 'responses', String(status));
    const matches = ajv.validate(at(response, 'content', 'application/json', 'schema'), body);
    expect({ path, status, body, matches, errors: ajv.errors ?? null }).toMatchObject({ matches: true });
    expect(Object.hasOwn(response, 'headers')).toBe(headers.has('retry-after'));
    seen.add(`${method} ${path} ${status}`);
  }

  check('/healthz', 'get', await get('/healthz'));
  check('/livez', 'get', await get('/livez'));
  for (const path of ['/v1/validate', '/v1/redeem']) {
    for (const body of [good, good, bad, { ...bad, more: 1 }]) check(path, 'post', await post(path, body));
    check(path, 'post', await post(path, good, { token: null }));
    check(path, 'post', await post(path, { ...good, client: 'x'.repeat(2_000) }));
    check(path, 'post', await post(path, 'text', { headers: { 'content-type': 'text/plain' } }));
  }
  for (let n = 0; n < 10; n++) await post('/v1/validate', bad);
  for (const path of ['/v1/validate', '/v1/redeem']) check(path, 'post', await post(path, bad));
  const raw = openRaw(server.databasePath);
  raw.exec('ALTER TABLE meta RENAME TO gone; ALTER TABLE failures RENAME TO lost');
  raw.close();
  server.clock.advance(60_000);
  for (const path of ['/v1/validate', '/v1/redeem']) check(path, 'post', await post(path, good));
  check('/healthz', 'get', await get('/healthz'));

  const documented = Object.entries<object>({ ...at(document, 'paths') }).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      Object.keys(at(operation, 'responses')).map((status) => `${method} ${path} ${status}`),
    ),
  );
  expect([...seen].toSorted()).toEqual(documented.toSorted());
});

it('requires the token for logins alone in the OpenAPI document', async () => {
  const { get } = await openServer();
  const { body } = await get('/openapi.json');
  expect(at(body, 'components', 'securitySchemes')).toEqual({ token: { type: 'http', scheme: 'bearer' } });
  for (const path of ['/v1/validate', '/v1/redeem'])
    expect(at(body, 'paths', path, 'post')).toHaveProperty('security', [{ token: [] }]);
  for (const path of ['/healthz', '/livez'])
    expect(at(body, 'paths', path, 'get')).not.toHaveProperty('security');
  expect(at(body, 'paths', '/v1/redeem', 'post', 'parameters', '0')).toMatchObject({
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
  });
});
