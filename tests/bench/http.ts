import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import autocannon, { type Request } from 'autocannon';

import { residentMegabytes, threadMs } from './bots.js';
import { createDatabase, SECRET } from './database.js';
import { caption, inUnits, markdownTable, writeSection } from './page.js';
import type { Bench } from './report.js';

const SERVER = fileURLToPath(new URL('./http-server.ts', import.meta.url));
const TOKEN = 'x'.repeat(43);
const CONNECTIONS = 20;
/** Per connection, in turns. */
const REQUESTS = 400;
const LOAD_CONNECTIONS = 100;
const WRONG_CODE = 'ZZZZZZZZZZZZ';
/** After 10 wrong codes in an hour. */
const LOCKED = 'Locked';

/** Measures validations over HTTP beside the same library with a constant answer, each in its own process. */
export async function measureHttp({ folder, isQuick, report }: Bench): Promise<void> {
  const path = join(folder, 'http', 'codes.db');
  const logins = await createDatabase({ engine: 'sqlite', path }, '1', 1_000);
  const requests = logins.slice(0, REQUESTS).map((login) => requestOf(login.username, login.text));
  const servers = [await startServer(path), await startServer('bare')] as const;
  const times: [number[], number[]] = [[], []];
  // The first round warms up.
  for (let round = 0; round <= (isQuick ? 1 : 15); round++) {
    for (const index of [0, 1] as const) {
      const amount = isQuick ? 500 : 5_000;
      const { child, port } = servers[index];
      const before = threadMs(child.pid);
      const { '2xx': good } = await autocannon({
        url: `http://127.0.0.1:${port}`,
        connections: CONNECTIONS,
        amount,
        requests,
      });
      if (good < amount) throw new Error(`${amount - good} of ${amount} logins failed`);
      if (round > 0) times[index].push(((threadMs(child.pid) - before) * 1_000) / amount);
    }
  }
  for (const { child } of servers) child.kill();
  const [values, bare] = times;
  const floor = { what: 'constant answer', values: bare };
  report.add({
    what: 'validation over HTTP, as a rate',
    unit: 'µs',
    values,
    floor,
    target: { atLeast: 0.6 },
  });
}

/** Measures right, wrong and throttled logins over many connections at once. */
export async function measureLoad({ folder, isQuick, writes, report }: Bench): Promise<void> {
  const path = join(folder, 'load', 'codes.db');
  const logins = await createDatabase({ engine: 'sqlite', path }, '1', isQuick ? 2_000 : 100_000);
  // In seconds, three times.
  const duration = isQuick ? 1 : 20;
  const { child, port } = await startServer(path);
  const url = `http://127.0.0.1:${port}`;
  const counts = { right: 0, wrong: 0, throttled: 0, unexpected: 0 };
  const counted = (kind: 'right' | 'wrong' | 'throttled', expected: RegExp): Partial<Request> => ({
    onResponse: (status, body) => {
      counts[expected.test(`${status} ${body}`) ? kind : 'unexpected'] += 1;
    },
  });
  const right = counted('right', /^200 .*"valid":true/);
  // Locked after 10 wrong codes.
  const wrong = counted('wrong', /^(?:200 .*"reason":"unknown"|429 )/);
  const throttled = counted('throttled', /^429 /);

  await autocannon({ url, connections: 1, amount: 10, requests: [requestOf(LOCKED, WRONG_CODE)] });
  // Of 20 logins 16 are right, 3 have a wrong code, 1 is for a locked username.
  const mixOf = (connection: number): Request[] =>
    Array.from({ length: REQUESTS }, (_, index) => {
      const place = (2 * (connection * REQUESTS + index)) % (logins.length - 1);
      const kind = (connection + index) % 20;
      if (kind === 0) return { ...requestOf(LOCKED, WRONG_CODE), ...throttled };
      // No username is in both.
      if (kind < 4) return { ...requestOf(logins[place + 1]?.username ?? '', WRONG_CODE), ...wrong };
      return { ...requestOf(logins[place]?.username ?? '', logins[place]?.text ?? ''), ...right };
    });

  const before = `${residentMegabytes(child).toFixed(0)} MB`;
  const table = [
    ['', 'logins per second', 'p50', 'p99', 'errors', 'memory'],
    ['before', '', '', '', '', before],
  ];
  for (const name of ['first', 'second', 'third']) {
    let connection = 0;
    const { requests, latency, errors, timeouts } = await autocannon({
      url,
      connections: LOAD_CONNECTIONS,
      duration,
      requests: [requestOf(LOCKED, WRONG_CODE)],
      setupClient: (client) => client.setRequests(mixOf(connection++)),
    });
    const failed = errors + timeouts + counts.unexpected;
    const memory = residentMegabytes(child);
    const what = `${name} ${duration} seconds of load`;
    for (const [figure, unit, value, target] of [
      ['logins per second', '', requests.average],
      ['p50', 'ms', latency.p50],
      ['p99', 'ms', latency.p99],
      ['errors', '', failed, { target: { atMost: 0 } }],
      ['memory afterwards', 'MB', memory],
    ] as const)
      report.add({ what: `${what}: ${figure}`, unit, values: [value], ...target });
    const average = Math.round(requests.average).toLocaleString('en');
    const times = [inUnits(latency.p50), inUnits(latency.p99)];
    table.push([what, average, ...times, String(failed), `${memory.toFixed(0)} MB`]);
  }
  child.kill();
  if (!writes) return;
  const [rights, wrongs, others] = [counts.right, counts.wrong, counts.throttled].map((count) =>
    count.toLocaleString('en'),
  );
  const total = `${rights} right, ${wrongs} wrong and ${others} throttled logins`;
  writeSection('load', `${markdownTable(table)}\n\n${total}; ${caption()}.`);
}

function requestOf(username: string, code: string): Request {
  return {
    method: 'POST',
    path: '/v1/validate',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, code }),
  };
}

async function startServer(what: string) {
  const child = fork(SERVER, [what, TOKEN, SECRET], { execArgv: ['--import', 'tsx'] });
  const [port]: unknown[] = await once(child, 'message');
  return { child, port: Number(port) };
}
