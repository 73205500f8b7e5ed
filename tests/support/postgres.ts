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
  const server = await startServer();
  project.provide('postgresUrl', server.url);
  return server.stop;
}

/**
 * Starts a PostgreSQL server with one user and one database. `kill` ends it as a crash does.
 *
 * @param settings as in postgresql.conf; by default nothing survives a crash.
 */
export async function startServer(settings: readonly string[] = []) {
  const server = fork(SERVER, settings, { execArgv: ['--import', 'tsx'] });
  const ended = once(server, 'exit');
  const failed = ended.then(() => Promise.reject(new Error('The PostgreSQL server for the tests ended')));
  failed.catch(() => undefined);
  const next = async (): Promise<unknown> => (await Promise.race([once(server, 'message'), failed]))[0];
  const order = async (word: 'kill' | 'start'): Promise<void> => {
    server.send(word);
    await next();
  };
  return {
    url: String(await next()),
    kill: async () => order('kill'),
    start: async () => order('start'),
    stop: async () => {
      server.disconnect();
      await ended;
    },
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
