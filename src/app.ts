import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Delivery } from './bot/delivery.js';
import { FloodGate } from './bot/flood-gate.js';
import { Router } from './bot/router.js';
import type { RandomInt } from './codes/code-text.js';
import { guessingOdds, MANY_GUESSED_USERNAMES } from './codes/throttle.js';
import { createCommands } from './commands/commands.js';
import type { Config } from './config.js';
import { createClient } from './discord/client.js';
import { DiscordBot } from './discord/discord-bot.js';
import { DmChannels } from './discord/dm-channels.js';
import { Liveness, type LivenessOptions } from './discord/liveness.js';
import { findLeft, isAdministratorNow } from './discord/members.js';
import { Sender } from './discord/sender.js';
import { Servers } from './discord/servers.js';
import type { HttpServer } from './http/http-server.js';
import type { Log } from './log.js';
import { Schedule, type Every, type Wait } from './schedule.js';
import { CodeService } from './services/code-service.js';
import { Deliveries } from './services/deliveries.js';
import { checkMembership, endCodes, prune, suspendUnserved } from './services/maintenance.js';
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
/** Odds of guessing a code within a year that are worth a warning. */
const BAD_ODDS = 1 / 1_000;

/** What the schedule does. */
type Tasks = Readonly<
  Record<
    'renew' | 'recover' | 'endCodes' | 'prune' | 'checkMembers' | 'checkServers' | 'backUp',
    () => Promise<void>
  >
>;

/** The running bot. */
export interface App {
  /** Resolves when everything that the bot received is handled. */
  readonly idle: () => Promise<void>;
  /** Whether messages on Discord reach the bot now. */
  readonly isConnected: () => boolean;
  /** `null`: no HTTP API. */
  readonly httpPort: number | null;
  /** The names of the commands, without the prefix. */
  readonly commands: readonly string[];
  /** For tests. */
  readonly tasks: Tasks;
  /** Finishes what is in progress, then closes Discord, the HTTP API and the database; within 5 seconds. */
  readonly stop: () => Promise<void>;
}

export interface AppOptions {
  readonly log: Log;
  /** Called when the bot cannot continue; it may be called more than once. */
  readonly onFatal: (error: Error) => void;
  readonly clock?: () => number;
  readonly random?: RandomInt;
  readonly wait?: Wait;
  /** Runs tasks at intervals. Default: timers. */
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
  const { log, onFatal } = options;
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
    return await start(config, options, storage);
  } catch (error) {
    await storage.close();
    throw error;
  }
}

const pauseUnlessAborted: Wait = async (ms, signal) =>
  pause(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);

