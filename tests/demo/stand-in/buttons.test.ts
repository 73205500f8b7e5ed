import {
  type ButtonInteraction,
  type Client,
  Events,
  MessageFlags,
  PermissionFlagsBits,
  type MessageCreateOptions,
} from 'discord.js';
import { describe, expect, it } from 'vitest';
import type { StandInMessage, StandInUser } from '../../../src/demo/stand-in/stand-in.js';
import { login, next, refusalOf, restOf, type Scene, setScene } from './client.js';

const withButton: MessageCreateOptions = {
  content: 'Press me',
  components: [{ type: 1, components: [{ type: 2, style: 1, label: 'Go', customId: 'go' }] }],
};

/** A message with a button, in the channel or in the direct messages of bob. */
async function offer(
  { discord, general, bob }: Scene,
  client: Client,
  where: 'guild' | 'dm',
): Promise<StandInMessage> {
  const place = where === 'guild' ? general : bob;
  if (where === 'dm') await client.users.send(bob.id, withButton);
  else {
    const channel = await client.channels.fetch(general.id);
    if (channel?.isSendable()) await channel.send(withButton);
  }
  const message = discord.messages(place).at(-1);
  if (!message) throw new Error('The message should be there');
  return message;
}

async function pressed(client: Client): Promise<ButtonInteraction> {
  const [interaction] = await next(client, Events.InteractionCreate);
  if (!interaction.isButton()) throw new Error('Only buttons can be pressed');
  return interaction;
}

describe.each(['guild', 'dm'] as const)('a button in a %s', (where) => {
  it('gets an ephemeral answer', async () => {
    const scene = await setScene();
    const client = await login(scene.discord);
    const message = await offer(scene, client, where);
    const before = scene.discord.messages(where === 'guild' ? scene.general : scene.bob).length;

    const interaction = pressed(client);
    const answer = scene.discord.press(message, 'go', scene.bob);
    const received = await interaction;
    expect(received).toMatchObject({
      customId: 'go',
      user: { id: scene.bob.id },
      message: { id: message.id },
    });
    expect(received.guildId).toBe(where === 'guild' ? scene.guild.id : null);
    await received.reply({ content: 'secret', flags: MessageFlags.Ephemeral });

    expect(await answer).toMatchObject({ type: 4, ephemeral: true, message: { content: 'secret' } });
    expect((await answer).message.ephemeralTo).toBe(scene.bob);
    expect(scene.discord.messages(where === 'guild' ? scene.general : scene.bob)).toHaveLength(before);
  });

  it('changes its message', async () => {
    const scene = await setScene();
    const client = await login(scene.discord);
    const message = await offer(scene, client, where);
    const interaction = pressed(client);
    const answer = scene.discord.press(message, 'go', scene.bob);
    const result = await (
      await interaction
    ).update({ content: 'Pressed', components: [], withResponse: true });

    expect(result.resource?.message?.content).toBe('Pressed');
    expect(await answer).toMatchObject({ type: 7, ephemeral: false });
    expect((await answer).message).toBe(message);
    expect(message).toMatchObject({ content: 'Pressed', components: [] });
    expect(() => scene.discord.press(message, 'go', scene.bob)).toThrow('no button go');
  });

  it('gets an answer that comes later, and further ones', async () => {
    const scene = await setScene();
    const client = await login(scene.discord);
    const message = await offer(scene, client, where);
    const interaction = pressed(client);
    const answer = scene.discord.press(message, 'go', scene.bob);
    const received = await interaction;
    await received.deferReply({ flags: MessageFlags.Ephemeral });
    expect(await answer).toMatchObject({ type: 5, ephemeral: true, message: { content: '' } });
    await received.editReply('done');
    expect((await answer).message).toMatchObject({ content: 'done', flags: MessageFlags.Ephemeral });

    const further = scene.discord.nextMessage();
    const { id } = await received.followUp('and more');
    expect(await further).toMatchObject({ content: 'and more', ephemeralTo: null });
    await received.editReply({ message: id, content: 'and other' });
    expect(await further).toMatchObject({ content: 'and other' });
    await received.deleteReply();
    expect((await answer).message.deletedAt).not.toBeNull();
  });
});

