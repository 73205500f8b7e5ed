import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('other-languages/', import.meta.url));

/** An example, and what has to be on the machine to run it. */
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

const isHere = ({ needs }: Language): boolean =>
  needs.every((command) => spawnSync(command, ['-c', ''], { stdio: 'ignore' }).error === undefined);

/** The examples whose interpreter is here; what is missing is said. */
export const EXAMPLES = LANGUAGES.filter((language) => {
  if (isHere(language)) return true;
  process.stderr.write(`${language.file} was not run: it needs ${language.needs.join(' and ')}\n`);
  return false;
});

export interface Bot {
  readonly url: string;
  readonly token: string;
}

/** What the example prints, and `!` behind it where its exit code was not 0. */
export async function ask(
  { command, file }: Language,
  bot: Bot,
  username: string,
  code: string,
): Promise<string> {
  const child = spawn(command, [FOLDER + file], {
    env: { PATH: process.env['PATH'], ACCESS_BOT_URL: bot.url, ACCESS_BOT_TOKEN: bot.token },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  child.stdin.end(`${username}\n${code}\n`);
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve).once('error', reject);
  });
  return printed.trim() + (exitCode === 0 ? '' : '!');
}
