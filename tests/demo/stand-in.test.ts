// What the bot does right proves nothing about a stand-in that forgives mistakes: these tests make the mistakes.
import { once } from 'node:events';

import {
  Client,
  Events,
  GatewayIntentBits,
  type Interaction,
  Options,
  Partials,
  PermissionFlagsBits,
  REST,
} from 'discord.js';
import { expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

import type { DiscordStandIn, StandInCalls, StandInFault } from '../../src/demo/stand-in/stand-in.js';
import { TestServer } from '../support/bot.js';

const { Guilds, GuildMessages, DirectMessages } = GatewayIntentBits;
const { ViewChannel, SendMessages } = PermissionFlagsBits;

type Body = Readonly<Record<string, unknown>>;

function restOf({ apiUrl, token }: DiscordStandIn): REST {
  return new REST({ api: apiUrl }).setToken(token);
}

/** Sends once, without the repeats of discord.js. Returns a status, or that the connection was reset. */
async function send({ discord, general }: TestServer, body: Body = { content: 'x' }, to = general.id) {
  const response = await fetch(`${discord.apiUrl}/v10/channels/${to}/messages`, {
    method: 'POST',
    headers: { authorization: `Bot ${discord.token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  }).catch(() => null);
  return response?.status ?? 'reset';
}

/** Logs the real client in. Returns the texts of the messages and the presses that it receives from then on. */
async function listen(discord: DiscordStandIn, intents: readonly GatewayIntentBits[]) {
  const client = new Client({
    rest: { api: discord.apiUrl },
    intents,
    partials: [Partials.Channel],
    // With them, discord.js ignores a message that arrives again.
    makeCache: Options.cacheWithLimits({ MessageManager: 0 }),
  });
  onTestFinished(async () => client.destroy());
  const texts: string[] = [];
  const presses: Interaction[] = [];
  client.on(Events.MessageCreate, ({ author, content }) => {
    texts.push(author.bot ? `bot: ${content}` : content);
  });
  client.on(Events.InteractionCreate, (press) => void presses.push(press));
  const ready = once(client, Events.ClientReady);
  await client.login(discord.token);
  await ready;
  return { client, texts, presses };
}

/** Returns the error that Discord answers with. */
async function refusalOf({ discord, general }: TestServer, body: Body): Promise<unknown> {
  const sent = restOf(discord).post(`/channels/${general.id}/messages`, { body });
  return sent.catch((error: unknown) => error);
}

const x = (length: number): string => 'x'.repeat(length);
const list = <T>(length: number, item: T): T[] => Array.from({ length }, () => item);
const button = { type: 2, style: 1, label: 'Go', custom_id: 'go' };
const row = (...components: readonly object[]): object => ({ type: 1, components });
const rowOf = (change: Body): Body => ({ content: 'x', components: [row({ ...button, ...change })] });
const buttons = (length: number): object[] =>
  Array.from({ length }, (_, index) => ({ ...button, custom_id: String(index) }));
const embed = (parts: Body): Body => ({ embeds: [parts] });
const field = (parts: Body): Body => embed({ fields: [{ name: 'n', value: 'v', ...parts }] });

const INVALID = { status: 400, code: 50_035 };
const EMPTY = { status: 400, code: 50_006 };

it.each<[string, number, (length: number) => Body]>([
  ['content', 2_000, (length) => ({ content: x(length) })],
  ['content', 2_000, (length) => ({ content: '🎫'.repeat(length) })],
  ['nonce', 25, (length) => ({ content: 'x', nonce: x(length) })],
  ['embeds', 10, (length) => ({ embeds: list(length, { title: 'x' }) })],
  ['embeds', 2, (length) => ({ embeds: list(length, { description: x(3_000) }) })],
  ['embeds.0.title', 256, (length) => embed({ title: x(length) })],
  ['embeds.0.description', 4_096, (length) => embed({ description: x(length) })],
  ['embeds.0.footer.text', 2_048, (length) => embed({ footer: { text: x(length) } })],
  ['embeds.0.fields', 25, (length) => embed({ fields: list(length, { name: 'n', value: 'v' }) })],
  ['embeds.0.fields.0.name', 256, (length) => field({ name: x(length) })],
  ['embeds.0.fields.0.value', 1_024, (length) => field({ value: x(length) })],
  ['components', 5, (length) => ({ content: 'x', components: buttons(length).map((one) => row(one)) })],
  ['components.0.components', 5, (length) => ({ content: 'x', components: [row(...buttons(length))] })],
  ['components.0.components.0.custom_id', 100, (length) => rowOf({ custom_id: x(length) })],
  ['components.0.components.0.label', 80, (length) => rowOf({ label: x(length) })],
])('refuses at %s what exceeds %i', async (place, longest, bodyOf) => {
  const server = await TestServer.start();
  expect(await send(server, bodyOf(longest))).toBe(200);
  const refusal = await refusalOf(server, bodyOf(longest + 1));
  expect(refusal).toMatchObject(INVALID);
  expect(refusal).toHaveProperty(`rawError.errors.${place}._errors`);
  expect(server.discord.messages(server.general)).toHaveLength(1);
});

it.each<[string, Body, object, string?]>([
  ['a blank value', field({ value: ' ' }), INVALID, 'embeds.0.fields.0.value'],
  ['a missing name', field({ name: undefined }), INVALID, 'embeds.0.fields.0.name'],
  ['an empty row', { content: 'x', components: [row()] }, INVALID, 'components.0.components'],
  ['a button without an id', rowOf({ custom_id: '' }), INVALID, 'components.0.components.0.custom_id'],
  [
    'two buttons with one id',
    { content: 'x', components: [row(button, button)] },
    INVALID,
    'components.0.components.1.custom_id',
  ],
  [
    'two rules for users',
    { content: 'x', allowed_mentions: { parse: ['users'], users: ['1'] } },
    INVALID,
    'allowed_mentions',
  ],
  [
    'a reply to nothing',
    { content: 'x', message_reference: { message_id: '1' } },
    INVALID,
    'message_reference',
  ],
  ['nothing', {}, EMPTY],
  ['blank text', { content: ' \n' }, EMPTY],
  ['an empty embed', embed({}), EMPTY],
  ['an embed with a colour only', embed({ color: 1 }), EMPTY],
  ['no rows', { components: [] }, EMPTY],
])('refuses a message with %s', async (_, body, refusal, place) => {
  const error = await refusalOf(await TestServer.start(), body);
  expect(error).toMatchObject(refusal);
  if (place !== undefined) expect(error).toHaveProperty(`rawError.errors.${place}._errors`);
});

it('returns the first message for a repeated nonce, in any channel, for 5 minutes', async () => {
  let now = Date.UTC(2026, 0);
  const server = await TestServer.start({ now: () => now });
  const { discord, guild, general } = server;
  const elsewhere = discord.addChannel(guild, 'elsewhere');
  const once7 = { content: 'once', nonce: '7', enforce_nonce: true };
  const count = () => [discord.messages(general).length, discord.messages(elsewhere).length];
  await send(server, once7);
  now += 5 * 60_000 - 1;
  await send(server, { ...once7, content: 'twice' });
  await send(server, once7, elsewhere.id);
  expect(count()).toEqual([1, 0]);
  await send(server, { ...once7, nonce: '8' });
  await send(server, { ...once7, enforce_nonce: false });
  expect(count()).toEqual([3, 0]);
  now += 5 * 60_000;
  await send(server, once7);
  expect(count()).toEqual([4, 0]);
  for (const message of discord.messages(general).slice()) discord.delete(message);
  expect(await refusalOf(server, once7)).toMatchObject({ status: 404, code: 10_008 });
});

it.each<[string, object, (server: TestServer) => Promise<unknown>]>([
  ['an unknown route', { status: 404, code: 0 }, async ({ discord }) => restOf(discord).get('/nowhere')],
  ['a wrong token', { status: 401 }, async ({ discord }) => restOf(discord).setToken('x').get('/users/@me')],
  [
    'an unknown channel',
    { status: 404, code: 10_003 },
    async ({ discord }) => restOf(discord).get('/channels/1'),
  ],
  [
    'a member of another server',
    { status: 404, code: 10_007 },
    async ({ discord, guild }) => restOf(discord).get(`/guilds/${guild.id}/members/1`),
  ],
  [
    'a DM to a user who shares no server with it',
    { status: 403, code: 50_278 },
    async ({ discord }) => {
      const dm = await restOf(discord).post('/users/@me/channels', {
        body: { recipient_id: discord.addUser('stranger').id },
      });
      return restOf(discord).post(`/channels/${Reflect.get(Object(dm), 'id')}/messages`, {
        body: { content: 'x' },
      });
    },
  ],
  [
    'an edit of a message of somebody else',
    { status: 403, code: 50_005 },
    async ({ discord, general, bob }) => {
      const { id } = discord.say(general, bob, 'mine');
      return restOf(discord).patch(`/channels/${general.id}/messages/${id}`, { body: { content: 'x' } });
    },
  ],
])('refuses the bot %s', async (_, refusal, call) => {
  await expect(call(await TestServer.start())).rejects.toMatchObject(refusal);
});

it('lets the bot post only with its permissions, and sends it no message that it does not see', async () => {
  const server = await TestServer.start();
  const { discord, general, bob } = server;
  const { texts } = await listen(discord, [Guilds, GuildMessages, GatewayIntentBits.MessageContent]);
  discord.setBotPermissions(general, ViewChannel | SendMessages);
  expect(await refusalOf(server, embed({ title: 'x' }))).toMatchObject({ status: 403, code: 50_013 });
  const reply = { content: 'x', message_reference: { message_id: discord.say(general, bob, 'heard').id } };
  expect(await refusalOf(server, reply)).toMatchObject({ status: 403, code: 160_002 });
  discord.setBotPermissions(general, ViewChannel);
  expect(await refusalOf(server, { content: 'x' })).toMatchObject({ status: 403, code: 50_013 });
  discord.setBotPermissions(general, 0n);
  expect(await refusalOf(server, { content: 'x' })).toMatchObject({ status: 403, code: 50_001 });
  discord.say(general, bob, 'unseen');
  discord.setBotPermissions(general, null);
  discord.setGuildUnavailable(server.guild);
  discord.say(general, bob, 'during an outage');
  discord.setGuildUnavailable(server.guild, false);
  await discord.delivered();
  expect(texts).toEqual(['heard']);
  discord.removeBot(server.guild);
  expect(await refusalOf(server, { content: 'x' })).toMatchObject({ status: 403, code: 50_001 });
});

it('pings whom Discord would ping', async () => {
  const server = await TestServer.start();
  const { discord, guild, general, alice, bob } = server;
  const stranger = discord.addUser('stranger');
  const content = `<@${bob.id}> <@!${alice.id}> <@${stranger.id}> <@&${guild.administrator.id}> @everyone`;
  const nobody = { everyone: false, users: [], roles: [] };
  const all = { everyone: true, users: [bob.id, alice.id], roles: [guild.administrator.id] };
  const reply = { content: 'yes', message_reference: { message_id: discord.say(general, bob, '?').id } };
  const cases: readonly (readonly [Body, object])[] = [
    [{ content }, all],
    [{ content, allowed_mentions: { parse: [] } }, nobody],
    [
      { content, allowed_mentions: { users: [bob.id] } },
      { ...nobody, users: [bob.id] },
    ],
    [
      { content, allowed_mentions: { parse: ['users'] } },
      { ...nobody, users: all.users },
    ],
    [
      { content, allowed_mentions: { parse: ['everyone'] } },
      { ...nobody, everyone: true },
    ],
    [{ content: `\`<@${bob.id}>\` \`\`\`@everyone\`\`\`` }, nobody],
    [{ content: '`x` @here `y`' }, { ...nobody, everyone: true }],
    [reply, { ...nobody, users: [bob.id] }],
    [{ ...reply, allowed_mentions: { replied_user: false } }, nobody],
  ];
  for (const [body] of cases) await send(server, body);
  const sent = discord.messages(general).filter(({ author }) => author === discord.botUser);
  expect(sent.map(({ pings }) => pings)).toEqual(cases.map(([, pings]) => pings));
});

