import { setImmediate as settle } from 'node:timers/promises';

import { DiscordAPIError, RateLimitError } from 'discord.js';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';

import { DiscordStandIn, type StandInFault, type StandInUser } from '../../src/demo/stand-in/stand-in.js';
import { createClient } from '../../src/discord/client.js';
import {
  DirectMessages,
  StoppedError,
  TooManyWaitingError,
  type ChannelMemory,
} from '../../src/discord/direct-messages.js';
import { Sender } from '../../src/discord/sender.js';
import { createLog } from '../../src/log.js';
import { ManualClock } from '../support/clock.js';
import { deferred } from '../support/deferred.js';

const ROUTE = '/users/@me/channels';
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

/** Ends the waits of whatever is tested in the order of their times, and sets the clock to each. */
class Timers {
  readonly #clock: ManualClock;
  readonly #waits: { readonly at: number; readonly done: () => void }[] = [];

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  readonly wait = async (ms: number): Promise<void> =>
    new Promise((done) => {
      this.#waits.push({ at: this.#clock.now + ms, done });
    });

  /** @param until Unix ms; until then time passes. */
  async pass(until: number): Promise<void> {
    await settle();
    for (let next = this.#due(until); next !== undefined; next = this.#due(until)) {
      this.#clock.now = Math.max(this.#clock.now, next.at);
      this.#waits.splice(this.#waits.indexOf(next), 1);
      next.done();
      await settle();
    }
    if (Number.isFinite(until)) this.#clock.now = until;
  }

  #due(until: number): { readonly at: number; readonly done: () => void } | undefined {
    const [first] = this.#waits.toSorted((one, other) => one.at - other.at);
    return first !== undefined && first.at <= until ? first : undefined;
  }
}

class MapMemory implements ChannelMemory {
  readonly channels = new Map<string, string>();
  /** The calls that fail from now on. */
  readonly broken = new Set<keyof ChannelMemory>();
  /** What {@link remember} waits for. */
  written = Promise.resolve();

  async find(userId: string): Promise<string | null> {
    this.#check('find');
    return this.channels.get(userId) ?? null;
  }

  async remember(userId: string, channelId: string): Promise<void> {
    this.#check('remember');
    await this.written;
    this.channels.set(userId, channelId);
  }

  async forget(userId: string): Promise<void> {
    this.#check('forget');
    this.channels.delete(userId);
  }

  #check(call: keyof ChannelMemory): void {
    if (this.broken.has(call)) throw new Error(`The memory does not ${call}`);
  }
}

interface Opened {
  readonly userId: string;
  /** ms since the start. */
  readonly at: number;
}

/** A {@link DirectMessages} whose Discord answers what `answers` holds, in turn, then with a channel. */
function setUp(answers: (Error | null)[] = [], latencies: number[] = []) {
  const clock = new ManualClock();
  const start = clock.now;
  const timers = new Timers(clock);
  const memory = new MapMemory();
  const opened: Opened[] = [];
  let logged = '';
  const log = createLog('trace', { write: (line) => (logged += line) });
  const open = async (userId: string): Promise<string> => {
    opened.push({ userId, at: clock.now - start });
    const answer = answers.shift() ?? null;
    const latency = latencies.shift() ?? 0;
    if (latency > 0) await timers.wait(latency);
    if (answer !== null) throw answer;
    return `channel of ${userId}, ${opened.length}`;
  };
  const messages = new DirectMessages({ open, memory, clock: clock.read, wait: timers.wait, log });
  const elapsed = (): number => clock.now - start;
  const pass = async (ms: number): Promise<void> => timers.pass(clock.now + ms);

  /** Asks for a channel, and notes what comes of it and when. */
  function ask(userId: string): Asked {
    const asked: Asked = { userId, at: elapsed(), told: [], end: null };
    messages
      .channelOf(userId, (expectedMs) => asked.told.push(expectedMs))
      .then(
        (channelId) => (asked.end = { at: elapsed(), channelId }),
        (error: unknown) => (asked.end = { at: elapsed(), error }),
      );
    return asked;
  }

  return {
    clock,
    messages,
    memory,
    opened,
    ask,
    pass,
    end: async () => timers.pass(Infinity),
    logged: () => logged,
  };
}

