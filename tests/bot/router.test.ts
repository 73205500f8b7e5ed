import { expect, it } from 'vitest';

import { FloodGate } from '../../src/bot/flood-gate.js';
import { Router } from '../../src/bot/router.js';
import { UserError } from '../../src/bot/user-error.js';
import { createLog } from '../../src/log.js';
import { StorageError } from '../../src/storage/storage-error.js';

const OUTAGE = new StorageError('DATABASE_LOCKED', 'The database is locked');

it.each([
  ['a refusal', new UserError('❌ No.'), '❌ No.'],
  ['an outage', OUTAGE, '❌ I cannot reach my database. Please try again in a few minutes.'],
])('replies with %s while the database cannot be reached', async (_, error, content) => {
  let logged = '';
  const failing = (cause: Error) => async (): Promise<never> => Promise.reject(cause);
  const router = new Router({
    commands: [{ name: 'x', usage: '', summary: '', run: failing(error) }],
    prefix: '!',
    codes: { claim: failing(OUTAGE) },
    gate: new FloodGate(() => 0),
    log: createLog('trace', { write: (line) => (logged += line) }),
  });
  const reply = await router.handle({
    id: '1',
    text: '!x',
    channelId: 'c',
    guildId: 'g',
    author: { id: '2', tag: 'alice' },
    authorIsAdministrator: false,
    authorMayGetCodes: true,
  });
  expect(reply).toEqual({ to: 'channel', body: { content } });
  expect(logged).toBe('');
});
