import {
  AllowedMentionsTypes,
  ChannelType,
  EmbedBuilder,
  Events,
  GatewayIntentBits,
  PermissionFlagsBits,
} from 'discord.js';
import { expect, it } from 'vitest';
import { createClient, listen, login, next, refusalOf, restOf, setScene } from './client.js';

it('shows a client its guilds, channels and threads', async () => {
  const { discord, guild, general } = await setScene();
  const thread = discord.addThread(general, 'aside');
  const client = await login(discord);

  expect(client.user.id).toBe(discord.botUser.id);
  expect(client.guilds.cache.get(guild.id)?.name).toBe('Workshop');
  expect(client.channels.cache.get(general.id)?.type).toBe(ChannelType.GuildText);
  expect(client.channels.cache.get(thread.id)?.type).toBe(ChannelType.PublicThread);
});

it('announces guilds and channels that are added later', async () => {
  const { discord, ada } = await setScene();
  const client = await login(discord);
  const joined = next(client, Events.GuildCreate);
  const guild = discord.addGuild('Library', ada);
  expect((await joined)[0].id).toBe(guild.id);

  const created = next(client, Events.ChannelCreate);
  const desk = discord.addChannel(guild, 'desk');
  expect((await created)[0].id).toBe(desk.id);
  const threaded = next(client, Events.ThreadCreate);
  discord.addThread(desk, 'lost and found');
  expect((await threaded)[0].name).toBe('lost and found');
});

it('delivers messages of a channel, a thread and a direct message', async () => {
  const { discord, guild, general, bob } = await setScene();
  const thread = discord.addThread(general, 'aside');
  const client = await login(discord);

  for (const place of [general, thread]) {
    const heard = next(client, Events.MessageCreate);
    const said = discord.say(place, bob, 'hello');
    const [message] = await heard;
    expect(message).toMatchObject({ id: said.id, content: 'hello', channelId: place.id, guildId: guild.id });
    expect(message.author).toMatchObject({ id: bob.id, username: 'bob', bot: false });
  }

  const heard = next(client, Events.MessageCreate);
  discord.say(bob, bob, 'psst');
  const [message] = await heard;
  expect(message).toMatchObject({ content: 'psst', guildId: null, member: null });
  expect(message.channel.type).toBe(ChannelType.DM);
});

it('shows the permissions that an author has at that moment', async () => {
  const { discord, guild, general, ada, bob } = await setScene();
  const client = await login(discord);
  const isAdministrator = async (author: typeof ada): Promise<boolean | undefined> => {
    const heard = next(client, Events.MessageCreate);
    discord.say(general, author, 'am I?');
    return (await heard)[0].member?.permissions.has(PermissionFlagsBits.Administrator);
  };

  expect(await isAdministrator(ada)).toBe(true);
  expect(await isAdministrator(bob)).toBe(false);
  discord.setAdministrator(guild, bob, true);
  expect(await isAdministrator(bob)).toBe(true);
  discord.setAdministrator(guild, bob, false);
  expect(await isAdministrator(bob)).toBe(false);
});

it('marks webhooks and other bots', async () => {
  const { discord, guild, general, bob } = await setScene();
  const other = discord.addUser('other', { bot: true });
  discord.join(guild, other);
  const client = await login(discord);

  const hook = next(client, Events.MessageCreate);
  discord.say(general, bob, 'from elsewhere', { webhook: true });
  expect((await hook)[0]).toMatchObject({ webhookId: bob.id, author: { bot: true } });
  const robot = next(client, Events.MessageCreate);
  discord.say(general, other, 'beep');
  expect((await robot)[0]).toMatchObject({ webhookId: null, author: { bot: true } });
});

it('repeats, edits and deletes', async () => {
  const { discord, general, bob } = await setScene();
  const client = await login(discord);
  const heard = listen(client);
  const updates: unknown[] = [];
  client.on(Events.Raw, ({ t, d }: { t: string; d: unknown }) => {
    if (t === 'MESSAGE_UPDATE' || t === 'MESSAGE_DELETE') updates.push([t, d]);
  });

  const said = discord.say(general, bob, 'one');
  discord.redeliver(said);
  discord.edit(said, 'two');
  discord.delete(said);
  await discord.delivered();

  expect(heard).toEqual(['one', 'one']);
  expect(updates).toMatchObject([
    ['MESSAGE_UPDATE', { id: said.id, content: 'two' }],
    ['MESSAGE_DELETE', { id: said.id }],
  ]);
  expect(discord.messages(general)).toEqual([]);
});

it('refuses messages of users who are not in the channel', async () => {
  const { discord, guild, general, ada, bob } = await setScene();
  discord.leave(guild, bob);
  expect(() => discord.say(general, bob, 'hello')).toThrow('bob is not in general');
  expect(() => discord.say(bob, ada, 'hello')).toThrow('ada is not in bob');
});

