import { fork, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

import { median, print, report } from './report.js';

const SERVER = fileURLToPath(new URL('./http-server.ts', import.meta.url));
const TOKEN = 'x'.repeat(43);
const CONNECTIONS = 20;
const REQUESTS = 200;
const ROUNDS = 15;

export type Pair = readonly [username: string, code: string];

/** Measures validations over HTTP beside the same library with a constant response, each in its own process. */
export async function measureHttp(databasePath: string, pairs: readonly Pair[]): Promise<void> {
  const bare = await startServer('bare');
  const ours = await startServer(databasePath);
  const times: Record<'bare' | 'ours', number[]> = { bare: [], ours: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, { port }] of [
      ['bare', bare],
      ['ours', ours],
    ] as const) {
      const start = performance.now();
      await Promise.all(Array.from({ length: CONNECTIONS }, async () => ask(port, pairs)));
      // The first round warms up.
      if (round > 0) times[name].push(((performance.now() - start) * 1_000) / (CONNECTIONS * REQUESTS));
    }
  }
  bare.child.kill();
  ours.child.kill();
  print('');
  // As a rate, at least 0.6 of the constant response.
  report(
    'validation over HTTP, floor: the same library with a constant response',
    median(times.ours),
    median(times.bare),
    'at most 1.67',
    'µs',
  );
}

async function startServer(what: string): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(SERVER, [what, TOKEN], { execArgv: ['--import', 'tsx'] });
  const [port]: unknown[] = await once(child, 'message');
  return { child, port: Number(port) };
}

/** One connection, one request after the other: a cheap client. */
async function ask(port: number, pairs: readonly Pair[]): Promise<void> {
  const socket = connect(port, '127.0.0.1').setEncoding('utf8');
  let answered = 0;
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (text: string) => {
      if (!text.includes('"valid":true')) reject(new Error(`Answered: ${text}`));
      answered += 1;
      if (answered === REQUESTS) resolve();
      else socket.write(request(pairs[randomInt(pairs.length)] ?? ['', '']));
    });
  });
  socket.write(request(pairs[0] ?? ['', '']));
  await done;
  socket.destroy();
}

function request([username, code]: Pair): string {
  const body = JSON.stringify({ username, code });
  return [
    'POST /v1/validate HTTP/1.1',
    'host: localhost',
    `authorization: Bearer ${TOKEN}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}
