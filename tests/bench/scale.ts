import { statSync } from 'node:fs';
import { join } from 'node:path';

import { CODES_PER_PAGE } from '../../src/services/code-service.js';
import { checkMembership } from '../../src/services/maintenance.js';
import { makeBackup } from '../../src/storage/backup.js';
import {
  createDatabase,
  isPostgres,
  newId,
  openServices,
  pick,
  SETTINGS,
  startPostgres,
} from './database.js';
import { timeOf } from './logins.js';
import { writePlot } from './plot.js';
import { median, writeSection, type Bench } from './report.js';
import { openStage, stop, type Stage } from './stage.js';

type Subject = Awaited<ReturnType<typeof open>>;

interface Operation {
  readonly name: string;
  readonly isSqliteOnly?: boolean;
  /** The target of the ratio to the same work among 1,000 codes. */
  readonly atMost?: number;
  /** Resolves with the time of one in ms. */
  readonly measure: (subject: Subject) => Promise<number>;
}

const OPERATIONS: readonly Operation[] = [
  {
    name: 'validate',
    atMost: 1.5,
    measure: async ({ databaseUrl, logIn, logins }) =>
      timeOf(async () => logIn('validate', pick(logins)), databaseUrl, 1_000),
  },
  {
    name: 'redeem',
    measure: async ({ logIn, logins }) => elapsed(30, async () => logIn('redeem', pick(logins))),
  },
  {
    name: '!getcode: issue and deliver',
    measure: async ({ getCode, logins }) => elapsed(30, async () => getCode(pick(logins))),
  },
  {
    name: '!codes, first page',
    measure: async (subject) => elapsed(3, async () => subject.service.list(byAdmin(subject), 1)),
  },
  {
    name: '!codes, last page',
    measure: async (subject) => {
      const lastPage = Math.ceil(subject.logins.length / CODES_PER_PAGE);
      return elapsed(3, async () => subject.service.list(byAdmin(subject), lastPage));
    },
  },
  { name: '!revoke @member', measure: async (subject) => elapsed(10, async () => revokeMember(subject)) },
  {
    name: 'membership check',
    measure: async ({ storage, guildId }) =>
      elapsed(1, async () => checkMembership(storage.store, async () => [], guildId, Date.now)),
  },
  {
    name: 'backup',
    isSqliteOnly: true,
    measure: async ({ databaseUrl }) =>
      elapsed(1, async () => makeBackup(databaseUrl, { keep: 1, now: Date.now() })),
  },
  {
    name: 'start to the first answer',
    measure: async ({ databaseUrl, stage }) => {
      const startedAt = performance.now();
      const bot = await stage.start({ ...SETTINGS, DATABASE_URL: databaseUrl, GETCODE_LIMIT: '1000/10m' });
      await stage.ask(0);
      const ms = performance.now() - startedAt;
      await stop(bot);
      return ms;
    },
  },
];

/** Measures the same work over databases of different sizes, in turns. */
export async function measureScale({ folder, isQuick, writes, report }: Bench): Promise<void> {
  const postgres = await startPostgres();
  const stage = await openStage(1);
  const subjects: Subject[] = [];
  for (const size of isQuick ? [1_000] : [1_000, 100_000, 1_000_000])
    subjects.push(await open(stage, 'SQLite', size, join(folder, `scale-${size}`, 'codes.db')));
  for (const size of isQuick ? [1_000] : [1_000, 100_000])
    subjects.push(await open(stage, 'PostgreSQL', size, await postgres.create(`scale${size}`)));
  // The first round warms up.
  for (let round = 0; round <= (isQuick ? 1 : 5); round++) {
    for (const { name, isSqliteOnly = false, measure } of OPERATIONS) {
      for (const subject of subjects) {
        if (isSqliteOnly && isPostgres(subject.databaseUrl)) continue;
        const ms = await measure(subject);
        if (round > 0) (subject.times[name] ??= []).push(ms);
      }
    }
  }

  const table = [['', ...subjects.map(({ name }) => name)]];
  for (const { name, atMost } of OPERATIONS) {
    const cells = subjects.map((subject) => {
      const values = subject.times[name];
      if (values === undefined) return '';
      const figure = { what: `${name}, ${subject.name}`, unit: 'ms', values };
      const smallest = subjects.find(({ engine }) => engine === subject.engine);
      if (smallest === undefined || smallest === subject) return report.add(figure);
      const floor = { what: smallest.name, values: smallest.times[name] ?? [] };
      return report.add({ ...figure, floor, atMost });
    });
    table.push([name, ...cells]);
  }
  const sizes = subjects.map(({ name, bytesPerCode }) =>
    report.add({ what: `bytes per code, ${name}`, unit: '', values: [bytesPerCode] }),
  );
  table.push(['bytes per code', ...sizes]);
  for (const { storage } of subjects) await storage.close();
  await stage.discord.close();
  await postgres.stop();
  if (!writes) return;

  writeSection('scale', table);
  const panels = ['SQLite', 'PostgreSQL'].map((title) => ({
    title,
    curves: OPERATIONS.map(({ name }) => ({
      name,
      points: subjects
        .filter(({ engine, times }) => engine === title && name in times)
        .map(({ size, times }) => [size, median(times[name] ?? [])] as const),
    })),
  }));
  writePlot('Time of one operation by the number of stored codes', 'codes in the database', panels);
}

async function elapsed(calls: number, call: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  for (let count = 0; count < calls; count++) await call();
  return (performance.now() - start) / calls;
}

const byAdmin = ({ guildId }: Subject) => ({ id: newId(), guildId, actorId: 'admin' });

async function revokeMember(subject: Subject): Promise<void> {
  const { service, logins } = subject;
  // Holders stand together.
  const memberId = logins.at(-1)?.holderId ?? '';
  while (logins.at(-1)?.holderId === memberId) logins.pop();
  const revoked = await service.revoke(byAdmin(subject), { memberId }, null);
  if (revoked?.by !== 'member') throw new Error('Nothing was revoked');
}

async function open(stage: Stage, engine: 'SQLite' | 'PostgreSQL', size: number, databaseUrl: string) {
  const guildId = stage.guild.id;
  const logins = await createDatabase(databaseUrl, guildId, size);
  const services = await openServices(databaseUrl, guildId);
  const bytes =
    engine === 'SQLite'
      ? statSync(databaseUrl).size
      : Number((await services.storage.driver.query(POSTGRES_BYTES))[0]?.['bytes']);
  const name = `${engine}, ${size.toLocaleString('en')} codes`;
  const times: Record<string, number[]> = {};
  return {
    ...services,
    stage,
    guildId,
    databaseUrl,
    engine,
    size,
    name,
    logins,
    times,
    bytesPerCode: bytes / size,
  };
}

const POSTGRES_BYTES = `SELECT sum(pg_total_relation_size(oid))::BIGINT AS bytes FROM pg_class
  WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`;
