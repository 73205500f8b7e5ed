import { join } from 'node:path';

import { describe, onTestFinished } from 'vitest';

import { SqliteDriver } from '../../src/storage/sqlite-driver.js';
import { folderInMemory } from '../support/folder.js';
import { describeServices } from './services.contract.js';

describe('on SQLite', () => {
  describeServices({
    async newDatabase() {
      return { engine: 'sqlite', path: join(folderInMemory(), 'codes.db') };
    },
    async openDriver(database) {
      if (database.engine !== 'sqlite') throw new Error('Not a SQLite database');
      const driver = new SqliteDriver(database.path);
      onTestFinished(async () => driver.close());
      return driver;
    },
  });
});
