import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { ScheduledBackups } from '../../src/backup/scheduled-backups.js';
import { backUp } from '../../src/storage/backups.js';
import { SECRET_FILE_NAME } from '../../src/storage/open-storage.js';
import { openValidator } from '../../src/validator/validator.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';
import { openCodes } from '../support/codes.js';
import { temporaryFolder } from '../support/folder.js';
import { run } from '../support/process.js';
import { runToEnd, type Printed } from '../support/program.js';
import { keep, openRaw } from '../support/raw-database.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SECRET = 'a secret of the tests, which is long enough';

type Env = Readonly<Record<string, string>>;

async function backup(env: Env, args: readonly string[] = []): Promise<Printed> {
  return runToEnd('dist/backup/backup.js', args, { env, cwd: temporaryFolder() });
}

async function restore(env: Env, ...args: readonly string[]): Promise<Printed> {
  return runToEnd('dist/backup/restore.js', args, { env, cwd: temporaryFolder() });
}

function backupsOf({ databasePath }: Pick<TestBot, 'databasePath'>): string[] {
  const folder = join(dirname(databasePath), 'backups');
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
}

/** Whether a website lets this pair in. */
async function opens(databasePath: string, username: string, code: string): Promise<boolean> {
  const validator = await openValidator({ databaseUrl: databasePath });
  const { valid } = await validator.validate(username, code);
  await validator.close();
  return valid;
}

describe('npm run backup', () => {
  it('makes one beside a running bot and prints where it is', async () => {
    const bot = await startBot();
    await bot.getCode(bot.server.alice, 'Alice');
    const { exitCode, stdout, stderr } = await backup({ DATABASE_URL: bot.databasePath });
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^\/.*\/backups\/access-codes-\d{8}T\d{6}Z-0001\.db\n$/);
    expect(existsSync(stdout.trim())).toBe(true);
  });

  it('keeps as many as BACKUP_KEEP says', async () => {
    const { databasePath } = await openCodes();
    const env = { DATABASE_URL: databasePath, BACKUP_KEEP: '2' };
    for (let count = 0; count < 3; count++) expect((await backup(env)).exitCode).toBe(0);
    expect(backupsOf({ databasePath }).map((name) => name.slice(-7))).toEqual(['0002.db', '0003.db']);
  });

  it.each<[string, Env, readonly string[], number, RegExp]>([
    ['no database', {}, [], 78, /^There is no database at .*access-codes\.db .*DATABASE_URL\.\n$/],
    ['a wrong setting', { BACKUP_KEEP: '0' }, [], 78, /^BACKUP_KEEP is "0"\. .*\n$/],
    ['an option', {}, ['--all'], 2, /^Usage: npm run --silent backup\n/],
  ])('with %s says so and prints no path', async (_what, env, args, code, message) => {
    const { exitCode, stdout, stderr } = await backup(env, args);
    expect([exitCode, stdout]).toEqual([code, '']);
    expect(stderr).toMatch(message);
  });
});