interface Asked {
  readonly userId: string;
  readonly at: number;
  readonly told: number[];
  end: { readonly at: number; readonly channelId?: string; readonly error?: unknown } | null;
}

const tooFast = (): DiscordAPIError =>
  new DiscordAPIError({ code: 40_003, message: 'Too fast' }, 40_003, 403, 'POST', ROUTE, {
    body: undefined,
    files: undefined,
  });

const refused = (): DiscordAPIError =>
  new DiscordAPIError({ code: 50_007, message: 'No' }, 50_007, 403, 'POST', ROUTE, {
    body: undefined,
    files: undefined,
  });

const limited = (retryAfter: number): RateLimitError =>
  new RateLimitError({
    retryAfter,
    timeToReset: retryAfter,
    limit: 1,
    method: 'POST',
    hash: '',
    url: ROUTE,
    route: ROUTE,
    majorParameter: 'global',
    global: false,
    sublimitTimeout: 0,
    scope: 'user',
  });

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `user ${index}`);

const secondsOf = (opened: readonly Opened[]): number[] => opened.map(({ at }) => at / SECOND);

const sinceTheOneBefore = (opened: readonly Opened[]): number[] =>
  secondsOf(opened).map((at, index, all) => at - (all[index - 1] ?? 0));

it('gives a remembered channel at once, also while new ones wait', async () => {
  const { memory, opened, ask } = setUp();
  memory.channels.set('known', 'an old channel');
  names(20).forEach(ask);
  await settle();
  const known = ask('known');
  await settle();
  expect(known).toMatchObject({ told: [], end: { at: 0, channelId: 'an old channel' } });
  expect(opened).toHaveLength(10);
});

it('opens ten new channels at once, then one every two seconds, and tells those who wait for how long', async () => {
  const { memory, opened, ask, end } = setUp();
  const asked = names(13).map(ask);
  await end();
  expect(secondsOf(opened)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4, 6]);
  expect(asked.map(({ told }) => told)).toEqual([
    ...Array.from({ length: 10 }, () => []),
    [2_000],
    [4_000],
    [6_000],
  ]);
  expect(memory.channels.get('user 12')).toBe('channel of user 12, 13');
});

it('lets nobody wait whom it does not have to', async () => {
  const { opened, ask, pass } = setUp();
  names(10).forEach(ask);
  await pass(1_999);
  const early = ask('early');
  await settle();
  expect(opened).toHaveLength(10);
  await pass(1);
  expect(early).toMatchObject({ told: [1], end: { at: 2_000 } });
  await pass(2_000);
  const late = ask('late');
  await settle();
  expect(late).toMatchObject({ told: [], end: { at: 4_000 } });
});

it('keeps the pace when the clock is set back', async () => {
  const { clock, ask, end } = setUp();
  names(10).forEach(ask);
  await end();
  clock.advance(-60 * MINUTE);
  const late = ask('late');
  await end();
  expect(late).toMatchObject({ told: [2_000], end: { at: -60 * MINUTE + 2_000 } });
});

it('remembers what it opened', async () => {
  const { opened, ask, end } = setUp();
  ask('ada');
  await end();
  const again = ask('ada');
  await end();
  expect(again.end).toMatchObject({ channelId: 'channel of ada, 1' });
  expect(opened).toHaveLength(1);
});

it.each([
  ['while the memory is asked', async () => undefined],
  ['while the channel is opened', async () => settle()],
])('opens one channel for a user who asks twice, %s', async (_, meanwhile) => {
  const { opened, ask, end } = setUp([], [100]);
  const first = ask('ada');
  await meanwhile();
  const second = ask('ada');
  await end();
  expect(opened).toHaveLength(1);
  expect([first, second].map(({ end: ended }) => ended)).toEqual([
    { at: 100, channelId: 'channel of ada, 1' },
    { at: 100, channelId: 'channel of ada, 1' },
  ]);
  expect([first.told, second.told]).toEqual([[], []]);
});

