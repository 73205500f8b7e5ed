import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { openValidator, type Validator } from '../../src/validator/validator.js';
import type { TestBot, TestServer } from '../support/bot.js';
import { run, type Running } from '../support/process.js';
import { openRaw } from '../support/raw-database.js';

export const EXIT_CONFIG = 78;

/** A website that opens the bot's database. */
export async function openWebsite({ databasePath, clock }: TestBot): Promise<Validator> {
  const validator = await openValidator({ databaseUrl: databasePath, clock: clock.read });
  onTestFinished(async () => validator.close());
  return validator;
}

/** The built program in `cwd`, where its database is. */
export function runBot(
  { discord }: TestServer,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Running {
  return run('dist/index.js', {
    cwd,
    env: {
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      LOG_FORMAT: 'json',
      BACKUP_INTERVAL: 'off',
      ...env,
    },
  });
}

export const databaseIn = (cwd: string): string => join(cwd, 'data', 'access-codes.db');

/** Every row of the codes and of the audit. */
export function rowsIn(databasePath: string): unknown {
  const database = openRaw(databasePath);
  try {
    return ['codes', 'audit'].map((table) => database.prepare(`SELECT * FROM ${table}`).all());
  } finally {
    database.close();
  }
}
