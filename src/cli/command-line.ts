import { createRequire } from 'node:module';

import { Command, CommanderError, Option } from 'commander';

import { ConfigError } from '../env-file.js';
import { EXIT_CONFIG, EXIT_FAILURE, EXIT_USAGE } from '../exit-codes.js';
import { printable, printableLines } from '../printable.js';
import { isErrno } from '../storage/storage-error.js';
import { ProgramError } from './program-error.js';

const SETUP_EXAMPLE = `
Asks for everything that is not given. Without a terminal, give every answer. Example:
  chatroom-access-bot setup --token-file token.txt --server "My Server" --yes`;

const DOCTOR_NOTE = `
Changes nothing. The exit code is 0 if everything is fine, 78 if the bot cannot start, and 1 for anything else.`;

const AUDIT_EXAMPLES = `
An entry must match all options. Examples:
  chatroom-access-bot audit --since 7d
  chatroom-access-bot audit --username "Alice Smith" --json`;

const BACKUP_NOTE = `
The bot may be running. Backups are in the folder backups beside the database. Example:
  chatroom-access-bot backup`;

const RESTORE_EXAMPLE = `
Stop the bot first. The previous database is kept under another name. Example:
  chatroom-access-bot restore data/backups/access-codes-20260102T030405678Z.db`;

const MOVE_EXAMPLE = `
Copies everything from the database of DATABASE_URL to the empty database of NEW_DATABASE_URL, and checks every code. Stop the
bot and the websites first. The old database is not changed. Example:
  NEW_DATABASE_URL=postgres://bot:password@db.example/access_codes chatroom-access-bot move-database`;

/** Runs the program that the arguments name. Each is loaded on demand. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  // New files are readable for this account only.
  process.umask(0o077);
  process.stdout.on('error', (error) => {
    // The reader (head, less) has closed the pipe.
    if (!isErrno(error, 'EPIPE')) throw error;
  });
  try {
    await createCommandLine().parseAsync(argv);
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    // Commander has printed its own.
    if (error instanceof CommanderError) return;
    const message = error instanceof Error ? error.message : String(error);
    // Files may have names that strangers chose.
    const lines = error instanceof ConfigError ? printableLines(message) : printable(message);
    process.stderr.write(`${lines}\n`);
  }
}

function createCommandLine(): Command {
  const { version }: { version: string } = createRequire(import.meta.url)('../../package.json');
  const line = new Command('chatroom-access-bot')
    .description('A Discord bot that hands out access codes for a chat-room website, and checks them.')
    .version(version)
    .exitOverride();
  line
    .command('setup')
    .description('set the bot up: check its token, invite it, and write .env')
    .option('--token-file <file>', "a file with the bot's token; without a terminal, also on standard input")
    .option('--server <id or name>', 'whose members get codes; needed if the bot is in several')
    .option('--prefix <text>', 'COMMAND_PREFIX')
    .option('--code-ttl <duration>', 'CODE_TTL: for example 30d, or never')
    .option('--code-max-uses <number>', 'CODE_MAX_USES: for example 1, or unlimited')
    .option('--yes', 'change an existing .env, and use defaults for what is not given')
    // Refused without quoting it.
    .addOption(new Option('--token [never]').hideHelp())
    .addHelpText('after', SETUP_EXAMPLE)
    .action(async (options) => (await import('./setup.js')).setUp(options));
  line
    .command('start')
    .description('run the bot with the settings of .env')
    .action(async () => void (await import('../index.js')));
  line
    .command('demo')
    .description('try the bot on a stand-in for Discord, without an account')
    .action(async () => void (await import('../demo/demo.js')));
  line
    .command('doctor')
    .description('check everything that the bot needs, and say what to do; the bot may be running')
    .option('--json', 'an array of { check, status, message, action }')
    .addHelpText('after', DOCTOR_NOTE)
    .action(async (options) => print((await import('./doctor.js')).doctor(options)));
  line
    .command('audit')
    .description('print what happened to codes, oldest first')
    .option('--username <name>', 'codes for this username, and when it was locked after wrong codes')
    .option('--member <id>', "a member's codes, and what they did as an administrator")
    .option(
      '--code [never]',
      'one code, also after it ended: type it when asked, or send it to standard input',
    )
    .option('--since <when>', 'for example 24h, 7d, 2026-01-31 or 2026-01-31T12:00Z')
    .option('--json', 'one JSON object per line')
    // A value of --code is refused without quoting it.
    .configureHelp({ optionTerm: ({ flags }) => flags.replace(' [never]', '') })
    .addHelpText('after', AUDIT_EXAMPLES)
    .action(async (options) => print((await import('./audit.js')).audit(options)));
  line
    .command('backup')
    .description('make a backup of the SQLite database and print its path')
    .addHelpText('after', BACKUP_NOTE)
    .action(async () => print((await import('./backup.js')).backup()));
  line
    .command('restore <file>')
    .description('replace the SQLite database with a backup')
    .addHelpText('after', RESTORE_EXAMPLE)
    .action(async (file: string) => print((await import('./backup.js')).restoreFrom(file)));
  line
    .command('move-database')
    .description('copy everything from SQLite to PostgreSQL, or back')
    .addHelpText('after', MOVE_EXAMPLE)
    .action(async () => print((await import('./move-database.js')).moveDatabase()));
  line
    .command('token')
    .description('print a new value for HTTP_TOKEN')
    .action(async () => print((await import('./token.js')).createToken()));
  return line;
}

async function print(text: string | Promise<string>): Promise<void> {
  process.stdout.write(await text);
}

/** Rethrows what is not a known error. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE;
  if (error instanceof ProgramError) return error.exitCode;
  if (error instanceof ConfigError) return EXIT_CONFIG;
  // Of the storage or of Discord.
  if (error instanceof Error && 'isTransient' in error)
    return error.isTransient === true ? EXIT_FAILURE : EXIT_CONFIG;
  throw error;
}
