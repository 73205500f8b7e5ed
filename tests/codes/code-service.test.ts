import { describe, expect, it } from 'vitest';

import { CODES_PER_PAGE, RESERVATION_MS } from '../../src/codes/code-service.js';
import { byAdmin, nextRequestId, openCodes, usernameOf } from '../support/codes.js';

const ALICE = { guildId: '1', holderId: '1', holderTag: 'holder1', username: usernameOf('Alice') };

/** Gives 0 for the first `count` symbols and 1 for all after them: AAAAAA, ..., then BBBBBB. */
function zeroes(count: number): () => number {
  let asked = 0;
  return () => {
    asked += 1;
    return asked > count ? 1 : 0;
  };
}

describe('CodeService.issue', () => {
  it('gives a code of the length, with the expiry, that the settings ask for', async () => {
    const { issue, clock } = await openCodes({ codeLength: 9, codeTtlMs: 60_000 });
    expect(await issue({ id: '5', username: 'aLice' })).toEqual({
      id: '5',
      username: 'aLice',
      text: expect.stringMatching(/^[A-HJ-NP-Z2-9]{9}$/),
      expiresAt: clock.now + 60_000,
    });
  });

  it('gives a code without expiry when there is no time to live', async () => {
    const { issue } = await openCodes();
    expect(await issue()).toHaveProperty('expiresAt', null);
  });

  it('makes one code of one request', async () => {
    const { service, hand } = await openCodes();
    const { id } = await hand();
    expect(await service.issue({ ...ALICE, id })).toBe('repeated');
    expect(await service.list('1', 1, 'admin')).toHaveProperty('total', 1);
  });

  it('refuses a username in another spelling while somebody else holds it', async () => {
    const { service, hand } = await openCodes();
    await hand({ holderId: '2', username: 'aLiCe' });
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toBe('taken');
  });

  it('reserves the username for ten minutes, to the millisecond, while the code is not delivered', async () => {
    const { service, clock, issue } = await openCodes();
    await issue({ holderId: '2' });
    clock.advance(RESERVATION_MS);
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toBe('taken');
    clock.advance(1);
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toHaveProperty('username', 'Alice');
    expect(RESERVATION_MS).toBe(600_000);
  });

  it('takes the next code when one is in use', async () => {
    const { issue } = await openCodes({ random: zeroes(12) });
    expect(await issue({ holderId: '1', username: 'Alice' })).toHaveProperty('text', 'AAAAAA');
    expect(await issue({ holderId: '2', username: 'Bob' })).toHaveProperty('text', 'BBBBBB');
  });

  it('finds a code at the tenth try', async () => {
    const { issue } = await openCodes({ random: zeroes(6 + 9 * 6) });
    await issue({ holderId: '1', username: 'Alice' });
    expect(await issue({ holderId: '2', username: 'Bob' })).toHaveProperty('text', 'BBBBBB');
  });

  it('gives up, and leaves the request unclaimed, when the random never gives another code', async () => {
    const { service, issue } = await openCodes({ random: () => 0 });
    await issue({ holderId: '1', username: 'Alice' });
    await expect(issue({ id: '77', holderId: '2', username: 'Bob' })).rejects.toThrow(/10 tries/);
    expect(await service.claim('77')).toBe(true);
  });
});

describe('CodeService.issue within limits', () => {
  it('gives a member so many codes within the span, and says when the next', async () => {
    const { service, clock, issue } = await openCodes({ getcodeLimit: { codes: 2, spanMs: 600_000 } });
    const first = clock.now;
    await issue();
    clock.advance(1_000);
    await issue();
    const refusal = { limitedUntil: first + 600_000 };
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toEqual(refusal);
    await issue({ holderId: '2', username: 'Bob' });
    clock.now = first + 599_999;
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toEqual(refusal);
    clock.advance(1);
    await issue();
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toEqual({
      limitedUntil: first + 601_000,
    });
  });

  it('forgives nobody at a restart', async () => {
    const getcodeLimit = { codes: 1, spanMs: 600_000 };
    const { databasePath, storage, clock, hand } = await openCodes({ getcodeLimit });
    await hand();
    const limitedUntil = clock.now + 600_000;
    await storage.close();
    clock.advance(599_999);
    const { service, issue } = await openCodes({ databasePath, clock, getcodeLimit });
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toEqual({ limitedUntil });
    clock.advance(1);
    await issue();
  });

  it('names the usernames held when a member may have no more', async () => {
    const { service, clock, hand } = await openCodes({ maxUsernamesPerMember: 2 });
    await hand({ username: 'Zoë' });
    clock.advance(1);
    await hand({ username: 'bOB' });
    const refusal = { usernamesHeld: ['Zoë', 'bOB'] };
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toEqual(refusal);
    await service.revoke('1', 'Bob', byAdmin());
    expect(await service.issue({ ...ALICE, id: nextRequestId() })).toHaveProperty('text');
  });

  it.each(['A1ice', 'AIICE', 'alice'])('refuses %s while somebody else holds Alice', async (typed) => {
    const { service, hand, issue } = await openCodes();
    await hand({ holderId: '2' });
    const asked = { ...ALICE, username: usernameOf(typed) };
    expect(await service.issue({ ...asked, id: nextRequestId() })).toBe('taken');
    await issue({ holderId: '2', username: typed });
    await service.revokeHolder('1', '2', byAdmin());
    expect(await service.issue({ ...asked, id: nextRequestId() })).toHaveProperty('username', typed);
  });
});

