import { join } from 'node:path';

import type { Driver } from '../../src/storage/driver.js';
import { PostgresDriver } from '../../src/storage/postgres-driver.js';
import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { temporaryFolder } from './folder.js';
import { postgresDatabase } from './postgres.js';

/** Each engine, and what names an empty database that belongs to the running test. */
export const ENGINES = [
  ['SQLite', async () => join(temporaryFolder(), 'codes.db')],
  ['PostgreSQL', postgresDatabase],
] as const satisfies readonly (readonly [string, () => Promise<string>])[];

/** Opens a database beside the bots that use it. */
export function openDriver(databaseUrl: string): Driver {
  return databaseUrl.startsWith('postgres') ? new PostgresDriver(databaseUrl) : new SqliteDriver(databaseUrl);
}