async function start(config: Config, options: AppOptions, storage: Storage): Promise<App> {
  const { log, onFatal, clock = Date.now, random = randomInt, wait = pauseUnlessAborted } = options;
  const { commandPrefix: prefix, websiteUrl, membershipCheckIntervalMs, backupIntervalMs } = config;
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

  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  const onWait = (ms: number): void => liveness.expectWait(ms);
  const client = createClient(config.discordApiUrl, `${prefix}help_chatroom`, { wait, onWait, log });
  const liveness = new Liveness(client, clock, options.liveness);
  const servers = new Servers(client, store, config.allowedGuildIds, log);
  const parts = { client, clock, wait, stopping: stopping.signal, log };
  const sender = new Sender(parts, new DmChannels(parts, store.dmChannels));
  const delivery = new Delivery({ codes, deliveries, messenger: sender, prefix, websiteUrl, clock, log });
  const commands = createCommands({
    codes,
    deliveries,
    isAdministrator: async (guildId, userId) =>
      servers.serves(guildId) && isAdministratorNow(client, config, guildId, userId),
    prefix,
    websiteUrl,
    log,
  });
  const router = new Router({ commands, prefix, codes, gate: new FloodGate(clock), log });
  const bot = new DiscordBot({
    client,
    roleIds: config,
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

  let guessedUsernames = 0;
  const tasks: Tasks = {
    renew: async () => delivery.renew(),
    recover: async () => delivery.recover(),
    endCodes: async () => {
      await endCodes(store, clock());
      // From the database: websites may check codes in other processes.
      guessedUsernames = await store.logins.countGuessed(clock());
      if (guessedUsernames < MANY_GUESSED_USERNAMES) return;
      log.warn(
        { usernames: guessedUsernames },
        'Somebody is guessing codes of many usernames. Add a captcha or a rate limit to your login form, or set a longer CODE_LENGTH.',
      );
    },
    prune: async () => {
      await prune(store, clock() - config.auditDays * DAY_MS, clock());
      await validator.prune();
    },
    checkMembers: async () => {
      for (const guildId of servers.available()) {
        const ended = await checkMembership(store, findLeft.bind(null, client, log), guildId, clock);
        if (ended > 0) log.info({ guildId, codes: ended }, 'Ended the codes of members who left');
      }
    },
    checkServers: async () => servers.logSuspensions(await suspendUnserved(store, servers.served(), clock())),
    backUp: async () => {
      const { database, backupKeep } = config;
      if (database.engine !== 'sqlite' || backupIntervalMs === null) return;
      if (!isBackupDue(database.path, backupIntervalMs, clock())) return;
      try {
        const made = await makeBackup(database.path, { keep: backupKeep, now: clock() });
        log.info({ path: made.path, codes: made.codes }, 'Created a backup');
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        log.error({ code: error.code }, error.message);
      }
    },
  };

  const schedule = new Schedule(log, options.every);
  let http: HttpServer | null = null;
  const stop = async (): Promise<void> => {
    stopping.abort();
    const done = Promise.all([http?.close(), bot.stop(), schedule.stop()]);
    await Promise.race([done, pause(STOP_TIMEOUT_MS, undefined, { ref: false })]);
  };
  try {
    if (config.httpPort !== null) {
      // Before Discord: logins work while the bot waits for Discord.
      // Loaded on demand: fastify costs start time and memory.
      const { startHttpServer } = await import('./http/http-server.js');
      http = await startHttpServer({
        host: config.httpHost,
        port: config.httpPort,
        tokens: config.httpTokens,
        validator,
        probe: async (now) => store.probe(now),
        isConnected: () => liveness.isConnected(),
        guessedUsernames: () => guessedUsernames,
        clock,
        log,
      });
    }
    await bot.start(config.discordToken);
    await tasks.checkServers();
    servers.onWelcome = async ({ ownerId, id, name }) => delivery.welcome(ownerId, id, name);
    servers.onChange = () => void schedule.run('check servers', tasks.checkServers);
    // The database may fail at the moment of a change.
    schedule.add('check servers', MINUTE_MS, tasks.checkServers);
    schedule.add('renew', RECOVERY_INTERVAL_MS, tasks.renew);
    schedule.add('recover', RECOVERY_INTERVAL_MS, tasks.recover);
    schedule.add('end codes', MINUTE_MS, tasks.endCodes);
    schedule.add('prune', HOUR_MS, tasks.prune);
    if (membershipCheckIntervalMs !== null)
      schedule.add('check members', membershipCheckIntervalMs, tasks.checkMembers);
    if (backupIntervalMs !== null) schedule.add('back up', Math.min(backupIntervalMs, HOUR_MS), tasks.backUp);
    // Last: from this line on, a signal stops the bot in order.
    bot.logReady();
  } catch (error) {
    await stop();
    throw error;
  }

  return {
    idle: async () => bot.idle(),
    isConnected: () => liveness.isConnected(),
    httpPort: http?.port ?? null,
    commands: commands.map(({ name }) => name),
    tasks,
    stop: async () => {
      try {
        await stop();
      } finally {
        await storage.close();
      }
    },
  };
}

async function logStorage(log: Log, storage: Storage, { codeLength }: Config): Promise<void> {
  const { store, name: database, isNew, newSecretPath } = storage;
  if (!isNew) log.info({ database }, 'Opened the database');
  else if (
    newSecretPath !== null &&
    !['.env', 'backups'].some((file) => existsSync(join(dirname(database), file)))
  ) {
    log.info({ database }, 'Created a new database');
  } else {
    // A first start and a lost database look the same.
    log.warn(
      { database },
      'Created a new database. If there was one before, stop the bot, and correct DATABASE_URL or restore a backup.',
    );
  }
  if (newSecretPath !== null) {
    log.info(
      { secret: newSecretPath },
      'Created the secret that encrypts the codes. Copy this file to a safe place: without it no code and no backup can be read.',
    );
  }
  const usernames = await store.codes.countAll();
  const odds = guessingOdds(codeLength, Math.max(usernames, 1));
  if (odds > BAD_ODDS) {
    log.warn(
      `Codes are short for ${usernames} usernames: a year of guessing succeeds once in ${Math.floor(1 / odds).toLocaleString('en')} tries. Set CODE_LENGTH=8.`,
    );
  }
}