it('tells each who waits for one channel, once, how long it still takes', async () => {
  const { opened, ask, pass, end } = setUp();
  names(10).forEach(ask);
  const first = ask('ada');
  await pass(500);
  const second = ask('ada');
  await end();
  expect([first.told, second.told]).toEqual([[2_000], [1_500]]);
  expect(opened).toHaveLength(11);
});

it('tells each who shares an opening that Discord finds too fast', async () => {
  const { ask, pass, end } = setUp([tooFast()], [100]);
  const asked = [ask('ada'), ask('ada')];
  await pass(50);
  asked.push(ask('ada'));
  await end();
  expect(asked.map(({ told }) => told)).toEqual([[30_000], [30_000], [30_000]]);
});

it('shares a channel until the memory has it, and gives it no sooner', async () => {
  const { memory, opened, ask, end } = setUp();
  const { promise: written, resolve: write } = deferred();
  memory.written = written;
  const asked = [ask('ada')];
  await end();
  asked.push(ask('ada'));
  await end();
  expect(asked.map(({ end: ended }) => ended)).toEqual([null, null]);
  write();
  await end();
  expect(asked.map(({ end: ended }) => ended?.channelId)).toEqual(Array(2).fill('channel of ada, 1'));
  expect(opened).toHaveLength(1);
});

it('counts no more than ten tokens for whoever waits behind a slow answer', async () => {
  const { opened, ask, pass, end } = setUp([], [60 * SECOND]);
  ask('slow');
  await pass(50 * SECOND);
  const asked = names(12).map(ask);
  await end();
  expect(asked.map(({ told }) => told)).toEqual([...Array.from({ length: 10 }, () => []), [2_000], [4_000]]);
  expect(secondsOf(opened)).toEqual([0, ...Array(10).fill(60), 62, 64]);
});

it('fails for both when the one opening of a user who asked twice fails, and opens anew for a third', async () => {
  const { ask, end } = setUp([refused()]);
  const asked = [ask('ada'), ask('ada')];
  await end();
  const third = ask('ada');
  await end();
  for (const { end: ended } of asked) expect(ended?.error).toMatchObject({ code: 50_007 });
  expect(third.end).toMatchObject({ channelId: 'channel of ada, 2' });
});

it('lets 100 wait, the one that is being opened included, and no more', async () => {
  const { memory, opened, ask, pass, end } = setUp([], [100]);
  memory.channels.set('known', 'an old channel');
  const asked = names(100).map(ask);
  await settle();
  const [tooMany, joining, known] = [ask('too many'), ask('user 99'), ask('known')];
  await settle();
  expect(opened).toHaveLength(1);
  expect(tooMany.end?.error).toBeInstanceOf(TooManyWaitingError);
  expect(tooMany.told).toEqual([]);
  expect(known.end).toMatchObject({ channelId: 'an old channel' });

  await pass(100);
  asked.push(...names(110).slice(100).map(ask));
  await end();
  expect(asked.filter(({ end: ended }) => ended?.channelId === undefined)).toEqual([]);
  expect(joining.end).toMatchObject({ channelId: 'channel of user 99, 100' });
  expect(opened.map(({ userId }) => userId)).toEqual(names(110));
});

it('after 40003 pauses for 30 s, then twice as long each time in a row, up to 10 minutes', async () => {
  const answers = [...Array.from({ length: 8 }, tooFast), null, tooFast()];
  const { opened, ask, end, logged } = setUp(answers);
  const asked = names(4).map(ask);
  await end();
  expect(sinceTheOneBefore(opened)).toEqual([0, 30, 60, 120, 240, 480, 600, 600, 600, 2, 30]);
  expect(opened.map(({ userId }) => userId.slice(-1)).join('')).toBe('00001111233');
  expect(logged().match(/(?<="pauseMs":)\d+/g)).toEqual([
    '30000',
    '60000',
    '120000',
    '240000',
    '480000',
    '600000',
    '600000',
    '600000',
    '30000',
  ]);
  expect(asked.map(({ end: ended }) => ended)).toEqual([
    { at: 210 * SECOND, error: expect.objectContaining({ code: 40_003 }) },
    { at: 2_130 * SECOND, error: expect.objectContaining({ code: 40_003 }) },
    { at: 2_730 * SECOND, channelId: 'channel of user 2, 9' },
    { at: 2_762 * SECOND, channelId: 'channel of user 3, 11' },
  ]);
});

