import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { expect, it } from 'vitest';

import type {
  StandInChannel,
  StandInFault,
  StandInMessage,
  StandInUser,
} from '../../src/demo/stand-in/stand-in.js';
import { startBot, TestServer, type TestBot } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';
import { temporaryFolder } from '../support/folder.js';
import type { Running } from '../support/process.js';
import { openRaw } from '../support/raw-database.js';
import { openWebsite } from '../support/website.js';
import {
  databaseIn,
  draw,
  readHeard,
  readIds,
  startBotProcess,
  SupervisedBot,
  writeDmChannels,
} from './bots.js';
import { seededRandom } from './random.js';
import { sized } from './size.js';

/** What a member asks, once. */
interface Request {
  readonly text: string;
  readonly channel: StandInChannel;
  readonly member: StandInUser;
  readonly directChannelId: string;
  /** Accepts no DMs. */
  readonly isClosed: boolean;
}

interface Asked extends Request {
  readonly message: StandInMessage;
}

/** What must not happen; members by name. */
interface Faults {
  /** Their code is neither valid and received, nor ended. */
  readonly lost: readonly string[];
  /** Received two different codes for one message. */
  readonly twoCodes: readonly string[];
  /** Have an active code that they did not receive. */
  readonly unaware: readonly string[];
  /** Received the same DM or the same line in the channel twice. */
  readonly repeated: readonly string[];
}

const NO_FAULTS: Faults = { lost: [], twoCodes: [], unaware: [], repeated: [] };

/** By then nobody works on the deliveries of a process that ended, and Discord still knows the nonces. */
const LATER_MS = 60_000;
const PENDING_MS = 30 * 60_000;

/** A server for bots whose database is in the folder `cwd`. */
class Scene {
  readonly server: TestServer;
  readonly cwd = temporaryFolder();
  readonly databasePath = databaseIn(this.cwd);
  readonly asked: Asked[] = [];
  /** What members saw after they pressed the button. */
  readonly #shown: StandInMessage[] = [];
  #requests = 0;

  constructor(server: TestServer) {
    this.server = server;
    server.discord.onMessage((message) => {
      if (message.ephemeralTo !== null) this.#shown.push(message);
    });
  }

  /** Prepares a member who has a DM channel with the bot: opening many new ones takes long. */
  prepare(
    text: string,
    channel: StandInChannel,
    { isClosed = false, isAdministrator = false } = {},
  ): Request {
    const { discord, guild } = this.server;
    this.#requests += 1;
    const member = discord.addUser(`member${this.#requests}`);
    discord.join(guild, member);
    discord.setAdministrator(guild, member, isAdministrator);
    if (isClosed) discord.setDirectMessages(member, 'closed');
    const { channelId: directChannelId } = discord.say(member, member, 'Hello, bot');
    return { text: text.replace('NAME', member.username), channel, member, directChannelId, isClosed };
  }

  /** Makes the members' DM channels known, once there is a database. */
  introduce(requests: readonly Request[]): void {
    writeDmChannels(
      this.databasePath,
      requests.map(({ member, directChannelId }) => [member.id, directChannelId]),
    );
  }

  ask(request: Request): Asked {
    const message = this.server.discord.say(request.channel, request.member, request.text);
    const asked = { ...request, message };
    this.asked.push(asked);
    return asked;
  }

  /** Repeats the messages that reached no bot, or only one that ended before it stored anything. */
  repeatUnheard(): void {
    const heard = readHeard(this.databasePath);
    for (const { message } of this.asked) {
      if (!heard.has(message.id)) this.server.discord.redeliver(message);
    }
  }

  /** The requests for codes whose delivery is not finished. */
  unfinished(): string[] {
    const finished = readIds(this.databasePath, 'SELECT id FROM codes WHERE acknowledged_at IS NOT NULL');
    return this.#codeRequests.filter(({ message }) => !finished.has(message.id)).map(nameOf);
  }

