import { once } from 'node:events';
import { Events, type MessageCreateOptions } from 'discord.js';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { StandInCalls, StandInUser } from '../../../src/demo/stand-in/stand-in.js';
import { createClient, listen, login, next, refusalOf, restOf, type Scene, setScene } from './client.js';

/** The code with which the gateway closes a connection that sends these payloads. */
async function codeAfter(url: string, ...payloads: readonly (object | string)[]): Promise<unknown> {
  const socket = new WebSocket(url);
  socket.on('open', () => {
    for (const payload of payloads)
      socket.send(typeof payload === 'string' ? payload : JSON.stringify(payload));
  });
  const [code]: unknown[] = await once(socket, 'close');
  return code;
}

function listeningServers(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'TCPServerWrap').length;
}

describe('a login', () => {
  it('with the wrong token is refused', async () => {
    const { discord } = await setScene();
    await expect(createClient(discord).login('wrong')).rejects.toThrow('An invalid token was provided.');
  });

  it('with an intent that is not enabled is refused', async () => {
    const { discord } = await setScene({ messageContentIntent: false });
    await expect(createClient(discord).login(discord.token)).rejects.toThrow('Used disallowed intents');
    expect(discord.identifies).toBe(1);
  });

  it('of two clients delivers every event to both', async () => {
    const { discord, general, bob } = await setScene();
    const heard = [listen(await login(discord)), listen(await login(discord))];
    discord.say(general, bob, 'hello');
    await discord.delivered();
    expect(heard).toEqual([['hello'], ['hello']]);
    expect(discord.connections).toBe(2);
  });
});

describe('the gateway', () => {
  it.each([
    ['receives RECONNECT', 'reconnect', []],
    ['loses its connection', 'dropConnections', []],
    ['is closed with a code that can be resumed', 'closeGateway', [4000]],
    ['receives a resumable INVALID_SESSION', 'invalidateSession', [true]],
  ] as const)('resumes a client that %s', async (_, fault, parameters) => {
    const { discord, general, bob } = await setScene();
    const client = await login(discord);
    const heard = listen(client);
    discord.say(general, bob, 'before');
    await discord.delivered();
    Reflect.apply(discord[fault], discord, parameters);
    expect(discord.connections).toBe(0);
    discord.say(general, bob, 'meanwhile');
    await discord.connected();
    discord.say(general, bob, 'after');
    await discord.delivered();

    expect(heard).toEqual(['before', 'meanwhile', 'after']);
    expect([discord.identifies, discord.resumes]).toEqual([1, 1]);
  });

  it('makes a client whose session has ended identify again', async () => {
    const { discord, general, bob } = await setScene();
    const client = await login(discord);
    const heard = listen(client);
    discord.invalidateSession(false);
    discord.say(general, bob, 'meanwhile');
    await discord.connected();
    discord.say(general, bob, 'after');
    await discord.delivered();

    expect(heard).toEqual(['after']);
    expect([discord.identifies, discord.resumes]).toEqual([2, 0]);
  });

  it('closes the connections of clients that it cannot serve', async () => {
    const { discord } = await setScene();
    const url = `${discord.apiUrl.replace('http', 'ws').replace('/api', '/gateway')}?v=10&encoding=json`;
    const { token } = discord;
    const identify = { op: 2, d: { token, intents: 1 } };
    expect(await codeAfter(url.replace('v=10', 'v=6'))).toBe(4012);
    expect(await codeAfter(url, '{')).toBe(4002);
    expect(await codeAfter(url, { op: 99 })).toBe(4001);
    expect(await codeAfter(url, { op: 8, d: {} })).toBe(4003);
    expect(await codeAfter(url, { op: 2, d: { token: 'wrong', intents: 1 } })).toBe(4004);
    expect(await codeAfter(url, { op: 6, d: { token: 'wrong', session_id: 'x', seq: 1 } })).toBe(4004);
    expect(await codeAfter(url, identify, identify)).toBe(4005);
    expect(await codeAfter(url, { op: 2, d: { token, intents: 1 << 17 } })).toBe(4013);
    expect(await codeAfter(url, { op: 2, d: { token, intents: 1 << 1 } })).toBe(4014);
  });

  it('sends nothing while it is silenced, and everything afterwards', async () => {
    const { discord, general, bob } = await setScene();
    const heard = listen(await login(discord));
    const speak = discord.silence();
    discord.say(general, bob, 'unheard for now');
    await discord.delivered();
    expect(heard).toEqual([]);
    speak();
    await discord.connected();
    discord.say(general, bob, 'heard');
    await discord.delivered();
    expect(heard).toEqual(['unheard for now', 'heard']);
  });

  it('rejects a revoked token', async () => {
    const { discord } = await setScene();
    const client = await login(discord);
    const closed = next(client, Events.ShardDisconnect);
    client.on(Events.ShardError, () => undefined);
    discord.revokeToken();
    expect((await closed)[0].code).toBe(4004);
    expect(await refusalOf(restOf(discord).get('/users/@me'))).toMatchObject({ status: 401 });
  });
});

