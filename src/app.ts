import { randomInt } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

import { Delivery } from './bot/delivery.js';
import { FloodGate } from './bot/flood-gate.js';
import { Router } from './bot/router.js';
import type { RandomInt } from './codes/code-text.js';
import { guessingOdds } from './codes/throttle.js';
import { createCommands } from './commands/commands.js';
import type { Config } from './config.js';
import { createClient } from './discord/client.js';
import { DiscordBot } from './discord/discord-bot.js';
import { DmChannels } from './discord/dm-channels.js';
import { isAdministrator } from './discord/incoming.js';
import { Liveness, type LivenessOptions } from './discord/liveness.js';
import { GuildMembers } from './discord/members.js';
import { Sender } from './discord/sender.js';
import { Servers } from './discord/servers.js';
import { Waits } from './discord/waits.js';
import { healthCheck } from './http/health.js';
import type { HttpServer } from './http/http-server.js';
import type { Log } from './log.js';
import { Schedule, type Every } from './schedule.js';
import { CodeService } from './services/code-service.js';
import { Deliveries } from './services/deliveries.js';
import { endCodes, prune } from './services/maintenance.js';
import { checkMembership } from './services/membership.js';
import { suspendUnserved } from './services/servers.js';
import { Validator } from './services/validator.js';
import { isBackupDue, makeBackup } from './storage/backup.js';
import { openStorage, type Storage } from './storage/open-storage.js';
import { StorageError } from './storage/storage-error.js';

/** The process ends within 5 seconds. */
const STOP_TIMEOUT_MS = 4_000;
const RECOVERY_INTERVAL_MS = 15_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const COMMANDS_PER_MINUTE = 10;
/** Odds of guessing a code within a year that are worth a warning. */
const BAD_ODDS = 1 / 1_000;

/** The running bot. */
export interface App {
  /** Resolves when everything that the bot received is handled. */
  readonly idle: () => Promise<void>;
  /** Whether messages on Discord reach the bot now. */
  readonly isConnected: () => boolean;
  /** `null`: no HTTP API. */
  readonly httpPort: number | null;
  /** What the schedule does, for tests. */
  readonly tasks: Tasks;
  /** Finishes what is in progress, then closes Discord, the HTTP API and the database; within 5 seconds. */
  readonly stop: () => Promise<void>;
}

export interface Tasks {
  /** Keeps other processes from claiming the deliveries in progress. */
  readonly renew: () => Promise<void>;
  /** Finishes interrupted deliveries. */
  readonly recover: () => Promise<void>;
  /** Ends expired codes and codes that nobody received. */
  readonly endCodes: () => Promise<void>;
  readonly prune: () => Promise<void>;
  /** Ends the codes of members who left. */
  readonly checkMembers: () => Promise<void>;
  /** Suspends the codes of servers that are not served, and resumes the others. */
  readonly checkServers: () => Promise<void>;
  /** Makes a backup if one is due. */
  readonly backUp: () => Promise<void>;
}

export interface AppOptions {
  readonly log: Log;
  /** Called when the bot cannot continue; it may be called more than once. */
  readonly onFatal: (error: Error) => void;
  readonly clock?: () => number;
  readonly random?: RandomInt;
  /** Resolves after `ms`. */
  readonly wait?: (ms: number) => Promise<void>;
  /** Runs {@link Tasks} at intervals. Default: timers. */
  readonly every?: Every;
  readonly liveness?: Partial<LivenessOptions>;
}

/**
 * Assembles the bot and starts it; resolves when it receives messages.
 *
 * @throws {StorageError} the database or its secret is missing, wrong or damaged.
 * @throws {HttpSetupError} the port of the HTTP API is not available.
 * @throws {DiscordSetupError} the token is refused, an intent is off, or it is not clear which server to serve.
 */
