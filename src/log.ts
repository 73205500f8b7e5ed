import type { Writable } from 'node:stream';

import pino, { type DestinationStream, type Logger } from 'pino';

import type { LogFormat, LogLevel } from './config.js';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

/** Each line is written before the call that logs it returns. */
export function createLog(level: LogLevel, destination: DestinationStream): Log {
  return pino({ level, base: null, serializers: { err: describeError } }, destination);
}

/** Where lines of this format go: to `output`, standard output unless told otherwise. */
export async function openLogDestination(
  format: LogFormat,
  output: Writable | ReturnType<typeof pino.destination> = pino.destination({ fd: 1, sync: true }),
): Promise<DestinationStream> {
  if (format === 'json') return output;
  // Loaded where somebody reads along: elsewhere it would cost a tenth of the start and of the memory.
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: output, sync: true, translateTime: 'SYS:HH:MM:ss' });
}

/** How many causes of causes are followed. */
const MAX_CAUSES = 4;

/**
 * An error as the log may show it: by known, harmless properties alone. discord.js's errors carry the
 * body of the request, with the code in it, and addresses with tokens.
 */
export function describeError(error: unknown, causes = MAX_CAUSES): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message,
    ...known(error, 'code'),
    ...known(error, 'status'),
    stack,
    ...(cause === undefined || causes === 0 ? {} : { cause: describeError(cause, causes - 1) }),
  };
}

function known(error: object, property: 'code' | 'status'): object {
  const value: unknown = Reflect.get(error, property);
  return typeof value === 'string' || typeof value === 'number' ? { [property]: value } : {};
}
