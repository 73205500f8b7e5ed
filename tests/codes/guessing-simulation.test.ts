import { describe, expect, it } from 'vitest';

import { CODE_ALPHABET, generateCodeText } from '../../src/codes/code-text.js';
import { openCodes } from '../support/codes.js';

const DAYS = 30;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const GUESSES = 100_000;
const PAUSE_MS = (DAYS * DAY_MS) / GUESSES;

/** Numbers that look like chance and are the same in every run. */
function reproducible(): (limit: number) => number {
  let state = 1;
  return (limit) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % limit;
  };
}

interface Siege {
  /** How many guesses were looked at, day by day. */
  readonly judged: readonly number[];
  readonly letIn: number;
  /** How often the holder came, and how often they got in. */
  readonly visits: { readonly made: number; readonly valid: number };
}

/**
 * A month in which somebody guesses at Alice's code every 26 seconds. Every seventh guess that is due to be
 * throttled is the right one. The holder comes every hour from a device that got in before.
 *
 * @param revives what else happens when the next guess would be judged again.
 */
async function besiege(revives: 'nothing' | 'a visit' | 'a new code'): Promise<Siege> {
  const { clock, hand, validator } = await openCodes({ random: reproducible() });
  let { text } = await hand();
  await validator.validate('Alice', text, { client: 'home' });
  const random = reproducible();
  const judged = Array.from({ length: DAYS }, () => 0);
  const visits = { made: 0, valid: 0 };
  const start = clock.now;
  let nextVisitAt = start;
  let openAt: number | null = start;
  let day = 0;
  let letIn = 0;

  async function visit(client?: string): Promise<boolean> {
    const verdict = await validator.validate('Alice', text, { client });
    return verdict.valid;
  }

  for (let n = 0; n < GUESSES; n++) {
    clock.now = start + Math.floor(n * PAUSE_MS);
    const today = Math.floor((clock.now - start) / DAY_MS);
    if (revives === 'a new code' && today > day) ({ text } = await hand());
    day = today;
    for (; nextVisitAt <= clock.now; nextVisitAt += HOUR_MS) {
      visits.made += 1;
      if (await visit('home')) visits.valid += 1;
    }
    if (revives === 'a visit' && openAt !== null && openAt <= clock.now) await visit();
    const isThrottled = revives !== 'a new code' && (openAt === null || openAt > clock.now);
    const guess = isThrottled && n % 7 === 0 ? text : wrongCode(text, random);
    const verdict = await validator.validate('Alice', guess, { client: `stranger ${n % 50}` });
    if (verdict.valid) letIn += 1;
    else if (verdict.reason === 'throttled') {
      openAt = verdict.retryAfterMs === null ? null : clock.now + verdict.retryAfterMs;
    } else {
      judged[today] = (judged[today] ?? 0) + 1;
      openAt = clock.now;
    }
  }
  process.stdout.write(`guesses looked at per day, where ${revives} revives them: ${judged.join(' ')}\n`);
  return { judged, letIn, visits };
}

function wrongCode(right: string, random: (limit: number) => number): string {
  const text = generateCodeText(right.length, random);
  if (text !== right) return text;
  return `${CODE_ALPHABET.charAt((CODE_ALPHABET.indexOf(text.charAt(0)) + 1) % 32)}${text.slice(1)}`;
}

describe('100,000 guesses at one username within 30 days', () => {
  const holder = { made: DAYS * 24, valid: DAYS * 24 };

  it('are looked at a hundred times, and let nobody in but the holder', async () => {
    const { judged, letIn, visits } = await besiege('nothing');
    expect(judged).toEqual([100, ...Array.from({ length: DAYS - 1 }, () => 0)]);
    expect({ letIn, visits }).toEqual({ letIn: 0, visits: holder });
  });

  it('are looked at ten times an hour when the holder comes from new devices all the time', async () => {
    const { judged, letIn, visits } = await besiege('a visit');
    // Ten guesses, and on to the first one that is an hour later.
    const period = Math.ceil(HOUR_MS / PAUSE_MS) * PAUSE_MS;
    const expected = Array.from({ length: DAYS }, (_, day) => {
      const before = (until: number): number => {
        const periods = Math.floor(until / period);
        return periods * 10 + Math.min(10, Math.ceil((until - periods * period) / PAUSE_MS));
      };
      return before((day + 1) * DAY_MS) - before(day * DAY_MS);
    });
    expect(judged).toEqual(expected);
    expect(Math.max(...judged)).toBeLessThanOrEqual(240);
    expect({ letIn, visits }).toEqual({ letIn: 0, visits: holder });
  });

  it('are looked at a hundred times for each code when the holder gets a new one every day', async () => {
    const { judged, letIn, visits } = await besiege('a new code');
    expect(judged).toEqual(Array.from({ length: DAYS }, () => 100));
    expect({ letIn, visits }).toEqual({ letIn: 0, visits: holder });
  });
});
