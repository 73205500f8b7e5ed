import { randomInt } from 'node:crypto';
import { rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { CODES_PER_PAGE } from '../../src/services/code-service.js';
import { checkMembership } from '../../src/services/maintenance.js';
import { makeBackup } from '../../src/storage/backup.js';
import type { DatabaseLocation } from '../../src/storage/database-url.js';
import { openStage } from './bots.js';
import { createDatabase, newId, openServices, startPostgres, type Login } from './database.js';
import { caption, inUnits, markdownTable, writePlot, writeSection } from './page.js';
import { draw } from './plot.js';
import { median, type Bench } from './report.js';

const ROUNDS = 5;
/** Of what takes seconds. */
const SLOW_ROUNDS = 3;

type Subject = Awaited<ReturnType<typeof open>>;

interface Operation {
  readonly name: string;
  /** Per round; the time is that of one. */
  readonly calls: number;
  readonly isSlow?: boolean;
  /** Resolves with the time in ms, where it is not that of the whole call. */
  readonly run: (subject: Subject) => Promise<unknown>;
}

/** Measures the same work over databases of different sizes, in turns. */
export async function measureScale({ folder, isQuick, writes, report }: Bench): Promise<void> {
  const postgres = await startPostgres();
  const stage = await openStage();
  const sizes = isQuick
    ? ([
        ['SQLite', 1_000],
        ['PostgreSQL', 1_000],
      ] as const)
    : ([
        ['SQLite', 1_000],
        ['SQLite', 100_000],
        ['SQLite', 1_000_000],
        ['PostgreSQL', 1_000],
        ['PostgreSQL', 100_000],
      ] as const);
  const subjects: Subject[] = [];
  for (const [engine, size] of sizes) {
    const start = performance.now();
    const location: DatabaseLocation =
      engine === 'SQLite'
        ? { engine: 'sqlite', path: join(folder, `scale-${size}`, 'codes.db') }
        : await postgres.create(`scale${size}`);
    const logins = await createDatabase(location, stage.guild.id, size);
    subjects.push(await open(engine, size, location, logins, stage.guild.id));
    const took = inUnits(performance.now() - start);
    report.print(`${engine}: generated ${size.toLocaleString('en')} codes in ${took}`);
  }

  const startUp = async ({ databaseUrl }: Subject): Promise<number> => {
    const bot = await stage.start(databaseUrl);
    await bot.stop();
    return bot.startMs;
  };
  const operations: readonly Operation[] = [
    ...OPERATIONS,
    { name: 'start to the first answer', calls: 1, isSlow: true, run: startUp },
  ];
  const times = new Map<string, number[]>();
  const timesOf = (name: string, subject: Subject): number[] => {
    const key = `${name} ${subject.name}`;
    if (!times.has(key)) times.set(key, []);
    return times.get(key) ?? [];
  };
  const rounds = isQuick ? 1 : ROUNDS;
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const { name, calls, isSlow = false, run } of operations) {
      if (isSlow && (round === 0 || round > SLOW_ROUNDS)) continue;
      for (const subject of subjects) {
        if (name === BACKUP && subject.location.engine === 'postgres') continue;
        const count = isQuick ? 3 : calls;
        let time = 0;
        for (let call = 0; call < count; call++) {
          const start = performance.now();
          const measured = await run(subject);
          time += (typeof measured === 'number' ? measured : performance.now() - start) / count;
        }
        if (round > 0) timesOf(name, subject).push(time);
      }
    }
  }

  const table = [['', ...subjects.map(({ name }) => name)]];
  for (const { name } of operations) {
    const cells = subjects.map((subject) => {
      const values = timesOf(name, subject);
      if (values.length === 0) return '';
      const smallest = subjects.find(({ engine }) => engine === subject.engine);
      const floor =
        smallest === undefined || smallest === subject
          ? {}
          : { floor: { what: smallest.name, values: timesOf(name, smallest) } };
      const target = 'floor' in floor && name === VALIDATE ? { target: { atMost: 1.5 } } : {};
      report.add({ what: `${name}, ${subject.name}`, unit: 'ms', values, ...floor, ...target });
      return inUnits(median(values));
    });
    table.push([name, ...cells]);
  }
  const bytes: number[] = [];
  for (const subject of subjects) {
    bytes.push((await subject.bytes()) / subject.size);
    report.add({ what: `bytes per code, ${subject.name}`, unit: '', values: bytes.slice(-1) });
    await subject.storage.close();
  }
  table.push(['bytes per code', ...bytes.map((each) => Math.round(each).toLocaleString('en'))]);
  await stage.discord.close();
  await postgres.stop();
  if (!writes) return;

  writeSection('scale', `${markdownTable(table)}\n\n${caption()}.`);
  const panels = ['SQLite', 'PostgreSQL'].map((engine) => ({
    title: engine,
    curves: operations
      .map(({ name }) => ({
        name,
        points: subjects
          .filter((subject) => subject.engine === engine && timesOf(name, subject).length > 0)
          .map((subject) => [subject.size, median(timesOf(name, subject))] as const),
      }))
      .filter(({ points }) => points.length > 0),
  }));
  writePlot(
    draw({
      title: 'Time of one operation by the number of stored codes',
      caption: caption(),
      xLabel: 'codes in the database',
      panels,
      inWords: (ms) => inUnits(ms).replace(/\.0+ /, ' '),
    }),
  );
}

