import { join } from 'node:path';

import { openTestStorage } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { describeCodeStore } from './code-store.contract.js';

describeCodeStore('SQLite', async () => {
  const { store } = await openTestStorage(join(temporaryFolder(), 'codes.db'));
  return store;
});
