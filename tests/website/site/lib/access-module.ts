import type { Validator, Verdict } from 'chatroom-access-bot/validator';

import { type Access, type Answer, TIMEOUT_MS } from './access';

/** One for the whole site: it keeps the database open. */
let opening: Promise<Validator> | null = null;

/**
 * Opens the bot's database: PostgreSQL, or a SQLite file on the same machine. For SQLite the site must run under the
 * bot's account.
 */
export function moduleAccess(databaseUrl: string): Access {
  async function ask(question: (validator: Validator) => Promise<Verdict>): Promise<Answer> {
    try {
      return read(await inTime(openOnce(databaseUrl).then(question)));
    } catch (error) {
      // The error never holds what the visitor typed.
      console.error(`Cannot check codes in the access bot's database: ${String(error)}`);
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
    // The next login tries again: the bot may have created the database.
    opening = null;
    throw error;
  }
}

async function open(databaseUrl: string): Promise<Validator> {
  // Bundlers cannot pack SQLite, which is native code. Node loads the package when it is needed.
  const { openValidator } = await import(/* turbopackIgnore: true */ 'chatroom-access-bot/validator');
  const { ACCESS_CODE_SECRET: codeSecret } = process.env;
  return openValidator({ databaseUrl, ...(codeSecret ? { codeSecret } : {}) });
}

function read(verdict: Verdict): Answer {
  if (verdict.valid)
    return { kind: 'in', holder: { discordUserId: verdict.discordUserId, username: verdict.username } };
  if (verdict.reason === 'throttled') {
    return { kind: 'wait', seconds: Math.ceil((verdict.retryAfterMs ?? 3_600_000) / 1_000) };
  }
  return { kind: verdict.reason === 'used_up' ? 'used-up' : 'out' };
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${TIMEOUT_MS} ms`)), TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
