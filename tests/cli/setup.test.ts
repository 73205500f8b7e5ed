import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished, vi } from 'vitest';

import { setUp } from '../../src/cli/setup.js';
import { loadConfig } from '../../src/config.js';
import { DiscordStandIn, type StandInGuild } from '../../src/demo/stand-in/stand-in.js';
import { loadEnvFile } from '../../src/env-file.js';
import { TestServer } from '../support/bot.js';
import { temporaryFolder } from '../support/folder.js';
import { run, type Running } from '../support/process.js';
import { runToEnd, type Printed } from '../support/program.js';

const PROGRAM = 'dist/cli/main.js';
const EXAMPLE = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8');
const APPLICATION = 'GET /applications/@me';
/** What differs between the lines of two texts. */
const changed = (before: string, after: string): string[] =>
  after.split('\n').filter((line) => !before.split('\n').includes(line));

type Scene = Awaited<ReturnType<typeof prepare>>;

async function prepare(options: Parameters<typeof TestServer.start>[0] = {}) {
  const server = await TestServer.start(options);
  const cwd = temporaryFolder();
  const { apiUrl, token } = server.discord;
  /** Runs the program without a terminal; the token is on standard input unless `input` is given. */
  const script = async (args: readonly string[], input = `${token}\n`): Promise<Printed> => {
    const printed = await runToEnd(PROGRAM, ['setup', ...args], {
      cwd,
      env: { DISCORD_API_URL: apiUrl },
      input,
    });
    expect(`${printed.stdout}${printed.stderr}`).not.toContain(token);
    return printed;
  };
  return { server, cwd, written: () => readFileSync(join(cwd, '.env'), 'utf8'), script };
}

function configIn(cwd: string): ReturnType<typeof loadConfig> {
  const env = {};
  const file = loadEnvFile(env, [cwd]);
  return loadConfig(env, file);
}

