import { describe } from 'vitest';

import { postgresDatabase } from '../support/postgres.js';
import { describeServices } from './services.contract.js';

describe('on PostgreSQL', () => {
  describeServices(postgresDatabase);
});
