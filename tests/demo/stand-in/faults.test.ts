import { once } from 'node:events';
import { Events, type MessageCreateOptions } from 'discord.js';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient, listen, login, next, refusalOf, restOf, setScene } from './client.js';

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

  it('of two clients brings everything to both', async () => {
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
    ['is told to reconnect', 'reconnect', []],
    ['loses its connection', 'dropConnections', []],
    ['is closed with a code that can be resumed', 'closeGateway', [4000]],
    ['hears that its session is invalid but resumable', 'invalidateSession', [true]],
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

  it('makes a client whose session is gone identify anew', async () => {
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

  it('sends away whoever it cannot serve', async () => {
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

  it('falls silent, and speaks again', async () => {
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

  it('lets nobody in with a revoked token', async () => {
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
  it('waits until the listeners have had everything', async () => {
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

describe('the interceptor', () => {
  const once7 = { content: 'x', nonce: '7', enforceNonce: true } satisfies MessageCreateOptions;

  it.each([
    ['lose-answer', once7, 1],
    ['lose-answer', 'x', 2],
    ['lose-request', 'x', 1],
    [{ status: 500 }, 'x', 1],
  ] as const)('%j, then a repeat by discord.js: %j leaves %i message', async (fault, message, count) => {
    const { discord, bob } = await setScene();
    const client = await login(discord);
    const user = await client.users.fetch(bob.id);
    const channel = await user.createDM();
    let calls = 0;
    discord.interceptor = ({ path }) => {
      if (!path.endsWith('/messages')) return undefined;
      calls += 1;
      return calls === 1 ? fault : undefined;
    };
    await channel.send(message);
    expect(calls).toBe(2);
    expect(discord.directMessages(bob)).toHaveLength(count);
  });

  it('makes two messages of a lost answer and its repeat where nonces are not enforced', async () => {
    const { discord, general } = await setScene({ enforcesNonces: false });
    let calls = 0;
    discord.interceptor = () => (++calls === 1 ? 'lose-answer' : undefined);
    const body = { content: 'x', nonce: '7', enforce_nonce: true };
    await restOf(discord).post(`/channels/${general.id}/messages`, { body });
    expect(discord.messages(general)).toHaveLength(2);
  });

  it('holds a request back, and answers in its place', async () => {
    const { discord, general } = await setScene();
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const arrived = new Promise<void>((resolve) => {
      discord.interceptor = async () => {
        resolve();
        await held;
        return {
          status: 403,
          body: { message: 'Opening too fast', code: 40003 },
          headers: { 'x-test': 'yes' },
        };
      };
    });
    const call = restOf(discord).post(`/channels/${general.id}/messages`, { body: { content: 'x' } });
    const refused = refusalOf(call);
    await arrived;
    expect(discord.requests).toMatchObject([{ method: 'POST', status: null }]);
    release?.();
    expect(await refused).toMatchObject({ status: 403, code: 40003 });
    expect(discord.requests).toMatchObject([{ status: 403 }]);
    expect(discord.messages(general)).toEqual([]);
  });
});

it('closes with clients connected and requests under way, and leaves nothing open', async () => {
  const { discord, general } = await setScene();
  const client = await login(discord);
  const arrived = new Promise<void>((resolve) => {
    discord.interceptor = () => {
      resolve();
      return new Promise(() => undefined);
    };
  });
  const call = fetch(`${discord.apiUrl}/v10/channels/${general.id}`);
  const lost = call.catch((error: unknown) => error);
  await arrived;
  const listening = listeningServers();

  const closed = next(client, Events.ShardReconnecting);
  await discord.close();
  await closed;
  expect(await lost).toMatchObject({ message: 'fetch failed' });
  await expect.poll(listeningServers, { interval: 1 }).toBe(listening - 1);
  await expect(fetch(discord.apiUrl)).rejects.toThrow('fetch failed');
});
