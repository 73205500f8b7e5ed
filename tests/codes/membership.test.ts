import { expect, it } from 'vitest';

import { checkMembership, type Members } from '../../src/codes/membership.js';
import { openCodes, type Codes } from '../support/codes.js';

interface Question {
  readonly guildId: string;
  readonly userIds: readonly string[];
}

/** Who has left which server; a server with an error cannot be asked. */
class FakeMembers implements Members {
  readonly asked: Question[] = [];
  readonly #guilds: Readonly<Record<string, readonly string[] | Error>>;
  readonly #failing: number;

  constructor(
    guilds: Readonly<Record<string, readonly string[] | Error>>,
    failing = Number.POSITIVE_INFINITY,
  ) {
    this.#guilds = guilds;
    this.#failing = failing;
  }

  guildIds(): readonly string[] {
    return Object.keys(this.#guilds);
  }

  async findLeavers(guildId: string, userIds: readonly string[]) {
    this.asked.push({ guildId, userIds });
    if (this.asked.length >= this.#failing) throw new Error('Partial answer');
    const left = this.#guilds[guildId];
    if (left === undefined || left instanceof Error) throw left ?? new Error(`No server ${guildId}`);
    return { leavers: userIds.filter((id) => left.includes(id)), error: null };
  }
}

/** Holders 1 and 2 have codes in servers 1 and 2, and holder 3 waits for one in server 1. */
async function openTown(): Promise<Codes> {
  const codes = await openCodes();
  for (const guildId of ['1', '2']) {
    for (const holderId of ['1', '2'])
      await codes.hand({ guildId, holderId, username: `${holderId}at${guildId}` });
  }
  await codes.hand({ guildId: '1', holderId: '1', username: 'another' });
  await codes.issue({ guildId: '1', holderId: '3', username: 'waiting' });
  return codes;
}

async function holdersIn({ storage, clock }: Codes): Promise<string[][]> {
  return Promise.all(
    ['1', '2'].map(async (guildId) => storage.store.listHolders(guildId, clock.now, '', 1_000)),
  );
}

async function check({ storage, clock }: Codes, members: Members) {
  return checkMembership(storage.store, members, clock.read);
}

it('revokes every code of those who left, in the server that they left, and says why', async () => {
  const codes = await openTown();
  const reports = await check(codes, new FakeMembers({ '1': ['1', '3'], '2': [] }));
  expect(reports).toEqual([
    { guildId: '1', revoked: 3, error: null },
    { guildId: '2', revoked: 0, error: null },
  ]);
  expect(await holdersIn(codes)).toEqual([['2'], ['1', '2']]);
  const revoked = (await codes.storage.store.readAudit({})).filter(({ event }) => event === 'revoked');
  expect(revoked.map(({ holderId, guildId, reason }) => [holderId, guildId, reason])).toEqual([
    ['1', '1', 'left the server'],
    ['1', '1', 'left the server'],
    ['3', '1', 'left the server'],
  ]);
});

it('lets nobody in with a code whose holder left', async () => {
  const codes = await openCodes();
  const { text } = await codes.hand();
  expect(await codes.validator.validate('Alice', text)).toHaveProperty('valid', true);
  await check(codes, new FakeMembers({ '1': ['1'] }));
  expect(await codes.validator.validate('Alice', text)).toEqual({ valid: false, reason: 'revoked' });
  await codes.hand({ holderId: '2' });
});

it('revokes nothing where the answer is not certain, and goes on to the next server', async () => {
  const codes = await openTown();
  const error = new Error('Unknown Guild');
  const reports = await check(codes, new FakeMembers({ '1': error, '2': ['2'] }));
  expect(reports).toEqual([
    { guildId: '1', revoked: 0, error },
    { guildId: '2', revoked: 1, error: null },
  ]);
  expect(await holdersIn(codes)).toEqual([['1', '2', '3'], ['1']]);
});

it('looks again the next time', async () => {
  const codes = await openTown();
  await check(codes, new FakeMembers({ '1': new Error('Outage'), '2': [] }));
  expect(await check(codes, new FakeMembers({ '1': ['1'], '2': [] }))).toMatchObject([{ revoked: 2 }, {}]);
  expect(await check(codes, new FakeMembers({ '1': ['1'], '2': [] }))).toMatchObject([{ revoked: 0 }, {}]);
});

it('touches no server that cannot be asked now', async () => {
  const codes = await openTown();
  const members = new FakeMembers({ '2': ['1', '2', '3'] });
  expect(await check(codes, members)).toEqual([{ guildId: '2', revoked: 2, error: null }]);
  expect(await holdersIn(codes)).toEqual([['1', '2', '3'], []]);
  expect(await check(codes, new FakeMembers({}))).toEqual([]);
});

it('asks about each holder of the server once, a hundred at a time, and about nobody else', async () => {
  const codes = await openCodes();
  const ids = Array.from({ length: 201 }, (_, index) => String(1_000 + index));
  for (const holderId of ids) await codes.hand({ holderId, username: `member ${holderId}` });
  await codes.hand({ guildId: '2', holderId: '5000', username: 'elsewhere' });
  const members = new FakeMembers({ '1': [], '2': [] });
  await check(codes, members);
  expect(members.asked).toEqual([
    { guildId: '1', userIds: ids.slice(0, 100) },
    { guildId: '1', userIds: ids.slice(100, 200) },
    { guildId: '1', userIds: ids.slice(200) },
    { guildId: '2', userIds: ['5000'] },
  ]);

  const left = ids.filter((_, index) => index % 50 === 0);
  const partly = await check(codes, new FakeMembers({ '1': left, '2': ['5000'] }, 2));
  // The first hundred were certain; what came after was not, nor was the other server.
  expect(partly).toEqual([
    { guildId: '1', revoked: 2, error: new Error('Partial answer') },
    { guildId: '2', revoked: 0, error: new Error('Partial answer') },
  ]);
  expect(await check(codes, new FakeMembers({ '1': left, '2': [] }))).toMatchObject([
    { revoked: left.length - 2, error: null },
    { revoked: 0 },
  ]);
});

it('asks about nobody where nobody holds a code', async () => {
  const codes = await openCodes();
  const members = new FakeMembers({ '1': [] });
  expect(await check(codes, members)).toEqual([{ guildId: '1', revoked: 0, error: null }]);
  expect(members.asked).toEqual([]);
});

it('reports an outage of the database, too', async () => {
  const codes = await openTown();
  await codes.storage.close();
  const reports = await check(codes, new FakeMembers({ '1': ['1'], '2': ['1'] }));
  expect(reports).toEqual(['1', '2'].map((guildId) => ({ guildId, revoked: 0, error: expect.any(Error) })));
});