export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const { log, onFatal, clock = Date.now, random = randomInt } = options;
  const storage = await openStorage({
    database: config.database,
    secret: config.codeSecret,
    as: 'owner',
    onFatal,
    onOutage: (error) => {
      if (error === null) log.info('The database works again');
      else log.error({ code: error.code }, error.message);
    },
  });
  try {
    return await start(config, { ...options, clock, random }, storage);
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function start(
  config: Config,
  options: AppOptions & Required<Pick<AppOptions, 'clock' | 'random'>>,
  storage: Storage,
): Promise<App> {
  const { log, onFatal, clock, random, every } = options;
  const { wait = async (ms) => pause(ms) } = options;
  const { commandPrefix: prefix } = config;
  const { store, keys } = storage;
  await logStorage(log, storage, config);

  const codes = new CodeService({
    store,
    keys,
    codeLength: config.codeLength,
    codeTtlMs: config.codeTtlMs,
    codeMaxUses: config.codeMaxUses,
    limits: { ...config.getcodeLimit, usernames: config.maxUsernamesPerMember },
    reservedUsernames: config.reservedUsernames,
    clock,
    random,
  });
  const deliveries = new Deliveries({ store, clock });
  const validator = new Validator({ store, keys, clock });

  const client = createClient(config.discordApiUrl, {
    clock,
    wait,
    onWait: (isWaiting) => liveness.pause(isWaiting),
    log,
  });
  const liveness = new Liveness(client, options.liveness);
  const servers = new Servers({ client, store, allowedGuildIds: config.allowedGuildIds, log });
  const waits = new Waits(wait);
  const channels = new DmChannels({ client, store: store.dmChannels, clock, waits, log });
  const sender = new Sender({ client, channels, clock, waits, log });
  const textOf = codes.textOf.bind(codes);
  const delivery = new Delivery({ deliveries, textOf, messenger: sender, clock, log });
  const router = new Router({
    commands: createCommands({
      codes,
      deliveries,
      isAdministrator: async (guildId, userId) =>
        servers.serves(guildId) && isAdministrator(client, guildId, userId),
      prefix,
    }),
    prefix,
    claim: async (id) => codes.claim(id),
    gate: new FloodGate({ limit: COMMANDS_PER_MINUTE, intervalMs: MINUTE_MS, clock }),
    log,
  });
  const bot = new DiscordBot({
    client,
    servers,
    router,
    delivery,
    sender,
    liveness,
    onFatal,
    clock,
    wait,
    log,
  });

  const tasks: Tasks = {
    renew: async () => delivery.renew(),
    recover: async () => delivery.recover(),
    endCodes: async () => endCodes(store, clock()),
    prune: async () => {
      await prune(store, clock() - config.auditDays * DAY_MS, clock());
      await validator.prune();
    },
    checkMembers: async () => {
      const members = new GuildMembers(client);
      for (const guildId of servers.available()) {
        const { ended, error } = await checkMembership(store, members, guildId, clock);
        if (ended > 0) log.info({ guildId, codes: ended }, 'Ended the codes of members who left');
        if (error !== null) log.warn({ guildId, err: error }, 'Could not check all members');
      }
    },
    checkServers: async () => servers.logSuspensions(await suspendUnserved(store, servers.served(), clock())),
    backUp: async () => {
      const { database, backupIntervalMs, backupKeep } = config;
      if (database.engine !== 'sqlite' || backupIntervalMs === null) return;
      if (!isBackupDue(database.path, backupIntervalMs, clock())) return;
      try {
        const made = await makeBackup(database.path, { keep: backupKeep, now: clock() });
        log.info({ path: made.path, codes: made.codes }, 'Made a backup');
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        log.error({ code: error.code }, error.message);
      }
    },
  };

  let http: HttpServer | null = null;
  const schedule = new Schedule({ log, every });
  try {
    // Before Discord: logins work while the bot waits for Discord.
    http = await startHttp(config, { store, validator, bot, clock, log });
    await bot.start(config.discordToken);
    servers.onChange = () =>
      void tasks.checkServers().catch((error: unknown) => log.error({ err: error }, 'A task failed'));
    await tasks.checkServers();
    schedule.add('renew', RECOVERY_INTERVAL_MS, tasks.renew);
    schedule.add('recover', RECOVERY_INTERVAL_MS, tasks.recover);
    schedule.add('end codes', MINUTE_MS, tasks.endCodes);
    schedule.add('prune', HOUR_MS, tasks.prune);
    const { membershipCheckIntervalMs, backupIntervalMs } = config;
    if (membershipCheckIntervalMs !== null)
      schedule.add('check members', membershipCheckIntervalMs, tasks.checkMembers);
    if (backupIntervalMs !== null) schedule.add('back up', Math.min(backupIntervalMs, HOUR_MS), tasks.backUp);
  } catch (error) {
    await http?.close();
    throw error;
  }

  return {
    idle: async () => bot.idle(),
    isConnected: () => bot.isConnected(),
    httpPort: http?.port ?? null,
    tasks,
    stop: async () => {
      try {
        // Checking many members takes minutes.
        const tasksEnd = Promise.race([schedule.stop(), pause(STOP_TIMEOUT_MS, undefined, { ref: false })]);
        await Promise.all([http?.close(), bot.stop(), tasksEnd]);
      } finally {
        await storage.close();
      }
    },
  };
}

async function startHttp(
  { httpPort: port, httpHost: host, httpTokens: tokens }: Config,
  parts: {
    readonly store: Storage['store'];
    readonly validator: Validator;
    readonly bot: DiscordBot;
    readonly clock: () => number;
    readonly log: Log;
  },
): Promise<HttpServer | null> {
  if (port === null) return null;
  const { store, validator, bot, clock, log } = parts;
  // Loaded on demand: fastify costs start time and memory.
  const { startHttpServer } = await import('./http/http-server.js');
  const health = healthCheck({
    probe: async (now) => store.probe(now),
    isConnected: () => bot.isConnected(),
    clock,
  });
  return startHttpServer({ host, port, tokens, validator, health, clock, log });
}

async function logStorage(log: Log, storage: Storage, { codeLength, codeSecret }: Config): Promise<void> {
  const { store, name: database, isNew, newSecretPath } = storage;
  if (!isNew) log.info({ database }, 'Opened the database');
  else if (codeSecret === null) log.info({ database }, 'Made a new database');
  else {
    // Nothing tells a first start from a lost database.
    log.warn(
      { database },
      'Made a new database. If there was one before, stop the bot and restore a backup.',
    );
  }
  if (newSecretPath !== null) {
    log.info(
      { secret: newSecretPath },
      'Made the secret that encrypts the codes. Copy this file to a safe place: without it no code and no backup can be read.',
    );
  }
  const usernames = await store.codes.countUsernames();
  const odds = guessingOdds(codeLength, Math.max(usernames, 1));
  if (odds > BAD_ODDS) {
    log.warn(
      `Codes are short for ${usernames} usernames: a year of guessing succeeds once in ${Math.floor(1 / odds).toLocaleString('en')} tries. Set CODE_LENGTH=8.`,
    );
  }
}
