import { config as loadDotenv } from 'dotenv';

import { startApp, type App } from './app.js';
import { ConfigError, loadConfig, type Config } from './config.js';
import { DiscordSetupError } from './discord/discord-bot.js';
import { EXIT_CONFIG, EXIT_FAILURE } from './exit-codes.js';
import { HttpSetupError } from './http/http-setup-error.js';
import { createLog, openLogDestination } from './log.js';
import { StorageError } from './storage/storage-error.js';

// Whatever this process writes is its owner's alone.
process.umask(0o077);
loadDotenv({ quiet: true });

let config: Config;
try {
  config = loadConfig(process.env);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(EXIT_CONFIG);
}

const logFormat = config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json');
const log = createLog(config.logLevel, await openLogDestination(logFormat));

let app: App | null = null;
let ending = false;

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    // A second signal means now.
    if (ending) process.exit(EXIT_FAILURE);
    log.info(`Stopping on ${signal}`);
    void end(0);
  });
}

try {
  app = await startApp(config, { log, onFatal: (error) => void fail(error) });
} catch (error) {
  await fail(error);
}

async function fail(error: unknown): Promise<void> {
  if (ending) return;
  const known =
    error instanceof StorageError || error instanceof DiscordSetupError || error instanceof HttpSetupError;
  if (known) log.fatal(error.message);
  else log.fatal({ err: error }, 'The bot cannot go on');
  const passes = (error instanceof StorageError || error instanceof HttpSetupError) && error.passes;
  await end(known && !passes ? EXIT_CONFIG : EXIT_FAILURE);
}

async function end(exitCode: number): Promise<never> {
  ending = true;
  try {
    // While the bot starts nobody waits for it but websites, which ask again.
    await app?.stop();
  } catch (error) {
    log.error({ err: error }, 'The bot did not stop cleanly');
  }
  process.exit(exitCode);
}