describe('CodeService.findToShow', () => {
  it('gives a code that could not be delivered to its holder alone, for ten minutes', async () => {
    const { service, validator, clock, issue } = await openCodes({ codeTtlMs: 86_400_000 });
    const issued = await issue({ holderId: '1', username: 'aLice' });
    await service.noteUndeliverable(issued.id);
    expect(await service.findToShow(issued.id, '1')).toEqual(issued);
    expect(await service.findToShow(issued.id, '2')).toBe('not_yours');
    expect(await validator.validate('Alice', issued.text)).toHaveProperty('valid', false);
    clock.advance(RESERVATION_MS - 1);
    expect(await service.findToShow(issued.id, '1')).toEqual(issued);
    expect(await service.deliver(issued.id, 'shown')).toBe(true);
    expect(await service.findToShow(issued.id, '1')).toEqual(issued);
    expect(await validator.validate('Alice', issued.text)).toHaveProperty('valid', true);
    clock.advance(1);
    expect(await service.findToShow(issued.id, '1')).toBe('gone');
  });

  it('gives nothing that has ended, or that never was', async () => {
    const { service, storage, clock, issue } = await openCodes();
    const withdrawn = await issue({ username: 'Alice' });
    await service.withdraw(withdrawn.id, 'closed');
    const revoked = await issue({ username: 'Bob' });
    await service.revoke('1', 'Bob', byAdmin());
    const unclaimed = await issue({ username: 'Carol' });
    await storage.store.withdrawUnclaimed(clock.now + 1, clock.now);
    for (const { id } of [withdrawn, revoked, unclaimed]) {
      expect(await service.findToShow(id, '1')).toBe('gone');
      expect(await service.deliver(id, 'shown')).toBe(false);
    }
    expect(await service.findToShow('no such code', '1')).toBe('gone');
  });
});

describe('CodeService.list', () => {
  it('shows each held code with its text, oldest first', async () => {
    const { service, clock, hand, issue } = await openCodes();
    const first = await hand({ holderId: '1', username: 'Alice' });
    clock.advance(1);
    const second = await hand({ holderId: '2', username: 'Bob' });
    await issue({ holderId: '3', username: 'Carol' });
    const page = await service.list('1', 1, 'admin');
    expect(page).toMatchObject({ total: 2, page: 1, pages: 1, offset: 0 });
    expect(page.codes.map(({ id, username, text }) => ({ id, username, text }))).toEqual([
      { id: first.id, username: 'Alice', text: first.text },
      { id: second.id, username: 'Bob', text: second.text },
    ]);
    expect(page.codes[0]).not.toHaveProperty('sealedText');
  });

  it('is written down, with who looked at which server', async () => {
    const { service, storage, clock } = await openCodes();
    await service.list('1', 1, 'admin');
    expect(await storage.store.readAudit({})).toMatchObject([
      { at: clock.now, event: 'listed', guildId: '1', actorId: 'admin', codeId: null },
    ]);
  });

  it('has one empty page when there is no code', async () => {
    const { service } = await openCodes();
    expect(await service.list('1', 1, 'admin')).toEqual({
      total: 0,
      page: 1,
      pages: 1,
      offset: 0,
      codes: [],
    });
  });

  it.each([
    ['the first page', 1, { page: 1, offset: 0 }, 10],
    ['the second page', 2, { page: 2, offset: 10 }, 10],
    ['the last page', 3, { page: 3, offset: 20 }, 1],
    ['the last page for one past it', 4, { page: 3, offset: 20 }, 1],
    ['the first page for page 0', 0, { page: 1, offset: 0 }, 10],
    ['the first page for page -1', -1, { page: 1, offset: 0 }, 10],
  ])('of 21 codes gives %s', async (_what, asked, expected, count) => {
    const { service, hand } = await openCodes();
    for (let n = 0; n < 2 * CODES_PER_PAGE + 1; n++) await hand({ username: `member ${n}` });
    const page = await service.list('1', asked, 'admin');
    expect(page).toMatchObject({ total: 21, pages: 3, ...expected });
    expect(page.codes.map(({ username }) => username)).toEqual(
      Array.from({ length: count }, (_, n) => `member ${expected.offset + n}`),
    );
  });
});

