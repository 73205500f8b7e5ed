import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { setUp } from '../../src/cli/setup.js';
import { loadConfig } from '../../src/config.js';
import { DiscordStandIn } from '../../src/demo/stand-in/stand-in.js';
import { loadEnvFile } from '../../src/env-file.js';
import { TestServer } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { run, type Running } from '../support/process.js';
import { runToEnd, type Printed } from '../support/program.js';

const PROGRAM = 'dist/cli/main.js';
const EXAMPLE = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
const APPLICATION = 'GET /applications/@me';

type Scene = Awaited<ReturnType<typeof prepare>>;

async function prepare(options: Parameters<typeof TestServer.start>[0] = {}) {
  const server = await TestServer.start(options);
  const cwd = temporaryFolder();
  const path = join(cwd, '.env');
  const { apiUrl, token } = server.discord;
  /** Runs the program without a terminal; the token is on standard input unless `input` is given. */
  const script = async (args: readonly string[], input = `${token}\n`): Promise<Printed> => {
    const env = { DISCORD_API_URL: apiUrl };
    const printed = await runToEnd(PROGRAM, ['setup', ...args], { cwd, env, input });
    expect(`${printed.stdout}${printed.stderr}`).not.toContain(token);
    return printed;
  };
  return { server, token, cwd, path, written: () => readFileSync(path, 'utf8'), script };
}

function configIn(cwd: string): ReturnType<typeof loadConfig> {
  const env = {};
  const file = loadEnvFile(env, [cwd]);
  return loadConfig(env, file);
}

