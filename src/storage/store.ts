import { AuditRows } from './audit.js';
import { CodeRows } from './codes.js';
import { DmChannelRows } from './dm-channels.js';
import type { Driver, Query } from './driver.js';
import { LoginRows } from './logins.js';
import { RequestRows } from './requests.js';
import { META, readMeta, writeMeta } from './schema.js';

/** The tables, by concern. */
export class Rows {
  readonly audit: AuditRows;
  readonly codes: CodeRows;
  readonly dmChannels: DmChannelRows;
  readonly logins: LoginRows;
  readonly requests: RequestRows;

  constructor(query: Query) {
    this.audit = new AuditRows(query);
    this.codes = new CodeRows(query);
    this.dmChannels = new DmChannelRows(query);
    this.logins = new LoginRows(query);
    this.requests = new RequestRows(query);
  }
}

/** The database: its rows by single statements, and two kinds of transactions. Transactions do not nest. */
export class Store extends Rows {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    super(driver.query);
    this.#driver = driver;
  }

  /** Changes codes. All of these run one after the other: what `work` reads still holds when it writes. */
  async changeCodes<T>(work: (rows: Rows) => Promise<T>): Promise<T> {
    return this.#driver.transaction('codes', async (query) => work(new Rows(query)));
  }

  /** Logins with one username run one after the other. */
  async logIn<T>(nameHash: string, work: (rows: Rows) => Promise<T>): Promise<T> {
    return this.#driver.transaction(`login ${nameHash}`, async (query) => work(new Rows(query)));
  }

  /** Writes something: rejects while the database cannot be written. */
  async probe(now: number): Promise<void> {
    await writeMeta(this.#driver.query, META.writeProbe, String(now));
  }

  /** The server that the bot serves while ALLOWED_GUILD_IDS is unset; `null`: none yet. */
  async readServedGuild(): Promise<string | null> {
    return readMeta(this.#driver.query, META.servedGuild);
  }

  async writeServedGuild(guildId: string): Promise<void> {
    await writeMeta(this.#driver.query, META.servedGuild, guildId);
  }
}
