import { EXIT_CONFIG } from '../exit-codes.js';
import { copyDatabase } from '../storage/move.js';
import { openStorage } from '../storage/open-storage.js';
import { readSecretFile, secretPathOf } from '../storage/secret-file.js';
import { ProgramError, readConfig } from './program-error.js';

const BAR_WIDTH = 30;

/** Copies the database. Returns what to do next. */
export async function moveDatabase(): Promise<string> {
  const { database: from, newDatabase: to, codeSecret } = readConfig();
  if (to === null) {
    throw new ProgramError(
      'NEW_DATABASE_URL is not set. Set it to the path of a new SQLite file or a postgres:// URL, in the environment or in .env.',
      EXIT_CONFIG,
    );
  }
  const source = await openStorage({ database: from, secret: codeSecret, as: 'guest' });
  try {
    const secretPath = from.engine === 'sqlite' ? secretPathOf(source.name) : '';
    const secret = codeSecret ?? readSecretFile(secretPath);
    const target = await openStorage({ database: to, secret, as: 'owner' });
    try {
      const codes = await copyDatabase(source, target, showProgress);
      return [
        `Copied ${codes.toLocaleString('en')} ${codes === 1 ? 'code' : 'codes'} from ${source.name} to ${target.name}, and checked each.`,
        'Now set DATABASE_URL to the value of NEW_DATABASE_URL, for the bot and the websites.',
        ...(codeSecret === null ? [`Set CODE_SECRET to the content of ${secretPath}`] : []),
        'Then start the bot. The old database was not changed.',
        '',
      ].join('\n');
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** Draws a bar on a terminal. */
function showProgress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  const filled = Math.round((done / total) * BAR_WIDTH);
  const bar = '█'.repeat(filled).padEnd(BAR_WIDTH, '░');
  process.stderr.write(
    `\r${bar} ${done.toLocaleString('en')} of ${total.toLocaleString('en')} rows${done === total ? '\n' : ''}`,
  );
}