describe('without a terminal', () => {
  it('writes a .env with which the bot starts', async () => {
    const { server, token, cwd, path, script, written } = await prepare();
    rmSync(path, { force: true });
    const { exitCode, stdout, stderr } = await script(['--yes']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `This is access-bot.\nWrote ${path}. Now type npm start, then !getcode Alice in a channel of Chat Room.\n`,
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = EXAMPLE.split('\n');
    const changed = written()
      .split('\n')
      .filter((line) => !before.includes(line));
    expect(changed).toEqual([
      `DISCORD_TOKEN=${token}`,
      'COMMAND_PREFIX=!',
      'CODE_TTL=never',
      'CODE_MAX_USES=unlimited',
      `ALLOWED_GUILD_IDS=${server.guild.id}`,
    ]);
    const env = { DISCORD_API_URL: server.discord.apiUrl, LOG_FORMAT: 'json' };
    await run(PROGRAM, { args: ['start'], cwd, env }).printed('is ready');
  });

  it.each(['?', '#', "'", '!#', '$&', "#'"])(
    'takes every answer from flags, with the prefix %s',
    async (prefix) => {
      const { server, token, cwd, script } = await prepare();
      const stranger = server.discord.addGuild('Strangers', server.bob);
      const tokenFile = join(cwd, 'token');
      writeFileSync(tokenFile, `${token}\r\n`);
      const answers = ['--code-ttl', ' 30d', '--code-max-uses', '1', '--server', ' chat room '];
      const given = ['--token-file', tokenFile, '--prefix', prefix, ...answers];
      const { exitCode, stdout, stderr } = await script(given, 'not.the.token');
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(stdout).toContain(`then ${prefix}getcode Alice in a channel of Chat Room.`);
      const settings = {
        discordToken: token,
        commandPrefix: prefix,
        codeTtlMs: 2_592_000_000,
        codeMaxUses: 1,
      };
      expect(configIn(cwd)).toMatchObject({ ...settings, allowedGuildIds: new Set([server.guild.id]) });
      expect(await script(['--yes', '--server', stranger.id])).toMatchObject({ exitCode: 0, stderr: '' });
      expect(configIn(cwd)).toMatchObject({ ...settings, allowedGuildIds: new Set([stranger.id]) });
    },
  );

  it.each([
    ['', 'The token is missing. Send it to standard input, or use --token-file. The token is on ', 2],
    ['123456789012345678', 'This is the application id, not the token. The token is on https://', 2],
    ['0123456789abcdef'.repeat(4), 'This is the public key, not the token. The token is on https://', 2],
    ['aB-_5678'.repeat(4), 'This is the client secret, not the token. The token is on https://', 2],
    ['hunter2', "DISCORD_TOKEN must be a bot's token, which has three parts", 78],
    ['not.the.token', 'Discord does not accept this token. Open your application on https://', 78],
  ])('refuses the token %j', async (token, sentence, code) => {
    const { script, written } = await prepare();
    const { exitCode, stdout, stderr } = await script(['--yes'], token);
    expect([exitCode, stdout, written()]).toEqual([code, '', '']);
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/Bot > Reset Token|page Bot, click Reset Token/);
    if (token !== '') expect(stderr).not.toContain(token);
  });

  const ANSWERS = ['--prefix', '!', '--code-ttl', 'never', '--code-max-uses', 'unlimited'];
  const SERVERS =
    /^The bot is in Chat Room \(\d+\), Strangers \(\d+\), Strangers \(\d+\)\. Add --server with the id/;
  it.each([
    [ANSWERS.slice(2), '--prefix is missing. Add it, or --yes for the default: !'],
    [ANSWERS.toSpliced(2, 2), '--code-ttl is missing. Add it, or --yes for the default: never'],
    [ANSWERS.slice(0, 4), '--code-max-uses is missing. Add it, or --yes for the default: unlimited'],
    [['--yes', '--prefix', '@'], '--prefix must be 1 to 8 ASCII characters without spaces'],
    [['--yes', '--code-ttl', '90'], '--code-ttl must be never, or a duration from 1s to 36500d'],
    [['--yes', '--code-max-uses', '0'], '--code-max-uses must be unlimited, or a whole number from 1'],
    [['--yes', '--token-file', 'a.b.c'], '--token-file must be the path of a file with the token.'],
    [['--yes', '--token', 'a.b.c'], '--token has no value, because other accounts can see arguments.'],
    [ANSWERS, SERVERS],
    [[...ANSWERS, '--server', 'Strangers'], SERVERS],
    [[...ANSWERS, '--server', 'Nowhere'], SERVERS],
  ])('ends with code 2 for %j and writes nothing', async (args, sentence) => {
    const { server, script, written } = await prepare();
    for (const name of ['Strangers', 'Strangers']) server.discord.addGuild(name, server.bob);
    const { exitCode, stderr } = await script(args);
    expect([exitCode, written()]).toEqual([2, '']);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('a.b.c');
  });

  it('changes an existing .env only with --yes, and keeps its other settings and its token', async () => {
    const { server, token, path, script, written } = await prepare();
    const before = `export DISCORD_TOKEN = "${token}"\n# mine\nHTTP_HOST=127.0.0.2\nCODE_TTL=7d\n# CODE_TTL=never\n`;
    writeFileSync(path, before, { mode: 0o644 });
    symlinkSync(`${path}.planted`, `${path}.new`);
    const { exitCode, stderr } = await script(ANSWERS);
    expect([exitCode, written()]).toEqual([2, before]);
    expect(stderr).toBe(`${path} exists. Add --yes to change it. Its other settings are kept.\n`);
    expect(await script(['--yes', '--prefix', '?'], '')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(written()).toBe(
      `DISCORD_TOKEN=${token}\n# mine\nHTTP_HOST=127.0.0.2\nCODE_TTL=7d\n# CODE_TTL=never\n` +
        `\nALLOWED_GUILD_IDS=${server.guild.id}\n\nCOMMAND_PREFIX=?\n\nCODE_MAX_USES=unlimited\n`,
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(existsSync(`${path}.planted`)).toBe(false);
  });

  it.each<[string, (scene: Scene) => unknown, number, string]>([
    [
      'the bot would not start with the .env',
      ({ path }) => writeFileSync(path, 'CODE_LENGTH=4\n'),
      78,
      'CODE_LENGTH must be a whole number from 6 to 32, but is "4"',
    ],
    ['it cannot write', ({ path }) => mkdirSync(`${path}.new`), 78, 'EISDIR.\n'],
    [
      'Discord cannot be reached',
      ({ server }) => server.discord.fail({ route: APPLICATION }, 'reset'),
      1,
      "Cannot reach Discord. Check this machine's internet connection.",
    ],
  ])('writes nothing when %s, and says so', async (_what, change, code, sentence) => {
    const scene = await prepare();
    writeFileSync(scene.path, '');
    change(scene);
    const before = scene.written();
    const { exitCode, stderr } = await scene.script(['--yes']);
    expect([exitCode, scene.written()]).toEqual([code, before]);
    expect(stderr).toContain(sentence);
  });
});

describe('while the bot is not ready', () => {
  /** Runs the setup in this process; `steps` happen instead of the waits. */
  async function wait(stepsOf: (discord: DiscordStandIn) => readonly (() => void)[]) {
    const discord = await DiscordStandIn.start();
    const steps = stepsOf(discord);
    const cwd = temporaryFolder();
    const tokenFile = join(cwd, 'token');
    writeFileSync(tokenFile, discord.token);
    writeFileSync(join(cwd, '.env'), '');
    onTestFinished(async () => {
      vi.restoreAllMocks();
      vi.unstubAllEnvs();
      await discord.close();
    });
    const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    vi.spyOn(process, 'cwd').mockReturnValue(cwd);
    vi.stubEnv('DISCORD_API_URL', discord.apiUrl);
    const waits: number[] = [];
    const onWait = async (ms: number) => steps[waits.push(ms) - 1]?.();
    const error = await setUp({ tokenFile, yes: true }, onWait).catch((failure: unknown) => failure);
    const written = readFileSync(join(cwd, '.env'), 'utf8');
    const lines = printed.mock.calls.map(([text]) => text).join('');
    return { discord, error, waits, written, lines: lines.split('\n') };
  }

  it('asks Discord every 3 seconds until it reads messages and is in a server, also after an outage', async () => {
    let endOutage = (): void => undefined;
    const { discord, error, waits, written, lines } = await wait((standIn) => {
      const body = { id: standIn.botUser.id, name: 'access-bot', bot_public: false };
      const switchOn = standIn.fail({ route: APPLICATION }, { status: 200, body });
      return [
        () => void standIn.addGuild('My Server', standIn.addUser('owner')),
        () => (endOutage = standIn.fail({ route: 'GET /users/@me/guilds' }, 'reset')),
        () => endOutage(),
        switchOn,
      ];
    });
    expect([error, waits]).toEqual([undefined, [3_000, 3_000, 3_000, 3_000]]);
    expect(written).toMatch(/^ALLOWED_GUILD_IDS=\d+$/m);
    const { id } = discord.botUser;
    expect(lines.slice(0, 4)).toEqual([
      'This is access-bot.',
      `The bot cannot read commands. Open https://discord.com/developers/applications/${id}, page Bot, switch on Message Content Intent under Privileged Gateway Intents, and save.`,
      `The bot is in no server. Open this link and choose yours: https://discord.com/oauth2/authorize?client_id=${id}&scope=bot&permissions=274877926400`,
      'Waiting until that is done',
    ]);
  });

  it('ends when the token is reset meanwhile', async () => {
    const { error, written } = await wait((discord) => [() => discord.fail({ route: APPLICATION }, 401)]);
    expect(String(error)).toContain('Discord does not accept this token.');
    expect(written).toBe('');
  });
});

describe('on a terminal', () => {
  type Answer = readonly [question: string, answer: string];
  const ENTER = '\r';
  const DOWN = '\u001b[B';
  const CTRL_C = '\u0003';
  const YES: Answer = ['exists. Change it?', ENTER];
  /** Pipes that say they are a terminal. */
  const TERMINAL = `for (const stream of [process.stdin, process.stdout]) Object.defineProperty(stream, 'isTTY', { value: true });
    process.stdin.setRawMode = () => process.stdin;`;

  /** Types each answer after its question. Resolves when the program has ended. */
  async function type({ server, cwd }: Scene, answers: readonly Answer[]): Promise<[unknown, Running]> {
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(TERMINAL)}`;
    const env = { DISCORD_API_URL: server.discord.apiUrl, NODE_OPTIONS, NO_COLOR: '1', CI: '1' };
    const program = run(PROGRAM, { args: ['setup'], cwd, env, input: null });
    for (const [question, answer] of answers) {
      await program.printed(question);
      program.child.stdin?.write(answer);
    }
    // Unlike a terminal, a pipe that is open keeps the process running.
    program.child.stdin?.end();
    return [await program.ended, program];
  }

  it('asks for everything, again after a mistake, and never shows the token', async () => {
    const scene = await prepare({ publicBot: true });
    writeFileSync(scene.path, 'AUDIT_DAYS=7\n');
    const { discord, bob } = scene.server;
    const own = discord.addGuild('Workshop', bob);
    const [exitCode, { stdout, stderr }] = await type(scene, [
      YES,
      ["Paste the bot's token", `123456789012345678${ENTER}`],
      ['This is the application id, not the token.', `not.the.token${ENTER}`],
      ['Discord does not accept this token.', `${scene.token}${ENTER}`],
      ['Members of which server get codes?', `${DOWN}${ENTER}`],
      ['What do commands start with?', `?${ENTER}`],
      ['How long does a code work?', `90${ENTER}`],
      ['CODE_TTL must be never', `\u007f\u007f7d${ENTER}`],
      ['How many uses has a code?', ENTER],
    ]);
    expect([exitCode, stderr()]).toEqual([0, '']);
    expect(stdout()).toContain('then ?getcode Alice in a channel of Workshop.');
    expect(stdout()).toContain('Install Link to None');
    for (const typed of ['not.the.token', '123456789012345678', scene.token])
      expect(stdout()).not.toContain(typed);
    expect(configIn(scene.cwd)).toMatchObject({
      discordToken: scene.token,
      commandPrefix: '?',
      codeTtlMs: 604_800_000,
      codeMaxUses: null,
      allowedGuildIds: new Set([own.id]),
      auditDays: 7,
    });
  });

  const KEEP: Answer = ['press Enter to keep the present one', ENTER];
  it.each<[string, Answer[]]>([
    ['no to an existing .env', [['exists. Change it?', 'n']]],
    ['Ctrl+C at the token', [YES, ['press Enter to keep the present one', CTRL_C]]],
    ['Ctrl+C while it waits', [YES, KEEP, ['Waiting until that is done', CTRL_C]]],
    ['Ctrl+C at a setting', [YES, KEEP, ['What do commands start with?', CTRL_C]]],
  ])('writes nothing and ends with code 1 after %s', async (what, answers) => {
    const scene = await prepare();
    const { discord, guild } = scene.server;
    if (what.includes('waits')) discord.removeBot(guild);
    const before = `DISCORD_TOKEN=${scene.token}\n`;
    writeFileSync(scene.path, before);
    const [exitCode, { stdout, stderr }] = await type(scene, answers);
    expect([exitCode, scene.written()]).toEqual([1, before]);
    expect(`${stdout()}${stderr()}`).toContain('Canceled. Nothing was written.');
  });
});