it('sends a client only the events and contents that it asked for, each time that they happen', async () => {
  const { discord, guild, general, bob } = await TestServer.start({ messageContentIntent: false });
  const without = await listen(discord, [Guilds]);
  const { client, texts } = await listen(discord, [Guilds, GuildMessages, DirectMessages]);
  const mention = `<@${discord.botUser.id}> hello`;
  const said = discord.say(general, bob, 'hidden');
  discord.redeliver(said);
  discord.say(general, bob, mention);
  discord.say(bob, bob, 'psst');
  discord.edit(said, 'edited');
  const later = discord.addChannel(guild, 'later');
  await discord.delivered();
  expect(client.channels.cache.has(later.id)).toBe(true);
  discord.say(later, bob, mention, { webhook: true });
  await discord.delivered();
  expect(texts).toEqual(['', '', mention, 'psst', `bot: ${mention}`]);
  expect(without.texts).toEqual([]);
});

it('waits for no client that is not connected, nor for one whose connection breaks', async () => {
  const { discord, general, bob } = await TestServer.start();
  await discord.delivered();
  await listen(discord, [Guilds, GuildMessages]);
  discord.say(general, bob, 'hello');
  const delivered = discord.delivered();
  discord.dropConnections();
  await expect(delivered).resolves.toBeUndefined();
  await expect(discord.delivered()).resolves.toBeUndefined();
});