  /** Ends what was offered and not shown, then looks for what must not have happened. */
  async faults(bot: TestBot): Promise<Faults> {
    await Promise.all(this.#pressButtons());
    bot.clock.advance(PENDING_MS + 1);
    await bot.app.tasks.endCodes();
    const ended = readIds(this.databasePath, 'SELECT id FROM codes WHERE ended_at IS NOT NULL');
    const active = readIds(
      this.databasePath,
      'SELECT id FROM codes WHERE ended_at IS NULL AND delivered_at IS NOT NULL',
    );
    const website = await openWebsite(bot);
    const lost: string[] = [];
    for (const each of this.#codeRequests) {
      const { valid } = await website.validate(each.member.username, this.#codesOf(each)[0] ?? 'NOTHING');
      if (!valid && !ended.has(each.message.id)) lost.push(nameOf(each));
    }
    const twice = this.asked.filter((each) => {
      const direct = this.#said(each.member);
      const nonces = this.#said(each.channel).filter(({ nonce }) => nonce?.startsWith(each.message.id));
      return direct.length > 1 || nonces.length > 1;
    });
    return {
      lost,
      twoCodes: this.#codeRequests.filter((each) => new Set(this.#codesOf(each)).size > 1).map(nameOf),
      unaware: this.#codeRequests
        .filter((each) => active.has(each.message.id) && this.#codesOf(each).length === 0)
        .map(nameOf),
      repeated: twice.map(nameOf),
    };
  }

  get #codeRequests(): Asked[] {
    return this.asked.filter(({ text }) => text.startsWith('!getcode'));
  }

  /** Every other member who was offered the button presses it. */
  #pressButtons(): Promise<unknown>[] {
    const offered = this.#codeRequests.filter(({ isClosed }, index) => isClosed && index % 2 === 0);
    return offered.map(async ({ member, channel }) =>
      this.server.discord.pressButton(member, 'Show my code', channel),
    );
  }

  /** The codes that the member received by DM or by the button. */
  #codesOf({ member }: Asked): string[] {
    const shown = this.#shown.filter(({ ephemeralTo }) => ephemeralTo === member);
    return [...this.#said(member), ...shown].map(({ content }) => content);
  }

  #said(place: StandInChannel | StandInUser): StandInMessage[] {
    const { discord } = this.server;
    return discord.messages(place).filter(({ author }) => author === discord.botUser);
  }
}

function nameOf({ member, text }: Asked): string {
  return `${member.username} ${text}`;
}

/** Starts a bot that finishes the deliveries of others and receives everything once more. */
async function startSuccessor({ server, databasePath, asked }: Scene): Promise<TestBot> {
  const clock = new ManualClock(Date.now() + LATER_MS);
  const successor = await startBot({ server, databasePath, clock, every: 'by timers' });
  for (const { message } of asked) server.discord.redeliver(message);
  return successor;
}

