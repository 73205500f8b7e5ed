/**
 * Measures the bot beside floors from the same run: a bare discord.js bot that stores nothing, a bare prepared
 * statement, a durable commit, an HTTP server with a constant answer. The bot and its floor take turns. Machines differ
 * and are noisy: quote the ratios. Prints the median of the rounds and their quartiles.
 *
 * `npm run bench -- bots http` measures the parts that are named; without names all but `scale` and `rush`, which take
 * minutes. `--quick` measures everything but `rush` at small sizes: it shows that the benchmark works, no more.
 * `--json` prints one JSON document. Named, and without `--quick`, `scale` and `load` write docs/performance.md.
 * How the heap grows with many authors is measured by tests/faults/memory.test.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { setup as build } from '../support/build.js';
import { measureBots } from './bots.js';
import { measureHttp, measureLoad } from './http.js';
import { measureLogins } from './logins.js';
import { Report, type Bench } from './report.js';
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
const { quick: isQuick } = values;
const unknown = positionals.find((part) => !(part in PARTS));
if (unknown !== undefined)
  throw new Error(`There is no part ${unknown}. The parts are ${Object.keys(PARTS).join(', ')}.`);
const isAsked = (part: string): boolean =>
  positionals.length === 0 ? part !== 'rush' && (isQuick || part !== 'scale') : positionals.includes(part);

// The bots run what is in dist.
build();
const report = new Report(values.json);
report.print(`Load of this machine before the run: ${loadavg()[0]?.toFixed(1)}`);
const folder = mkdtempSync(join(tmpdir(), 'access-bot-bench-'));
try {
  for (const [part, measure] of Object.entries(PARTS)) {
    if (!isAsked(part)) continue;
    report.print(`\n${part}`);
    await measure({ folder, isQuick, writes: !isQuick && positionals.includes(part), report });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
report.finish();
