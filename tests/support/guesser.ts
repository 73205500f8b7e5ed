/**
 * A website as a process of its own. Its arguments are the bot's DATABASE_URL, and the address and token of its HTTP API
 * if it has one; CODE_SECRET is in its environment. Receives guesses over IPC, sends them all at once and sends back the result of each: `valid`,
 * the reason of a refusal, or the error code of an outage.
 */
import { openValidator } from '../../src/validator/validator.js';

export interface Guess {
  readonly by: 'module' | 'HTTP';
  readonly method: 'validate' | 'redeem';
  readonly username: string;
  readonly code: string;
  readonly client?: string;
}

/** Guesses to send at `now`, a time in Unix milliseconds. */
export interface Burst {
  readonly guesses: readonly Guess[];
  readonly now: number;
}

const [, , databaseUrl = '', url = '', token = ''] = process.argv;
let now = 0;
const validator = await openValidator({
  databaseUrl,
  codeSecret: process.env['CODE_SECRET'],
  clock: () => now,
});

async function ask(guess: Guess): Promise<string> {
  try {
    return wordOf(await (guess.by === 'HTTP' ? askByHttp(guess) : askByModule(guess)));
  } catch (error) {
    return String(Reflect.get(Object(error), 'code'));
  }
}

async function askByModule({ method, username, code, client }: Guess): Promise<unknown> {
  return validator[method](username, code, { client });
}

async function askByHttp({ method, username, code, client }: Guess): Promise<unknown> {
  const response = await fetch(`${url}/v1/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, code, client }),
  });
  return response.json();
}

function wordOf(answer: unknown): string {
  const { valid, reason, error } = Object(answer);
  return valid === true ? 'valid' : String(reason ?? error);
}

async function askAll({ guesses, now: at }: Burst): Promise<void> {
  now = at;
  process.send?.(await Promise.all(guesses.map(ask)));
}

process.on('message', (burst: Burst) => void askAll(burst));
process.on('disconnect', () => void validator.close());
process.send?.('ready');