describe('delivered()', () => {
  it('waits until the listeners have received every event', async () => {
    const { discord, general, bob } = await setScene();
    const heard = listen(await login(discord));
    const texts = Array.from({ length: 500 }, (_, index) => `message ${index}`);
    for (const text of texts) discord.say(general, bob, text);
    await discord.delivered();
    expect(heard).toEqual(texts);
  });

  it('does not wait when nobody is connected, nor for a connection that breaks', async () => {
    const { discord, general, bob } = await setScene();
    await discord.delivered();
    await login(discord);
    discord.say(general, bob, 'hello');
    const delivered = discord.delivered();
    discord.dropConnections();
    await expect(delivered).resolves.toBeUndefined();
  });
});

/** Sends to the channel, without repeats. @returns what came of it: a status, or that the connection was reset. */
async function send({ discord, general }: Scene, place: { readonly id: string } = general): Promise<unknown> {
  const body = JSON.stringify({ content: 'x' });
  const headers = { authorization: `Bot ${discord.token}`, 'content-type': 'application/json' };
  const url = `${discord.apiUrl}/v10/channels/${place.id}/messages`;
  const answer = await fetch(url, { method: 'POST', headers, body }).catch(() => null);
  return answer?.status ?? 'reset';
}

describe('a fault', () => {
  const once7 = { content: 'x', nonce: '7', enforceNonce: true } satisfies MessageCreateOptions;

  it.each([
    ['lose-answer', once7, 1],
    ['lose-answer', 'x', 2],
    ['reset', 'x', 1],
    [500, 'x', 1],
  ] as const)('%j, then a repeat by discord.js: %j leaves %i message', async (fault, message, count) => {
    const { discord, bob } = await setScene();
    const client = await login(discord);
    const user = await client.users.fetch(bob.id);
    const channel = await user.createDM();
    discord.fail({ to: bob, times: 1 }, fault);
    await channel.send(message);
    expect(discord.calls({ to: bob })).toHaveLength(2);
    expect(discord.directMessages(bob)).toHaveLength(count);
  });

  it('makes two messages of a lost answer and its repeat where nonces are not enforced', async () => {
    const { discord, general } = await setScene({ enforcesNonces: false });
    discord.fail({ to: general, times: 1 }, 'lose-answer');
    const body = { content: 'x', nonce: '7', enforce_nonce: true };
    await restOf(discord).post(`/channels/${general.id}/messages`, { body });
    expect(discord.messages(general)).toHaveLength(2);
  });

  it('responds as Discord does: with an error, a code, and the time to wait', async () => {
    const { discord, general } = await setScene();
    const url = `${discord.apiUrl}/v10/channels/${general.id}`;
    const answers = [];
    for (const fault of [
      502,
      { status: 403, code: 50_001 },
      { status: 429, retryAfter: 7 },
      { status: 200, body: { id: '1' } },
    ]) {
      const recover = discord.fail({}, fault);
      const response = await fetch(url);
      answers.push([response.status, response.headers.get('retry-after'), await response.json()]);
      recover();
    }
    expect(answers).toEqual([
      [502, null, { message: '502: Bad Gateway', code: 0 }],
      [403, null, { message: '403: Forbidden', code: 50_001 }],
      [429, '7', { message: '429: Too Many Requests', code: 0, retry_after: 7 }],
      [200, null, { id: '1' }],
    ]);
    expect(discord.calls({}).map(({ status }) => status)).toEqual([502, 403, 429, 200]);
  });

  it('affects only the calls that it selects', async () => {
    const scene = await setScene();
    const { discord, guild, general, ada, bob } = scene;
    const client = await login(discord);
    const rest = restOf(discord);
    const random = discord.addChannel(guild, 'random');
    const open = async (user: StandInUser): Promise<string> => (await client.users.createDM(user.id)).id;
    const [adas, bobs] = [await open(ada), await open(bob)];
    const path = `/channels/${general.id}/messages` as const;
    const calls: Readonly<Record<string, () => Promise<unknown>>> = {
      'to general': () => send(scene),
      'to random': () => send(scene, random),
      'to ada': () => send(scene, { id: adas }),
      'to bob': () => send(scene, { id: bobs }),
      'opening ada': () => rest.post('/users/@me/channels', { body: { recipient_id: ada.id } }),
      'opening bob': () => rest.post('/users/@me/channels', { body: { recipient_id: bob.id } }),
      'GET messages': () => rest.get(path),
      'GET member': () => rest.get(`/guilds/${guild.id}/members/${bob.id}`),
    };
    const affected = async (selected: StandInCalls): Promise<string[]> => {
      const names: string[] = [];
      for (const [name, call] of Object.entries(calls)) {
        const recover = discord.fail(selected, { status: 403, code: 1 });
        const refused = await call().then(
          (outcome) => outcome === 403,
          () => true,
        );
        recover();
        if (refused) names.push(name);
      }
      return names;
    };
    expect(await affected({ to: general })).toEqual(['to general']);
    expect(await affected({ to: bob })).toEqual(['to bob']);
    expect(await affected({ opening: bob })).toEqual(['opening bob']);
    expect(await affected({ route: '/channels/*/messages' })).toEqual([
      'to general',
      'to random',
      'to ada',
      'to bob',
      'GET messages',
    ]);
    expect(await affected({ route: 'GET /channels/*/messages' })).toEqual(['GET messages']);
    expect(await affected({ route: `GET /guilds/*/members/${bob.id}` })).toEqual(['GET member']);
    expect(await affected({ route: 'GET /channels/*' })).toEqual([]);
    expect(await affected({ to: bob, route: 'GET /channels/*/messages' })).toEqual([]);
    expect(await affected({})).toEqual(Object.keys(calls));
  });

  it('affects the answer to a press by one user and not to that by another', async () => {
    const scene = await setScene();
    const { discord, general, ada, bob } = scene;
    const client = await login(discord);
    client.on(Events.InteractionCreate, (interaction) => {
      if (interaction.isButton()) interaction.reply('pressed').catch(() => undefined);
    });
    const button = { type: 2, style: 1, label: 'Go', custom_id: 'go' };
    const body = { content: 'x', components: [{ type: 1, components: [button] }] };
    await restOf(discord).post(`/channels/${general.id}/messages`, { body });
    discord.fail({ press: ada }, 500);
    const refused = discord.pressButton(ada, 'Go');
    expect(await discord.pressButton(bob, 'Go')).toMatchObject({ message: { content: 'pressed' } });
    await expect.poll(() => discord.calls({ press: ada })[0]?.status).toBe(500);
    await Promise.all([expect(refused).rejects.toThrow('closed'), client.destroy(), discord.close()]);
  });

  it('ends after its number of calls, skips calls at random, and ends when its function is called', async () => {
    const scene = await setScene();
    const { discord, general } = scene;
    discord.fail({ to: general, times: 0 }, 500);
    discord.fail({ to: general, times: 2 }, 501);
    discord.fail({ to: general, times: 1 }, 'reset');
    const spare = [false, true, false];
    discord.fail({ to: general, chance: () => spare.shift() ?? false }, 503);
    const outcomes: unknown[] = [];
    for (let count = 0; count < 6; count++) outcomes.push(await send(scene));
    expect(outcomes).toEqual([501, 501, 'reset', 200, 503, 200]);
    const recover = discord.fail({ to: general }, 504);
    expect(await send(scene)).toBe(504);
    recover();
    expect(await send(scene)).toBe(200);
  });
});