it('closes the connections of clients that it cannot serve', async () => {
  const { discord } = await TestServer.start();
  const url = `${discord.apiUrl.replace('http', 'ws').replace('/api', '/gateway')}?v=10&encoding=json`;
  const identify = { op: 2, d: { token: discord.token, intents: 1 } };
  const closes: readonly (readonly [number, ...(object | string)[]])[] = [
    [4002, '{'],
    [4001, { op: 99 }],
    [4003, { op: 8, d: {} }],
    [4004, { op: 6, d: { token: 'wrong', session_id: 'x', seq: 1 } }],
    [4005, identify, identify],
    [4013, { op: 2, d: { ...identify.d, intents: 1 << 17 } }],
    [4014, { op: 2, d: { ...identify.d, intents: 1 << 1 } }],
  ];
  for (const [code, ...payloads] of closes) {
    const socket = new WebSocket(url);
    await once(socket, 'open');
    for (const one of payloads) socket.send(typeof one === 'string' ? one : JSON.stringify(one));
    expect((await once(socket, 'close'))[0]).toBe(code);
  }
  expect((await once(new WebSocket(url.replace('v=10', 'v=6')), 'close'))[0]).toBe(4012);
});

it('lets a fault affect only the calls that it selects', async () => {
  const server = await TestServer.start();
  const { discord, guild, general, thread, alice, bob } = server;
  const rest = restOf(discord);
  const open = async ({ id }: { readonly id: string }): Promise<string> =>
    String(Reflect.get(Object(await rest.post('/users/@me/channels', { body: { recipient_id: id } })), 'id'));
  const [alices, bobs] = [await open(alice), await open(bob)];
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    'to general': async () => send(server),
    'to thread': async () => send(server, undefined, thread.id),
    'to alice': async () => send(server, undefined, alices),
    'to bob': async () => send(server, undefined, bobs),
    'opening alice': async () => open(alice),
    'opening bob': async () => open(bob),
    'GET member': async () => rest.get(`/guilds/${guild.id}/members/${bob.id}`),
  };
  const cases: readonly (readonly [StandInCalls, readonly string[]])[] = [
    [{ to: general }, ['to general']],
    [{ to: bob }, ['to bob']],
    [{ opening: bob }, ['opening bob']],
    [{ route: '/channels/*/messages' }, ['to general', 'to thread', 'to alice', 'to bob']],
    [{ route: `GET /guilds/*/members/${bob.id}` }, ['GET member']],
    [{ route: 'GET /channels/*' }, []],
    [{ to: bob, route: 'GET /channels/*/messages' }, []],
    [{}, Object.keys(calls)],
  ];
  for (const [selected, names] of cases) {
    const affected: string[] = [];
    for (const [name, call] of Object.entries(calls)) {
      const end = discord.fail(selected, { status: 403, code: 1 });
      const isAffected = await call().then(
        (status) => status === 403,
        () => true,
      );
      end();
      if (isAffected) affected.push(name);
    }
    expect([selected, affected]).toEqual([selected, names]);
  }
});

