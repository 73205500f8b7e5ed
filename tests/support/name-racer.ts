/**
 * A member who wants usernames, as a process of its own: told some over IPC, it asks for one after the other
 * and answers with those that it got. Its arguments are the path of the database and the member's id.
 */
import { randomInt } from 'node:crypto';

import { CodeService } from '../../src/codes/code-service.js';
import { parseUsername } from '../../src/codes/username.js';
import { openStorage } from '../../src/storage/open-storage.js';

const [, , databasePath = '', holderId = ''] = process.argv;
const storage = await openStorage({ databasePath, secret: null, as: 'guest' });
const service = new CodeService({
  store: storage.store,
  keys: storage.keys,
  codeLength: 6,
  codeTtlMs: null,
  codeMaxUses: null,
  getcodeLimit: { codes: 10_000, spanMs: 600_000 },
  maxUsernamesPerMember: 10_000,
  clock: () => Date.UTC(2026, 0, 1),
  random: randomInt,
});

async function isGiven(typed: string): Promise<boolean> {
  const username = parseUsername(typed);
  if (username === null) throw new Error(`No username: ${typed}`);
  const id = `${holderId} wants ${typed}`;
  const issued = await service.issue({ id, guildId: '1', holderId, holderTag: holderId, username });
  if (issued === 'taken') return false;
  if (typeof issued === 'object' && 'text' in issued) return service.deliver(id);
  throw new Error(`Neither given nor taken: ${JSON.stringify(issued)}`);
}

async function raceFor(usernames: readonly string[]): Promise<void> {
  const got: string[] = [];
  for (const username of usernames) if (await isGiven(username)) got.push(username);
  process.send?.(got);
}

process.on('message', (usernames: string[]) => void raceFor(usernames));
process.on('disconnect', () => void storage.close());
process.send?.('ready');