describe('CodeService.revoke', () => {
  it.each([
    ['its code', (text: string) => text],
    ['its code in small letters with spaces around', (text: string) => ` ${text.toLowerCase()} `],
  ])('ends a code by %s', async (_what, spell) => {
    const { service, validator, hand } = await openCodes();
    const { text } = await hand();
    expect(await service.revoke('1', spell(text), byAdmin('9'))).toMatchObject({
      by: 'text',
      codes: [{ username: 'Alice' }],
    });
    expect(await validator.validate('Alice', text)).toEqual({ valid: false, reason: 'revoked' });
  });

  it('ends the codes of a username in any case', async () => {
    const { service, hand, issue } = await openCodes();
    const held = await hand();
    const pending = await issue();
    const revocation = await service.revoke('1', 'ALICE', byAdmin());
    expect(revocation).toMatchObject({ by: 'username', codes: [{ id: held.id }, { id: pending.id }] });
    expect(await service.deliver(pending.id)).toBe(false);
  });

  it('takes what is both a code and a username for the code', async () => {
    const { service, validator, hand } = await openCodes();
    const { text } = await hand();
    const namesake = await hand({ holderId: '2', username: text });
    expect(await service.revoke('1', text, byAdmin('9'))).toMatchObject({
      by: 'text',
      codes: [{ username: 'Alice' }],
    });
    expect(await validator.validate(text, namesake.text)).toHaveProperty('valid', true);
  });

  it('takes what looks like a code and is none for a username', async () => {
    const { service, hand } = await openCodes();
    await hand({ username: 'ABC234' });
    expect(await service.revoke('1', 'abc234', byAdmin('9'))).toMatchObject({
      by: 'username',
      codes: [{ holderId: '1' }],
    });
  });

  it.each([
    ['a name that nobody holds', 'Nobody'],
    ['what can be neither', '<@1>'],
  ])('ends nothing for %s', async (_what, typed) => {
    const { service, hand } = await openCodes();
    await hand();
    expect(await service.revoke('1', typed, byAdmin('9'))).toEqual({ by: null, codes: [] });
    expect(await service.list('1', 1, 'admin')).toHaveProperty('total', 1);
  });

  it('ends nothing of another server', async () => {
    const { service, validator, hand } = await openCodes();
    const { text } = await hand({ guildId: '2' });
    expect(await service.revoke('1', text, byAdmin('7'))).toEqual({ by: null, codes: [] });
    expect(await service.revoke('1', 'Alice', byAdmin('8'))).toEqual({ by: null, codes: [] });
    expect(await service.revokeHolder('1', '1', byAdmin('9'))).toEqual({ by: null, codes: [] });
    expect(await validator.validate('Alice', text)).toHaveProperty('valid', true);
  });

  it('ends every code of a holder, and answers one request once', async () => {
    const { service, hand } = await openCodes();
    await hand({ holderId: '1', username: 'Alice' });
    await hand({ holderId: '1', username: 'Alina' });
    await hand({ holderId: '2', username: 'Bob' });
    expect(await service.revokeHolder('1', '1', byAdmin('9'))).toMatchObject({
      by: 'holder',
      codes: [{ username: 'Alice' }, { username: 'Alina' }],
    });
    expect(await service.revokeHolder('1', '2', byAdmin('9'))).toBe('repeated');
    expect(await service.revoke('1', 'Bob', byAdmin('9'))).toBe('repeated');
    expect(await service.list('1', 1, 'admin')).toMatchObject({ total: 1, codes: [{ username: 'Bob' }] });
  });
});

describe('CodeService', () => {
  it('claims a request once', async () => {
    const { service } = await openCodes();
    expect(await service.claim('9')).toBe(true);
    expect(await service.claim('9')).toBe(false);
    expect(await service.issue({ ...ALICE, id: '9' })).toBe('repeated');
  });

  it('frees the username of a code that was withdrawn', async () => {
    const { service, issue } = await openCodes();
    const { id } = await issue({ holderId: '2' });
    await service.withdraw(id, 'closed');
    expect(await service.deliver(id)).toBe(false);
    expect(await issue({ holderId: '1' })).toHaveProperty('username', 'Alice');
  });
});
