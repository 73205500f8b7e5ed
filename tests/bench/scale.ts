import { rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { CODES_PER_PAGE } from '../../src/services/code-service.js';
import { checkMembership } from '../../src/services/maintenance.js';
import { makeBackup } from '../../src/storage/backup.js';
import type { DatabaseLocation } from '../../src/storage/database-url.js';
import { openStage } from './bots.js';
import { createDatabase, newId, openServices, pick, startPostgres } from './database.js';
import { timeOf } from './logins.js';
import { caption, inUnits, markdownTable, writePlot, writeSection } from './page.js';
import { draw } from './plot.js';
import { median, type Bench } from './report.js';

const ROUNDS = 5;
/** Of what takes seconds. */
const SLOW_ROUNDS = 3;
const VALIDATIONS = 1_000;

type Subject = Awaited<ReturnType<typeof open>>;

interface Operation {
  readonly name: string;
  /** Per round; the time is that of one. */
  readonly calls: number;
  readonly isSlow?: boolean;
  /** Resolves with the time in ms, where it is not that of the whole call; `null`: the engine has no such thing. */
  readonly run: (subject: Subject) => Promise<number | null | undefined | void>;
}

/** Measures the same work over databases of different sizes, in turns. */
export async function measureScale({ folder, isQuick, writes, report }: Bench): Promise<void> {
  const postgres = await startPostgres();
  const stage = await openStage();
  const subjects: Subject[] = [];
  for (const [engine, sizes] of [
    ['SQLite', [1_000, 100_000, 1_000_000]],
    ['PostgreSQL', [1_000, 100_000]],
  ] as const) {
    for (const size of isQuick ? sizes.slice(0, 1) : sizes) {
      const start = performance.now();
      const location: DatabaseLocation =
        engine === 'SQLite'
          ? { engine: 'sqlite', path: join(folder, `scale-${size}`, 'codes.db') }
          : await postgres.create(`scale${size}`);
      const subject = await open(engine, size, location, stage.guild.id);
      subjects.push(subject);
      report.print(`Generated ${subject.name} in ${inUnits(performance.now() - start)}`);
    }
  }

  const operations: readonly Operation[] = [
    ...OPERATIONS,
    {
      name: 'start to the first answer',
      calls: 1,
      isSlow: true,
      run: async ({ databaseUrl }) => {
        const { startMs, stop } = await stage.start(databaseUrl);
        await stop();
        return startMs;
      },
    },
  ];
  // The first round warms up.
  for (let round = 0; round <= (isQuick ? 1 : ROUNDS); round++) {
    for (const { name, calls, isSlow = false, run } of operations) {
      if (isSlow && (round === 0 || round > SLOW_ROUNDS)) continue;
      for (const subject of subjects) {
        const times: number[] = [];
        for (let call = 0; call < (isQuick ? 1 : calls); call++) {
          const start = performance.now();
          const measured = await run(subject);
          if (measured !== null) times.push(measured ?? performance.now() - start);
        }
        if (round > 0 && times.length > 0) (subject.times[name] ??= []).push(mean(times));
      }
    }
  }

  const table = [['', ...subjects.map(({ name }) => name)]];
  for (const { name } of operations) {
    const row = [name];
    for (const subject of subjects) {
      const values = subject.times[name];
      const smallest = subjects.find(({ engine }) => engine === subject.engine);
      if (values === undefined) row.push('');
      else if (smallest === undefined || smallest === subject) {
        report.add({ what: `${name}, ${subject.name}`, unit: 'ms', values });
        row.push(inUnits(median(values)));
      } else {
        const floor = { what: smallest.name, values: smallest.times[name] ?? [] };
        const target = name === VALIDATE ? { target: { atMost: 1.5 } } : {};
        report.add({ what: `${name}, ${subject.name}`, unit: 'ms', values, floor, ...target });
        const ratio = median(values) / median(floor.values);
        row.push(`${ratio < 100 ? ratio.toPrecision(2) : Math.round(ratio)} × (${inUnits(median(values))})`);
      }
    }
    table.push(row);
  }
  for (const { name, bytes, storage } of subjects) {
    report.add({ what: `bytes per code, ${name}`, unit: '', values: [bytes] });
    await storage.close();
  }
  table.push(['bytes per code', ...subjects.map(({ bytes }) => Math.round(bytes).toLocaleString('en'))]);
  await stage.discord.close();
  await postgres.stop();
  if (!writes) return;

  writeSection('scale', `${markdownTable(table)}\n\n${caption()}.`);
  const panels = ['SQLite', 'PostgreSQL'].map((title) => {
    const own = subjects.filter(({ engine }) => engine === title);
    const curves = operations.map(({ name }) => {
      const measured = own.filter(({ times }) => name in times);
      return { name, points: measured.map(({ size, times }) => [size, median(times[name] ?? [])] as const) };
    });
    return { title, curves };
  });
  const title = 'Time of one operation by the number of stored codes';
  writePlot(draw({ title, caption: caption(), xLabel: 'codes in the database', panels, inWords: inUnits }));
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

async function open(
  engine: 'SQLite' | 'PostgreSQL',
  size: number,
  location: DatabaseLocation,
  guildId: string,
) {
  const logins = await createDatabase(location, guildId, size);
  const services = await openServices(location, guildId);
  const times: Record<string, number[]> = {};
  const bytes =
    location.engine === 'sqlite'
      ? statSync(location.path).size
      : (await services.storage.driver.query(POSTGRES_BYTES))[0]?.['bytes'];
  return {
    ...services,
    engine,
    size,
    location,
    logins,
    guildId,
    times,
    bytes: Number(bytes) / size,
    name: `${engine}, ${size.toLocaleString('en')} codes`,
    databaseUrl: location.engine === 'sqlite' ? location.path : location.url,
  };
}

const POSTGRES_BYTES = `SELECT sum(pg_total_relation_size(oid))::BIGINT AS bytes FROM pg_class
  WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`;

const VALIDATE = 'validate';

const byAdmin = (guildId: string) => ({ id: newId(), guildId, actorId: 'admin' });

const OPERATIONS: readonly Operation[] = [
  { name: VALIDATE, calls: 1, run: timeValidations },
  { name: 'redeem', calls: 30, run: async ({ logIn, logins }) => logIn('redeem', pick(logins)) },
  {
    name: '!getcode: issue and deliver',
    calls: 30,
    run: async ({ getCode, logins }) => getCode(pick(logins)),
  },
  {
    name: '!codes, first page',
    calls: 3,
    run: async ({ service, guildId }) => void (await service.list(byAdmin(guildId), 1)),
  },
  {
    name: '!codes, last page',
    calls: 3,
    run: async ({ service, guildId, logins }) =>
      void (await service.list(byAdmin(guildId), Math.ceil(logins.length / CODES_PER_PAGE))),
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
    name: 'backup',
    calls: 1,
    isSlow: true,
    run: async ({ location }) => {
      if (location.engine === 'postgres') return null;
      const start = performance.now();
      await makeBackup(location.path, { keep: 1, now: Date.now() });
      const took = performance.now() - start;
      rmSync(join(dirname(location.path), 'backups'), { recursive: true });
      return took;
    },
  },
];

/** Returns the time of one in ms. With SQLite other load of the machine does not count. */
async function timeValidations({ location, logIn, logins }: Subject): Promise<number> {
  const validate = async (): Promise<void> => logIn('validate', pick(logins));
  return (await timeOf(validate, location.engine, 1, VALIDATIONS)) / 1_000;
}