it('accepts replies with embeds, and sends the bot its own messages', async () => {
  const { discord, general, bob } = await setScene();
  const client = await login(discord);
  const asked = next(client, Events.MessageCreate);
  const question = discord.say(general, bob, 'what?');
  const [message] = await asked;

  const told = next(client, Events.MessageCreate);
  const embed = new EmbedBuilder()
    .setTitle('Answer')
    .setColor(0x2ecc71)
    .addFields({ name: 'Of', value: 'all' });
  const sent = await message.reply({ content: 'this', embeds: [embed] });
  const [own] = await told;

  expect(own.id).toBe(sent.id);
  const [, answer] = discord.messages(general);
  expect(answer).toMatchObject({
    id: sent.id,
    author: discord.botUser,
    content: 'this',
    repliesTo: question.id,
  });
  expect(answer?.embeds).toEqual([
    { type: 'rich', title: 'Answer', color: 0x2ecc71, fields: [{ name: 'Of', value: 'all', inline: false }] },
  ]);
  await sent.edit('that');
  expect(answer).toMatchObject({ content: 'that', embeds: [{ title: 'Answer' }] });
  await sent.delete();
  expect(discord.messages(general)).toEqual([question]);
});

it('opens direct messages, and refuses them as Discord does', async () => {
  const { discord, guild, bob } = await setScene();
  const client = await login(discord);
  const told = next(client, Events.MessageCreate);
  await client.users.send(bob.id, 'for you');
  expect((await told)[0]).toMatchObject({ content: 'for you', guildId: null });
  expect(discord.directMessages(bob).map(({ content }) => content)).toEqual(['for you']);

  discord.setDirectMessages(bob, 'closed');
  expect(await refusalOf(client.users.send(bob.id, 'again'))).toMatchObject({ status: 403, code: 50007 });
  discord.setDirectMessages(bob, 'open');
  discord.leave(guild, bob);
  expect(await refusalOf(client.users.send(bob.id, 'again'))).toMatchObject({ status: 403, code: 50278 });
  expect(await refusalOf(client.users.send('1', 'who?'))).toMatchObject({ status: 400, code: 50033 });
});

it('lets the bot do only what it may', async () => {
  const { discord, guild, general, bob } = await setScene();
  const client = await login(discord);
  const heard = listen(client);
  const channel = await client.channels.fetch(general.id);
  if (!channel?.isSendable()) throw new Error('The channel should be there');
  const { ViewChannel, SendMessages } = PermissionFlagsBits;

  discord.setBotPermissions(general, ViewChannel | SendMessages);
  expect(await refusalOf(channel.send({ embeds: [{ title: 'x' }] }))).toMatchObject({
    status: 403,
    code: 50013,
  });
  discord.setBotPermissions(general, ViewChannel);
  expect(await refusalOf(channel.send('x'))).toMatchObject({ status: 403, code: 50013 });
  discord.setBotPermissions(general, 0n);
  expect(await refusalOf(channel.send('x'))).toMatchObject({ status: 403, code: 50001 });
  discord.say(general, bob, 'unseen');
  discord.setBotPermissions(general, null);
  await channel.send('seen');
  await discord.delivered();
  expect(heard).toEqual(['seen']);

  discord.removeBot(guild);
  await discord.delivered();
  expect(client.guilds.cache.size).toBe(0);
  const call = restOf(discord).post(`/channels/${general.id}/messages`, { body: { content: 'x' } });
  expect(await refusalOf(call)).toMatchObject({ status: 403, code: 50001 });
});

it('sends no event of a guild during an outage', async () => {
  const { discord, guild, general, bob } = await setScene();
  const client = await login(discord);
  const heard = listen(client);
  const gone = next(client, Events.GuildUnavailable);
  discord.setGuildUnavailable(guild);
  await gone;
  expect(client.guilds.cache.has(guild.id)).toBe(true);
  discord.say(general, bob, 'during');
  const back = next(client, Events.GuildAvailable);
  discord.setGuildUnavailable(guild, false);
  await back;
  discord.say(general, bob, 'after');
  await discord.delivered();
  expect(heard).toEqual(['after']);
});

it('hides content from clients without the intent, except mentions and direct messages', async () => {
  const { discord, general, bob } = await setScene({ messageContentIntent: false });
  const { Guilds, GuildMessages, DirectMessages } = GatewayIntentBits;
  const client = await login(discord, createClient(discord, [Guilds, GuildMessages, DirectMessages]));
  const heard = listen(client);
  discord.say(general, bob, 'secret');
  discord.say(general, bob, `<@${discord.botUser.id}> hello`);
  discord.say(bob, bob, 'psst');
  await client.users.send(bob.id, 'mine');
  await discord.delivered();
  expect(heard).toEqual(['', `<@${discord.botUser.id}> hello`, 'psst', 'mine']);
});

