import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { expect, it, onTestFinished } from 'vitest';

import type {
  StandInChannel,
  StandInFault,
  StandInMessage,
  StandInUser,
} from '../../src/demo/stand-in/stand-in.js';
import { openValidator } from '../../src/validator/validator.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';
import { temporaryFolder } from '../support/folder.js';
import type { Running } from '../support/process.js';
import { keep, openRaw } from '../support/raw-database.js';
import { databaseIn, draw, readHeard, readIds, startBotProcess, SupervisedBot } from './bots.js';
import { seededRandom } from './random.js';
import { sized } from './size.js';

/** What a member asks for, once. */
interface Request {
  readonly text: string;
  readonly channel: StandInChannel;
  readonly member: StandInUser;
  /** The direct-message channel of the member. */
  readonly directChannelId: string;
}

interface Asked extends Request {
  readonly message: StandInMessage;
}

/** What must not be; members by name. */
interface Faults {
  readonly unanswered: readonly string[];
  readonly answeredTwice: readonly string[];
  /** Received a code that is not valid. */
  readonly fooled: readonly string[];
  /** Have an active code that they did not receive. */
  readonly unaware: readonly string[];
  /** Messages of the bot that answer nothing. */
  readonly stray: readonly string[];
}

const NO_FAULTS: Faults = { unanswered: [], answeredTwice: [], fooled: [], unaware: [], stray: [] };

/** By then the claims of whoever died are over, and Discord still knows the nonces. */
const LATER_MS = 60_000;

/** A server with bots to come, whose database is where a bot looks for it that runs in `cwd`. */
class Scene {
  readonly server: TestServer;
  readonly cwd = temporaryFolder();
  readonly databasePath = databaseIn(this.cwd);
  readonly asked: Asked[] = [];
  #requests = 0;

  constructor(server: TestServer) {
    this.server = server;
  }

  /** A member whom the bot has met: opening many new channels takes Discord's patience, and so time. */
  prepare(text: string, channel: StandInChannel, { closed = false, administrator = false } = {}): Request {
    const { discord, guild } = this.server;
    this.#requests += 1;
    const member = discord.addUser(`member${this.#requests}`);
    discord.join(guild, member);
    discord.setAdministrator(guild, member, administrator);
    if (closed) discord.setDirectMessages(member, 'closed');
    const { channelId: directChannelId } = discord.say(member, member, 'Hello, bot');
    return { text: text.replace('NAME', member.username), channel, member, directChannelId };
  }

  /** Lets the bots know the members' channels, once there is a database. */
  introduce(requests: readonly Request[]): void {
    const database = openRaw(this.databasePath);
    const insert = keep(database.prepare('INSERT INTO channels (user_id, channel_id) VALUES (?, ?)'));
    database.transaction(() => {
      for (const { member, directChannelId } of requests) insert.run(member.id, directChannelId);
    })();
    database.close();
  }

  ask(request: Request): Asked {
    const message = this.server.discord.say(request.channel, request.member, request.text);
    const asked = { ...request, message };
    this.asked.push(asked);
    return asked;
  }

  unheard(): Asked[] {
    const heard = readHeard(this.databasePath);
    return this.asked.filter(({ message }) => !heard.has(message.id));
  }