it.each([
  ['50007', refused(), 60],
  ['a 429 that says for how long', limited(5_000), 60],
  ['a 429 that does not say for how long', limited(0), 120],
])('does not take %s for a success that ends the row', async (_, answer, secondsAfter40003) => {
  const { opened, ask, end } = setUp([tooFast(), answer, tooFast()]);
  names(3).forEach(ask);
  await end();
  const sinceThird = (opened[3]?.at ?? 0) - (opened[2]?.at ?? 0);
  expect(sinceThird).toBe(secondsAfter40003 * SECOND);
});

it('after 429 pauses for as long as Discord says, tries again, and does not begin with a burst', async () => {
  const { opened, ask, end } = setUp([null, limited(7_049.5), limited(500)]);
  const asked = names(5).map(ask);
  await end();
  expect(opened.map(({ userId, at }) => `${userId.slice(-1)}: ${at}`)).toEqual([
    '0: 0',
    '1: 0',
    '1: 7050',
    '1: 9050',
    '2: 11050',
    '3: 13050',
    '4: 15050',
  ]);
  expect(asked.map(({ told }) => told)).toEqual([[], [7_050], [9_050], [11_050], [13_050]]);
});

it('tells whoever comes during a pause, and whoever joins the one that met it', async () => {
  const { ask, pass, end } = setUp([tooFast()]);
  ask('ada');
  await pass(10 * SECOND);
  const [joining, later] = [ask('ada'), ask('bob')];
  await end();
  expect([joining.told, later.told]).toEqual([[20 * SECOND], [22 * SECOND]]);
  expect([joining.end?.at, later.end?.at]).toEqual([30 * SECOND, 32 * SECOND]);
});

it('goes on pausing when nobody waits any more', async () => {
  const { opened, ask, end, pass } = setUp(Array.from({ length: 4 }, tooFast));
  ask('ada');
  await end();
  await pass(MINUTE);
  const bob = ask('bob');
  await end();
  expect(secondsOf(opened)).toEqual([0, 30, 90, 210, 450]);
  expect(bob.told).toEqual([3 * MINUTE]);
});

it.each([
  ['refuses', refused(), 50_007],
  ['does not answer', Object.assign(new Error('Broken'), { code: 'ECONNRESET' }), 'ECONNRESET'],
])('passes on at once that Discord %s, and opens the next', async (_, answer, code) => {
  const { opened, ask, end } = setUp([answer]);
  const [ada, bob] = [ask('ada'), ask('bob')];
  await end();
  expect(ada).toMatchObject({ told: [], end: { at: 0, error: { code } } });
  expect(bob.end).toMatchObject({ at: 0, channelId: 'channel of bob, 2' });
  expect(opened).toHaveLength(2);
});

/** Times of the openings if only the pace delays them: the earliest that it allows, one after the other. */
function earliest(arrivals: readonly number[]): number[] {
  const times: number[] = [];
  for (const arrival of arrivals) {
    const allowed = times.map((time, index) => time + (times.length - index + 1 - 10) * 2 * SECOND);
    times.push(Math.max(arrival, times.at(-1) ?? 0, ...allowed));
  }
  return times;
}

it('opens each channel as early as the pace allows, and foretells when', async () => {
  const gaps = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 6 * SECOND })), { maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(gaps, async (waits) => {
      const { opened, ask, pass, end } = setUp();
      const asked: Asked[] = [];
      for (const [index, gap] of waits.entries()) {
        await pass(gap);
        asked.push(ask(`user ${index}`));
      }
      await end();
      const times = earliest(asked.map(({ at }) => at));
      expect(opened.map(({ at }) => at)).toEqual(times);
      for (const [index, { at, told }] of asked.entries()) {
        const delay = (times[index] ?? 0) - at;
        expect(told).toEqual(delay === 0 ? [] : [delay]);
      }
    }),
    { numRuns: 60 },
  );
});

