import { randomInt } from 'node:crypto';

import { Router } from './bot/router.js';
import { CodeService } from './codes/code-service.js';
import type { RandomInt } from './codes/code-text.js';
import { createCommands } from './commands/commands.js';
import type { Config } from './config.js';
import { createClient } from './discord/client.js';
import { DiscordBot } from './discord/discord-bot.js';
import { isAdministrator } from './discord/incoming.js';
import type { Log } from './log.js';
import { openStorage } from './storage/open-storage.js';

/** The running bot. */
export interface App {
  /** Resolves when everything that the bot has heard is answered. */
  readonly idle: () => Promise<void>;
  /** Finishes what is under way, then closes Discord and the database; within 5 seconds. */
  readonly stop: () => Promise<void>;
}

export interface AppOptions {
  readonly log: Log;
  /** Hears that the bot cannot go on: its connection was closed for good. */
  readonly onFatal: (error: Error) => void;
  readonly clock?: () => number;
  readonly random?: RandomInt;
}

/**
 * Puts the bot together and starts it; resolves when it hears its servers.
 *
 * @throws {StorageError} the database or its secret is missing, wrong or damaged.
 * @throws {DiscordSetupError} the token is refused, or the Message Content intent is off.
 */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { log, onFatal, clock = Date.now, random = randomInt } = options;
  const { databasePath, codeSecret, codeLength, codeTtlMs, codeMaxUses } = config;
  const prefix = config.commandPrefix;

  const storage = await openStorage({ databasePath, secret: codeSecret, as: 'owner' });
  try {
    const { store, keys } = storage;
    log.info(
      { database: storage.databasePath },
      storage.created ? 'Made a new database' : 'Opened the database',
    );

    const codes = new CodeService({ store, keys, codeLength, codeTtlMs, codeMaxUses, clock, random });
    const client = createClient(config.discordApiUrl);
    const commands = createCommands({
      codes,
      isAdministrator: async (guildId, userId) => isAdministrator(client, guildId, userId),
      prefix,
    });
    const router = new Router({ commands, prefix, requests: codes, log });
    const bot = new DiscordBot({ client, router, log, onFatal });
    await bot.start(config.discordToken);

    return {
      idle: async () => bot.idle(),
      stop: async () => {
        await bot.stop();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}
