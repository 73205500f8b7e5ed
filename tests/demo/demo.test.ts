import { readdirSync } from 'node:fs';

import { expect, it, onTestFinished, vi } from 'vitest';

import { DiscordStandIn } from '../../src/demo/stand-in/stand-in.js';
import { Terminal } from '../../src/demo/terminal.js';
import type { LogIn } from '../../src/demo/website.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';

/** Types `lines` into the demo through a pipe. */
async function type(lines: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const cwd = temporaryFolder();
  const demo = run('dist/demo/demo.js', { cwd, env, input: lines.map((line) => `${line}\n`).join('') });
  const end = await demo.ended;
  return { end, stdout: demo.stdout(), stderr: demo.stderr(), left: readdirSync(cwd) };
}

/** The operator's secrets: the demo does not use them. */
const FILES = { DISCORD_TOKEN_FILE: '/token', CODE_SECRET_FILE: '/secret', HTTP_TOKEN_FILE: '/http' };

/** What was printed in answer to the `index`th line, from 0. */
function answerTo(stdout: string, line: string): string[] {
  const lines = stdout.split('\n');
  const start = lines.findIndex((one) => one.endsWith(`> ${line}`));
  const rest = lines.slice(start + 1);
  const next = rest.findIndex((one) => /^[^ ].*> /.test(one));
  return (next === -1 ? rest : rest.slice(0, next)).map((one) => one.trim()).filter((one) => one !== '');
}

