import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { expect, it, onTestFinished, vi } from 'vitest';

import packageJson from '../package.json' with { type: 'json' };
import { guessingOdds } from '../src/codes/throttle.js';
import { seededRandom } from './faults/random.js';
import { startBot } from './support/bot.js';
import { drawDiscord } from './tools/discord-picture.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = [...readdirSync(ROOT), ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
);

const TOKEN = 'a'.repeat(20) + 'bcdefghijklmnopqrstu';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** Returns the anchors of a page, as GitHub makes them from its headings. */
function anchorsOf(path: string): string[] {
  const headings = read(path).matchAll(/^#+ (.+)$/gm);
  return Array.from(headings, ([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-'),
  );
}

it.each(PAGES)('%s links only to pages and headings that exist', (page) => {
  const links = Array.from(read(page).matchAll(/\]\(([^)]+)\)/g), ([, link = '']) => link);
  const broken = links.filter((link) => {
    if (/^(?:https|mailto):/.test(link)) return false;
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : join(dirname(page), path);
    return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor));
  });
  expect(broken).toEqual([]);
});

it.each(PAGES)('%s names only scripts of package.json', (page) => {
  const scripts = Array.from(read(page).matchAll(/npm run (?:--silent )?([\w:-]+)/g), ([, name]) => name);
  expect(scripts.filter((name) => name === undefined || !(name in packageJson.scripts))).toEqual([]);
});

it('docs/troubleshooting.md quotes sentences that the bot prints', () => {
  const source = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => read(`src/${path}`))
    .join('\n');
  const rows = Array.from(
    read('docs/troubleshooting.md').matchAll(/^\| `([^`]+)` +\|/gm),
    ([, row = '']) => row,
  );
  expect(rows.length).toBeGreaterThan(20);
  // An ellipsis stands for what differs.
  const parts = rows.flatMap((row) => row.split('…')).map((part) => part.trim());
  expect(parts.filter((part) => !source.includes(part))).toEqual([]);
});

it('docs/website.md shows a function that checks a code', async () => {
  const { app, server, getCode } = await startBot({ settings: { HTTP_PORT: '0', HTTP_TOKEN: TOKEN } });
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('ACCESS_BOT_URL', `http://127.0.0.1:${app.httpPort}`);
  vi.stubEnv('ACCESS_BOT_TOKEN', TOKEN);
  const [, snippet = ''] = /```js\n([^]*?)```/.exec(read('docs/website.md')) ?? [];
  const { validateCode } = await import(
    /* @vite-ignore */ `data:text/javascript,${encodeURIComponent(snippet)}`
  );
  const code = await getCode(server.alice, 'Alice');
  expect(await validateCode(' alice', code.toLowerCase(), '198.51.100.7')).toBe(true);
  expect(await validateCode('Alice', code)).toBe(true);
  expect(await validateCode('Bob', code)).toBe(false);
  expect(await validateCode('Alice', 'AAAAAA')).toBe(false);
  await app.stop();
  expect(await validateCode('Alice', code)).toBe(false);
});

it('the health check of the image fails only when the HTTP API is on and does not respond', async () => {
  const { app } = await startBot({ settings: { HTTP_PORT: '0', HTTP_TOKEN: 'abcdefgh'.repeat(4) } });
  const [, command = '[]'] = /^HEALTHCHECK .*CMD (\[.+\])$/m.exec(read('Dockerfile')) ?? [];
  const [, ...args]: string[] = JSON.parse(command);
  const isHealthy = async (port: string): Promise<boolean> =>
    new Promise((resolve) => {
      execFile(process.execPath, args, { env: { HTTP_PORT: port } }, (error) => resolve(error === null));
    });
  expect(await isHealthy(String(app.httpPort))).toBe(true);
  await app.stop();
  expect(await isHealthy(String(app.httpPort))).toBe(false);
  expect(await isHealthy('off')).toBe(true);
  expect(await isHealthy('')).toBe(true);
});

