/**
 * Measures the bot against floors taken in the same run: a bare discord.js bot that stores nothing, a bare
 * prepared statement, one durable commit. Machines differ and are noisy: the ratios are what to quote.
 *
 * `npm run bench -- --codes 1000000` fills the larger database with so many codes; 100,000 unless told;
 * `--timings 60000` times so many answers of each kind; 5,000 unless told.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { measureBots } from './bots.js';
import { measureCodes } from './codes.js';
import { report } from './report.js';
import { measureTiming } from './timing.js';

const { values } = parseArgs({
  options: { codes: { type: 'string', default: '100000' }, timings: { type: 'string', default: '5000' } },
});
const folder = mkdtempSync(join(tmpdir(), 'access-bot-bench-'));
try {
  await measureBots(folder);
  const small = await measureCodes(folder, 1_000, true);
  const large = await measureCodes(folder, Number(values.codes), false);
  report('\nvalidation, the larger database against 1,000 codes', large, small, 'at most 1.5', 'µs');
  await measureTiming(folder, Number(values.timings));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