it('whatever comes, keeps the pace, the order and the bound, and answers everybody', async () => {
  const arrival = fc.record({
    gap: fc.oneof({ arbitrary: fc.constant(0), weight: 12 }, fc.integer({ min: 0, max: 8 * SECOND })),
    answer: fc.oneof(
      { arbitrary: fc.constant(() => null), weight: 12 },
      fc.constantFrom(tooFast, refused, () => limited(3_050)),
    ),
    latency: fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, fc.integer({ min: 1, max: 40 * SECOND })),
  });
  let overflows = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(arrival, { minLength: 1, maxLength: 160, size: 'max' }), async (arrivals) => {
      const { opened, ask, pass, end } = setUp(
        arrivals.map(({ answer }) => answer()),
        arrivals.map(({ latency }) => latency),
      );
      const asked: Asked[] = [];
      for (const [index, { gap }] of arrivals.entries()) {
        await pass(gap);
        const waiting = asked.filter(({ end: ended }) => ended === null).length;
        const one = ask(`user ${index}`);
        asked.push(one);
        await settle();
        const overflowed = one.end?.error instanceof TooManyWaitingError;
        expect(overflowed).toBe(waiting === 100);
        if (overflowed) overflows++;
      }
      await end();

      expect(asked.filter(({ end: ended }) => ended === null)).toEqual([]);
      const accepted = asked.filter(({ end: ended }) => !(ended?.error instanceof TooManyWaitingError));
      const firstTries = [...new Set(opened.map(({ userId }) => userId))];
      expect(firstTries).toEqual(accepted.map(({ userId }) => userId));
      expect(asked.filter(({ told }) => told.length > 1)).toEqual([]);
      for (const [from, { at: begin }] of opened.entries()) {
        for (const [more, { at }] of opened.slice(from).entries()) {
          expect(more + 1).toBeLessThanOrEqual(10 + (at - begin) / (2 * SECOND));
        }
      }
    }),
    { numRuns: 40 },
  );
  expect(overflows).toBeGreaterThan(0);
});

it('opens a channel although the memory does not find', async () => {
  const { memory, ask, end, logged } = setUp();
  memory.channels.set('ada', 'an old channel');
  memory.broken.add('find');
  const ada = ask('ada');
  await end();
  expect(ada.end).toMatchObject({ channelId: 'channel of ada, 1' });
  expect(logged()).toContain('"level":40');
  expect(logged()).toContain('The memory does not find');
});

it('gives no channel that the memory does not take, and opens it again for the next', async () => {
  const { memory, ask, end } = setUp();
  memory.broken.add('remember');
  const ada = ask('ada');
  await end();
  expect(ada.end).toMatchObject({ error: { message: 'The memory does not remember' } });
  memory.broken.clear();
  const again = ask('ada');
  await end();
  expect(again.end).toMatchObject({ channelId: 'channel of ada, 2' });
});

it('opens anew what it was told to forget, also when the memory keeps it', async () => {
  const { messages, memory, opened, ask, end, logged } = setUp();
  memory.channels.set('ada', 'gone').set('bob', 'gone');
  await messages.forget('ada');
  expect(memory.channels.has('ada')).toBe(false);
  memory.broken.add('forget');
  await messages.forget('bob');
  expect(logged()).toContain('The memory does not forget');
  for (const userId of ['ada', 'bob', 'ada', 'bob']) {
    const asked = ask(userId);
    await end();
    expect(asked.end?.channelId).toContain(`channel of ${userId}`);
  }
  expect(opened).toHaveLength(2);
});

it('when stopped rejects at once whoever waits or comes, and lets the one under way finish', async () => {
  const { messages, memory, opened, ask, pass, end } = setUp([], [...Array(10).fill(0), 100]);
  memory.channels.set('known', 'an old channel');
  const asked = names(12).map(ask);
  await pass(2_000);
  messages.stop();
  const [later, known] = [ask('later'), ask('known')];
  await settle();
  expect(asked[10]?.end).toBeNull();
  expect(asked[11]?.end).toMatchObject({ at: 2_000, error: expect.any(StoppedError) });
  expect(later).toMatchObject({ told: [], end: { at: 2_000, error: expect.any(StoppedError) } });
  expect(known.end).toMatchObject({ channelId: 'an old channel' });
  await end();
  expect(asked[10]?.end).toMatchObject({ at: 2_100, channelId: 'channel of user 10, 11' });
  expect(opened).toHaveLength(11);
});

