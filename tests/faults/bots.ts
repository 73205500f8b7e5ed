import { join } from 'node:path';

import type { TestServer } from '../support/bot.js';
import { run, type Running } from '../support/process.js';
import { keep, openRaw } from '../support/raw-database.js';
import type { Random } from './random.js';

/** One of them, taken out. */
export function draw<T>(items: T[], { below }: Random): T | undefined {
  return items.splice(below(items.length), 1)[0];
}

/** Where a bot that runs in `cwd` has its database. */
export function databaseIn(cwd: string): string {
  return join(cwd, 'data', 'access-codes.db');
}

/** The ids that a query gives; read past the bots, while they run. */
export function readIds(databasePath: string, query: string): ReadonlySet<unknown> {
  const database = openRaw(databasePath);
  const ids = keep(database.prepare(query)).pluck().all();
  database.close();
  return new Set(ids);
}

/** The messages that some bot has heard and stored. The others came to nobody, or to one that died too soon. */
export function readHeard(databasePath: string): ReadonlySet<unknown> {
  return readIds(databasePath, 'SELECT id FROM requests');
}

/** Starts the bot as it is shipped; its database and its secret are in `cwd`. */
export function startBotProcess({ discord }: TestServer, cwd: string): Running {
  return run('dist/index.js', {
    cwd,
    env: {
      DISCORD_TOKEN: discord.token,
      DISCORD_API_URL: discord.apiUrl,
      LOG_FORMAT: 'json',
      BACKUP_INTERVAL: 'off',
      MEMBERSHIP_CHECK_INTERVAL: 'off',
    },
  });
}

/** A bot that is started again whenever it ends, as a supervisor does it. */
export class SupervisedBot {
  readonly #server: TestServer;
  readonly #cwd: string;
  #process: Running;
  /** The last process that was told to end. */
  #ending: Running | null = null;
  #stopping = false;
  /** How it ended where nobody ended it, and where it did not say why. */
  readonly failures: string[] = [];

  constructor(server: TestServer, cwd: string) {
    this.#server = server;
    this.#cwd = cwd;
    this.#process = this.#start();
  }

  /** Resolves when it hears its servers. */
  async ready(): Promise<void> {
    for (;;) {
      if (this.#process === this.#ending) await this.#process.ended;
      const ready = this.#process.printed('is ready in').then(
        () => true,
        () => false,
      );
      if (await ready) return;
    }
  }

  /** Ends the process that runs now, which is followed by another. */
  end(signal: 'SIGKILL' | 'SIGTERM'): void {
    this.#ending = this.#process;
    this.#process.child.kill(signal);
  }

  /** Resolves when the process that runs now has ended. */
  async ended(): Promise<void> {
    await this.#process.ended;
  }

  /** Resolves when nothing runs any more. */
  async stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#stopping = true;
    this.end(signal);
    await this.ended();
  }

  #start(): Running {
    const started = startBotProcess(this.#server, this.#cwd);
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