it('runs every command from a pipe and exits with code 0', async () => {
  const { end, stdout, stderr, left } = await type([
    '!getcode Alice',
    '/login',
    '/login Alice AAAAAA',
    '/website http',
    '/login  ',
    '/login Alice BBBBBB',
    '/website window',
    '/as admin',
    '!codes',
    '!revoke @Alice left us',
    '!revoke @nobody',
    '!revoke a@alice',
    '/as alice',
    '/website module',
    '/login ',
  ]);
  expect(stderr).toBe('');
  expect(end).toBe(0);
  expect(left).toEqual(['.env']);

  const [where, code, title] = answerTo(stdout, '!getcode Alice');
  expect(where).toBe('✉ direct message to alice, access-bot:');
  expect(code).toMatch(/^[A-Z2-9]{6}$/);
  expect(title).toBe('┃ 🎫 Your Chat Room Access Code');
  expect(answerTo(stdout, '!getcode Alice').slice(-2)).toEqual([
    '#general, access-bot:',
    '✅ Access code sent to @alice via DM!',
  ]);
  expect(answerTo(stdout, '/login')).toEqual(['✔ website: welcome, Alice! (by the module)']);
  expect(answerTo(stdout, '/login  ')).toEqual([
    expect.stringMatching(
      /^✔ website: welcome, Alice! \(POST http:\/\/127\.0\.0\.1:\d+\/v1\/validate: 200 \{"valid":true,/,
    ),
  ]);
  expect(answerTo(stdout, '/login Alice BBBBBB')).toEqual([
    expect.stringMatching(
      /^✘ website: invalid access code \(POST .*: 200 \{"valid":false,"reason":"unknown"\}\)$/,
    ),
  ]);
  expect(answerTo(stdout, '/website window')).toEqual(['Choose one: /website module or /website http']);
  expect(answerTo(stdout, '/login Alice AAAAAA')).toEqual([
    "✘ website: invalid access code (the validator's reason: unknown)",
  ]);
  expect(answerTo(stdout, '!codes')).toEqual([
    '✉ direct message to admin, access-bot:',
    '┃ 📋 Active Access Codes',
    '┃ Total codes: 1',
    '┃',
    `┃ Code: ${code}`,
    '┃   Username: Alice',
    '┃   Requested by: alice',
    '#general, access-bot:',
    '📋 List of access codes sent to @admin via DM!',
  ]);
  // A member who is named with an @ is mentioned.
  expect(answerTo(stdout, '!revoke @Alice left us')[1]).toContain('1 access code of @alice has been revoked');
  expect(answerTo(stdout, '!revoke @nobody')[1]).toContain('`@nobody` is not a mention.');
  expect(answerTo(stdout, '!revoke a@alice')[1]).toContain('Code `a@alice` not found.');
  expect(answerTo(stdout, '/login ')).toEqual([
    "✘ website: invalid access code (the validator's reason: revoked)",
  ]);
});

it('shows the current user and channel in its prompt', async () => {
  const { stdout } = await type([
    '/as bob',
    '/in thread',
    '!help_chatroom',
    '/in dm',
    '!getcode bob',
    '/quit',
    '!codes',
  ]);
  expect(stdout.match(/^[^ \n].*> /gm)).toEqual([
    '#general alice> ',
    '#general bob> ',
    '#thread bob> ',
    '#thread bob> ',
    'direct message bob> ',
    'direct message bob> ',
  ]);
  expect(answerTo(stdout, '!help_chatroom')[0]).toBe('#thread, access-bot:');
  expect(answerTo(stdout, '!getcode bob')).toEqual([
    '✉ direct message to bob, access-bot:',
    '❌ Please use this command in a channel of the server, not in a direct message.',
  ]);
  expect(stdout).not.toContain("don't have permission");
});

it('closes direct messages, lists and presses buttons, and lists its own commands', async () => {
  // Three codes for each member, and eleven for a second page.
  const many = ['ada', 'ben', 'cleo', 'dan'].flatMap((name) => [
    `/as ${name}`,
    ...['', '_', '-'].map((sign) => `!getcode ${name}${sign}`),
  ]);
  const { stdout } = await type([
    '/press',
    '/dms off',
    '/in thread',
    '!getcode Alice',
    '/press show',
    '/press Show my code',
    '/in general',
    '/dms on',
    ...many,
    '/as owner',
    '!codes',
    '/press next',
    '/press Next',
    '/help',
    '/nonsense',
  ]);
  expect(answerTo(stdout, '!getcode Alice')[1]).toBe(
    "❌ @alice, I couldn't send you a DM! Please enable DMs from server members, or press the button within 30 minutes to see your code.",
  );
  expect(answerTo(stdout, '/press')).toEqual(['There is no button that alice can press.']);
  expect(answerTo(stdout, '/press show')).toEqual(['Type /press and one of: Show my code']);
  expect(answerTo(stdout, '/press Show my code')[0]).toBe("👁 for alice's eyes only, access-bot:");
  expect(answerTo(stdout, '/press Show my code')[1]).toMatch(/^[A-Z2-9]{6}$/);
  expect(answerTo(stdout, '/dms on')).toEqual(['alice takes direct messages again.']);
  expect(answerTo(stdout, '!codes')).toContain('( Previous ) [ Next ]');
  expect(answerTo(stdout, '/press next')[0]).toBe(
    '✉ direct message to owner, access-bot changes its message:',
  );
  expect(answerTo(stdout, '/press next')).toContain('[ Previous ] ( Next )');
  expect(answerTo(stdout, '/press Next')).toEqual(['Type /press and one of: Previous, Show my code']);
  for (const word of ['/as', '/in', '/dms', '/press', '/login', '/website', '/help', '/quit']) {
    expect(answerTo(stdout, '/help').some((line) => line.startsWith(word))).toBe(true);
  }
  expect(answerTo(stdout, '/nonsense')).toEqual(['Unknown command /nonsense. Type /help for the list.']);
});

it.each([
  ['', ['/as', '/in', '/dms', '/press', '/login', '/website', '/help', '/quit', '!getcode', '!codes'], ''],
  ['/p', ['/press'], '/p'],
  ['!C', ['!codes'], '!C'],
  ['/as ', ['owner', 'alice', 'admin'], ''],
  ['/as al', ['alice'], 'al'],
  ['/in t', ['thread'], 't'],
  ['/website ', ['module', 'http'], ''],
  ['/nonsense ', [], ''],
  ['!codes @A', ['@alice', '@admin'], '@A'],
])('completes "%s"', async (line, hits, replaced) => {
  const discord = await DiscordStandIn.start();
  onTestFinished(async () => discord.close());
  const terminal = new Terminal({
    discord,
    guild: discord.addGuild('Chat Room', discord.addUser('owner')),
    logIn: { module: vi.fn<LogIn>(), http: vi.fn<LogIn>() },
    prefix: '!',
    commands: ['getcode', 'codes'],
    colors: false,
    print: () => undefined,
    settled: async () => undefined,
  });
  await terminal.handle('hello');
  expect(terminal.complete(line)).toEqual([hits, replaced]);
});

it('applies settings, and reports invalid ones', async () => {
  const expiring = await type(['!getcode Alice'], { CODE_TTL: '90m', CODE_LENGTH: '8', ...FILES });
  expect(answerTo(expiring.stdout, '!getcode Alice')[1]).toMatch(/^[A-Z2-9]{8}$/);
  expect(expiring.stdout).toContain('(in 1 hour)');

  const wrong = await type(['!getcode Alice'], { CODE_TTL: 'soon' });
  expect(wrong.end).toBe(78);
  expect(wrong.stderr).toContain('but is "soon". Example: 30d');
});