it('.dockerignore admits exactly what the Dockerfile copies', () => {
  const copied = Array.from(read('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm), ([, files = '']) =>
    files.split(' '),
  );
  const admitted = Array.from(read('.dockerignore').matchAll(/^!(.+)$/gm), ([, file = '']) => file);
  expect(admitted.toSorted()).toEqual([...new Set(copied.flat())].toSorted());
  expect(admitted.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

it('README.md shows two routes that check a code', async () => {
  const { app, server, getCode, databasePath } = await startBot({
    settings: { HTTP_PORT: '0', HTTP_TOKEN: TOKEN },
  });
  onTestFinished(() => void vi.unstubAllEnvs());
  vi.stubEnv('ACCESS_BOT_TOKEN', TOKEN);
  const snippets = Array.from(
    read('README.md').matchAll(/```js\n([^]*?)```/g),
    ([, snippet = '']) => snippet,
  );
  expect(snippets).toHaveLength(2);
  const code = await getCode(server.alice, 'Alice');
  for (const snippet of snippets) {
    const source = snippet
      .replace('127.0.0.1:8080', `127.0.0.1:${app.httpPort}`)
      .replace('../chatroom-access-bot/data/access-codes.db', databasePath)
      .replace(
        'chatroom-access-bot/validator',
        pathToFileURL(join(ROOT, 'dist/validator/validator.js')).href,
      );
    const route = await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(source)}`);
    const logIn = async (typed: string, headers = {}): Promise<[number, unknown]> => {
      const body = JSON.stringify({ username: 'Alice', code: typed });
      const request = new Request('https://chat.example/login', { method: 'POST', body, headers });
      const response = await route.POST(request);
      return [response.status, await response.json()];
    };
    expect(await logIn(code, { 'X-Real-IP': '198.51.100.7' })).toEqual([
      200,
      { discordUserId: server.alice.id },
    ]);
    expect(await logIn(code)).toEqual([200, { discordUserId: server.alice.id }]);
    expect(await logIn('AAAAAA')).toEqual([401, {}]);
  }
});

it('docs/security.md has the odds of guessing', () => {
  const [, lengths = '', rows = ''] =
    /^\| usernames \|(.+)\n.+\n((?:\|.+\n)+)/m.exec(read('docs/security.md')) ?? [];
  const cells = (row: string): string[] =>
    row
      .split('|')
      .map((cell) => cell.trim())
      .filter((cell) => cell !== '');
  const table = rows.trim().split('\n').map(cells);
  expect(table.length).toBeGreaterThan(3);
  for (const [usernames = '', ...odds] of table) {
    const computed = cells(lengths).map((length) =>
      Math.floor(1 / guessingOdds(Number(length), Number(usernames.replaceAll(',', '')))),
    );
    expect(odds).toEqual(computed.map((tries) => `1 in ${tries.toLocaleString('en')}`));
  }
});

it('docs/discord.svg shows what the bot says today; vitest -u draws it again', async () => {
  const { server, say } = await startBot({ random: seededRandom(14).below });
  const { alice, discord, general, guild } = server;
  const morgan = server.join('morgan');
  discord.setAdministrator(guild, morgan, true);
  await say(general, server.join('bella'), '!getcode "Bella Rossi"');
  await say(general, server.join('chris'), '!getcode Chris');
  const earlier = discord.messages(general).length;
  await say(general, alice, '!getcode Alice');
  await say(general, morgan, '!codes');
  const picture = drawDiscord(
    [
      {
        title: '# general',
        left: 0,
        top: 0,
        width: 880,
        height: 308,
        messages: discord.messages(general).slice(earlier),
      },
      {
        title: 'Direct message to alice',
        left: 0,
        top: 320,
        width: 434,
        height: 370,
        messages: discord.messages(alice),
      },
      {
        title: 'Direct message to morgan',
        left: 446,
        top: 320,
        width: 434,
        height: 370,
        messages: discord.messages(morgan),
      },
    ],
    (id) => [alice, morgan].find((member) => member.id === id)?.username ?? id,
  );
  await expect(picture).toMatchFileSnapshot('../docs/discord.svg');
});
