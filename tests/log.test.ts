import { Writable } from 'node:stream';

import { describe, expect, it } from 'vitest';

import type { LogFormat, LogLevel } from '../src/config.js';
import { createLog, openLogDestination } from '../src/log.js';

/** An error of discord.js, which contains the request and so the code. */
const DISCORD_ERROR = Object.assign(new Error('Cannot send messages to this user'), {
  name: 'DiscordAPIError[50007]',
  code: 50_007,
  status: 403,
  url: 'https://discord.com/api/v10/webhooks/1/SECRET7',
  requestBody: { files: [], json: { content: 'SECRET7' } },
  rawError: { message: 'SECRET7' },
  SECRET7: 'SECRET7',
});

/** Opens a log that writes to `text()`. */
async function captureLog(level: LogLevel, format: LogFormat) {
  let written = '';
  const output = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk);
      done();
    },
  });
  const log = createLog(level, await openLogDestination(format, output));
  return { log, text: () => written };
}

const NO = new TypeError('No');
const ODD = Object.assign(new Error('No'), { code: { content: 'SECRET7' }, status: ['SECRET7'] });
const DESCRIBED = {
  type: 'DiscordAPIError[50007]',
  message: 'Cannot send messages to this user',
  code: 50_007,
  status: 403,
  stack: DISCORD_ERROR.stack,
};
it.each<[string, unknown, object]>([
  ['an error of discord.js', DISCORD_ERROR, DESCRIBED],
  ['an error without a code', NO, { type: 'TypeError', message: 'No', stack: NO.stack }],
  ['an error with objects in it', ODD, { type: 'Error', message: 'No', stack: ODD.stack }],
  ['a text', 'SECRET7', { type: 'string' }],
  ['an object', { content: 'SECRET7' }, { type: 'object' }],
])(
  'logs %s and its causes by type, message, code, status and stack only',
  async (_what, thrown, expected) => {
    const { log, text } = await captureLog('info', 'json');
    const cause = new Error('Not confirmed', { cause: thrown });
    const err = new Error('Not sent', { cause });
    log.error({ err: thrown }, 'one');
    log.error({ err }, 'two');
    const [one = '', two = ''] = text().split('\n');
    const time = expect.any(Number);
    expect(JSON.parse(one)).toEqual({ level: 50, time, err: expected, msg: 'one' });
    expect(JSON.parse(two)).toMatchObject({ err: { cause: { cause: expected } } });
    expect(text()).not.toContain('SECRET7');
  },
);

it('logs at most four causes, also in a cycle', async () => {
  const { log, text } = await captureLog('info', 'json');
  const err = new Error('Round');
  err.cause = err;
  log.error({ err }, 'one');
  expect(text().match(/"message":"Round"/g)).toHaveLength(5);
});

describe.each<LogFormat>(['json', 'pretty'])('createLog, %s', (format) => {
  it.each([
    ['under err', (error: Error) => ({ err: error })],
    ['as it is', (error: Error) => error],
    ['as a cause', (error: Error) => new Error('Not sent', { cause: error })],
  ])('logs an error passed %s without its request', async (_how, given) => {
    const { log, text } = await captureLog('info', format);
    log.error(given(DISCORD_ERROR), 'A message was not sent');
    expect(text()).toContain('A message was not sent');
    expect(text()).toContain('Cannot send messages to this user');
    expect(text()).toContain('50007');
    expect(text()).not.toContain('SECRET7');
  });

  it('writes a line of its level or a higher one, with its fields, before the call returns', async () => {
    const { log, text } = await captureLog('warn', format);
    log.warn({ guildId: '900719925474099312' }, 'one');
    expect(text()).toMatch(/guildId.*900719925474099312.*one.*\n$|one.*guildId.*900719925474099312.*\n$/);
    log.fatal('two');
    log.info('three');
    expect(text()).toMatch(/one.*\n.*two.*\n$/);
  });

  it.each(['000A', '000D', '001B', '007F', '009B', '2028', '200B', '202E', 'E0041'])(
    'escapes U+%s in messages, fields and errors',
    async (codePoint) => {
      const raw = String.fromCodePoint(Number.parseInt(codePoint, 16));
      const { log, text } = await captureLog('info', format);
      const name = `<${raw}>`;
      log.warn({ name, servers: [{ name }], err: new Error(name) }, name);
      const escaped = `<\\u${raw.charCodeAt(0).toString(16).padStart(4, '0')}`;
      expect(text().replaceAll('\\\\', '\\').split(escaped).length).toBeGreaterThan(4);
      if (raw === '\n') expect(text().match(/^>/gm)).toBeNull();
      else expect(text()).not.toContain(raw);
    },
  );
});

it('writes each line as one object without process id and host name', async () => {
  const { log, text } = await captureLog('info', 'json');
  log.info({ codes: 3 }, 'two\nlines');
  expect(text()).toMatch(/^[^\n]+\n$/);
  const time = expect.any(Number);
  expect(JSON.parse(text())).toEqual({ level: 30, time, codes: 3, msg: 'two\\u000alines' });
});
