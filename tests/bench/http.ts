import { fork } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';

import autocannon, { type Request } from 'autocannon';

import { freePort } from '../website/ports.js';
import { createDatabase, pick, SETTINGS, type Login } from './database.js';
import { writeSection, type Bench } from './report.js';
import { megabytesOf, openStage, stop, threadMs } from './stage.js';

const TOKEN = 'a-token-of-the-benchmark-which-is-long-enough';
/** Per connection, in turns. */
const REQUESTS = 400;
const WRONG_CODE = 'ZZZZZZZZZZZZ';

/** Measures validations over HTTP beside the same library with a constant answer, each in its own process. */
export async function measureHttp({ folder, isQuick, report }: Bench): Promise<void> {
  const { discord, child, url, logins } = await startBot(join(folder, 'http', 'codes.db'), 1_000);
  const requests = logins.slice(0, REQUESTS).map((login) => requestOf(login));
  const bare = fork(new URL('./bare-http.mjs', import.meta.url), { execArgv: [] });
  const [bareUrl]: unknown[] = await once(bare, 'message');
  const [values, bareValues]: [number[], number[]] = [[], []];
  const servers = [
    [child, url, values],
    [bare, String(bareUrl), bareValues],
  ] as const;
  const amount = isQuick ? 500 : 5_000;
  // The first round warms up.
  for (let round = 0; round <= (isQuick ? 1 : 15); round++) {
    for (const [server, address, times] of servers) {
      const before = threadMs(server.pid);
      const result = await autocannon({ url: address, connections: 20, amount, requests });
      if (result['2xx'] < amount) throw new Error(`${amount - result['2xx']} of ${amount} logins failed`);
      if (round > 0) times.push((threadMs(server.pid) - before) / amount);
    }
  }
  for (const [server] of servers) await stop(server);
  await discord.close();
  const floor = { what: 'constant answer', values: bareValues };
  report.add({ what: 'validation over HTTP, as a rate', unit: 'ms', values, floor, atLeast: 0.6 });
}

/** Measures right, wrong and throttled logins over many connections at once. */
export async function measureLoad({ folder, isQuick, writes, report }: Bench): Promise<void> {
  const path = join(folder, 'load', 'codes.db');
  const { discord, child, url, logins } = await startBot(path, isQuick ? 2_000 : 100_000);
  // A username with wrong codes is locked after 10.
  const strangers = logins.splice(logins.length / 2);
  const locked = { username: 'Locked', text: WRONG_CODE };
  await autocannon({ url, connections: 1, amount: 10, requests: [requestOf(locked)] });

  let unexpected = 0;
  const expecting = (login: Pick<Login, 'username' | 'text'>, answer: RegExp): Request => ({
    ...requestOf(login),
    onResponse: (status, body) => {
      if (!answer.test(`${status} ${body}`)) unexpected += 1;
    },
  });
  // Of 20 logins 16 are right, 3 have a wrong code, 1 is for a locked username.
  const mix = (): Request[] =>
    Array.from({ length: REQUESTS }, () => {
      const kind = randomInt(20);
      if (kind === 0) return expecting(locked, /^429 /);
      if (kind > 3) return expecting(pick(logins), /^200 .*"valid":true/);
      return expecting({ ...pick(strangers), text: WRONG_CODE }, /^(?:200 .*"reason":"unknown"|429 )/);
    });

  const before = report.add({ what: 'memory before', unit: 'MB', values: [megabytesOf(child)] });
  const table = [
    ['', 'logins per second', 'p50', 'p99', 'errors', 'memory'],
    ['before', '', '', '', '', before],
  ];
  // In seconds.
  const duration = isQuick ? 1 : 20;
  for (const name of ['first', 'second', 'third']) {
    const { requests, latency, errors, timeouts } = await autocannon({
      url,
      connections: 100,
      duration,
      requests: [requestOf(locked)],
      setupClient: (client) => client.setRequests(mix()),
    });
    const failed = errors + timeouts + unexpected;
    const what = `${name} ${duration} seconds of load`;
    table.push([
      what,
      report.add({ what: `${what}: logins per second`, unit: '', values: [requests.average] }),
      report.add({ what: `${what}: p50`, unit: 'ms', values: [latency.p50] }),
      report.add({ what: `${what}: p99`, unit: 'ms', values: [latency.p99] }),
      report.add({ what: `${what}: errors`, unit: '', values: [failed], atMost: 0 }),
      report.add({ what: `${what}: memory afterwards`, unit: 'MB', values: [megabytesOf(child)] }),
    ]);
  }
  await stop(child);
  await discord.close();
  if (writes) writeSection('load', table);
}

/** Starts a bot with the HTTP API over a generated database. */
async function startBot(databasePath: string, codes: number) {
  const { discord, guild, start } = await openStage(0);
  const logins = await createDatabase(databasePath, guild.id, codes);
  const port = String(await freePort());
  const settings = { ...SETTINGS, DATABASE_URL: databasePath, HTTP_PORT: port, HTTP_TOKEN: TOKEN };
  return { discord, child: await start(settings), url: `http://127.0.0.1:${port}`, logins };
}

function requestOf({ username, text: code }: Pick<Login, 'username' | 'text'>): Request {
  return {
    method: 'POST',
    path: '/v1/validate',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ username, code }),
  };
}
