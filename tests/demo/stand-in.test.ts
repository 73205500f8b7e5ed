// What the bot does right proves nothing about a stand-in that forgives mistakes: these tests make the mistakes.
import { once } from 'node:events';

import {
  Client,
  Events,
  GatewayIntentBits,
  Options,
  Partials,
  PermissionFlagsBits,
  type Interaction,
} from 'discord.js';
import { expect, it, onTestFinished } from 'vitest';

import type { DiscordStandIn } from '../../src/demo/stand-in/stand-in.js';
import { TestServer } from '../support/bot.js';
import { ManualClock } from '../support/clock.js';

const { Guilds, GuildMessages, DirectMessages, MessageContent } = GatewayIntentBits;
const { ViewChannel, SendMessages } = PermissionFlagsBits;

type Body = Readonly<Record<string, unknown>>;

/** Makes a call once, without the repeats and waits of discord.js. */
async function post({ apiUrl, token }: DiscordStandIn, path: string, body: Body) {
  const response = await fetch(`${apiUrl}/v10${path}`, {
    method: 'POST',
    headers: { authorization: `Bot ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
}

const send = async ({ discord, general }: TestServer, body: Body = { content: 'x' }, to = general) =>
  post(discord, `/channels/${to.id}/messages`, body);

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
  client.on(Events.MessageCreate, ({ content }) => void texts.push(content));
  client.on(Events.InteractionCreate, (press) => void presses.push(press));
  const ready = once(client, Events.ClientReady);
  await client.login(discord.token);
  await ready;
  return { texts, presses };
}

const x = (length: number): string => 'x'.repeat(length);
const list = <T>(length: number, item: T): T[] => Array.from({ length }, () => item);
const button = { type: 2, style: 1, label: 'Go', custom_id: 'go' };
const row = (...components: readonly object[]): object => ({ type: 1, components });
const rowOf = (change: Body): Body => ({ content: 'x', components: [row({ ...button, ...change })] });
const buttons = (length: number): object[] =>
  Array.from({ length }, (_, index) => ({ ...button, custom_id: String(index) }));
const embed = (parts: Body): Body => ({ embeds: [parts] });
const mentions = (rules: Body): Body => ({ content: 'x', allowed_mentions: rules });
const field = (parts: Body): Body => embed({ fields: [{ name: 'n', value: 'v', ...parts }] });

it.each<[string, number, (length: number) => Body]>([
  ['content', 2_000, (length) => ({ content: x(length) })],
  ['content', 2_000, (length) => ({ content: '🎫'.repeat(length) })],
  ['nonce', 25, (length) => ({ content: 'x', nonce: x(length) })],
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
  ['allowed_mentions.users', 100, (length) => mentions({ users: list(length, '1') })],
])('refuses at %s what exceeds %i', async (place, longest, bodyOf) => {
  const server = await TestServer.start();
  expect((await send(server, bodyOf(longest))).status).toBe(200);
  const { status, body } = await send(server, bodyOf(longest + 1));
  expect([status, body.code]).toEqual([400, 50_035]);
  expect(body.errors).toHaveProperty(`${place}._errors`);
  expect(server.discord.messages(server.general)).toHaveLength(1);
});

it.each<[string, Body, number]>([
  ['a blank value', field({ value: ' ' }), 50_035],
  ['a missing name', field({ name: undefined }), 50_035],
  ['an empty row', { content: 'x', components: [row()] }, 50_035],
  ['a button without an id', rowOf({ custom_id: '' }), 50_035],
  ['two buttons with one id', { content: 'x', components: [row(button, button)] }, 50_035],
  ['two rules for users', mentions({ parse: ['users'], users: ['1'] }), 50_035],
  ['blank text', { content: ' \n' }, 50_006],
  ['an embed with a colour only', embed({ color: 1 }), 50_006],
])('refuses a message with %s', async (_, body, code) => {
  expect(await send(await TestServer.start(), body)).toMatchObject({ status: 400, body: { code } });
});

it('returns the first message for a nonce that is repeated to be unique, in any channel, for 5 minutes', async () => {
  const clock = new ManualClock();
  const server = await TestServer.start({ now: clock.read });
  const { discord, general, thread } = server;
  const unique = { content: 'once', nonce: '7', enforce_nonce: true };
  await send(server, unique);
  clock.advance(5 * 60_000 - 1);
  await send(server, { ...unique, content: 'twice' });
  await send(server, unique, thread);
  expect([discord.messages(general).length, discord.messages(thread).length]).toEqual([1, 0]);
  for (const change of [{ nonce: '8' }, { enforce_nonce: false }])
    await send(server, { ...unique, ...change });
  expect(discord.messages(general)).toHaveLength(3);
  clock.advance(5 * 60_000);
  await send(server, unique);
  expect(discord.messages(general)).toHaveLength(4);
  for (const message of discord.messages(general).slice()) discord.delete(message);
  expect(await send(server, unique)).toMatchObject({ status: 404, body: { code: 10_008 } });
});

it('lets the bot post only with its permissions, and sends it no message that it does not see', async () => {
  const server = await TestServer.start();
  const { discord, guild, general, bob } = server;
  const { texts } = await listen(discord, [Guilds, GuildMessages, MessageContent]);
  const refused = async (permissions: bigint, body: Body): Promise<unknown> => {
    discord.setBotPermissions(general, permissions);
    return (await send(server, body)).body.code;
  };
  expect(await refused(ViewChannel | SendMessages, embed({ title: 'x' }))).toBe(50_013);
  discord.say(general, bob, 'heard');
  expect(await refused(ViewChannel, { content: 'x' })).toBe(50_013);
  expect(await refused(0n, { content: 'x' })).toBe(50_001);
  discord.say(general, bob, 'unseen');
  discord.setBotPermissions(general, null);
  discord.setGuildUnavailable(guild);
  discord.say(general, bob, 'during an outage');
  discord.setGuildUnavailable(guild, false);
  await discord.delivered();
  expect(texts).toEqual(['heard']);
});

it('pings whom Discord would ping', async () => {
  const server = await TestServer.start();
  const { discord, guild, general, alice, bob } = server;
  const content = `<@${bob.id}> <@!${alice.id}> <@${discord.addUser('stranger').id}> <@&${guild.administrator.id}> @everyone`;
  const nobody = { everyone: false, users: [], roles: [] };
  const all = { everyone: true, users: [bob.id, alice.id], roles: [guild.administrator.id] };
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
  ];
  for (const [body] of cases) await send(server, body);
  expect(discord.messages(general).map(({ pings }) => pings)).toEqual(cases.map(([, pings]) => pings));
});

it('sends a client only the events and contents that it asked for, each time that they happen', async () => {
  const { discord, general, bob } = await TestServer.start();
  const others = await listen(discord, [Guilds]);
  const blind = await listen(discord, [Guilds, GuildMessages]);
  const { texts } = await listen(discord, [Guilds, GuildMessages, DirectMessages, MessageContent]);
  discord.redeliver(discord.say(general, bob, 'hello'));
  discord.say(bob, bob, 'psst');
  await discord.delivered();
  expect([others.texts, blind.texts, texts]).toEqual([[], ['', ''], ['hello', 'hello', 'psst']]);
});

it('lets nobody press a button that they do not see, or one that is disabled', async () => {
  const server = await TestServer.start();
  const { discord, general, bob } = server;
  const stranger = discord.addUser('stranger');
  await send(server, rowOf({ disabled: true }));
  await expect(discord.pressButton(bob, 'Go')).rejects.toThrow('no button Go that bob can press');
  await send(server, rowOf({}));
  await expect(discord.pressButton(stranger, 'Go')).rejects.toThrow('no button Go');
  for (const message of discord.messages(general))
    expect(() => discord.press(message, 'go', stranger)).toThrow('no button go');
  expect(() => discord.say(general, stranger, 'hello')).toThrow('stranger is not in general');
});

it('accepts one answer to a press, within 3 seconds, and only with its token', async () => {
  const clock = new ManualClock();
  const server = await TestServer.start({ now: clock.read });
  const { discord, bob } = server;
  const { presses } = await listen(discord, [Guilds]);
  await send(server, rowOf({}));
  for (let count = 0; count < 2; count++) void discord.pressButton(bob, 'Go');
  await discord.delivered();
  const [first, late] = presses;
  const answer = async (press = first, token = press?.token): Promise<unknown> => {
    const path = `/interactions/${press?.id}/${token}/callback`;
    const { status, body } = await post(discord, path, { type: 4, data: { content: 'x' } });
    return body?.code ?? status;
  };
  expect(await answer(first, 'wrong')).toBe(10_062);
  expect([await answer(), await answer()]).toEqual([204, 40_060]);
  clock.advance(3_001);
  expect(await answer(late)).toBe(10_062);
});

it('enforces the limits of messages in a channel, of calls and of new direct message channels', async () => {
  const clock = new ManualClock();
  const server = await TestServer.start({ now: clock.read, enforcesRateLimits: true });
  const { discord, thread, bob } = server;
  for (let remaining = 4; remaining >= 0; remaining--) {
    const { status, headers } = await send(server);
    expect([status, headers.get('x-ratelimit-remaining')]).toEqual([200, String(remaining)]);
  }
  clock.advance(1_000);
  const refused = await send(server);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '4']);
  expect((await send(server, undefined, thread)).status).toBe(200);
  clock.advance(4_000);
  expect((await send(server)).status).toBe(200);

  const open = async ({ id }: { readonly id: string }): Promise<unknown> =>
    (await post(discord, '/users/@me/channels', { recipient_id: id })).body.code;
  await open(bob);
  for (let user = 1; user < 20; user++) expect(await open(discord.addUser(`user${user}`))).toBeUndefined();
  const late = discord.addUser('late');
  expect([await open(late), await open(bob)]).toEqual([40_003, undefined]);
  clock.advance(10_000);
  expect(await open(late)).toBeUndefined();

  for (let call = 1; call < 50; call++) expect((await post(discord, '/nothing', {})).status).toBe(404);
  const last = await post(discord, '/nothing', {});
  expect([last.status, last.headers.get('x-ratelimit-global')]).toEqual([429, 'true']);
  expect((await post(discord, '/interactions/1/token/callback', {})).status).toBe(404);
});
