/**
 * Measures the bot beside floors from the same run: a bare discord.js bot that stores nothing, a bare prepared
 * statement, a durable commit. Machines differ and are noisy: quote the ratios.
 *
 * `npm run bench -- bots codes http engines` measures the parts that are named; without names all of them.
 * `--codes 1000000` sets the size of the larger database; the default is 100,000.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { measureBots } from './bots.js';
import { measureCodes } from './codes.js';
import { measureEngines } from './engines.js';
import { report } from './report.js';

const PARTS = ['bots', 'codes', 'http', 'engines'];
const { values, positionals } = parseArgs({
  options: { codes: { type: 'string', default: '100000' } },
  allowPositionals: true,
});
const unknown = positionals.find((part) => !PARTS.includes(part));
if (unknown !== undefined) throw new Error(`There is no part ${unknown}. The parts are ${PARTS.join(', ')}.`);
const isAsked = (part: string): boolean => positionals.length === 0 || positionals.includes(part);

const folder = mkdtempSync(join(tmpdir(), 'access-bot-bench-'));
try {
  if (isAsked('bots')) await measureBots(folder);
  if (isAsked('codes') || isAsked('http')) {
    const small = await measureCodes(folder, 1_000, isAsked('http'));
    if (isAsked('codes')) {
      const large = await measureCodes(folder, Number(values.codes), false);
      report('\nvalidation, the larger database against 1,000 codes', large, small, 'at most 1.5', 'µs');
    }
  }
  if (isAsked('engines')) await measureEngines(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