it('when stopped does not wait for another try', async () => {
  const { messages, opened, ask, pass, end } = setUp([tooFast()], [100]);
  const ada = ask('ada');
  await pass(50);
  messages.stop();
  await end();
  expect(ada).toMatchObject({ told: [], end: { at: 100, error: { code: 40_003 } } });
  expect(opened).toHaveLength(1);
});

/** The real client and a {@link Sender}, whose waits are over as soon as they begin, unless `wait` says otherwise. */
async function startSender(wait?: (ms: number) => Promise<void>) {
  const discord = await DiscordStandIn.start();
  onTestFinished(async () => discord.close());
  const guild = discord.addGuild('Workshop', discord.addUser('owner'));
  const join = (name: string): StandInUser => {
    const user = discord.addUser(name);
    discord.join(guild, user);
    return user;
  };
  const ada = join('ada');
  const client = createClient(discord.apiUrl);
  onTestFinished(async () => client.destroy());
  client.rest.setToken(discord.token);
  const clock = new ManualClock();
  const memory = new MapMemory();
  const waits: number[] = [];
  const skip = async (ms: number): Promise<void> => {
    waits.push(ms);
    clock.advance(ms);
  };
  let logged = '';
  const log = createLog('trace', { write: (line) => (logged += line) });
  const sender = new Sender({ client, log, memory, clock: clock.read, wait: wait ?? skip });
  const told: number[] = [];
  let sent = 0;
  const send = async (user: StandInUser): Promise<string> =>
    sender.toUser(user.id, { content: 'SECRET' }, `nonce ${sent++}`, (ms) => told.push(ms));
  const paths = (): string[] => discord.requests.map(({ path }) => path.replace(/\d+/, 'N'));
  return { discord, join, ada, memory, sender, send, waits, told, paths, logged: () => logged };
}

const MESSAGES = '/channels/N/messages';

it('asks Discord for one thing when it knows the channel, and for two at first', async () => {
  const { discord, ada, memory, send, waits, told, paths } = await startSender();
  expect(await send(ada)).toBe('delivered');
  expect(await send(ada)).toBe('delivered');
  expect(paths()).toEqual([ROUTE, MESSAGES, MESSAGES]);
  expect(discord.directMessages(ada)).toHaveLength(2);
  expect([...memory.channels]).toEqual([[ada.id, discord.directMessages(ada)[0]?.channelId]]);
  expect([waits, told]).toEqual([[], []]);
});

it.each<[string, StandInFault, number]>([
  // discord.js adds 50 ms of its own to what Discord names.
  ['429', { status: 429, retryAfter: 7 }, 7_050],
  ['429 without a time', 429, 30_000],
  ['40003', { status: 403, code: 40_003 }, 30_000],
])('pauses after %s, tells of it, and delivers later', async (_, answer, pauseMs) => {
  const { discord, ada, send, waits, told, paths } = await startSender();
  discord.fail({ opening: ada, times: 1 }, answer);
  expect(await send(ada)).toBe('delivered');
  expect([waits, told]).toEqual([[pauseMs], [pauseMs]]);
  expect(paths()).toEqual([ROUTE, ROUTE, MESSAGES]);
});

it.each<[string, StandInFault, string, number]>([
  ['429', { status: 429, retryAfter: 7 }, 'failed', 4],
  ['40003', { status: 403, code: 40_003 }, 'failed', 4],
  ['50007', { status: 400, code: 50_007 }, 'refused', 1],
  ['50278', { status: 403, code: 50_278 }, 'refused', 1],
  ['50033', { status: 400, code: 50_033 }, 'failed', 1],
])('when opening meets nothing but %s, says so', async (_, answer, delivery, tries) => {
  const { discord, ada, send, told, paths, logged } = await startSender();
  discord.fail({ opening: ada }, answer);
  expect(await send(ada)).toBe(delivery);
  expect(paths()).toEqual(Array(tries).fill(ROUTE));
  expect(told.length).toBe(tries > 1 ? 1 : 0);
  expect(logged()).not.toContain('SECRET');
});