describe('a hold', () => {
  it.each([
    ['lets the call continue', null, 200, 1],
    ['answers in its place', { status: 403, code: 40_003 }, 403, 0],
    ['resets its connection', 'reset', 'reset', 0],
    ['loses its answer', 'lose-answer', 'reset', 1],
  ] as const)('delays the call, then %s', async (_, fault, outcome, messages) => {
    const scene = await setScene();
    const { discord, general } = scene;
    const hold = discord.hold({ to: general }, fault);
    const sent = send(scene);
    await hold.arrived;
    expect(discord.requests).toMatchObject([{ method: 'POST', status: null }]);
    expect(discord.messages(general)).toEqual([]);
    hold.release();
    expect(await sent).toBe(outcome);
    expect(discord.messages(general)).toHaveLength(messages);
    expect(await send(scene)).toBe(200);
  });
});

it('onCall() shows each selected call before it has an effect', async () => {
  const scene = await setScene();
  const { discord, general, bob } = scene;
  const seen: unknown[] = [];
  const stop = discord.onCall({ to: general }, ({ body }) => {
    seen.push([body, discord.messages(general).length]);
  });
  discord.onCall({ to: bob }, () => seen.push('not selected'));
  await send(scene);
  stop();
  await send(scene);
  expect(seen).toEqual([[{ content: 'x' }, 0]]);
});

it('closes while clients are connected and requests are in progress, and leaves nothing open', async () => {
  const { discord, general } = await setScene();
  const client = await login(discord);
  const { arrived } = discord.hold({});
  const call = fetch(`${discord.apiUrl}/v10/channels/${general.id}`);
  const lost = call.catch((error: unknown) => error);
  await arrived;
  const listening = listeningServers();

  const closed = next(client, Events.ShardReconnecting);
  await discord.close();
  await closed;
  // Before it connects again: during a handshake discord.js would leave an error without a listener.
  await client.destroy();
  expect(await lost).toMatchObject({ message: 'fetch failed' });
  await expect.poll(listeningServers, { interval: 1 }).toBe(listening - 1);
  await expect(fetch(discord.apiUrl)).rejects.toThrow('fetch failed');
});
