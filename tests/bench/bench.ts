/**
 * Measures the bot beside floors from the same run: a bare discord.js bot that stores nothing, a bare prepared
 * statement, a durable commit, an HTTP server with a constant answer. The bot and its floor take turns. Prints the
 * median of the rounds, their quartiles, and ratios. docs/performance.md has the parts and the options.
 * How the heap grows with many authors is measured by tests/faults/memory.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { setup as build } from '../support/build.js';
import { measureBots } from './bots.js';
import { measureHttp, measureLoad } from './http.js';
import { measureLogins } from './logins.js';
import { caption, Report, type Bench } from './report.js';
import { measureRush } from './rush.js';
import { measureScale } from './scale.js';

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  bots: measureBots,
  logins: measureLogins,
  http: measureHttp,
  load: measureLoad,
  scale: measureScale,
  rush: measureRush,
};

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const { json, quick: isQuick } = values;
const byDefault = Object.keys(PARTS).filter((part) => part !== 'rush' && (isQuick || part !== 'scale'));
const parts = positionals.length === 0 ? byDefault : positionals;
if (!parts.every((part) => part in PARTS)) throw new Error(`The parts are ${Object.keys(PARTS).join(', ')}.`);

// The bots run what is in dist.
build();
const report = new Report(json);
report.print(caption());
const folder = mkdtempSync(join(tmpdir(), 'access-bot-bench-'));
try {
  for (const part of parts) {
    report.print(`\n${part}`);
    await PARTS[part]?.({ folder, isQuick, writes: !isQuick && positionals.length > 0, report });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report.finish();