it('ends a fault after its number of calls, and meets the oldest fault first', async () => {
  const server = await TestServer.start();
  const { discord, general } = server;
  discord.fail({ to: general, times: 0 }, 500);
  discord.fail({ to: general, times: 2 }, 501);
  discord.fail({ to: general, times: 1 }, 'reset');
  discord.fail({ to: general, times: 1 }, 'lose-answer');
  const statuses: unknown[] = [];
  for (let count = 0; count < 5; count++) statuses.push(await send(server));
  expect(statuses).toEqual([501, 501, 'reset', 'reset', 200]);
  expect(discord.messages(general)).toHaveLength(2);
});

it.each<[string, StandInFault | null, unknown, number]>([
  ['lets it continue', null, 200, 1],
  ['answers in its place', { status: 403, code: 40_003 }, 403, 0],
  ['resets its connection', 'reset', 'reset', 0],
])('holds a call, then %s', async (_, fault, status, messages) => {
  const server = await TestServer.start();
  const { discord, general } = server;
  const hold = discord.hold({ to: general }, fault);
  const sent = send(server);
  await hold.arrived;
  expect(discord.requests).toMatchObject([{ method: 'POST', status: null }]);
  hold.release();
  expect(await sent).toBe(status);
  expect(discord.messages(general)).toHaveLength(messages);
  expect(await send(server)).toBe(200);
});

