import { join } from 'node:path';

import { describe } from 'vitest';

import { folderInMemory } from '../support/folder.js';
import { describeServices } from './services.contract.js';

describe('on SQLite', () => {
  describeServices(async () => join(folderInMemory(), 'codes.db'));
});
