import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import pg from 'pg';
import { inject, onTestFinished } from 'vitest';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of a role that may create schemas. */
    postgresUrl: string;
  }
}

const SERVER = fileURLToPath(new URL('./postgres-server.ts', import.meta.url));

/** Vitest's global setup: the PostgreSQL server of TEST_DATABASE_URL, or one for this run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined) {
    project.provide('postgresUrl', given);
    return async () => undefined;
  }
  const server = fork(SERVER, { execArgv: ['--import', 'tsx'] });
  const ended = once(server, 'exit');
  const failed = ended.then(() =>
    Promise.reject(new Error('The PostgreSQL server for the tests did not start')),
  );
  const [url]: unknown[] = await Promise.race([once(server, 'message'), failed]);
  project.provide('postgresUrl', String(url));
  return async () => {
    server.disconnect();
    await ended;
  };
}

/** Returns the URL of an empty schema that belongs to the running test. */
export async function postgresDatabase(): Promise<string> {
  const server = inject('postgresUrl');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await runOn(server, `CREATE SCHEMA ${name}`);
  onTestFinished(async () => runOn(server, `DROP SCHEMA ${name} CASCADE`));
  const url = new URL(server);
  url.searchParams.set('options', `-c search_path=${name}`);
  return url.href;
}

/** Runs one statement as another program. */
export async function runOn(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
