import type { Validator, Verdict } from 'chatroom-access-bot/validator';

import { type Access, type Answer, PATIENCE_MS } from './access';

/** One for the whole server: it keeps the database open. */
let opening: Promise<Validator> | null = null;

/** Asks the bot's database: for a site on the bot's machine that runs as the bot's user. */
export function moduleAccess(databaseUrl: string): Access {
  async function ask(question: (validator: Validator) => Promise<Verdict>): Promise<Answer> {
    try {
      return read(await inTime(openOnce(databaseUrl).then(question)));
    } catch (error) {
      // Says what is wrong with the database, and never what the visitor typed.
      console.error(`The access bot's database did not answer: ${String(error)}`);
      return { kind: 'unavailable' };
    }
  }

  return {
    redeem: ({ username, code, client }, idempotencyKey) =>
      ask((validator) => validator.redeem(username, code, { client, idempotencyKey })),
    validate: ({ username, code, client }) =>
      ask((validator) => validator.validate(username, code, { client })),
  };
}

async function openOnce(databaseUrl: string): Promise<Validator> {
  opening ??= open(databaseUrl);
  try {
    return await opening;
  } catch (error) {
    // The next login tries again: the database may be there by then.
    opening = null;
    throw error;
  }
}

async function open(databaseUrl: string): Promise<Validator> {
  // No bundler can pack SQLite, which is machine code: Node loads the package when it is needed.
  const { openValidator } = await import(/* turbopackIgnore: true */ 'chatroom-access-bot/validator');
  return openValidator({ databaseUrl });
}

function read(verdict: Verdict): Answer {
  if (verdict.valid) return { kind: 'in', username: verdict.username };
  if (verdict.reason === 'throttled') {
    return { kind: 'wait', seconds: Math.ceil((verdict.retryAfterMs ?? 3_600_000) / 1_000) };
  }
  return { kind: verdict.reason === 'used_up' ? 'used-up' : 'out' };
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
