import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { startApp } from '../app.js';
import { loadConfig } from '../config.js';
import { ConfigError } from '../env-file.js';
import { EXIT_CONFIG } from '../exit-codes.js';
import { createLog, openLogDestination } from '../log.js';
import { StorageError } from '../storage/storage-error.js';
import { openValidator } from '../validator/validator.js';

import { DiscordStandIn } from './stand-in/stand-in.js';
import { Terminal } from './terminal.js';
import { logInByHttp, logInByModule } from './website.js';

/** The production bot on the stand-in, with a terminal to type in, until the input ends. */
async function demo(): Promise<void> {
  const { stdout, env } = process;
  const folder = await mkdtemp(join(tmpdir(), 'access-bot-demo-'));
  const discord = await DiscordStandIn.start();
  try {
    const token = randomBytes(32).toString('base64url');
    const databasePath = join(folder, 'data', 'access-codes.db');
    // Settings of codes can be tried: CODE_TTL=1m npm run demo
    const config = loadConfig({
      ...env,
      DISCORD_TOKEN: discord.token,
      DISCORD_TOKEN_FILE: '',
      DISCORD_API_URL: discord.apiUrl,
      DATABASE_URL: databasePath,
      CODE_SECRET: '',
      CODE_SECRET_FILE: '',
      HTTP_PORT: '0',
      HTTP_HOST: '127.0.0.1',
      HTTP_TOKEN: token,
      HTTP_TOKEN_FILE: '',
      BACKUP_INTERVAL: 'off',
      LOG_LEVEL: env['LOG_LEVEL'] || 'warn',
    });
    const log = createLog(config.logLevel, await openLogDestination(config.logFormat));
    // Before the start: a bot that joins a server sends its owner a DM.
    const guild = discord.addGuild('Chat Room', discord.addUser('owner'));
    const app = await startApp(config, {
      log,
      onFatal: (error) => log.fatal({ err: error }, 'The bot cannot go on'),
    });
    const validator = await openValidator({ databaseUrl: databasePath });
    try {
      const terminal = new Terminal({
        discord,
        guild,
        logIn: { module: logInByModule(validator), http: logInByHttp(app.httpPort ?? 0, token) },
        prefix: config.commandPrefix,
        commands: app.commands,
        colors: stdout.isTTY && !env['NO_COLOR'],
        print: (text) => stdout.write(`${text}\n`),
        settled: async () => {
          await discord.delivered();
          await app.idle();
        },
      });
      terminal.greet();
      await typeInto(terminal);
      stdout.write('\n');
    } finally {
      await validator.close();
      await app.stop();
    }
  } finally {
    await discord.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Passes typed lines to the terminal one at a time, until the input or the terminal ends, or a signal comes. */
async function typeInto(terminal: Terminal): Promise<void> {
  const { stdin, stdout } = process;
  const input = createInterface({
    input: stdin,
    output: stdout,
    terminal: stdin.isTTY && stdout.isTTY,
    completer: (line: string) => terminal.complete(line),
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => input.close());
  let closed = false;
  const prompt = (): void => {
    // A pipe often ends before its lines are answered.
    if (closed) {
      stdout.write(terminal.prompt);
      return;
    }
    input.setPrompt(terminal.prompt);
    input.prompt();
  };
  let answered = Promise.resolve();
  async function answer(line: string): Promise<void> {
    if (terminal.ended) return;
    // A terminal echoes what is typed, a pipe does not.
    if (!stdin.isTTY) stdout.write(`${line}\n`);
    await terminal.handle(line);
    if (terminal.ended) input.close();
    else prompt();
  }
  prompt();
  await new Promise<void>((resolve, reject) => {
    input.on('line', (line) => {
      answered = answered.then(async () => answer(line));
      answered.catch(reject);
    });
    input.once('close', () => {
      closed = true;
      void answered.then(resolve, reject);
    });
  });
}

try {
  await demo();
} catch (error) {
  if (!(error instanceof ConfigError || error instanceof StorageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = EXIT_CONFIG;
}
