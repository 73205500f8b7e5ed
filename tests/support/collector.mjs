// Opens and closes storages until their objects are garbage-collected, which aborts some versions of Node.
import { rmSync } from 'node:fs';

import { openStorage } from '../../dist/storage/open-storage.js';

for (let round = 0; round < 150; round++) {
  rmSync('data', { recursive: true, force: true });
  const database = { engine: 'sqlite', path: 'data/codes.db' };
  const storage = await openStorage({ database, secret: null, as: 'owner' });
  for (let count = 0; count < 20; count++) await storage.store.requests.claim(`request ${count}`, 1);
  await storage.close();
}
process.stdout.write('collected\n');