it('lets nobody press a button that they do not see, or one that is disabled', async () => {
  const server = await TestServer.start();
  const { discord, general, bob } = server;
  const stranger = discord.addUser('stranger');
  await send(server, rowOf({ disabled: true }));
  await expect(discord.pressButton(bob, 'Go')).rejects.toThrow('no button Go that bob can press');
  await send(server, rowOf({}));
  await expect(discord.pressButton(stranger, 'Go')).rejects.toThrow('no button Go');
  const [disabled, message] = discord.messages(general);
  if (disabled === undefined || message === undefined) throw new Error('A message is missing');
  expect(() => discord.press(message, 'go', stranger)).toThrow('stranger is not in general');
  expect(() => discord.press(disabled, 'go', bob)).toThrow('no button go');
  expect(() => discord.say(general, stranger, 'hello')).toThrow('stranger is not in general');
});

it('accepts one answer to a press, within 3 seconds, and only with its token', async () => {
  let now = Date.UTC(2026, 0);
  const server = await TestServer.start({ now: () => now });
  const { discord, bob } = server;
  const { presses } = await listen(discord, [Guilds]);
  await send(server, rowOf({}));
  for (let count = 0; count < 2; count++) discord.pressButton(bob, 'Go').catch(() => undefined);
  await discord.delivered();
  const [first, late] = presses;
  const answer = async (press = first, token = press?.token): Promise<unknown> =>
    restOf(discord).post(`/interactions/${press?.id}/${token}/callback`, { body: { type: 6 }, auth: false });
  await expect(answer(first, 'wrong')).rejects.toMatchObject({ status: 404, code: 10_062 });
  await answer();
  await expect(answer()).rejects.toMatchObject({ status: 400, code: 40_060 });
  now += 3_001;
  await expect(answer(late)).rejects.toMatchObject({ status: 404, code: 10_062 });
});