describe('the drill', () => {
  it('a bot loses its database, and goes on with its backup', async () => {
    const server = await TestServer.start();
    const folder = join(temporaryFolder(), 'data');
    const databasePath = join(folder, 'access-codes.db');
    const env = { DATABASE_URL: databasePath };
    const first = await startBot({ server, databasePath });
    const code = await first.getCode(server.alice, 'Alice');
    const { stdout } = await backup(env);
    const late = await first.getCode(server.bob, 'Bob');
    await first.app.stop();

    // The machine is lost; the secret and the backup were kept elsewhere.
    const kept = temporaryFolder();
    copyFileSync(stdout.trim(), join(kept, 'kept.db'));
    copyFileSync(join(folder, SECRET_FILE_NAME), join(kept, SECRET_FILE_NAME));
    rmSync(folder, { recursive: true });
    mkdirSync(folder);
    copyFileSync(join(kept, SECRET_FILE_NAME), join(folder, SECRET_FILE_NAME));

    const done = await restore(env, join(kept, 'kept.db'));
    expect([done.exitCode, done.stderr]).toEqual([0, '']);
    expect(done.stdout).toMatch(/: 1 code, ended ones among them\.\n/);
    expect(done.stdout).toContain('The last thing that it knows of happened at 2026-01-01 00:00:07 UTC.');
    expect(done.stdout).toContain('Codes that were issued since are gone');
    expect(await opens(databasePath, 'Alice', code)).toBe(true);
    expect(await opens(databasePath, 'Bob', late)).toBe(false);

    const second = await startBot({ server, databasePath, clock: first.clock });
    const listed = await second.say(server.general, server.admin, '!codes');
    const list = listed.find(({ where }) => where === '@admin')?.message.embeds[0];
    expect(list?.fields?.map(({ name }) => name)).toEqual([`Code: ${code}`]);
    expect(await second.getCode(server.bob, 'Bob')).not.toBe(late);
    const revoked = await second.say(server.general, server.admin, `!revoke ${code}`);
    expect(revoked[0]?.message.content).toContain('has been revoked');
    expect(await opens(databasePath, 'Alice', code)).toBe(false);
  });

  it('with the old database says what is undone, and where to look', async () => {
    const bot = await startBot({ clock: new ManualClock(Date.now() - HOUR_MS) });
    const { server, databasePath, clock } = bot;
    const env = { DATABASE_URL: databasePath };
    const code = await bot.getCode(server.alice, 'Alice');
    const { stdout } = await backup(env);
    clock.now = Date.now() + 1_000;
    await bot.say(server.general, server.admin, `!revoke ${code}`);
    await bot.getCode(server.bob, 'Bob');
    await bot.app.stop();

    const done = await restore(env, stdout.trim());
    expect(done.stdout).toMatch(/^The backup was made at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC\.$/m);
    expect(done.stdout).toContain('issued since, and are gone: 1.');
    expect(done.stdout).toContain('revoked or replaced since, and work again: 1.');
    expect(await opens(databasePath, 'Alice', code)).toBe(true);

    const [, replaced = '', since = ''] =
      /DATABASE_URL='(.*)' npm run --silent audit -- --since (\S+)$/m.exec(done.stdout) ?? [];
    const audit = await runToEnd('dist/audit/audit.js', ['--json', '--since', since], {
      env: { DATABASE_URL: replaced },
      cwd: temporaryFolder(),
    });
    const events = audit.stdout.match(/"event":"\w+"/g);
    expect(events).toEqual(['"event":"revoked"', '"event":"issued"', '"event":"delivered"']);
  });

  it('is refused while a bot runs, and works when that bot was killed', async () => {
    const server = await TestServer.start();
    const cwd = temporaryFolder();
    const databasePath = join(cwd, 'data', 'access-codes.db');
    const { token, apiUrl } = server.discord;
    const bot = run('dist/index.js', {
      cwd,
      env: { DISCORD_TOKEN: token, DISCORD_API_URL: apiUrl, BACKUP_INTERVAL: 'off' },
    });
    await bot.printed('is ready in');
    const env = { DATABASE_URL: databasePath };
    const path = (await backup(env)).stdout.trim();
    const before = readFileSync(databasePath);
    const refused = await restore(env, path);
    expect([refused.exitCode, refused.stdout]).toEqual([78, '']);
    expect(refused.stderr).toMatch(/^\S+ is in use\. Stop the bot.*\n$/);
    expect(readFileSync(databasePath)).toEqual(before);
    bot.child.kill('SIGKILL');
    await bot.ended;
    expect(await restore(env, path)).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it.each<[string, readonly string[], Env, number, RegExp]>([
    ['no file', [], {}, 2, /^Usage: npm run --silent restore FILE\n/],
    ['two files', ['a.db', 'b.db'], {}, 2, /^Usage: /],
    ['an option', ['--force'], {}, 2, /^Usage: /],
    ['a file that is not there', ['none.db'], {}, 78, /^There is no file at \S+none\.db\..*\n$/],
    ['a wrong setting', ['a.db'], { CODE_SECRET: 'short' }, 78, /^CODE_SECRET has (?:(?!short).)*\n$/],
  ])('with %s says what is wrong', async (_what, args, env, code, message) => {
    const { exitCode, stdout, stderr } = await restore(env, ...args);
    expect([exitCode, stdout]).toEqual([code, '']);
    expect(stderr).toMatch(message);
  });

  it('with the wrong secret says which is wrong, and shows neither', async () => {
    const bot = await startBot({ settings: { CODE_SECRET: SECRET } });
    await bot.app.stop();
    const env = { DATABASE_URL: bot.databasePath, CODE_SECRET: SECRET };
    const path = (await backup(env)).stdout.trim();
    const wrong = 'x'.repeat(32);
    const { exitCode, stderr } = await restore({ ...env, CODE_SECRET: wrong }, path);
    expect(exitCode).toBe(78);
    expect(stderr).toMatch(/^CODE_SECRET is not the secret that .*-0001\.db was made with\..*\n$/);
    expect(stderr).not.toContain(wrong);
    expect(stderr).not.toContain(SECRET);
  });
});

describe('the bot', () => {
  /** Resolves with the backups when there are as many, each with its name. */
  async function backupsBecome(bot: TestBot, count: number): Promise<string[]> {
    await expect.poll(() => backupsOf(bot)).toHaveLength(count);
    await expect.poll(() => backupsOf(bot).filter((name) => !name.endsWith('.db'))).toEqual([]);
    return backupsOf(bot);
  }

  it('makes a backup when it starts, and none at the next start', async () => {
    const server = await TestServer.start();
    const settings = { BACKUP_INTERVAL: '24h' };
    const bot = await startBot({ server, settings });
    const { databasePath, clock } = bot;
    expect(await backupsBecome(bot, 1)).toEqual(['access-codes-20260101T000000Z-0001.db']);
    await expect.poll(() => bot.logged()).toContain('"Made a backup"');
    await bot.app.stop();
    clock.advance(DAY_MS - HOUR_MS);
    const again = await startBot({ server, settings, databasePath, clock });
    await again.app.housekeeping.backUp();
    expect(backupsOf(again)).toHaveLength(1);
    clock.advance(HOUR_MS);
    await again.app.housekeeping.backUp();
    expect(backupsOf(again).at(-1)).toBe('access-codes-20260102T000000Z-0002.db');
  });

  it('makes one soon after the clock was set back, and not one after the other', async () => {
    const { databasePath } = await openCodes();
    const scheduled = new ScheduledBackups({ databasePath, keep: 7, intervalMs: DAY_MS });
    const now = Date.UTC(2026, 0, 10);
    expect(scheduled.isDue(now)).toBe(true);
    await backUp({ databasePath, keep: 7, now });
    expect([now, now + DAY_MS - 1, now + DAY_MS].map((at) => scheduled.isDue(at))).toEqual([
      false,
      false,
      true,
    ]);
    const setBack = now - 5 * DAY_MS;
    expect(scheduled.isDue(setBack)).toBe(true);
    await backUp({ databasePath, keep: 7, now: setBack });
    expect(scheduled.isDue(setBack + HOUR_MS)).toBe(false);
  });

  it('makes none when that is off', async () => {
    const bot = await startBot({ settings: { BACKUP_INTERVAL: 'off' } });
    await bot.app.housekeeping.backUp();
    expect(backupsOf(bot)).toEqual([]);
  });

  it('says in one sentence that a backup failed, and goes on', async () => {
    const bot = await startBot();
    const { databasePath } = bot;
    await bot.app.stop();
    writeFileSync(join(dirname(databasePath), 'backups'), 'in the way');
    const other = await startBot({
      server: bot.server,
      databasePath,
      clock: bot.clock,
      settings: { BACKUP_INTERVAL: '24h' },
    });
    await expect.poll(() => other.logged()).toContain('No backup of');
    const line = other
      .logged()
      .split('\n')
      .find((text) => text.includes('No backup of'));
    expect(JSON.parse(line ?? '')).toEqual({
      level: 50,
      time: expect.any(Number),
      msg: expect.stringMatching(/^No backup of \S+ could be made: [^\n]+\.$/),
    });
    expect(await other.getCode(bot.server.alice, 'Alice')).toMatch(/^\w{6}$/);
  });

  it('issues codes meanwhile, and each is in the backup whole or not at all', async () => {
    const { databasePath, issue } = await openCodes();
    const scheduled = new ScheduledBackups({ databasePath, keep: 7, intervalMs: DAY_MS });
    const issued: string[] = [];
    const next = async (): Promise<void> => {
      const number = issued.length;
      issued.push((await issue({ username: `name ${number}`, holderId: String(number) })).id);
    };
    while (issued.length < 500) await next();
    for (let round = 0; round < 3; round++) {
      const before = issued.length;
      const copying = { done: false };
      const backed = scheduled.make(round * DAY_MS).finally(() => (copying.done = true));
      while (!copying.done) {
        await next();
        // The other process is heard in between.
        await new Promise((resolve) => setImmediate(resolve));
      }
      const { path, codes } = await backed;
      const copy = openRaw(path);
      const all = (sql: string): unknown[] => keep(copy.prepare(sql).pluck()).all();
      const inside = all('SELECT id FROM codes ORDER BY rowid');
      expect(inside).toEqual(issued.slice(0, inside.length));
      expect(inside).toHaveLength(codes);
      expect(codes).toBeGreaterThanOrEqual(before);
      expect(issued.length).toBeGreaterThan(before);
      expect(all("SELECT code_id FROM audit WHERE event = 'issued' ORDER BY rowid")).toEqual(inside);
      expect(all('SELECT id FROM requests ORDER BY rowid')).toEqual(inside);
      copy.close();
    }
  });
});
