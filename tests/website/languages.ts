import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('other-languages/', import.meta.url));

/** An example and the commands that it needs. */
interface Language {
  readonly file: string;
  readonly command: string;
  readonly needs: readonly string[];
}

const LANGUAGES: readonly Language[] = [
  { file: 'login.sh', command: 'sh', needs: ['sh', 'curl'] },
  { file: 'login.php', command: 'php', needs: ['php'] },
  { file: 'login.py', command: 'python3', needs: ['python3'] },
];

const isInstalled = ({ needs }: Language): boolean =>
  needs.every((command) => spawnSync(command, ['-c', ''], { stdio: 'ignore' }).error === undefined);

/** The examples that can run on this machine; the others are named on standard error. */
export const EXAMPLES = LANGUAGES.filter((language) => {
  if (isInstalled(language)) return true;
  process.stderr.write(`Skipping ${language.file}: it needs ${language.needs.join(' and ')}\n`);
  return false;
});

export interface Bot {
  readonly url: string;
  readonly token: string;
}

/** What a visitor sends. */
export interface Typed {
  readonly username: string;
  readonly code: string;
  readonly client?: string;
}

/** Runs an example; returns the lines that it prints, with `!` after the last one when its exit code is not 0. */
export async function logInBy(
  { command, file }: Language,
  bot: Bot,
  { username, code, client = '' }: Typed,
): Promise<string[]> {
  const child = spawn(command, [FOLDER + file], {
    env: { PATH: process.env['PATH'], ACCESS_BOT_URL: bot.url, ACCESS_BOT_TOKEN: bot.token },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stdin.end(`${username}\n${code}\n${client}\n`);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve).once('error', reject);
  });
  return (printed.trim() + (exitCode === 0 ? '' : '!')).split('\n');
}
