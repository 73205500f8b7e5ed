import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { listBackups, type MadeBackup } from '../storage/backup-files.js';
import type { BackupRequest } from '../storage/backups.js';

const run = promisify(execFile);

/** Compiled, as node runs nothing else; seen from `src/backup` and from `dist/backup` alike. */
const PROGRAM = fileURLToPath(new URL('../../dist/backup/backup-process.js', import.meta.url));

/** The backups that the bot makes by itself. */
export class ScheduledBackups {
  readonly #databasePath: string;
  readonly #keep: number;
  readonly intervalMs: number;

  constructor(options: {
    readonly databasePath: string;
    readonly keep: number;
    readonly intervalMs: number;
  }) {
    this.#databasePath = options.databasePath;
    this.#keep = options.keep;
    this.intervalMs = options.intervalMs;
  }

  /** Whether the newest is too old, or from a time that is still to come: then the clock was set back. */
  isDue(now: number): boolean {
    const newest = listBackups(this.#databasePath).findLast(({ beforeSchema }) => beforeSchema === null);
    return newest === undefined || newest.at > now || now - newest.at >= this.intervalMs;
  }

  /**
   * Makes one in a process of its own: copying holds up whoever does it, and Discord must be answered meanwhile.
   *
   * @throws {Error} its message is a sentence for the log.
   */
  async make(now: number): Promise<MadeBackup> {
    const request: BackupRequest = { databasePath: this.#databasePath, keep: this.#keep, now };
    try {
      const { stdout } = await run(process.execPath, [PROGRAM, JSON.stringify(request)]);
      const { path, codes }: MadeBackup = JSON.parse(stdout);
      return { path, codes };
    } catch (cause) {
      const said = cause instanceof Error && 'stderr' in cause ? String(cause.stderr).trim() : '';
      throw new Error(said === '' ? `No backup could be made: ${PROGRAM} did not run to its end.` : said, {
        cause,
      });
    }
  }
}
