// The floor: what a bot in discord.js costs that stores nothing and makes no code.
import { Client, EmbedBuilder, Events, GatewayIntentBits, Partials } from 'discord.js';

// The intents and partials that the original had, and that hearing direct messages takes.
const { Guilds, GuildMessages, DirectMessages, MessageContent } = GatewayIntentBits;
const client = new Client({
  intents: [Guilds, GuildMessages, DirectMessages, MessageContent],
  partials: [Partials.Channel],
  rest: { api: process.env.DISCORD_API_URL },
});

async function answer(message) {
  if (message.author.bot || !message.content.startsWith('!getcode ')) return;
  const embed = new EmbedBuilder()
    .setTitle('Your Chat Room Access Code')
    .setDescription('Use this code to log into the chat room!')
    .setColor('Green')
    .addFields(
      { name: 'Username', value: 'Alice' },
      { name: 'Access Code', value: '**ABCDEF**' },
      { name: 'Valid Until', value: 'This code never expires' },
    )
    .setFooter({ text: 'Keep this code private!' });
  await message.author.send({ content: 'ABCDEF', embeds: [embed] });
  await message.channel.send({ content: `Access code sent to <@${message.author.id}> via DM!` });
}

client.on(Events.MessageCreate, (message) => void answer(message));
await client.login(process.env.DISCORD_TOKEN);
