import type { TestServer } from '../support/bot.js';
import { run, type Running } from '../support/process.js';

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
