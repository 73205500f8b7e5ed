import { drawMessage, styled, type Drawing } from './draw.js';
import type {
  DiscordStandIn,
  StandInChannel,
  StandInGuild,
  StandInMessage,
  StandInUser,
} from './stand-in/stand-in.js';
import type { LogIn } from './website.js';

/** Where the user can post. */
type Place = 'general' | 'thread' | 'dm';

export interface TerminalOptions {
  readonly discord: DiscordStandIn;
  /** Its only member is its owner. */
  readonly guild: StandInGuild;
  /** The ways in which the website checks a login. */
  readonly logIn: Readonly<Record<'module' | 'http', LogIn>>;
  readonly prefix: string;
  /** The names of the bot's commands. */
  readonly commands: readonly string[];
  readonly colors: boolean;
  /** Prints one or more whole lines. */
  readonly print: (text: string) => void;
  /** Resolves when the bot has answered all events so far. */
  readonly settled: () => Promise<void>;
}

interface TerminalCommand {
  readonly usage: string;
  readonly summary: string;
  run(words: readonly string[]): Promise<void> | void;
}

/** A server with a few members, and a prompt to post as one of them. */
export class Terminal {
  readonly #options: TerminalOptions;
  readonly #drawing: Drawing;
  readonly #people = new Map<string, StandInUser>();
  readonly #guild: StandInGuild;
  readonly #channels: { readonly general: StandInChannel; readonly thread: StandInChannel };
  readonly #lastCodes = new Map<StandInUser, readonly [username: string, code: string]>();
  readonly #commands: ReadonlyMap<string, TerminalCommand>;
  #speaker: StandInUser;
  #place: Place = 'general';
  #interface: 'module' | 'http' = 'module';
  #ended = false;

