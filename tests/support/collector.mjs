// Opens and closes storages until what is left of them was collected: on some versions of Node that ends the process.
import { rmSync } from 'node:fs';

import { openStorage } from '../../dist/storage/open-storage.js';

for (let round = 0; round < 150; round++) {
  rmSync('data', { recursive: true, force: true });
  const storage = await openStorage({ databasePath: 'data/codes.db', secret: null, as: 'owner' });
  for (let count = 0; count < 20; count++) await storage.store.claim(`request ${count}`, 1);
  await storage.close();
}
process.stdout.write('collected\n');