describe('without a terminal', () => {
  it('writes a .env with which the bot starts', async () => {
    const { server, cwd, script, written } = await prepare();
    const { token, apiUrl } = server.discord;
    rmSync(join(cwd, '.env'), { force: true });
    const { exitCode, stdout, stderr } = await script(['--yes']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toBe(
      `This is access-bot.\nWrote ${join(cwd, '.env')}. Now type npm start, then !getcode Alice in a channel of Chat Room.\n`,
    );
    expect(statSync(join(cwd, '.env')).mode & 0o777).toBe(0o600);
    expect(changed(EXAMPLE, written())).toEqual([
      `DISCORD_TOKEN=${token}`,
      'COMMAND_PREFIX=!',
      'CODE_TTL=never',
      'CODE_MAX_USES=unlimited',
      `ALLOWED_GUILD_IDS=${server.guild.id}`,
    ]);
    const bot = run(PROGRAM, { args: ['start'], cwd, env: { DISCORD_API_URL: apiUrl, LOG_FORMAT: 'json' } });
    await bot.printed('is ready');
  });

  it.each(['?', '#', "'", '!#', '$&', "#'"])(
    'takes every answer from flags, with the prefix %s',
    async (prefix) => {
      const { server, cwd, script } = await prepare();
      const stranger = server.discord.addGuild('Strangers', server.bob);
      const tokenFile = join(cwd, 'token');
      writeFileSync(tokenFile, `${server.discord.token}\r\n`);
      const answers = [
        '--prefix',
        prefix,
        '--code-ttl',
        ' 30d',
        '--code-max-uses',
        '1',
        '--server',
        ' chat room ',
      ];
      const { exitCode, stdout, stderr } = await script(
        ['--token-file', tokenFile, ...answers],
        'not.the.token',
      );
      expect([exitCode, stderr]).toEqual([0, '']);
      expect(stdout).toContain(`then ${prefix}getcode Alice in a channel of Chat Room.`);
      expect(configIn(cwd)).toMatchObject({
        discordToken: server.discord.token,
        commandPrefix: prefix,
        codeTtlMs: 2_592_000_000,
        codeMaxUses: 1,
        allowedGuildIds: new Set([server.guild.id]),
      });
      const again = await script(['--yes', '--server', stranger.id]);
      expect([again.exitCode, again.stderr]).toEqual([0, '']);
      expect(configIn(cwd)).toMatchObject({ commandPrefix: prefix, allowedGuildIds: new Set([stranger.id]) });
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
  it.each([
    [ANSWERS.slice(2), '--prefix is missing. Add it, or --yes for the default: !'],
    [ANSWERS.toSpliced(2, 2), '--code-ttl is missing. Add it, or --yes for the default: never'],
    [ANSWERS.slice(0, 4), '--code-max-uses is missing. Add it, or --yes for the default: unlimited'],
    [['--yes', '--prefix', '@'], '--prefix must be 1 to 8 ASCII characters without spaces'],
    [['--yes', '--code-ttl', '90'], '--code-ttl must be never, or a duration from 1s to 36500d'],
    [['--yes', '--code-max-uses', '0'], '--code-max-uses must be unlimited, or a whole number from 1'],
    [['--yes', '--token-file', 'a.b.c'], '--token-file must be the path of a file with the token.'],
    [['--yes', '--token', 'a.b.c'], '--token has no value, because other accounts can see arguments.'],
    [['--yes', '--token=a.b.c'], '--token has no value, because other accounts can see arguments.'],
    [
      ANSWERS,
      /^The bot is in Chat Room \(\d+\), Strangers \(\d+\), Strangers \(\d+\)\. Add --server with the id/,
    ],
    [[...ANSWERS, '--server', 'Strangers'], /^The bot is in Chat Room \(.* Add --server/],
    [[...ANSWERS, '--server', 'Nowhere'], /^The bot is in Chat Room \(.* Add --server/],
  ])('ends with code 2 for %j and writes nothing', async (args, sentence) => {
    const { server, script, written } = await prepare();
    for (const name of ['Strangers', 'Strangers']) server.discord.addGuild(name, server.bob);
    const { exitCode, stderr } = await script(args);
    expect([exitCode, written()]).toEqual([2, '']);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('a.b.c');
  });

  it('changes an existing .env only with --yes, and keeps its other settings and its token', async () => {
    const { server, cwd, script, written } = await prepare();
    const { token } = server.discord;
    const before = `export DISCORD_TOKEN = "${token}"\n# mine\nHTTP_HOST=127.0.0.2\nCODE_TTL=7d\n# CODE_TTL=never\n`;
    writeFileSync(join(cwd, '.env'), before, { mode: 0o644 });
    const refused = await script(ANSWERS);
    expect([refused.exitCode, written()]).toEqual([2, before]);
    expect(refused.stderr).toBe(
      `${join(cwd, '.env')} exists. Add --yes to change it. Its other settings are kept.\n`,
    );
    expect(await script(['--yes', '--prefix', '?'], '')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(written()).toBe(
      `DISCORD_TOKEN=${token}\n# mine\nHTTP_HOST=127.0.0.2\nCODE_TTL=7d\n# CODE_TTL=never\n` +
        `\nALLOWED_GUILD_IDS=${server.guild.id}\n\nCOMMAND_PREFIX=?\n\nCODE_MAX_USES=unlimited\n`,
    );
    expect(statSync(join(cwd, '.env')).mode & 0o777).toBe(0o600);
  });

  it.each<[string, (scene: Scene) => unknown, number, string]>([
    [
      'the bot would not start with the .env',
      ({ cwd }) => writeFileSync(join(cwd, '.env'), 'CODE_LENGTH=4\n'),
      78,
      'CODE_LENGTH must be a whole number from 6 to 32, but is "4"',
    ],
    ['it cannot write', ({ cwd }) => mkdirSync(join(cwd, '.env.new')), 78, '.env: EISDIR.\n'],
    [
      'Discord does not answer',
      ({ server }) => server.discord.fail({ route: APPLICATION }, 503),
      1,
      'Discord cannot answer now (HTTP 503). Try again later;',
    ],
    [
      'Discord cannot be reached',
      ({ server }) => server.discord.fail({ route: APPLICATION }, 'reset'),
      1,
      "Cannot reach Discord. Check this machine's internet connection.",
    ],
  ])('writes nothing when %s, and says so', async (_what, change, code, sentence) => {
    const scene = await prepare();
    writeFileSync(join(scene.cwd, '.env'), '');
    change(scene);
    const before = scene.written();
    const { exitCode, stderr } = await scene.script(['--yes']);
    expect([exitCode, scene.written()]).toEqual([code, before]);
    expect(stderr).toContain(sentence);
  });
});

describe('while the bot is not ready', () => {
  /** Runs the setup in this process; `steps` happen instead of the waits. */
  async function wait(discord: DiscordStandIn, steps: readonly (() => void)[]) {
    const folder = temporaryFolder();
    const tokenFile = join(folder, 'token');
    writeFileSync(tokenFile, discord.token);
    writeFileSync(join(folder, '.env'), '');
    const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    onTestFinished(() => printed.mockRestore());
    const waits: number[] = [];
    const env = { DISCORD_API_URL: discord.apiUrl };
    const done = setUp(
      { tokenFile, yes: true },
      { env, folders: [folder], wait: async (ms) => steps[waits.push(ms) - 1]?.() },
    );
    const error = await done.then(
      () => null,
      (failure: unknown) => failure,
    );
    const isWritten = readFileSync(join(folder, '.env'), 'utf8') !== '';
    return { error, waits, isWritten, folder, stdout: printed.mock.calls.map(([text]) => text).join('') };
  }

  it('asks Discord every 3 seconds until it reads messages and is in a server, also after an outage', async () => {
    const discord = await DiscordStandIn.start();
    onTestFinished(async () => discord.close());
    const { id } = discord.botUser;
    const off = { status: 200, body: { id, name: 'access-bot', bot_public: false } };
    const switchOn = discord.fail({ route: APPLICATION }, off);
    let guild: StandInGuild | null = null as StandInGuild | null;
    let endOutage = (): void => undefined;
    const steps = [
      () => (guild = discord.addGuild('My Server', discord.addUser('owner'))),
      () => (endOutage = discord.fail({ route: 'GET /users/@me/guilds' }, 'reset')),
      () => endOutage(),
      switchOn,
    ];
    const { error, waits, folder, stdout } = await wait(discord, steps);
    expect([error, waits]).toEqual([null, [3_000, 3_000, 3_000, 3_000]]);
    expect(configIn(folder).allowedGuildIds).toEqual(new Set([guild?.id]));
    expect(stdout.split('\n').slice(0, 4)).toEqual([
      'This is access-bot.',
      `The bot cannot read commands. Open https://discord.com/developers/applications/${id}, page Bot, switch on Message Content Intent under Privileged Gateway Intents, and save.`,
      `The bot is in no server. Open this link and choose yours: https://discord.com/oauth2/authorize?client_id=${id}&scope=bot&permissions=274877926400`,
      'Waiting until that is done',
    ]);
  });

  it('ends when the token is reset meanwhile', async () => {
    const discord = await DiscordStandIn.start();
    onTestFinished(async () => discord.close());
    const { error, isWritten } = await wait(discord, [() => discord.fail({ route: APPLICATION }, 401)]);
    expect(String(error)).toContain('Discord does not accept this token.');
    expect(isWritten).toBe(false);
  });
});

describe('on a terminal', () => {
  const ENTER = '\r';
  const DOWN = '\u001b[B';
  const CTRL_C = '\u0003';
  /** Pipes that say they are a terminal. */
  const TERMINAL = `for (const stream of [process.stdin, process.stdout]) Object.defineProperty(stream, 'isTTY', { value: true });
    process.stdin.setRawMode = () => process.stdin;`;

  /** Types each answer after its question. */
  async function type(
    { server, cwd }: Scene,
    answers: readonly (readonly [question: string, answer: string])[],
    args: readonly string[] = [],
  ): Promise<Running> {
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(TERMINAL)}`;
    const env = { DISCORD_API_URL: server.discord.apiUrl, NODE_OPTIONS, NO_COLOR: '1', CI: '1' };
    const program = run(PROGRAM, { args: ['setup', ...args], cwd, env, input: null });
    for (const [question, answer] of answers) {
      await program.printed(question);
      program.child.stdin?.write(answer);
    }
    // Unlike a terminal, a pipe that is open keeps the process running.
    program.child.stdin?.end();
    return program;
  }

  it('asks for everything, again after a mistake, and never shows the token', async () => {
    const scene = await prepare({ publicBot: true });
    const { discord, guild, bob } = scene.server;
    const own = discord.addGuild('Workshop', bob);
    const program = await type(scene, [
      ["Paste the bot's token", `123456789012345678${ENTER}`],
      ['This is the application id, not the token.', `not.the.token${ENTER}`],
      ['Discord does not accept this token.', `${discord.token}${ENTER}`],
      ['Members of which server get codes?', `${DOWN}${ENTER}`],
      ['What do commands start with?', `?${ENTER}`],
      ['How long does a code work?', `90${ENTER}`],
      ['CODE_TTL must be never', `\u007f\u007f7d${ENTER}`],
      ['How many uses has a code?', ENTER],
    ]);
    expect([await program.ended, program.stderr()]).toEqual([0, '']);
    expect(program.stdout()).toContain('then ?getcode Alice in a channel of Workshop.');
    expect(program.stdout()).toContain('Install Link to None');
    expect(program.stdout()).not.toMatch(/not\.the\.token|123456789012345678/);
    expect(program.stdout()).not.toContain(discord.token);
    expect(guild.id).not.toBe(own.id);
    expect(configIn(scene.cwd)).toMatchObject({
      discordToken: discord.token,
      commandPrefix: '?',
      codeTtlMs: 604_800_000,
      codeMaxUses: null,
      allowedGuildIds: new Set([own.id]),
    });
  });

  it.each<[string, [string, string][], boolean]>([
    ['at the question for the token', [["Paste the bot's token", CTRL_C]], false],
    ['while it waits', [['Waiting until that is done', CTRL_C]], true],
    ['at a setting', [['What do commands start with?', CTRL_C]], false],
  ])('writes nothing and ends with code 1 after Ctrl+C %s', async (_, answers, isAlone) => {
    const scene = await prepare();
    const { discord, guild } = scene.server;
    if (isAlone) discord.removeBot(guild);
    const token: [string, string] = ["Paste the bot's token", `${discord.token}${ENTER}`];
    const isFirst = answers[0]?.[0] === token[0];
    const program = await type(scene, isFirst ? answers : [token, ...answers]);
    expect([await program.ended, scene.written()]).toEqual([1, '']);
    expect(`${program.stdout()}${program.stderr()}`).toContain('Canceled. Nothing was written.');
  });

  it.each<[string, string, number]>([
    ['changes', ENTER, 0],
    ['does not change', 'n', 1],
  ])('%s an existing .env as the answer says', async (_, answer, code) => {
    const scene = await prepare();
    const { discord } = scene.server;
    const before = `DISCORD_TOKEN=${discord.token}\nAUDIT_DAYS=7\n`;
    writeFileSync(join(scene.cwd, '.env'), before);
    const rest: [string, string][] = [
      ['press Enter to keep the present one', ENTER],
      ['What do commands start with?', ENTER],
      ['How long does a code work?', ENTER],
      ['How many uses has a code?', ENTER],
    ];
    const question: [string, string] = ['exists. Change it?', answer];
    const program = await type(scene, code === 0 ? [question, ...rest] : [question]);
    expect(await program.ended).toBe(code);
    expect(scene.written().startsWith(before)).toBe(true);
    expect(scene.written() === before).toBe(code === 1);
  });
});
