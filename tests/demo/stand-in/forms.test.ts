import { describe, expect, it } from 'vitest';
import { type Scene, refusalOf, restOf, setScene } from './client.js';

const button = { type: 2, style: 1, label: 'Go', custom_id: 'go' };
const row = (...components: unknown[]): object => ({ type: 1, components });
const field = { name: 'n', value: 'v' };
const repeat = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const buttons = (count: number): object[] =>
  Array.from({ length: count }, (_, index) => ({ ...button, custom_id: `${index}` }));
const rows = (count: number): object[] => buttons(count).map((single) => row(single));

/** Each limit: where a mistake is reported, the longest that is accepted, and the shortest that is not. */
const limits: readonly (readonly [place: string, accepted: object, refused: object])[] = [
  ['content', { content: 'x'.repeat(2000) }, { content: 'x'.repeat(2001) }],
  ['content', { content: '🎫'.repeat(2000) }, { content: '🎫'.repeat(2001) }],
  ['nonce', { content: 'x', nonce: '1'.repeat(25) }, { content: 'x', nonce: '1'.repeat(26) }],
  ['embeds', { embeds: repeat(10, { title: 'x' }) }, { embeds: repeat(11, { title: 'x' }) }],
  ['embeds.0.title', { embeds: [{ title: 'x'.repeat(256) }] }, { embeds: [{ title: 'x'.repeat(257) }] }],
  [
    'embeds.0.description',
    { embeds: [{ description: 'x'.repeat(4096) }] },
    { embeds: [{ description: 'x'.repeat(4097) }] },
  ],
  [
    'embeds.0.fields',
    { embeds: [{ fields: repeat(25, field) }] },
    { embeds: [{ fields: repeat(26, field) }] },
  ],
  [
    'embeds.0.fields.0.name',
    { embeds: [{ fields: [{ name: 'x'.repeat(256), value: 'v' }] }] },
    { embeds: [{ fields: [{ name: 'x'.repeat(257), value: 'v' }] }] },
  ],
  [
    'embeds.0.fields.0.value',
    { embeds: [{ fields: [{ name: 'n', value: 'x'.repeat(1024) }] }] },
    { embeds: [{ fields: [{ name: 'n', value: 'x'.repeat(1025) }] }] },
  ],
  [
    'embeds.0.fields.0.value',
    { embeds: [{ fields: [field] }] },
    { embeds: [{ fields: [{ name: 'n', value: ' ' }] }] },
  ],
  ['embeds.0.fields.0.name', { embeds: [{ fields: [field] }] }, { embeds: [{ fields: [{ value: 'v' }] }] }],
  [
    'embeds.0.footer.text',
    { embeds: [{ footer: { text: 'x'.repeat(2048) } }] },
    { embeds: [{ footer: { text: 'x'.repeat(2049) } }] },
  ],
  [
    'embeds',
    { embeds: repeat(2, { description: 'x'.repeat(3000) }) },
    { embeds: [...repeat(2, { description: 'x'.repeat(3000) }), { title: 'x' }] },
  ],
  ['components', { content: 'x', components: rows(5) }, { content: 'x', components: rows(6) }],
  [
    'components.0.components',
    { content: 'x', components: [row(...buttons(5))] },
    { content: 'x', components: [row(...buttons(6))] },
  ],
  [
    'components.0.components',
    { content: 'x', components: [row(button)] },
    { content: 'x', components: [row()] },
  ],
  [
    'components.0.components.0.custom_id',
    { content: 'x', components: [row({ ...button, custom_id: 'x'.repeat(100) })] },
    { content: 'x', components: [row({ ...button, custom_id: 'x'.repeat(101) })] },
  ],
  [
    'components.0.components.0.custom_id',
    { content: 'x', components: [row({ ...button, custom_id: 'x' })] },
    { content: 'x', components: [row({ ...button, custom_id: '' })] },
  ],
  [
    'components.0.components.0.label',
    { content: 'x', components: [row({ ...button, label: 'x'.repeat(80) })] },
    { content: 'x', components: [row({ ...button, label: 'x'.repeat(81) })] },
  ],
  [
    'components.0.components.1.custom_id',
    { content: 'x', components: [row(button, { ...button, custom_id: 'stop' })] },
    { content: 'x', components: [row(button, button)] },
  ],
  [
    'allowed_mentions',
    { content: 'x', allowed_mentions: { parse: ['roles'], users: ['1'] } },
    { content: 'x', allowed_mentions: { parse: ['users'], users: ['1'] } },
  ],
  ['message_reference', { content: 'x' }, { content: 'x', message_reference: { message_id: '1' } }],
];

