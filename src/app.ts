import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { ScheduledBackups } from './backup/scheduled-backups.js';
import { Outbox } from './bot/outbox.js';
import { Router } from './bot/router.js';
import { CodeService } from './codes/code-service.js';
import { CodeValidator } from './codes/code-validator.js';
import type { RandomInt } from './codes/code-text.js';
import { chanceOfGuessing } from './codes/guessing.js';
import { createCommands } from './commands/commands.js';
import type { Config } from './config.js';
import { createClient } from './discord/client.js';
import { DiscordBot } from './discord/discord-bot.js';
import { isAdministrator } from './discord/incoming.js';
import { Gateway } from './discord/gateway.js';
import { GuildMembers } from './discord/members.js';
import { Sender } from './discord/sender.js';
import { ServedServers } from './discord/served-servers.js';
import type { Patience } from './discord/watchdog.js';
import { Housekeeping, type Every } from './housekeeping.js';
import { healthCheck } from './http/health.js';
import type { HttpDoor } from './http/http-door.js';
import type { Log } from './log.js';
import { openStorage, type Storage } from './storage/open-storage.js';

/** Above it a guesser's chance for one username and year is worth a warning. */
const WORRYING_CHANCE = 1 / 1_000;

/** The running bot. */
export interface App {
  /** Resolves when everything that the bot has heard is answered. */
  readonly idle: () => Promise<void>;
  /** Whether what is said on Discord reaches the bot at this moment. */
  readonly hears: () => boolean;
  /** Where websites can ask; `null`: nowhere. */
  readonly httpPort: number | null;
  /** Does now what is done from time to time anyway. */
  readonly housekeeping: Pick<Housekeeping, 'endCodes' | 'prune' | 'checkMembers' | 'tendAnswers' | 'backUp'>;
  /** Finishes what is under way, then closes Discord and the database; within 5 seconds. */
  readonly stop: () => Promise<void>;
}

export interface AppOptions {
  readonly log: Log;
  /** Hears that the bot cannot go on: Discord refuses it, or was not heard for too long. Perhaps more than once. */
  readonly onFatal: (error: Error) => void;
  readonly clock?: () => number;
  readonly random?: RandomInt;
  /** Resolves after so many ms; never rejects. */
  readonly wait?: (ms: number) => Promise<void>;
  /** When {@link App.housekeeping} is done by itself, beside at the start. Default: by timers. */
  readonly every?: Every;
  /** What differs from how long the gateway is usually waited for. */
  readonly patience?: Partial<Patience>;
}