  /** Adds channels and members to the server. */
  constructor(options: TerminalOptions) {
    const { discord } = options;
    this.#options = options;
    this.#drawing = {
      colors: options.colors,
      nameOf: (id) => discord.users.get(id)?.username ?? 'somebody',
    };
    this.#guild = options.guild;
    this.#people.set('owner', this.#guild.owner);
    const general = discord.addChannel(this.#guild, 'general');
    this.#channels = { general, thread: discord.addThread(general, 'thread') };
    this.#speaker = this.#person('alice');
    discord.setAdministrator(this.#guild, this.#person('admin'), true);
    discord.onMessage((message) => this.#show(message, false));
    discord.onEdit((message) => this.#show(message, true));
    this.#commands = this.#ownCommands();
  }

  get prompt(): string {
    const place = this.#place === 'dm' ? 'direct message' : `#${this.#place}`;
    return `${styled('dim', place, this.#drawing)} ${styled('bold', this.#speaker.username, this.#drawing)}> `;
  }

  /** Whether `/quit` was typed. */
  get ended(): boolean {
    return this.#ended;
  }

  greet(): void {
    this.#print(
      'This is the real bot on a stand-in for Discord: no account, no token, no network.',
      `You are alice, a member. Type ${this.#options.prefix}getcode Alice, or /help for what else there is.`,
      'All of it is forgotten at the end.',
      '',
    );
  }

  /** Runs one typed line; resolves when the bot has answered. */
  async handle(line: string): Promise<void> {
    const text = line.trim();
    if (text === '') return;
    if (!text.startsWith('/')) {
      this.#say(text);
    } else {
      const [name = '', ...words] = text.slice(1).split(/\s+/);
      const command = this.#commands.get(name.toLowerCase());
      if (command === undefined) this.#print(`Unknown command /${name}. Type /help for the list.`);
      else await command.run(words);
    }
    await this.#options.settled();
  }

  /** Completes a command, its argument or a mentioned name. Returns what is possible, and the end of `line` that it replaces. */
  complete(line: string): [string[], string] {
    const [, name = '', argument] = /^\/(\S*)(?: +(.*))?$/.exec(line) ?? [];
    const mention = /(?<!\S)@\S*$/.exec(line)?.[0];
    const { prefix, commands } = this.#options;
    if (argument !== undefined) return completed(this.#argumentsOf(name.toLowerCase()), argument);
    if (mention !== undefined) {
      const names = Array.from(this.#people.keys(), (each) => `@${each}`);
      return completed(names, mention);
    }
    const own = Array.from(this.#commands.keys(), (each) => `/${each}`);
    return completed([...own, ...commands.map((each) => prefix + each)], line);
  }

  /** By the usage: `NAME`, `LABEL`, or the words with `|` between them. */
  #argumentsOf(name: string): readonly string[] {
    const argument = this.#commands.get(name)?.usage.split(' ')[1] ?? '';
    if (argument === 'NAME') return [...this.#people.keys()];
    if (argument === 'LABEL') return this.#options.discord.labels(this.#speaker);
    return argument.includes('|') ? argument.split('|') : [];
  }

  #ownCommands(): ReadonlyMap<string, TerminalCommand> {
    const commands: Readonly<Record<string, TerminalCommand>> = {
      as: {
        usage: '/as NAME',
        summary: 'post as alice, bob, admin, owner, or a new member',
        run: ([name]) => this.#speakAs(name),
      },
      in: {
        usage: '/in general|thread|dm',
        summary: 'post in the channel, in a thread, or to the bot by DM',
        run: ([place]) => this.#speakIn(place),
      },
      dms: {
        usage: '/dms on|off',
        summary: 'allow or refuse DMs from the bot',
        run: ([state]) => this.#setDirectMessages(state),
      },
      press: {
        usage: '/press LABEL',
        summary: 'press the newest button with this label; without a label, lists them',
        run: (words) => this.#press(words.join(' ')),
      },
      login: {
        usage: '/login [USERNAME CODE]',
        summary: 'log in on the website; without arguments, with your latest code',
        run: (words) => this.#login(words),
      },
      website: {
        usage: '/website module|http',
        summary: 'how the website checks codes: with the validator module, or over HTTP',
        run: ([chosen]) => this.#chooseInterface(chosen),
      },
      help: { usage: '/help', summary: 'this list', run: () => this.#help() },
      quit: { usage: '/quit', summary: 'end the demo', run: () => void (this.#ended = true) },
    };
    return new Map(Object.entries(commands));
  }

  #help(): void {
    const commands = [...this.#commands.values()];
    const width = Math.max(...commands.map(({ usage }) => usage.length));
    this.#print(
      `Anything without a slash is posted in the channel: try ${this.#options.prefix}help_chatroom`,
      ...commands.map(({ usage, summary }) => `  ${usage.padEnd(width)}  ${summary}`),
    );
  }

  #say(text: string): void {
    const { discord } = this.#options;
    // Discord's clients replace the names of members by mentions.
    const content = text.replaceAll(/(?<!\S)@([\w.]+)/g, (typed, name: string) => {
      const person = this.#people.get(name.toLowerCase());
      return person === undefined ? typed : `<@${person.id}>`;
    });
    discord.say(this.#place === 'dm' ? this.#speaker : this.#channels[this.#place], this.#speaker, content);
  }

  #speakAs(name: string | undefined): void {
    if (name === undefined || !/^[\w.]{2,32}$/.test(name)) {
      this.#print('Name a member: /as admin');
      return;
    }
    this.#speaker = this.#person(name.toLowerCase());
  }

  #speakIn(place: string | undefined): void {
    const wanted = place?.replace('#', '').toLowerCase();
    if (wanted === 'general' || wanted === 'thread' || wanted === 'dm') this.#place = wanted;
    else this.#print('Say where: /in general, /in thread or /in dm');
  }

  #setDirectMessages(state: string | undefined): void {
    if (state !== 'on' && state !== 'off') {
      this.#print('Say which: /dms on or /dms off');
      return;
    }
    const { username } = this.#speaker;
    this.#options.discord.setDirectMessages(this.#speaker, state === 'on' ? 'open' : 'closed');
    this.#print(
      `${username} ${state === 'on' ? 'takes direct messages again' : 'no longer takes direct messages'}.`,
    );
  }

  async #press(label: string): Promise<void> {
    const { discord } = this.#options;
    const labels = discord.labels(this.#speaker);
    if (labels.some((each) => each.toLowerCase() === label.toLowerCase())) {
      await discord.pressButton(this.#speaker, label);
    } else if (labels.length > 0) this.#print(`Type /press and one of: ${labels.join(', ')}`);
    else this.#print(`There is no button that ${this.#speaker.username} can press.`);
  }

  /** Checks a login as the website does: it shows its visitor only whether the code is valid. */
  async #login(words: readonly string[]): Promise<void> {
    if (words.length === 1) return this.#print('Type both: /login Alice ABC234');
    const typed = [words.slice(0, -1).join(' '), words.at(-1) ?? ''] as const;
    const login = words.length === 0 ? this.#lastCodes.get(this.#speaker) : typed;
    if (login === undefined) return this.#print(`The bot has not sent ${this.#speaker.username} a code yet.`);
    const [username, code] = login;
    const answer = await this.#options.logIn[this.#interface](username.replaceAll('"', ''), code);
    const said =
      answer.username === null
        ? styled('red', '✘ website: invalid access code', this.#drawing)
        : styled('green', `✔ website: welcome, ${answer.username}!`, this.#drawing);
    this.#print(`${said} (${answer.detail})`);
  }

  #chooseInterface(chosen: string | undefined): void {
    if (chosen !== 'module' && chosen !== 'http') {
      this.#print('Choose one: /website module or /website http');
      return;
    }
    this.#interface = chosen;
    const http = 'The website now asks over HTTP, like one that is hosted elsewhere.';
    const module = 'The website now uses the validator module, like a Node website next to the bot.';
    this.#print(chosen === 'http' ? http : module);
  }

  /** Stores the username and code that the bot sent to one member, for `/login` without arguments. */
  #remember(message: StandInMessage): void {
    const reader = this.#readerOf(message);
    const username = message.embeds[0]?.fields?.[0]?.value?.replaceAll('\\', '');
    if (reader === undefined || username === undefined || message.content === '') return;
    this.#lastCodes.set(reader, [username, message.content]);
  }

  /** The member with this name, who joins the server if new. */
  #person(name: string): StandInUser {
    const known = this.#people.get(name);
    if (known !== undefined) return known;
    const person = this.#options.discord.addUser(name);
    this.#options.discord.join(this.#guild, person);
    this.#people.set(name, person);
    return person;
  }

  #show(message: StandInMessage, edited: boolean): void {
    if (!message.author.bot) return;
    this.#remember(message);
    const heading = `${this.#placeOf(message)}, ${message.author.username}${edited ? ' changes its message' : ''}:`;
    this.#print(
      `  ${styled('dim', heading, this.#drawing)}`,
      ...drawMessage(message, this.#drawing).map((line) => `    ${line}`),
    );
  }

  #placeOf(message: StandInMessage): string {
    const reader = this.#readerOf(message)?.username;
    if (reader === undefined) {
      return message.channelId === this.#channels.thread.id ? '#thread' : '#general';
    }
    return message.ephemeralTo === null ? `✉ direct message to ${reader}` : `👁 for ${reader}'s eyes only`;
  }

  /** The only member who sees the message, if it is not in a channel. */
  #readerOf({ ephemeralTo, channelId }: StandInMessage): StandInUser | undefined {
    return ephemeralTo ?? this.#options.discord.channels.get(channelId)?.recipient ?? undefined;
  }

  #print(...lines: readonly string[]): void {
    this.#options.print(lines.join('\n'));
  }
}

/** Returns those of `all` that begin with `typed`, ignoring case, as readline wants them. */
function completed(all: readonly string[], typed: string): [string[], string] {
  return [all.filter((each) => each.toLowerCase().startsWith(typed.toLowerCase())), typed];
}
