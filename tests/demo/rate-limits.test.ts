import { expect, it, onTestFinished } from 'vitest';

import { DiscordStandIn } from '../../src/demo/stand-in/stand-in.js';
import { ManualClock } from '../support/clock.js';

/** Makes REST calls as the bot, without discord.js, which would wait. */
async function setLimitedScene() {
  const clock = new ManualClock();
  const discord = await DiscordStandIn.start({ now: clock.read, enforcesRateLimits: true });
  onTestFinished(async () => discord.close());
  const guild = discord.addGuild('Workshop', discord.addUser('ada'));
  const general = discord.addChannel(guild, 'general');
  const bob = discord.addUser('bob');
  discord.join(guild, bob);
  const headers = { authorization: `Bot ${discord.token}`, 'content-type': 'application/json' };
  const post = async (path: string, body: object): Promise<Response> =>
    fetch(`${discord.apiUrl}/v10${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return { discord, guild, general, bob, clock, post };
}

it('accepts 5 messages within 5 seconds in each channel', async () => {
  const { discord, guild, general, clock, post } = await setLimitedScene();
  const other = discord.addChannel(guild, 'other');
  const send = async (id: string): Promise<Response> => post(`/channels/${id}/messages`, { content: 'x' });
  for (let remaining = 4; remaining >= 0; remaining--) {
    const { status, headers } = await send(general.id);
    expect([status, headers.get('x-ratelimit-remaining')]).toEqual([200, String(remaining)]);
  }
  clock.advance(1_000);
  const refused = await send(general.id);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '4']);
  expect(await refused.json()).toMatchObject({ retry_after: 4, global: false });
  expect((await send(other.id)).status).toBe(200);
  clock.advance(4_000);
  expect((await send(general.id)).status).toBe(200);
  expect(discord.messages(general)).toHaveLength(6);
});

it('accepts 50 calls per second, button presses aside', async () => {
  const { clock, post } = await setLimitedScene();
  for (let call = 0; call < 50; call++) expect((await post('/nothing', {})).status).toBe(404);
  const refused = await post('/nothing', {});
  expect([refused.status, refused.headers.get('x-ratelimit-global')]).toEqual([429, 'true']);
  expect((await post('/interactions/1/token/callback', {})).status).toBe(404);
  clock.advance(1_000);
  expect((await post('/nothing', {})).status).toBe(404);
});

it('opens 20 new direct message channels within 10 seconds, and known ones always', async () => {
  const { discord, bob, clock, post } = await setLimitedScene();
  const open = async ({ id }: { readonly id: string }): Promise<unknown> =>
    Reflect.get(Object(await (await post('/users/@me/channels', { recipient_id: id })).json()), 'code');
  await open(bob);
  for (let user = 1; user < 20; user++) expect(await open(discord.addUser(`user${user}`))).toBeUndefined();
  const late = discord.addUser('late');
  expect([await open(late), await open(bob)]).toEqual([40_003, undefined]);
  clock.advance(10_000);
  expect(await open(late)).toBeUndefined();
});