function post({ discord, general }: Scene, body: object): Promise<unknown> {
  return restOf(discord).post(`/channels/${general.id}/messages`, { body });
}

describe('a message that is too much', () => {
  it.each(limits)('is refused at %s', async (place, accepted, refused) => {
    const scene = await setScene();
    await post(scene, accepted);
    const { status, code, rawError } = await refusalOf(post(scene, refused));
    expect({ status, code }).toEqual({ status: 400, code: 50035 });
    expect(rawError).toHaveProperty(`errors.${place}._errors`);
    expect(scene.discord.messages(scene.general)).toHaveLength(1);
  });

  it.each([{}, { content: ' \n' }, { embeds: [{}] }, { embeds: [{ color: 1 }] }, { components: [] }])(
    'is refused when there is nothing to see: %j',
    async (body) => {
      const scene = await setScene();
      expect(await refusalOf(post(scene, body))).toMatchObject({ status: 400, code: 50006 });
    },
  );
});

describe('a nonce', () => {
  const body = { content: 'once', nonce: '7', enforce_nonce: true };

  it('makes repeats return the first message, in any channel', async () => {
    const scene = await setScene();
    const first = await post(scene, body);
    expect(await post(scene, { ...body, content: 'twice' })).toEqual(first);
    const elsewhere = { ...scene, general: scene.discord.addChannel(scene.guild, 'elsewhere') };
    expect(await post(elsewhere, body)).toEqual(first);
    await post(scene, { ...body, nonce: '8' });
    await post(scene, { ...body, enforce_nonce: false });
    expect(scene.discord.messages(scene.general)).toHaveLength(3);
    expect(scene.discord.messages(elsewhere.general)).toEqual([]);
  });

  it('of a deleted message is answered with 10008', async () => {
    const scene = await setScene();
    await post(scene, body);
    for (const message of scene.discord.messages(scene.general)) scene.discord.delete(message);
    expect(await refusalOf(post(scene, body))).toMatchObject({ status: 404, code: 10008 });
  });

  it('is forgotten after some minutes', async () => {
    let now = Date.UTC(2026, 0);
    const scene = await setScene({ now: () => now });
    await post(scene, body);
    now += 5 * 60_000 - 1;
    await post(scene, body);
    expect(scene.discord.messages(scene.general)).toHaveLength(1);
    now += 1;
    await post(scene, body);
    expect(scene.discord.messages(scene.general)).toHaveLength(2);
  });
});

describe('a request', () => {
  it('without the right token is refused', async () => {
    const { discord } = await setScene();
    const call = restOf(discord).setToken('wrong').get('/users/@me');
    expect(await refusalOf(call)).toMatchObject({ status: 401, code: 0 });
  });

  it('to an unknown route or about an unknown thing is answered with 404', async () => {
    const { discord, general } = await setScene();
    const rest = restOf(discord);
    const codes = [
      '/nowhere',
      '/channels/1',
      '/guilds/1',
      '/users/1',
      `/channels/${general.id}/messages/1`,
    ].map(async (path) => (await refusalOf(rest.get(`/${path.slice(1)}`))).code);
    expect(await Promise.all(codes)).toEqual([0, 10003, 10004, 10013, 10008]);
  });

  it('with broken JSON is refused', async () => {
    const { discord, general } = await setScene();
    const answer = await fetch(`${discord.apiUrl}/v10/channels/${general.id}/messages`, {
      method: 'POST',
      headers: { authorization: `Bot ${discord.token}` },
      body: '{',
    });
    expect([answer.status, await answer.json()]).toMatchObject([400, { code: 50109 }]);
  });

  it('is recorded with its body and status', async () => {
    const scene = await setScene();
    await post(scene, { content: 'x' });
    await refusalOf(post(scene, {}));
    const path = `/channels/${scene.general.id}/messages`;
    expect(scene.discord.requests).toEqual([
      { method: 'POST', path, query: '', body: { content: 'x' }, status: 200 },
      { method: 'POST', path, query: '', body: {}, status: 400 },
    ]);
  });
});
