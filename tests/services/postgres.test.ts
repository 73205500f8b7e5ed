import { describe, onTestFinished } from 'vitest';

import { PostgresDriver } from '../../src/storage/postgres-driver.js';
import { postgresDatabase } from '../support/postgres.js';
import { describeServices } from './services.contract.js';

describe('on PostgreSQL', () => {
  describeServices({
    async newDatabase() {
      return { engine: 'postgres', url: await postgresDatabase() };
    },
    async openDriver(database) {
      if (database.engine !== 'postgres') throw new Error('Not a PostgreSQL database');
      const driver = new PostgresDriver(database.url);
      onTestFinished(async () => driver.close());
      return driver;
    },
  });
});
