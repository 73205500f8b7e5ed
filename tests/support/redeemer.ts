/**
 * A website as a process of its own: told pairs over IPC, it redeems one after the other and answers with how many
 * were good. Its argument is the path of the bot's database, or the address of its HTTP port with the token behind it.
 */
import { openValidator } from '../../src/validator/validator.js';

type Pair = readonly [username: string, code: string];

const [, , door = '', token = ''] = process.argv;
const redeem = token === '' ? await byModule() : byHttp;

async function byModule(): Promise<(pair: Pair) => Promise<boolean>> {
  const validator = await openValidator({ databaseUrl: door });
  process.once('disconnect', () => void validator.close());
  return async ([username, code]) => (await validator.redeem(username, code)).valid;
}

async function byHttp([username, code]: Pair): Promise<boolean> {
  const response = await fetch(`${door}/v1/redeem`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, code }),
  });
  if (response.status !== 200) throw new Error(`The bot answered ${response.status}`);
  const verdict: unknown = await response.json();
  return Reflect.get(Object(verdict), 'valid') === true;
}

async function redeemAll(pairs: readonly Pair[]): Promise<void> {
  let good = 0;
  for (const pair of pairs) if (await redeem(pair)) good += 1;
  process.send?.(good);
}

process.on('message', (pairs: Pair[]) => void redeemAll(pairs));
process.send?.('ready');