  unanswered(): string[] {
    return this.asked.filter((asked) => this.#answersTo(asked).length === 0).map(nameOf);
  }

  async faults(): Promise<Faults> {
    const { asked } = this;
    const twice = asked.filter((each) => this.#answersTo(each).length > 1 || this.#directTo(each).length > 1);
    const validator = await openValidator({ databaseUrl: this.databasePath });
    onTestFinished(async () => validator.close());
    const fooled: string[] = [];
    for (const each of asked.filter(({ text }) => text.startsWith('!getcode'))) {
      for (const { content } of this.#directTo(each)) {
        const verdict = await validator.validate(each.member.username, content);
        if (!verdict.valid) fooled.push(nameOf(each));
      }
    }
    const active = readIds(
      this.databasePath,
      `SELECT id FROM codes WHERE delivered_at IS NOT NULL AND revoked_at IS NULL
        AND withdrawn_at IS NULL AND replaced_at IS NULL AND expired_at IS NULL`,
    );
    const unaware = asked.filter((each) => active.has(each.message.id) && this.#directTo(each).length === 0);
    const answers = new Set(asked.flatMap((each) => this.#answersTo(each)));
    const channels = new Set(asked.map(({ channel }) => channel));
    const stray = [...channels]
      .flatMap((channel) => this.#said(channel))
      .filter((said) => !answers.has(said));
    return {
      unanswered: this.unanswered(),
      answeredTwice: twice.map(nameOf),
      fooled,
      unaware: unaware.map(nameOf),
      stray: stray.map(({ content }) => content),
    };
  }

  /** What the bot wrote there, without its notices that something takes longer. */
  #said(place: StandInChannel | StandInUser): StandInMessage[] {
    const { discord } = this.server;
    return discord
      .messages(place)
      .filter(({ author, content }) => author === discord.botUser && !content.startsWith('⏳'));
  }

  #answersTo({ channel, member, message }: Asked): StandInMessage[] {
    return this.#said(channel).filter(
      ({ nonce, content }) => nonce?.startsWith(message.id) || content.includes(`<@${member.id}>`),
    );
  }

  #directTo({ member }: Asked): StandInMessage[] {
    return this.#said(member);
  }
}

function nameOf({ member, text }: Asked): string {
  return `${member.username} ${text}`;
}

/** Finishes whatever others have left, and is told everything once more. */
async function startSuccessor({ server, databasePath, asked }: Scene): Promise<TestBot> {
  const clock = new ManualClock(Date.now() + LATER_MS);
  const successor = await startBot({ server, databasePath, clock, every: 'by timers' });
  for (const { message } of asked) server.discord.redeliver(message);
  return successor;
}

/** Between two of its writes: a lock that it slept on would keep everybody else from writing. */
async function putToSleep({ child }: Running, databasePath: string): Promise<void> {
  const database = openRaw(databasePath);
  database.exec('BEGIN IMMEDIATE');
  child.kill('SIGSTOP');
  await expect.poll(() => readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toMatch(/^\d+ \(.*\) T /);
  database.exec('ROLLBACK');
  database.close();
}

/**
 * A bot dies, or falls asleep, while Discord works at these calls: half of them arrive, and nobody is told. Another
 * bot goes on from there, and then the one that slept does.
 */
async function leaveUnfinished(
  how: 'SIGKILL' | 'SIGSTOP',
  { enforcesNonces = true }: { readonly enforcesNonces?: boolean } = {},
): Promise<Faults> {
  const server = await TestServer.start({ enforcesNonces });
  const { discord, guild } = server;
  const scene = new Scene(server);
  const first = startBotProcess(server, scene.cwd);
  await first.printed('is ready in');
  // A code that !codes can list.
  discord.say(server.general, server.alice, '!getcode Alice');
  await discord.nextMessage(({ content }) => content.startsWith('✅'));

  const kinds = [
    ['!getcode NAME', {}],
    ['!getcode NAME', { closed: true }],
    ['!codes', { administrator: true }],
    ['!help_chatroom', {}],
  ] as const;
  const cases = kinds.flatMap(([text, member]) =>
    (text === '!help_chatroom' ? (['channel'] as const) : (['direct', 'channel'] as const)).flatMap((place) =>
      [true, false].map((arrives) => {
        // One channel each: discord.js sends one message after the other in each.
        const request = scene.prepare(text, discord.addChannel(guild, 'room'), member);
        const heldChannelId = place === 'direct' ? request.directChannelId : request.channel.id;
        return { request, arrives, route: `/channels/${heldChannelId}/messages` };
      }),
    ),
  );
  scene.introduce(cases.map(({ request }) => request));

  const holds = cases.map(({ route, arrives }) =>
    discord.hold({ route, times: 1 }, arrives ? null : 'reset'),
  );
  const release = (): void => {
    for (const hold of holds) hold.release();
  };
  for (const { request } of cases) scene.ask(request);
  await Promise.all(holds.map(async ({ arrived }) => arrived));
  if (how === 'SIGSTOP') {
    await putToSleep(first, scene.databasePath);
  } else {
    first.child.kill(how);
    await first.ended;
    release();
  }

  const successor = await startSuccessor(scene);
  await expect.poll(() => scene.unanswered()).toEqual([]);
  await successor.app.idle();
  if (how === 'SIGSTOP') {
    release();
    first.child.kill('SIGCONT');
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
  }
  await successor.settled();
  return scene.faults();
}

it('finishes what a bot that died has begun, and repeats nothing that arrived', async () => {
  expect(await leaveUnfinished('SIGKILL')).toEqual(NO_FAULTS);
});

it('would repeat it if Discord did not know a repeat by its nonce', async () => {
  const { answeredTwice, ...others } = await leaveUnfinished('SIGKILL', { enforcesNonces: false });
  expect(others).toMatchObject({ unanswered: [], fooled: [], unaware: [], stray: [] });
  expect(answeredTwice).not.toEqual([]);
});

it('bears with a bot that wakes up and goes on with what another one has finished', async () => {
  expect(await leaveUnfinished('SIGSTOP')).toEqual(NO_FAULTS);
});

interface Turmoil {
  readonly seed: number;
  readonly requests: number;
  readonly kills: number;
  readonly enforcesNonces: boolean;
  /** What happens to a quarter of all calls: one of these. */
  readonly faults: readonly StandInFault[];
}

/** Two bots that are killed over and over, a Discord that loses a quarter of its answers, events that come 1 to 5 times. */
async function rage({ seed, requests, kills, enforcesNonces, faults }: Turmoil): Promise<Faults> {
  const random = seededRandom(seed);
  const server = await TestServer.start({ enforcesNonces, heartbeatIntervalMs: 5_000 });
  const { discord, general } = server;
  const scene = new Scene(server);
  const waiting = Array.from({ length: requests }, (): Request => {
    const kind = random.below(10);
    if (kind === 0) return scene.prepare('!codes', general, { administrator: true });
    if (kind === 1) return scene.prepare('!help_chatroom', general);
    return scene.prepare('!getcode NAME', general, { closed: kind === 2 });
  });
  const first = new SupervisedBot(server, scene.cwd);
  await first.ready();
  const bots = [first, new SupervisedBot(server, scene.cwd)] as const;
  scene.introduce(waiting);

  const faultRandom = seededRandom(seed + 1);
  for (const fault of faults) {
    discord.fail({ chance: () => faultRandom.chance(1 / 4 / faults.length) }, fault);
  }

  const repeats: StandInMessage[] = [];
  const repeat = (message: StandInMessage | undefined): void => {
    if (message !== undefined) discord.redeliver(message);
  };
  const perKill = Math.ceil(requests / Math.max(kills, 1));
  for (let kill = 0; kill < kills; kill++) {
    const victim = random.pick(bots);
    // Now and then it dies while it starts.
    if (random.chance(5 / 6)) await victim.ready();
    let messages = random.below(6);
    const stopListening = discord.onMessage(({ author }) => {
      if (author === discord.botUser && messages-- === 0) victim.end('SIGKILL');
    });
    const timer = setTimeout(() => victim.end('SIGKILL'), random.below(1_000));
    const ended = victim.ended();
    for (const request of waiting.splice(0, perKill)) {
      const { message } = scene.ask(request);
      repeats.push(...Array.from({ length: random.below(5) }, () => message));
    }
    for (let count = random.below(4 * perKill); count > 0; count--) repeat(draw(repeats, random));
    await ended;
    stopListening();
    clearTimeout(timer);
  }
  for (const request of waiting) scene.ask(request);
  for (const message of repeats) repeat(message);

  // In the full form the bots have to finish by themselves; in the short one there is no time for that.
  const isFull = sized(0, 1) === 1;
  const untilAnswered = async (): Promise<void> => {
    await expect
      .poll(
        () => {
          for (const { message } of scene.unheard()) discord.redeliver(message);
          return scene.unanswered();
        },
        { interval: 500, message: `seed ${seed}` },
      )
      .toEqual([]);
  };
  if (isFull) await untilAnswered();
  await Promise.all(bots.map(async (bot) => bot.stop(isFull ? 'SIGTERM' : 'SIGKILL')));
  const successor = await startSuccessor(scene);
  await untilAnswered();
  await successor.settled();
  expect(bots.flatMap(({ failures }) => failures)).toEqual([]);
  return scene.faults();
}

it('answers everybody exactly once while bots die, and Discord fails, and events come again', async () => {
  const seed = randomInt(2 ** 31);
  const requests = sized(10, 320);
  const kills = sized(3, 120);
  const faults = ['lose-answer', 'reset', 500, 502] as const;
  const found = await rage({ seed, requests, kills, faults, enforcesNonces: true });
  expect(found, `seed ${seed}`).toEqual(NO_FAULTS);
});

it('would not if Discord did not know a repeat by its nonce', async () => {
  const requests = sized(20, 40);
  const { answeredTwice } = await rage({
    seed: 1,
    requests,
    kills: 0,
    faults: ['lose-answer'],
    enforcesNonces: false,
  });
  expect(answeredTwice).not.toEqual([]);
});
