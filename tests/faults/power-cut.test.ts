import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { openStorage, SECRET_FILE_NAME } from '../../src/storage/open-storage.js';
import { StorageError } from '../../src/storage/storage-error.js';
import { folderInMemory, temporaryFolder } from '../support/folder.js';
import { buildDisk } from './disk.js';
import { findLost, makeDatabase, readAcks, startIssuer } from './issuer.js';
import { seededRandom, type Random } from './random.js';
import { sized } from './size.js';

const SECTOR = 512;
const HEAD = 24;

interface Operation {
  readonly kind: 'write' | 'truncate' | 'sync';
  readonly file: 'database' | 'log' | 'acks';
  readonly offset: number;
  readonly length: number;
  readonly data: Buffer;
}

const KINDS = { w: 'write', t: 'truncate', s: 'sync' } as const;
const FILES = { d: 'database', l: 'log', a: 'acks' } as const;

function readOperations(log: Buffer): Operation[] {
  const operations: Operation[] = [];
  for (let at = 0; at < log.length;) {
    const [what, which] = log.toString('latin1', at, at + 2);
    const kind = Object.entries(KINDS).find(([letter]) => letter === what)?.[1];
    const file = Object.entries(FILES).find(([letter]) => letter === which)?.[1];
    if (kind === undefined || file === undefined) throw new Error(`No record at ${at}`);
    const offset = Number(log.readBigInt64LE(at + 8));
    const length = Number(log.readBigInt64LE(at + 16));
    const size = kind === 'write' ? length : 0;
    operations.push({ kind, file, offset, length, data: log.subarray(at + HEAD, at + HEAD + size) });
    at += HEAD + size;
  }
  return operations;
}

/** A file as the disk has it, and what was written since the last sync and may get there or not. */
class DiskFile {
  #durable: Buffer;
  #pending: Operation[] = [];

  constructor(durable: Buffer) {
    this.#durable = durable;
  }

  apply(operation: Operation): void {
    if (operation.kind !== 'sync') {
      this.#pending.push(operation);
      return;
    }
    for (const { kind, offset, length, data } of this.#pending) {
      if (kind === 'write') this.#durable = put(this.#durable, offset, data);
      else this.#durable = cut(this.#durable, length);
    }
    this.#pending = [];
  }

  /** What is found when the power is back: of what was not synced, sectors at random, some of them garbled. */
  afterCut(random: Random): Buffer {
    let content: Buffer = Buffer.from(this.#durable);
    // Some disks keep nearly all of it, others hardly any.
    const keeps = random.pick([0, 0.5, 0.9, 1]);
    for (const { kind, offset, length, data } of this.#pending) {
      if (kind === 'truncate') {
        if (random.chance(keeps)) content = cut(content, length);
        continue;
      }
      for (let at = offset; at < offset + length;) {
        const end = Math.min(offset + length, at - (at % SECTOR) + SECTOR);
        const sector = Buffer.from(data.subarray(at - offset, end - offset));
        if (random.chance(0.05)) sector.fill(random.below(256), random.below(sector.length));
        if (random.chance(keeps)) content = put(content, at, sector);
        at = end;
      }
    }
    return content;
  }
}

function put(content: Buffer, offset: number, data: Buffer): Buffer {
  const end = offset + data.length;
  const grown = end <= content.length ? content : cut(content, end);
  data.copy(grown, offset);
  return grown;
}

function cut(content: Buffer, length: number): Buffer {
  if (length <= content.length) return content.subarray(0, length);
  const grown = Buffer.alloc(length);
  content.copy(grown);
  return grown;
}

interface Workload {
  readonly folder: string;
  readonly before: Buffer;
  readonly operations: readonly Operation[];
}

/** Issues codes on a disk that writes down what is done to it. */
async function record(disk: string, count: number, mode: 'production' | 'normal'): Promise<Workload> {
  const folder = folderInMemory();
  const databasePath = join(folder, 'codes.db');
  await makeDatabase(databasePath);
  const before = readFileSync(databasePath);
  const log = join(folder, 'log');
  const acks = join(folder, 'codes.acks');
  const env = { LD_PRELOAD: disk, DISK_LOG: log };
  const { stderr } = await startIssuer(databasePath, { acks, run: 'r', count, mode, env }).ended;
  expect(stderr).toBe('');
  const operations = readOperations(readFileSync(log));
  expect(readAcks(readFileSync(acks, 'utf8'))).toHaveLength(count);
  // A checkpoint is among it.
  const kinds = new Set(operations.map(({ kind, file }) => `${kind} ${file}`));
  for (const kind of ['write database', 'write log', 'write acks', 'sync log', 'sync database']) {
    expect(kinds).toContain(kind);
  }
  return { folder, before, operations };
}

interface Outcome {
  readonly acknowledged: number;
  readonly lost: number;
  readonly corrupt: number;
}

async function cutPower(workload: Workload, cuts: number, random: Random): Promise<Outcome> {
  const { operations, before } = workload;
  const databasePath = join(folderInMemory(), 'codes.db');
  copyFileSync(join(workload.folder, SECRET_FILE_NAME), join(databasePath, '..', SECRET_FILE_NAME));
  const points = Array.from({ length: cuts }, () => random.below(operations.length)).toSorted(
    (a, b) => a - b,
  );
  const files = { database: new DiskFile(before), log: new DiskFile(Buffer.alloc(0)) };
  const acknowledged: Buffer[] = [];
  let done = 0;
  let [expected, lost, corrupt] = [0, 0, 0];
  for (const point of points) {
    for (const operation of operations.slice(done, point)) {
      if (operation.file === 'acks') acknowledged.push(operation.data);
      else files[operation.file].apply(operation);
    }
    done = point;
    writeFileSync(databasePath, files.database.afterCut(random));
    writeFileSync(`${databasePath}-wal`, files.log.afterCut(random));
    rmSync(`${databasePath}-shm`, { force: true });
    const acks = readAcks(Buffer.concat(acknowledged).toString('utf8'));
    expected += acks.length;
    try {
      // The owner looks through the whole file.
      const storage = await openStorage({ databasePath, secret: null, as: 'owner' });
      lost += (await findLost(storage, acks)).length;
      await storage.close();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      corrupt += 1;
    }
  }
  return { acknowledged: expected, lost, corrupt };
}

async function cutPowerOften(mode: 'production' | 'normal', cuts: number, seed: number): Promise<Outcome> {
  const random = seededRandom(seed);
  const disk = buildDisk(temporaryFolder());
  const workloads = sized(1, 5);
  const total = { acknowledged: 0, lost: 0, corrupt: 0 };
  for (let index = 0; index < workloads; index++) {
    const outcome = await cutPower(await record(disk, 200, mode), cuts / workloads, random);
    total.acknowledged += outcome.acknowledged;
    total.lost += outcome.lost;
    total.corrupt += outcome.corrupt;
  }
  process.stdout.write(`${cuts} power cuts, ${mode}, seed ${seed}: ${JSON.stringify(total)}\n`);
  return total;
}

it('loses nothing that was acknowledged, and damages nothing, at a power cut', async () => {
  const seed = Date.now() % 1_000_000;
  const outcome = await cutPowerOften('production', sized(20, 1_500), seed);
  expect({ ...outcome, seed }).toMatchObject({ lost: 0, corrupt: 0, seed });
  expect(outcome.acknowledged).toBeGreaterThan(sized(500, 50_000));
});

it('would be seen to lose with synchronous = NORMAL', async () => {
  const { lost } = await cutPowerOften('normal', sized(10, 100), 1);
  expect(lost).toBeGreaterThan(0);
});
