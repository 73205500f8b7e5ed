import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import type { StandInFault, StandInMessage } from '../../src/demo/stand-in/stand-in.js';
import { TestServer } from '../support/bot.js';
import { ENGINES, openDriver } from '../support/engines.js';
import type { Running } from '../support/process.js';
import { startBotProcess, SupervisedBot } from './bots.js';
import { seededRandom } from './random.js';
import { NO_FAULTS, Scene, startSuccessor, type Faults, type Request } from './scene.js';
import { sized } from './size.js';

/** Stops the process between two of its writes: a lock that it held would stop all others. */
async function putToSleep({ child }: Running, databaseUrl: string): Promise<void> {
  const driver = openDriver(databaseUrl);
  await driver.transaction('codes', async () => {
    child.kill('SIGSTOP');
    await expect.poll(() => readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toMatch(/^\d+ \(.*\) T /);
  });
  await driver.close();
}

/**
 * Kills or stops a bot while Discord works on its calls; half of them arrive, and none is answered. Another bot finishes
 * the deliveries; then the one that was stopped continues.
 */
async function interrupt(databaseUrl: string, signal: 'SIGKILL' | 'SIGSTOP'): Promise<Faults> {
  const server = await TestServer.start();
  const { discord, guild } = server;
  const scene = new Scene(server, databaseUrl);
  const first = startBotProcess(server, scene.cwd, scene.env);
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
  await scene.introduce(cases.map(({ request }) => request));
  const holds = cases.map(({ route, arrives }) =>
    discord.hold({ route, times: 1 }, arrives ? null : 'reset'),
  );
  const release = (): void => holds.forEach((hold) => hold.release());
  for (const { request } of cases) scene.ask(request);
  await Promise.all(holds.map(async ({ arrived }) => arrived));
  if (signal === 'SIGSTOP') {
    await putToSleep(first, scene.databaseUrl);
  } else {
    first.child.kill(signal);
    await first.ended;
    release();
  }

  const successor = await startSuccessor(scene);
  await expect.poll(async () => scene.unfinished()).toEqual([]);
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

interface Storm {
  readonly databaseUrl: string;
  readonly seed: number;
  readonly requests: number;
  readonly kills: number;
  readonly enforcesNonces?: boolean;
  /** One call in 4 meets one of these. */
  readonly faults: readonly StandInFault[];
}

/**
 * Ends two bots again and again, while Discord loses answers and sends each event 1 to 5 times. Returns what must not
 * have happened, and how many messages the bots sent.
 */
async function weather(storm: Storm): Promise<{ readonly found: Faults; readonly calls: number }> {
  const { databaseUrl, seed, requests, kills, enforcesNonces = true, faults } = storm;
  const random = seededRandom(seed);
  const server = await TestServer.start({ enforcesNonces, heartbeatIntervalMs: 5_000 });
  const { discord, general } = server;
  const scene = new Scene(server, databaseUrl);
  const waiting = Array.from({ length: requests }, (): Request => {
    const kind = random.below(10);
    if (kind === 0) return scene.prepare('!codes', general, { isAdministrator: true });
    if (kind === 1) return scene.prepare('!help_chatroom', general);
    return scene.prepare('!getcode NAME', general, { isClosed: kind === 2 });
  });
  const first = new SupervisedBot(server, scene.cwd, scene.env);
  await first.ready();
  const bots = [first, new SupervisedBot(server, scene.cwd, scene.env)] as const;
  await scene.introduce(waiting);

  const faultRandom = seededRandom(seed + 1);
  const recoveries = faults.map((fault) =>
    discord.fail({ chance: () => faultRandom.chance(1 / 4 / faults.length) }, fault),
  );

  const repeats: StandInMessage[] = [];
  const ask = (request: Request): void => {
    const { message } = scene.ask(request);
    repeats.push(...Array.from({ length: random.below(5) }, () => message));
  };
  const repeat = (message: StandInMessage | undefined): void => {
    if (message !== undefined) discord.redeliver(message);
  };
  const perKill = Math.ceil(requests / Math.max(kills, 1));
  for (let kill = 0; kill < kills; kill++) {
    const victim = random.pick(bots);
    // Sometimes it is killed while it starts.
    if (random.chance(5 / 6)) await victim.ready();
    let messages = random.below(6);
    const end = (): void => victim.end(random.pick(['SIGKILL', 'SIGKILL', 'SIGTERM']));
    const stopListening = discord.onMessage(({ author }) => {
      if (author === discord.botUser && messages-- === 0) end();
    });
    const timer = setTimeout(end, random.below(1_000));
    const ended = victim.ended();
    waiting.splice(0, perKill).forEach(ask);
    for (let count = random.below(4 * perKill); count > 0; count--)
      repeat(repeats.splice(random.below(repeats.length), 1)[0]);
    await ended;
    stopListening();
    clearTimeout(timer);
  }
  waiting.forEach(ask);
  for (const message of repeats) repeat(message);

  const untilFinished = async (): Promise<void> => {
    const poll = async (): Promise<string[]> => {
      await scene.repeatUnheard();
      return scene.unfinished();
    };
    await expect.poll(poll, { interval: 500, message: `seed ${seed}` }).toEqual([]);
  };
  // The bots finish by themselves, which takes a minute after a kill: not in the short form.
  const finish = kills === 0 || sized(0, 1) === 1;
  if (finish) await untilFinished();
  await Promise.all(bots.map(async (bot) => bot.stop(finish ? 'SIGTERM' : 'SIGKILL')));
  // A login that meets four faults in a row ends the process, and this one has no supervisor.
  for (const recover of recoveries) recover();
  const successor = await startSuccessor(scene);
  await untilFinished();
  await successor.settled();
  expect(bots.flatMap(({ failures }) => failures)).toEqual([]);
  const calls = discord.calls({ route: 'POST /channels/*/messages' }).length;
  return { found: await scene.faults(successor), calls };
}

describe.each(ENGINES)('two bots with one database in %s', (engine, newDatabase) => {
  it('finishes the deliveries of a bot that was killed, and repeats nothing that arrived', async () => {
    expect(await interrupt(await newDatabase(), 'SIGKILL')).toEqual(NO_FAULTS);
  });

  it('tolerates a bot that continues after another one finished its deliveries', async () => {
    expect(await interrupt(await newDatabase(), 'SIGSTOP')).toEqual(NO_FAULTS);
  });

  it('delivers or ends every code exactly once while bots are killed, Discord fails and events repeat', async () => {
    const seed = randomInt(2 ** 31);
    const requests = sized(10, engine === 'SQLite' ? 320 : 1_250);
    const kills = sized(3, engine === 'SQLite' ? 120 : 50);
    const faults = ['lose-answer', 'reset', 500, 502] as const;
    const databaseUrl = await newDatabase();
    const { found } = await weather({ databaseUrl, seed, requests, kills, faults });
    expect(found, `seed ${seed}`).toEqual(NO_FAULTS);
  });

  it('repeats messages whose responses are lost when Discord does not recognize nonces (control)', async () => {
    const storm = { seed: 1, requests: sized(20, 40), kills: 0, faults: ['lose-answer'] } as const;
    const { found } = await weather({ databaseUrl: await newDatabase(), ...storm, enforcesNonces: false });
    expect(found.repeated).not.toEqual([]);
  });
});

it('sends each message once, although two bots receive each event 1 to 5 times', async () => {
  const [seed, requests, kills] = [randomInt(2 ** 31), sized(60, 1_000), sized(0, 5)];
  const databaseUrl = await ENGINES[0][1]();
  const { found, calls } = await weather({ databaseUrl, seed, requests, kills, faults: [] });
  expect(found, `seed ${seed}`).toEqual(NO_FAULTS);
  // Nonces would hide it if both bots sent everything.
  expect(calls).toBeLessThan(2 * requests * 1.05 + 10);
});
