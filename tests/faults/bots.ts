import { join } from 'node:path';

import type { TestServer } from '../support/bot.js';
import { run, type Running } from '../support/process.js';
import { openDriver } from '../support/engines.js';
import type { Random } from './random.js';

/** Removes a random item and returns it. */
export function draw<T>(items: T[], { below }: Random): T | undefined {
  return items.splice(below(items.length), 1)[0];
}

/** The path of the database of a bot that runs in `cwd`. */
export function databaseIn(cwd: string): string {
  return join(cwd, 'data', 'access-codes.db');
}

/** Returns the ids that a query finds, while bots may be running. */
export async function readIds(databaseUrl: string, query: string): Promise<ReadonlySet<unknown>> {
  const driver = openDriver(databaseUrl);
  const rows = await driver.query(query);
  await driver.close();
  return new Set(rows.map(({ id }) => id));
}

/** Returns the ids of the messages that a bot handled. */
export async function readHeard(databaseUrl: string): Promise<ReadonlySet<unknown>> {
  return readIds(databaseUrl, 'SELECT id FROM requests');
}

/** Writes the DM channels of members to the database: opening many new ones takes long. */
export async function writeDmChannels(
  databaseUrl: string,
  channels: readonly (readonly [userId: string, channelId: string])[],
): Promise<void> {
  const driver = openDriver(databaseUrl);
  await driver.transaction('codes', async (query) => {
    for (const channel of channels) {
      await query('INSERT INTO dm_channels (user_id, channel_id) VALUES ($1, $2)', channel);
    }
  });
  await driver.close();
}

/** Starts the built program; its database and its secret are in `cwd`. */
export function startBotProcess(
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
      MEMBERSHIP_CHECK_INTERVAL: 'off',
      ...env,
    },
  });
}

/** A bot that is started again when it ends, as by a supervisor. */
export class SupervisedBot {
  readonly #server: TestServer;
  readonly #cwd: string;
  readonly #env: Readonly<Record<string, string>>;
  #process: Running;
  /** The last process that was signalled. */
  #ending: Running | null = null;
  #stopping = false;
  /** Exits that nobody caused and that the log does not explain. */
  readonly failures: string[] = [];

  constructor(server: TestServer, cwd: string, env: Readonly<Record<string, string>> = {}) {
    this.#server = server;
    this.#cwd = cwd;
    this.#env = env;
    this.#process = this.#start();
  }

  /** Resolves when it is ready. */
  async ready(): Promise<void> {
    for (;;) {
      if (this.#process === this.#ending) await this.#process.ended;
      const ready = this.#process.printed('is ready').then(
        () => true,
        () => false,
      );
      if (await ready) return;
    }
  }

  /** Signals the process that runs now; another one follows it. */
  end(signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#ending = this.#process;
    this.#process.child.kill(signal);
  }

  /** Resolves when the process that runs now ends. */
  async ended(): Promise<void> {
    await this.#process.ended;
  }

  /** Ends the last process. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#stopping = true;
    this.end(signal);
    await this.ended();
  }

  #start(): Running {
    const started = startBotProcess(this.#server, this.#cwd, this.#env);
    void this.#follow(started);
    return started;
  }

  async #follow(started: Running): Promise<void> {
    const end = await started.ended;
    const isExplained = started === this.#ending || started.stdout().includes('"level":60');
    if (!isExplained) this.failures.push(`${end}: ${started.stdout()}${started.stderr()}`);
    if (!this.#stopping) this.#process = this.#start();
  }
}