/** Stops the process between two of its writes: a lock that it held would stop all others. */
async function putToSleep({ child }: Running, databasePath: string): Promise<void> {
  const database = openRaw(databasePath);
  database.exec('BEGIN IMMEDIATE');
  child.kill('SIGSTOP');
  await expect.poll(() => readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toMatch(/^\d+ \(.*\) T /);
  database.exec('ROLLBACK');
  database.close();
}

/**
 * Kills or stops a bot while Discord works on its calls; half of them arrive, and none is answered. Another bot finishes
 * the deliveries; then the one that was stopped continues.
 */
async function interrupt(
  signal: 'SIGKILL' | 'SIGSTOP',
  { enforcesNonces = true }: { readonly enforcesNonces?: boolean } = {},
): Promise<Faults> {
  const server = await TestServer.start({ enforcesNonces });
  const { discord, guild } = server;
  const scene = new Scene(server);
  const first = startBotProcess(server, scene.cwd);
  await first.printed('is ready');

  const cases = [false, true].flatMap((isClosed) =>
    (['direct', 'channel'] as const).flatMap((place) =>
      [true, false].map((arrives) => {
        // One channel each: discord.js sends the messages of a channel one after the other.
        const request = scene.prepare('!getcode NAME', discord.addChannel(guild, 'room'), { isClosed });
        const channelId = place === 'direct' ? request.directChannelId : request.channel.id;
        return { request, arrives, route: `/channels/${channelId}/messages` };
      }),
    ),
  );
  scene.introduce(cases.map(({ request }) => request));
  const holds = cases.map(({ route, arrives }) =>
    discord.hold({ route, times: 1 }, arrives ? null : 'reset'),
  );
  const release = (): void => holds.forEach((hold) => hold.release());
  for (const { request } of cases) scene.ask(request);
  await Promise.all(holds.map(async ({ arrived }) => arrived));
  if (signal === 'SIGSTOP') {
    await putToSleep(first, scene.databasePath);
  } else {
    first.child.kill(signal);
    await first.ended;
    release();
  }

  const successor = await startSuccessor(scene);
  await expect.poll(() => scene.unfinished()).toEqual([]);
  await successor.app.idle();
  if (signal === 'SIGSTOP') {
    release();
    first.child.kill('SIGCONT');
    first.child.kill('SIGTERM');
    expect(await first.ended).toBe(0);
  }
  await successor.settled();
  return scene.faults(successor);
}

it('finishes the deliveries of a bot that was killed, and repeats nothing that arrived', async () => {
  expect(await interrupt('SIGKILL')).toEqual(NO_FAULTS);
});

it('tolerates a bot that continues after another one finished its deliveries', async () => {
  expect(await interrupt('SIGSTOP')).toEqual(NO_FAULTS);
});

it('repeats messages of a bot that was killed when Discord does not recognize nonces (control)', async () => {
  const { repeated, ...others } = await interrupt('SIGKILL', { enforcesNonces: false });
  expect(others).toEqual({ lost: [], twoCodes: [], unaware: [] });
  expect(repeated).not.toEqual([]);
});

interface Storm {
  readonly seed: number;
  readonly requests: number;
  readonly kills: number;
  readonly enforcesNonces: boolean;
  /** One call in 4 meets one of these. */
  readonly faults: readonly StandInFault[];
}

/** Kills two bots again and again, while Discord loses answers and sends each event 1 to 5 times. */
async function weather({ seed, requests, kills, enforcesNonces, faults }: Storm): Promise<Faults> {
  const random = seededRandom(seed);
  const server = await TestServer.start({ enforcesNonces, heartbeatIntervalMs: 5_000 });
  const { discord, general } = server;
  const scene = new Scene(server);
  const waiting = Array.from({ length: requests }, (): Request => {
    const kind = random.below(10);
    if (kind === 0) return scene.prepare('!codes', general, { isAdministrator: true });
    if (kind === 1) return scene.prepare('!help_chatroom', general);
    return scene.prepare('!getcode NAME', general, { isClosed: kind === 2 });
  });
  const first = new SupervisedBot(server, scene.cwd);
  await first.ready();
  const bots = [first, new SupervisedBot(server, scene.cwd)] as const;
  scene.introduce(waiting);

  const faultRandom = seededRandom(seed + 1);
  const recoveries = faults.map((fault) =>
    discord.fail({ chance: () => faultRandom.chance(1 / 4 / faults.length) }, fault),
  );

  const repeats: StandInMessage[] = [];
  const repeat = (message: StandInMessage | undefined): void => {
    if (message !== undefined) discord.redeliver(message);
  };
  const perKill = Math.ceil(requests / Math.max(kills, 1));
  for (let kill = 0; kill < kills; kill++) {
    const victim = random.pick(bots);
    // Sometimes it is killed while it starts.
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

  const untilFinished = async (): Promise<void> => {
    const poll = (): string[] => {
      scene.repeatUnheard();
      return scene.unfinished();
    };
    await expect.poll(poll, { interval: 500, message: `seed ${seed}` }).toEqual([]);
  };
  // In the full form the bots finish by themselves, which takes a minute.
  const isFull = sized(0, 1) === 1;
  if (isFull) await untilFinished();
  await Promise.all(bots.map(async (bot) => bot.stop(isFull ? 'SIGTERM' : 'SIGKILL')));
  const successor = await startSuccessor(scene);
  await untilFinished();
  await successor.settled();
  for (const recover of recoveries) recover();
  expect(bots.flatMap(({ failures }) => failures)).toEqual([]);
  return scene.faults(successor);
}

it('delivers or ends every code exactly once while bots are killed, Discord fails and events repeat', async () => {
  const seed = randomInt(2 ** 31);
  const requests = sized(10, 320);
  const kills = sized(3, 120);
  const faults = ['lose-answer', 'reset', 500, 502] as const;
  const found = await weather({ seed, requests, kills, faults, enforcesNonces: true });
  expect(found, `seed ${seed}`).toEqual(NO_FAULTS);
});

it('repeats messages whose responses are lost when Discord does not recognize nonces (control)', async () => {
  const requests = sized(20, 40);
  const storm = { seed: 1, requests, kills: 0, faults: ['lose-answer'], enforcesNonces: false } as const;
  const { repeated } = await weather(storm);
  expect(repeated).not.toEqual([]);
});