async function open(
  engine: 'SQLite' | 'PostgreSQL',
  size: number,
  location: DatabaseLocation,
  logins: Login[],
  guildId: string,
) {
  const services = await openServices(location, guildId);
  return {
    ...services,
    engine,
    size,
    location,
    logins,
    guildId,
    name: `${engine}, ${size.toLocaleString('en')} codes`,
    databaseUrl: location.engine === 'sqlite' ? location.path : location.url,
    any: (): Login => {
      const login = logins[randomInt(logins.length)];
      if (login === undefined) throw new Error('No codes');
      return login;
    },
    bytes: async (): Promise<number> => {
      if (location.engine === 'sqlite') return statSync(location.path).size;
      const [row] = await services.storage.driver.query(
        `SELECT sum(pg_total_relation_size(oid))::BIGINT AS bytes FROM pg_class
         WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`,
      );
      return Number(row?.['bytes']);
    },
  };
}

const VALIDATE = 'validate';
const BACKUP = 'backup';

const byAdmin = (guildId: string) => ({ id: newId(), guildId, actorId: 'admin' });

const OPERATIONS: readonly Operation[] = [
  { name: VALIDATE, calls: 300, run: async (subject) => logIn(subject, 'validate') },
  { name: 'redeem', calls: 30, run: async (subject) => logIn(subject, 'redeem') },
  { name: '!getcode: issue and deliver', calls: 30, run: async ({ getCode, any }) => getCode(any()) },
  {
    name: '!codes, first page',
    calls: 3,
    run: async ({ service, guildId }) => service.list(byAdmin(guildId), 1),
  },
  {
    name: '!codes, last page',
    calls: 3,
    run: async ({ service, guildId, logins }) =>
      service.list(byAdmin(guildId), Math.ceil(logins.length / CODES_PER_PAGE)),
  },
  {
    name: '!revoke @member',
    calls: 10,
    run: async ({ service, guildId, logins }) => {
      // Holders stand together.
      const memberId = logins.at(-1)?.holderId ?? '';
      while (logins.at(-1)?.holderId === memberId) logins.pop();
      const revoked = await service.revoke(byAdmin(guildId), { memberId }, null);
      if (revoked?.by !== 'member') throw new Error('Nothing was revoked');
    },
  },
  {
    name: 'membership check, per 1,000 codes',
    calls: 1,
    isSlow: true,
    run: async ({ storage, guildId, logins }) => {
      const start = performance.now();
      await checkMembership(storage.store, async () => [], guildId, Date.now);
      return ((performance.now() - start) * 1_000) / logins.length;
    },
  },
  {
    name: BACKUP,
    calls: 1,
    isSlow: true,
    run: async ({ location }) => {
      if (location.engine === 'postgres') return;
      await makeBackup(location.path, { keep: 1, now: Date.now() });
      rmSync(join(dirname(location.path), 'backups'), { recursive: true });
    },
  },
];

async function logIn({ validator, any }: Subject, method: 'validate' | 'redeem'): Promise<void> {
  const { username, text } = any();
  const { valid } = await validator[method](username, text);
  if (!valid) throw new Error('An issued code is not valid');
}
