import type { Writable } from 'node:stream';

import pino, { type DestinationStream, type Logger } from 'pino';

import type { LogFormat, LogLevel } from './config.js';
import { printable, printableLines } from './printable.js';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

/** Creates a log. Each call returns after its line is written. */
export function createLog(level: LogLevel, destination: DestinationStream): Log {
  const hooks = { streamWrite: (line: string) => `${JSON.stringify(JSON.parse(line), toPrintable)}\n` };
  return pino({ level, base: null, serializers: { err: describeError }, hooks }, destination);
}

/** A stack has several lines. */
function toPrintable(key: string, value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return key === 'stack' ? printableLines(value) : printable(value);
}

/** Opens the destination of log lines. Default output: stdout. */
export async function openLogDestination(
  format: LogFormat,
  output: Writable | ReturnType<typeof pino.destination> = pino.destination({ fd: 1, sync: true }),
): Promise<DestinationStream> {
  if (format === 'json') return output;
  // Loaded on demand: it takes a tenth of the start time and of the memory.
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination: output,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:yyyy-mm-dd HH:MM:ss',
  });
}

/** A cycle of causes must end. */
const MAX_CAUSES = 4;

/**
 * Describes an error by an allowlist of properties. Errors of discord.js contain the request's body, with the code
 * in it, and URLs with tokens.
 */
function describeError(error: unknown, causes = MAX_CAUSES): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message,
    ...primitive(error, 'code'),
    ...primitive(error, 'status'),
    stack,
    ...(cause === undefined || causes === 0 ? {} : { cause: describeError(cause, causes - 1) }),
  };
}

function primitive(error: object, property: 'code' | 'status'): object {
  const value: unknown = Reflect.get(error, property);
  return typeof value === 'string' || typeof value === 'number' ? { [property]: value } : {};
}
