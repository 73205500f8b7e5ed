import { WebSocket } from 'ws';

import { DiscordOutageError } from './errors.js';

const HANDSHAKE_TIMEOUT_MS = 30_000;
const MAX_RETRY_AFTER_S = 24 * 3_600;
/** Codes of the gateway; smaller ones belong to WebSocket. */
const FIRST_GATEWAY_CODE = 4_000;

/**
 * Opens a connection to the gateway and closes it, without logging in. A login that cannot connect would end discord.js's
 * client, and with it the process.
 *
 * @throws {DiscordOutageError} Discord refuses the connection.
 */
export async function probeGateway(url: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = new WebSocket(`${url}?v=10&encoding=json`, { handshakeTimeout: HANDSHAKE_TIMEOUT_MS });
    socket.on('unexpected-response', (request, { statusCode = 0, headers }) => {
      request.destroy();
      // It may be a date, or too long for a timer.
      const retryAfterS = Math.min(Number(headers['retry-after']) || 0, MAX_RETRY_AFTER_S);
      reject(new DiscordOutageError(`HTTP ${statusCode}`, retryAfterS * 1_000));
    });
    socket.on('error', reject);
    socket.on('open', () => socket.close(1_000));
    // The code of whichever side closed first.
    socket.on('close', (code) => {
      if (code >= FIRST_GATEWAY_CODE) reject(new DiscordOutageError(`close code ${code}`));
      else resolve();
    });
  });
}
