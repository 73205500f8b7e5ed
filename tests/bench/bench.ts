/**
 * Measures the bot beside floors from the same run: a bare discord.js bot that stores nothing, a bare prepared
 * statement, a durable commit. Machines differ and are noisy: quote the ratios.
 *
 * `npm run bench -- --codes 1000000` sets the size of the larger database; the default is 100,000.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { measureBots } from './bots.js';
import { measureCodes } from './codes.js';
import { report } from './report.js';

const { values } = parseArgs({
  options: { codes: { type: 'string', default: '100000' } },
});
const folder = mkdtempSync(join(tmpdir(), 'access-bot-bench-'));
try {
  await measureBots(folder);
  const small = await measureCodes(folder, 1_000, true);
  const large = await measureCodes(folder, Number(values.codes), false);
  report('\nvalidation, the larger database against 1,000 codes', large, small, 'at most 1.5', 'µs');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
