import type * as NodeFs from 'node:fs';
import { basename, dirname } from 'node:path';

import { expect, it, vi } from 'vitest';

import { makeBackup } from '../../src/storage/backup.js';
import { restore } from '../../src/storage/restore.js';
import { openCodes } from '../support/codes.js';
import { openRaw } from '../support/raw-database.js';

/** What was synced, linked and renamed, in order. */
const steps = vi.hoisted((): string[] => []);

vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof NodeFs>();
  const opened = new Map<number, string>();
  const add = (step: string, path = ''): unknown => steps.push(`${step} ${path.replace(/.*\//, '')}`);
  return {
    ...fs,
    openSync: (...given: [path: string, flags: string, mode?: number]) => {
      const file = fs.openSync(...given);
      opened.set(file, given[0]);
      return file;
    },
    fsyncSync: (file: number) => (add('sync', opened.get(file)), fs.fsyncSync(file)),
    linkSync: (from: string, to: string) => {
      add(from.endsWith('.db') && isLocked(from) ? 'link locked' : 'link', from);
      fs.linkSync(from, to);
    },
    renameSync: (from: string, to: string) => (add('rename', from), fs.renameSync(from, to)),
    writeFileSync: (path: string, content: string, options: { flush: boolean }) => {
      fs.writeFileSync(path, content, options);
      if (options.flush) add('sync', path);
    },
  };
});

function isLocked(path: string): boolean {
  const other = openRaw(path);
  other.pragma('busy_timeout = 0');
  try {
    other.exec('SELECT 1 FROM meta');
    return false;
  } catch {
    return true;
  } finally {
    other.close();
  }
}

it('syncs the secret, a backup and a restored database before they get their names', async () => {
  const { databasePath, storage } = await openCodes();
  expect(steps.splice(0)).toEqual(['sync code-secret.key.new', 'link code-secret.key.new']);
  const { path: backupPath } = await makeBackup(databasePath, { keep: 7, now: 0 });
  const unfinished = `${basename(backupPath)}.new`;
  expect(steps.splice(0)).toEqual([`sync ${unfinished}`, `rename ${unfinished}`, 'sync backups']);
  await storage.close();
  await restore({ backupPath, databasePath, secret: null, now: 0 });
  const folder = `sync ${basename(dirname(databasePath))}`;
  expect(steps).toEqual(['sync codes.db.new', 'link locked codes.db', folder, 'rename codes.db.new', folder]);
});
