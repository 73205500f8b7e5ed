import { startApp, type App } from './app.js';
import { loadConfig, type Config } from './config.js';
import { ConfigError, loadEnvFile, warnIfShared, type EnvFile } from './env-file.js';
import { EXIT_CONFIG, EXIT_FAILURE } from './exit-codes.js';
import { createLog, openLogDestination } from './log.js';
import { printableLines } from './printable.js';

// New files are readable for this account only.
process.umask(0o077);

let config: Config;
let envFile: EnvFile;
try {
  envFile = loadEnvFile(process.env);
  config = loadConfig(process.env, envFile);
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  process.stderr.write(`${printableLines(error.message)}\n`);
  process.exit(EXIT_CONFIG);
}

const log = createLog(config.logLevel, await openLogDestination(config.logFormat));

const warning = warnIfShared(envFile);
if (warning !== null) log.warn(warning);

let app: App | null = null;
let ending = false;

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // npm repeats Ctrl+C, and the bot stops within 5 seconds anyway.
    if (ending) return;
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
  // The errors whose message says what to do.
  if (error instanceof Error && 'isTransient' in error) {
    log.fatal(error.message);
    await end(error.isTransient === true ? EXIT_FAILURE : EXIT_CONFIG);
  } else {
    log.fatal({ err: error }, 'The bot stops because of an unexpected error');
    await end(EXIT_FAILURE);
  }
}

async function end(exitCode: number): Promise<never> {
  ending = true;
  try {
    // A bot that is still starting has no work to finish.
    await app?.stop();
  } catch (error) {
    log.error({ err: error }, 'Could not finish everything before stopping');
  }
  process.exit(exitCode);
}