it('sends only the events that were asked for', async () => {
  const { discord, general, bob } = await setScene();
  const client = await login(discord, createClient(discord, [GatewayIntentBits.Guilds]));
  const heard = listen(client);
  discord.say(general, bob, 'one');
  discord.say(bob, bob, 'two');
  await discord.delivered();
  expect(heard).toEqual([]);
});

it('looks members up by id without a privileged intent', async () => {
  const { discord, guild, ada, bob } = await setScene();
  const stranger = discord.addUser('stranger');
  const client = await login(discord);
  const chunk = next(client, Events.GuildMembersChunk);
  const members = await client.guilds.cache
    .get(guild.id)
    ?.members.fetch({ user: [ada.id, bob.id, stranger.id] });
  expect(members?.map(({ id }) => id)).toEqual([ada.id, bob.id]);
  expect((await chunk)[2]).toMatchObject({ index: 0, count: 1, notFound: [stranger.id] });

  const rest = restOf(discord);
  expect(await rest.get(`/guilds/${guild.id}/members/${bob.id}`)).toMatchObject({ user: { id: bob.id } });
  const unknown = await refusalOf(rest.get(`/guilds/${guild.id}/members/${stranger.id}`));
  expect(unknown).toMatchObject({ status: 404, code: 10007 });
});

it('refuses to edit messages of others, and to read without permission', async () => {
  const { discord, general, bob } = await setScene({ messageContentIntent: false });
  const rest = restOf(discord);
  const said = discord.say(general, bob, 'mine');
  expect(await rest.get(`/channels/${general.id}/messages/${said.id}`)).toMatchObject({
    id: said.id,
    content: '',
  });
  const change = rest.patch(`/channels/${general.id}/messages/${said.id}`, { body: { content: 'yours' } });
  expect(await refusalOf(change)).toMatchObject({ status: 403, code: 50005 });
  const removal = rest.delete(`/channels/${general.id}/messages/${said.id}`);
  expect(await refusalOf(removal)).toMatchObject({ status: 403, code: 50013 });

  discord.setBotPermissions(general, PermissionFlagsBits.ViewChannel | PermissionFlagsBits.SendMessages);
  const reply = rest.post(`/channels/${general.id}/messages`, {
    body: { content: 'yes', message_reference: { message_id: said.id } },
  });
  expect(await refusalOf(reply)).toMatchObject({ status: 403, code: 160002 });
  expect(await rest.get(`/channels/${general.id}/messages`)).toEqual([]);
  expect(discord.messages(general)).toEqual([said]);
});

it('returns the messages after a given one, newest first', async () => {
  const { discord, general, bob } = await setScene();
  const [first, second, third] = ['one', 'two', 'three'].map((text) => discord.say(general, bob, text));
  const rest = restOf(discord);
  const history = async (query: string): Promise<unknown> =>
    rest.get(`/channels/${general.id}/messages?${query}`);
  expect(await history(`after=${first?.id}`)).toMatchObject([{ id: third?.id }, { id: second?.id }]);
  expect(await history(`before=${third?.id}&limit=1`)).toMatchObject([{ id: second?.id }]);
  expect(await history(`after=${first?.id}&limit=1`)).toMatchObject([{ id: second?.id }]);
});

it('pings whom Discord would ping', async () => {
  const { discord, guild, general, ada, bob } = await setScene();
  const client = await login(discord);
  const channel = await client.channels.fetch(general.id);
  if (!channel?.isSendable()) throw new Error('The channel should be there');
  const stranger = discord.addUser('stranger');
  const content = `<@${bob.id}> <@!${ada.id}> <@${stranger.id}> <@&${guild.administrator.id}> @everyone`;
  const { User, Everyone } = AllowedMentionsTypes;
  const all = { everyone: true, users: [bob.id, ada.id], roles: [guild.administrator.id] };
  const nobody = { everyone: false, users: [], roles: [] };

  const cases = [
    [{ content }, all],
    [{ content, allowedMentions: { parse: [] } }, nobody],
    [
      { content, allowedMentions: { users: [bob.id] } },
      { ...nobody, users: [bob.id] },
    ],
    [
      { content, allowedMentions: { parse: [User] } },
      { ...nobody, users: [bob.id, ada.id] },
    ],
    [
      { content, allowedMentions: { parse: [Everyone] } },
      { ...nobody, everyone: true },
    ],
    [{ content: `\`<@${bob.id}>\` \`\`\`@everyone\`\`\`` }, nobody],
    [{ content: '`x` @here `y`' }, { ...nobody, everyone: true }],
  ] as const;
  for (const [message] of cases) await channel.send(message);
  expect(discord.messages(general).map(({ pings }) => pings)).toEqual(cases.map(([, pings]) => pings));

  const reply = { messageReference: discord.say(general, bob, 'well?').id };
  await channel.send({ content: 'yes', reply });
  await channel.send({ content: 'yes', reply, allowedMentions: { repliedUser: false } });
  expect(discord.messages(general).slice(-2)).toMatchObject([
    { pings: { users: [bob.id] } },
    { pings: nobody },
  ]);
});