/**
 * Puts the bot together and starts it; resolves when it hears its servers.
 *
 * @throws {StorageError} the database or its secret is missing, wrong or damaged.
 * @throws {HttpSetupError} the port for websites cannot be listened on.
 * @throws {DiscordSetupError} the token is refused, the Message Content intent is off, or no server can be served.
 */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { log, onFatal, clock = Date.now, random = randomInt, every, patience = {} } = options;
  const { wait = async (ms) => pause(ms, undefined, { ref: false }) } = options;
  const { allowedGuildIds, auditDays, codeLength, codeMaxUses, codeTtlMs, commandPrefix: prefix } = config;
  const { getcodeLimit, maxUsernamesPerMember, membershipCheckIntervalMs } = config;
  const { backupIntervalMs, backupKeep } = config;

  const storage = await openStorage({
    databasePath: config.databasePath,
    secret: config.codeSecret,
    as: 'owner',
    clock,
    onTrouble: (trouble) => {
      if (trouble === null) log.info('The database can be used again');
      else log.error({ reason: trouble.code }, trouble.message);
    },
  });
  let door: HttpDoor | null = null;
  try {
    const { store, keys } = storage;
    sayDatabase(log, storage);
    sayChanceOfGuessing(log, codeLength);

    const codes = new CodeService({
      store,
      keys,
      codeLength,
      codeTtlMs,
      codeMaxUses,
      getcodeLimit,
      maxUsernamesPerMember,
      clock,
      random,
    });
    const gateway = new Gateway({ log, patience });
    const client = createClient(config.discordApiUrl, gateway);
    const servers = new ServedServers({ client, store, listed: allowedGuildIds, clock, log });
    const commands = createCommands({
      codes,
      isAdministrator: async (guildId, userId) =>
        servers.serves(guildId) && isAdministrator(client, guildId, userId),
      prefix,
    });
    const sender = new Sender({
      client,
      log,
      memory: {
        find: async (userId) => store.findChannel(userId),
        remember: async (userId, channelId) => store.rememberChannel(userId, channelId),
        forget: async (userId) => store.forgetChannel(userId),
      },
      clock,
      wait,
    });
    const owner = randomBytes(8).toString('hex');
    const outbox = new Outbox({ store, keys, commands, messenger: sender, owner, clock, log });
    const router = new Router({
      commands,
      prefix,
      requests: codes,
      outbox,
      log,
      clock,
    });
    const bot = new DiscordBot({
      client,
      gateway,
      router,
      sender,
      outbox,
      log,
      onFatal,
      servers,
    });
    // Before Discord: who has a code gets in while the bot waits for Discord.
    door = await openDoor(config, { storage, hears: () => bot.hears(), clock, log });
    await bot.start(config.discordToken);

    const members = new GuildMembers(client, servers);
    const housekeeping = new Housekeeping({
      store,
      members,
      outbox,
      servers,
      membershipCheckIntervalMs,
      auditDays,
      backups:
        backupIntervalMs === null
          ? null
          : new ScheduledBackups({
              databasePath: storage.databasePath,
              keep: backupKeep,
              intervalMs: backupIntervalMs,
            }),
      clock,
      every,
      log,
    });
    housekeeping.start();

    return {
      idle: async () => bot.idle(),
      hears: () => bot.hears(),
      httpPort: door?.port ?? null,
      housekeeping,
      stop: async () => {
        housekeeping.stop();
        try {
          // Both at once: together they have no more time than Discord alone.
          await Promise.all([door?.close(), bot.stop()]);
        } finally {
          await storage.close();
        }
      },
    };
  } catch (error) {
    await door?.close().catch(() => undefined);
    await storage.close();
    throw error;
  }
}

async function openDoor(
  { httpPort: port, httpHost: host, httpTokens: tokens }: Config,
  parts: {
    readonly storage: Storage;
    readonly hears: () => boolean;
    readonly clock: () => number;
    readonly log: Log;
  },
): Promise<HttpDoor | null> {
  if (port === null) return null;
  const { storage, hears, clock, log } = parts;
  const { store, keys } = storage;
  // Loaded where it is wanted: otherwise it would cost the start and the memory of everybody.
  const { openHttpDoor } = await import('./http/http-door.js');
  const validator = new CodeValidator({ store, keys, clock });
  const health = healthCheck({ touch: async (now) => store.touch(now), hears, clock });
  return openHttpDoor({ host, port, tokens, validator, health, clock, log });
}

function sayDatabase(log: Log, { databasePath: database, created, secretPath }: Storage): void {
  if (!created) {
    log.info({ database }, 'Opened the database');
  } else if (secretPath === null) {
    // On another machine, or without its folder, a missing database cannot be told from one that never was.
    log.warn({ database }, 'Found no database and made an empty one: if there was one, stop and put it back');
  } else {
    log.info({ database }, 'Made a new database');
    log.info(
      `Made the secret that encrypts the codes: ${secretPath}. Copy it somewhere safe, apart from the backups: without it no code can be read.`,
    );
  }
}

/** 10 guesses an hour, all year long, against the codes that there can be. */
function sayChanceOfGuessing(log: Log, codeLength: number): void {
  const chance = chanceOfGuessing(codeLength);
  const level = chance > WORRYING_CHANCE ? 'warn' : 'info';
  const oneIn = Math.floor(1 / chance).toLocaleString('en');
  log[level](`Whoever guesses all year long gets in with one username with a chance of 1 in ${oneIn}`);
}
