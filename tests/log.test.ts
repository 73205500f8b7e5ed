import { Writable } from 'node:stream';

import { describe, expect, it } from 'vitest';

import type { LogFormat, LogLevel } from '../src/config.js';
import { createLog, describeError, openLogDestination } from '../src/log.js';

/** An error of discord.js, which contains the request and so the code. */
function discordError(): Error {
  return Object.assign(new Error('Cannot send messages to this user'), {
    name: 'DiscordAPIError[50007]',
    code: 50_007,
    status: 403,
    method: 'POST',
    url: 'https://discord.com/api/v10/webhooks/1/SECRET7',
    requestBody: { files: [], json: { content: 'SECRET7' } },
    rawError: { message: 'SECRET7' },
    SECRET7: 'SECRET7',
  });
}

/** Opens a log that writes to `text()`. */
async function captureLog(level: LogLevel, format: LogFormat) {
  const written: string[] = [];
  const output = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  const log = createLog(level, await openLogDestination(format, output));
  return { log, text: () => written.join('') };
}

const FORMATS: readonly LogFormat[] = ['json', 'pretty'];

describe('describeError', () => {
  const NO = new TypeError('No');
  const ODD = Object.assign(new Error('No'), { code: { content: 'SECRET7' }, status: ['SECRET7'] });
  const DESCRIBED = {
    type: 'DiscordAPIError[50007]',
    message: 'Cannot send messages to this user',
    code: 50_007,
    status: 403,
    stack: expect.any(String),
  };

  it.each<[string, unknown, object]>([
    ['an error of discord.js', discordError(), DESCRIBED],
    ['an error without a code', NO, { type: 'TypeError', message: 'No', stack: NO.stack }],
    ['an error with objects in it', ODD, { type: 'Error', message: 'No', stack: ODD.stack }],
    ['a text', 'SECRET7', { type: 'string' }],
    ['an object', { content: 'SECRET7' }, { type: 'object' }],
    ['nothing', undefined, { type: 'undefined' }],
  ])(
    'describes %s and its causes by type, message, code, status and stack only',
    (_what, thrown, expected) => {
      expect(describeError(thrown)).toEqual(expected);
      if (thrown === undefined) return;
      const cause = new Error('Not confirmed', { cause: thrown });
      expect(describeError(new Error('Not sent', { cause }))).toMatchObject({ cause: { cause: expected } });
    },
  );

  it('describes at most four causes, also in a cycle', () => {
    const error = new Error('Round');
    error.cause = error;
    expect(JSON.stringify(describeError(error)).match(/"message":"Round"/g)).toHaveLength(5);
  });
});

describe.each(FORMATS)('createLog, %s', (format) => {
  it.each([
    ['under err', (error: Error) => ({ err: error })],
    ['as it is', (error: Error) => error],
    ['as a cause', (error: Error) => new Error('Not sent', { cause: error })],
  ])('logs an error passed %s without its request', async (_how, given) => {
    const { log, text } = await captureLog('info', format);
    log.error(given(discordError()), 'A message was not sent');
    expect(text()).toContain('A message was not sent');
    expect(text()).toContain('Cannot send messages to this user');
    expect(text()).toContain('50007');
    expect(text()).not.toContain('SECRET7');
  });

  it.each<[LogLevel, readonly string[]]>([
    ['debug', ['one', 'two', 'three', 'four', 'five']],
    ['info', ['two', 'three', 'four', 'five']],
    ['error', ['four', 'five']],
    ['fatal', ['five']],
  ])('writes at level %s only lines of that severity or higher', async (level, expected) => {
    const { log, text } = await captureLog(level, format);
    log.debug('one');
    log.info('two');
    log.warn('three');
    log.error('four');
    log.fatal('five');
    expect(text().match(/one|two|three|four|five/g)).toEqual(expected);
  });

  it('writes a line with its fields before the call returns', async () => {
    const { log, text } = await captureLog('info', format);
    log.info({ guildId: '900719925474099312' }, 'one');
    expect(text()).toMatch(/guildId.*900719925474099312.*one.*\n$|one.*guildId.*900719925474099312.*\n$/);
    log.fatal('two');
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

describe('createLog, json', () => {
  it('writes each line as one object without process id and host name', async () => {
    const { log, text } = await captureLog('info', 'json');
    log.info({ codes: 3 }, 'two\nlines');
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toEqual({
      level: 30,
      time: expect.any(Number),
      codes: 3,
      msg: 'two\\u000alines',
    });
  });
});