it('leaves limits of other routes to discord.js', async () => {
  const { discord, ada, send, waits, paths } = await startSender();
  discord.fail({ to: ada, times: 1 }, 429);
  expect(await send(ada)).toBe('delivered');
  expect(paths()).toEqual([ROUTE, MESSAGES, MESSAGES]);
  expect(waits).toEqual([]);
});

it.each(['remembered', 'not forgotten'])(
  'opens a %s channel anew that Discord no longer knows',
  async (state) => {
    const { discord, ada, memory, send, paths } = await startSender();
    memory.channels.set(ada.id, '1234567890123456789');
    if (state === 'not forgotten') memory.broken.add('forget');
    expect(await send(ada)).toBe('delivered');
    expect(await send(ada)).toBe('delivered');
    expect(paths()).toEqual([MESSAGES, ROUTE, MESSAGES, MESSAGES]);
    expect(memory.channels.get(ada.id)).toBe(discord.directMessages(ada)[0]?.channelId);
  },
);

it('opens a channel anew only once', async () => {
  const { discord, ada, send, paths } = await startSender();
  discord.fail({ to: ada }, { status: 404, code: 10_003 });
  expect(await send(ada)).toBe('failed');
  expect(paths()).toEqual([ROUTE, MESSAGES, ROUTE, MESSAGES]);
});

/** discord.js itself tries so often. */
const DISCORD_JS_TRIES = 4;

it('does not go back to the channel that is gone when opening another is tried again', async () => {
  const { discord, ada, memory, send, paths } = await startSender();
  memory.channels.set(ada.id, '1234567890123456789');
  discord.fail({ opening: ada, times: DISCORD_JS_TRIES }, 500);
  expect(await send(ada)).toBe('delivered');
  // After another try it is asked what was sent since.
  expect(paths()).toEqual([MESSAGES, ...Array(DISCORD_JS_TRIES + 1).fill(ROUTE), MESSAGES, MESSAGES]);
});

it('tries to send again in the same channel, whatever the memory says', async () => {
  const { discord, ada, memory, send, paths } = await startSender();
  memory.broken.add('find');
  discord.fail({ to: ada, times: DISCORD_JS_TRIES }, 500);
  expect(await send(ada)).toBe('delivered');
  expect(paths()).toEqual([ROUTE, ...Array(DISCORD_JS_TRIES + 2).fill(MESSAGES)]);
});

it('tells only once of a message that takes longer twice', async () => {
  const { discord, ada, send, waits, told } = await startSender();
  discord.fail({ opening: ada, times: 1 }, { status: 403, code: 40_003 });
  discord.fail({ opening: ada, times: DISCORD_JS_TRIES }, 500);
  expect(await send(ada)).toBe('delivered');
  expect([waits, told]).toEqual([[30_000, 2_000], [30_000]]);
});

it('fails at once where too many wait, and leaves all who wait when it stops', async () => {
  const { join, ada, sender, send, told, paths, logged } = await startSender(
    async () => new Promise(() => undefined),
  );
  const users = names(110).map(join);
  expect(new Set(await Promise.all(users.slice(0, 10).map(send)))).toEqual(new Set(['delivered']));
  const waiting = Promise.all(users.slice(10, 110).map(send));
  await settle();
  expect(told).toHaveLength(100);
  expect(await send(ada)).toBe('failed');
  expect(logged()).toContain('TooManyWaitingError');

  const before = paths().length;
  sender.stop();
  expect(new Set(await waiting)).toEqual(new Set(['unfinished']));
  expect(await send(ada)).toBe('unfinished');
  expect(paths()).toHaveLength(before);
  const [known] = users;
  if (known !== undefined) expect(await send(known)).toBe('delivered');
  expect(paths()).toHaveLength(before + 1);
});