it('is acknowledged once, in time, by clients that know its token', async () => {
  let now = Date.UTC(2026, 0);
  const scene = await setScene({ now: () => now });
  const client = await login(scene.discord);
  const message = await offer(scene, client, 'guild');
  const rest = restOf(scene.discord);
  const acknowledge = (id: string, token: string): Promise<unknown> =>
    rest.post(`/interactions/${id}/${token}/callback`, { body: { type: 6 }, auth: false });
  const press = async (): Promise<ButtonInteraction> => {
    const interaction = pressed(client);
    void scene.discord.press(message, 'go', scene.bob);
    return interaction;
  };

  const { id, token } = await press();
  expect(await refusalOf(acknowledge(id, 'wrong'))).toMatchObject({ status: 404, code: 10062 });
  await acknowledge(id, token);
  expect(await refusalOf(acknowledge(id, token))).toMatchObject({ status: 400, code: 40060 });
  const late = await press();
  now += 3001;
  expect(await refusalOf(acknowledge(late.id, late.token))).toMatchObject({ status: 404, code: 10062 });
  now += 15 * 60_000;
  const followUp = rest.post(`/webhooks/${client.user.id}/${token}`, { body: { content: 'x' }, auth: false });
  expect(await refusalOf(followUp)).toMatchObject({ status: 401, code: 50027 });
});

it('reports the permissions of the user who pressed it', async () => {
  const scene = await setScene();
  const client = await login(scene.discord);
  const message = await offer(scene, client, 'guild');
  const mayAdminister = async (user: StandInUser): Promise<boolean | undefined> => {
    const interaction = pressed(client);
    void scene.discord.press(message, 'go', user);
    return (await interaction).memberPermissions?.has(PermissionFlagsBits.Administrator);
  };
  expect([await mayAdminister(scene.ada), await mayAdminister(scene.bob)]).toEqual([true, false]);
  scene.discord.setAdministrator(scene.guild, scene.bob, true);
  expect(await mayAdminister(scene.bob)).toBe(true);
});

it('cannot be pressed by users who do not see it', async () => {
  const scene = await setScene();
  const client = await login(scene.discord);
  const message = await offer(scene, client, 'guild');
  const stranger = scene.discord.addUser('stranger');
  expect(() => scene.discord.press(message, 'go', stranger)).toThrow('stranger is not in general');

  const interaction = pressed(client);
  const answer = scene.discord.press(message, 'go', scene.bob);
  await (await interaction).reply({ ...withButton, flags: MessageFlags.Ephemeral });
  const { message: secret } = await answer;
  expect(() => scene.discord.press(secret, 'go', scene.ada)).toThrow('ada does not see the message');
  const second = pressed(client);
  const update = scene.discord.press(secret, 'go', scene.bob);
  await (await second).update('Pressed');
  expect((await update).message).toBe(secret);
  expect(secret.content).toBe('Pressed');
});

it('is found by its label: the newest one that the user sees and can press', async () => {
  const scene = await setScene();
  const { discord, general, ada, bob } = scene;
  const client = await login(discord);
  client.on(Events.InteractionCreate, (interaction) => {
    if (interaction.isButton()) void interaction.reply(`${interaction.user.username} pressed`);
  });
  await expect(discord.pressButton(bob, 'Go')).rejects.toThrow('no button Go that bob can press');
  const first = await offer(scene, client, 'guild');
  const second = await offer(scene, client, 'guild');
  const direct = await offer(scene, client, 'dm');
  const pressedBy = async (...parameters: Parameters<typeof discord.pressButton>): Promise<unknown> => {
    const received = pressed(client);
    const { message } = await discord.pressButton(...parameters);
    return [message.content, (await received).message.id];
  };
  expect(await pressedBy(bob, 'Go')).toEqual(['bob pressed', direct.id]);
  expect(await pressedBy(bob, 'Go', general)).toEqual(['bob pressed', second.id]);
  expect(await pressedBy(ada, 'GO')).toEqual(['ada pressed', second.id]);
  discord.delete(second);
  expect(await pressedBy(ada, 'Go')).toEqual(['ada pressed', first.id]);
  const body = {
    components: [
      { type: 1, components: [{ type: 2, style: 1, label: 'Go', custom_id: 'go', disabled: true }] },
    ],
  };
  await restOf(discord).patch(`/channels/${general.id}/messages/${first.id}`, { body });
  await expect(discord.pressButton(ada, 'Go')).rejects.toThrow('no button Go that ada can press');
  await expect(discord.pressButton(discord.addUser('stranger'), 'Go')).rejects.toThrow('no button Go');
});

it('rejects when the stand-in closes without an answer', async () => {
  const scene = await setScene();
  const client = await login(scene.discord);
  const message = await offer(scene, client, 'guild');
  const answer = scene.discord.press(message, 'go', scene.bob);
  await scene.discord.delivered();
  await client.destroy();
  await scene.discord.close();
  await expect(answer).rejects.toThrow('closed');
});
