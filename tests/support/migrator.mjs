// Updates a database as the bot does when it starts; or, for comparison, statement by statement.
// Arguments: the path, the migrations as JSON, "together" or "one by one", and before which statement of the
// last migration the process kills itself.
import Database from 'better-sqlite3';

import { openStorage } from '../../dist/storage/open-storage.js';

const [databasePath, json, how, killBefore] = process.argv.slice(2);
const released = JSON.parse(json);
const statements = released.pop();

const last = {
  *[Symbol.iterator]() {
    for (const [index, statement] of statements.entries()) {
      if (index === Number(killBefore)) process.kill(process.pid, 'SIGKILL');
      yield statement;
    }
    if (statements.length === Number(killBefore)) process.kill(process.pid, 'SIGKILL');
  },
};
const migrations = [...released, last];

process.stdout.write('begins\n');
if (how === 'together') {
  const storage = await openStorage({ databasePath, secret: null, as: 'owner', migrations });
  await storage.close();
} else {
  const database = new Database(databasePath);
  for (const statement of last) database.exec(statement);
  database.exec(`UPDATE meta SET value = '${migrations.length}' WHERE name = 'schema_version'`);
  database.close();
}
process.stdout.write('ends\n');
