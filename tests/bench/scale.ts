import { statSync } from 'node:fs';
import { join } from 'node:path';

import { CODES_PER_PAGE } from '../../src/services/code-service.js';
import { checkMembership } from '../../src/services/maintenance.js';
import { makeBackup } from '../../src/storage/backup.js';
import { createDatabase, isPostgres, openServices, pick, SETTINGS, startPostgres } from './database.js';
import { clockOf, timeOf } from './logins.js';
import { writePlot } from './plot.js';
import { median, writeSection, type Bench } from './report.js';
import { openStage, stop, type Stage } from './stage.js';

type Subject = Awaited<ReturnType<typeof open>>;

/** Each resolves with the time of one in ms; `null`: the engine has no such thing. */
const OPERATIONS: Readonly<Record<string, (subject: Subject) => Promise<number | null>>> = {
  validate: async ({ databaseUrl, logIn, logins }) =>
    timeOf(async () => logIn('validate', pick(logins)), 1_000, clockOf(databaseUrl)),
  redeem: async ({ logIn, logins }) => timeOf(async () => logIn('redeem', pick(logins)), 30),
  '!getcode: issue and deliver': async ({ getCode, logins }) => timeOf(async () => getCode(pick(logins)), 30),
  '!codes, first page': async (subject) => listCodes(subject, 1),
  '!codes, last page': async (subject) =>
    listCodes(subject, Math.ceil(subject.logins.length / CODES_PER_PAGE)),
  '!revoke @member': async (subject) => timeOf(async () => revokeMember(subject), 10),
  'membership check': async ({ storage, stage }) =>
    timeOf(async () => checkMembership(storage.store, async () => [], stage.guild.id, Date.now), 1),
  backup: async ({ databaseUrl }) =>
    isPostgres(databaseUrl)
      ? null
      : timeOf(async () => makeBackup(databaseUrl, { keep: 1, now: Date.now() }), 1),
  'start to the first answer': async ({ databaseUrl, stage }) => {
    const settings = { ...SETTINGS, DATABASE_URL: databaseUrl, GETCODE_LIMIT: '1000/10m' };
    const [bot, ms] = await stage.startAndAsk(settings);
    await stop(bot);
    return ms;
  },
};

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
    for (const [name, measure] of Object.entries(OPERATIONS)) {
      for (const subject of subjects) {
        const ms = await measure(subject);
        if (round > 0 && ms !== null) (subject.times[name] ??= []).push(ms);
      }
    }
  }
  await stage.discord.close();

  const table = [['', ...subjects.map(({ name }) => name)]];
  for (const name of Object.keys(OPERATIONS)) {
    const atMost = name === 'validate' ? 1.5 : undefined;
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
  await postgres.stop();
  if (!writes) return;

  writeSection('scale', table);
  const panels = ['SQLite', 'PostgreSQL'].map((title) => {
    const own = subjects.filter(({ engine }) => engine === title);
    const curves = Object.keys(OPERATIONS).map((name) => {
      const measured = own.filter(({ times }) => name in times);
      return { name, points: measured.map(({ size, times }) => [size, median(times[name] ?? [])] as const) };
    });
    return { title, curves };
  });
  writePlot('Time of one operation by the number of stored codes', panels);
}

async function listCodes({ service, byAdmin }: Subject, page: number): Promise<number> {
  return timeOf(async () => service.list(byAdmin(), page), 3);
}

async function revokeMember({ service, logins, byAdmin }: Subject): Promise<void> {
  // Holders stand together.
  const memberId = logins.at(-1)?.holderId ?? '';
  while (logins.at(-1)?.holderId === memberId) logins.pop();
  const revoked = await service.revoke(byAdmin(), { memberId }, null);
  if (revoked?.by !== 'member') throw new Error('Nothing was revoked');
}

async function open(stage: Stage, engine: 'SQLite' | 'PostgreSQL', size: number, databaseUrl: string) {
  const logins = await createDatabase(databaseUrl, stage.guild.id, size);
  const services = await openServices(databaseUrl, stage.guild.id);
  const bytes =
    engine === 'SQLite'
      ? statSync(databaseUrl).size
      : Number((await services.storage.driver.query(POSTGRES_BYTES))[0]?.['bytes']);
  const name = `${engine}, ${size.toLocaleString('en')} codes`;
  const times: Record<string, number[]> = {};
  return { ...services, stage, databaseUrl, engine, size, name, logins, times, bytesPerCode: bytes / size };
}

const POSTGRES_BYTES = `SELECT sum(pg_total_relation_size(oid))::BIGINT AS bytes FROM pg_class
  WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace`;
