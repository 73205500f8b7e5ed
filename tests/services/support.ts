import { expect, onTestFinished } from 'vitest';

import type { Keys } from '../../src/codes/keys.js';
import type { CodeService } from '../../src/services/code-service.js';
import type { Driver } from '../../src/storage/driver.js';
import type { Store } from '../../src/storage/store.js';
import { ManualClock } from '../support/clock.js';
import * as support from '../support/codes.js';
import { openDriver } from '../support/engines.js';

export { byAdmin as admin } from '../support/codes.js';

/** Returns the URL of an empty database that belongs to the running test. No test asks which engine it runs on. */
export type Engine = () => Promise<string>;

export const SECRET = 'a secret of the tests, which is long enough';
export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export interface Services extends Pick<support.Services, 'deliveries' | 'validator' | 'request' | 'issue'> {
  readonly store: Store;
  readonly keys: Keys;
  readonly codes: CodeService;
  /** Issues a code and confirms its DM. */
  readonly deliver: support.Services['issueCode'];
  /** The events of the audit as `event code-id`, in order. */
  readonly events: () => Promise<string[]>;
  /** Validates a code for Alice: `valid`, the reason of a refusal, or {@link throttled}. */
  readonly logIn: (text: string, client?: string) => Promise<string>;
  /** Enters `count` wrong codes for Alice, each of which must be evaluated. */
  readonly fail: (count: number, client?: string) => Promise<void>;
}

export interface World extends Services {
  readonly clock: ManualClock;
  /** Opens the database without the services. */
  readonly openDriver: () => Driver;
  /** The same services over the same database with connections of their own, as in another process. */
  readonly second: () => Promise<Services>;
}

/** Opens an empty database and the services over it. */
export async function openWorld(engine: Engine, options: support.ServicesOptions = {}): Promise<World> {
  const databaseUrl = await engine();
  const database = support.locate(databaseUrl);
  const clock = new ManualClock();
  const second = async (): Promise<Services> => {
    const opened = await support.openServices({ database, secret: SECRET }, clock, options);
    const { service: codes, issueCode: deliver, storage, ...rest } = opened;
    const { store, keys } = storage;
    const events = async (): Promise<string[]> =>
      (await store.audit.read({})).map(({ event, codeId }) =>
        codeId === null ? event : `${event} ${codeId}`,
      );
    const logIn = async (text: string, client?: string): Promise<string> => {
      const verdict = await rest.validator.validate('Alice', text, { client });
      if (verdict.valid) return 'valid';
      return verdict.reason === 'throttled' ? throttled(verdict.retryAfterMs) : verdict.reason;
    };
    const fail = async (count: number, client?: string): Promise<void> => {
      for (let n = 0; n < count; n++) expect(await logIn(wrongCode(n), client)).toBe('unknown');
    };
    return { ...rest, codes, store, keys, deliver, events, logIn, fail };
  };
  const open = (): Driver => {
    const driver = openDriver(databaseUrl);
    onTestFinished(async () => driver.close());
    return driver;
  };
  return { ...(await second()), clock, openDriver: open, second };
}

/** Calls `work` `count` times at once. */
export async function atOnce<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length: count }, async (_, index) => work(index)));
}

/** `null`: until the holder's next code. */
export function throttled(retryAfterMs: number | null): string {
  return `throttled for ${retryAfterMs} ms`;
}

/** Wrong codes, all of them different. */
export function wrongCode(index: number): string {
  const digits = '23456789';
  return `ZZZ${[index >> 6, index >> 3, index].map((part) => digits.charAt(part & 7)).join('')}`;
}
