import { describe, expect, it } from 'vitest';

import type { CodeStore, NewAnswer } from '../../src/codes/code-store.js';
import { byAdmin } from '../support/codes.js';
import { eventsIn, issue, LIMITS, newCode, NOW, type OpenStore } from './contract-support.js';

const UNTIL = NOW + 15_000;

function newAnswer(given: Partial<NewAnswer> = {}): NewAnswer {
  return {
    command: 'getcode',
    channelId: 'c',
    authorId: '1',
    to: 'author',
    sealedBody: 'sealed',
    owner: 'first',
    leasedUntil: UNTIL,
    ...given,
  };
}

async function take(store: CodeStore, now: number, owner = 'second', limit = 10): Promise<string[]> {
  const taken = await store.takeAnswers(owner, now, now + 15_000, limit);
  return taken.map(({ requestId }) => requestId);
}

/** Answers that are stored with the requests that they answer. */
export function describeAnswers(open: OpenStore): void {
  describe('an answer', () => {
    it('is stored with the claim of its request, and given as it was stored', async () => {
      const store = await open();
      expect(await store.claim('1', NOW, newAnswer())).toBe(true);
      const { sealedBody, command, channelId, authorId, to } = newAnswer();
      expect(await store.takeAnswers('second', UNTIL, UNTIL + 15_000, 10)).toEqual([
        { requestId: '1', command, channelId, authorId, to, sealedBody, receivedAt: NOW },
      ]);
    });

    it('is not stored with a request that was claimed before', async () => {
      const store = await open();
      await store.claim('1', NOW);
      expect(await store.claim('1', NOW, newAnswer(), { guildId: '1', actorId: '2' })).toBe(false);
      expect(await store.issue(newCode({ id: '1' }), LIMITS, () => newAnswer())).toBe('repeated');
      const by = { requestId: '1', actorId: '2' };
      expect(await store.revoke('1', [], by, NOW, () => newAnswer())).toBe('repeated');
      expect(await take(store, UNTIL)).toEqual([]);
      expect(await store.readAudit({})).toEqual([]);
    });

    it('follows what happened, and is nothing where nothing is to be said', async () => {
      const store = await open();
      const outcomes: unknown[] = [];
      const note = (outcome: unknown): NewAnswer => {
        outcomes.push(outcome);
        return newAnswer();
      };
      const code = newCode({ id: '1' });
      await store.issue(code, LIMITS, note);
      await store.issue(newCode({ id: '2', holderId: '2' }), LIMITS, note);
      await store.issue(newCode({ id: '3', textHash: code.textHash }), LIMITS, note);
      await store.issue(newCode({ id: '4' }), LIMITS, () => null);
      await store.revoke('1', [], byAdmin('5'), NOW, note);
      expect(outcomes).toEqual(['issued', 'taken', { by: null, codes: [] }]);
      expect(await take(store, UNTIL)).toEqual(['1', '2', '5']);
    });

    it('is its owner’s while the lease lasts, and goes to one other when it is over', async () => {
      const store = await open();
      for (const id of ['1', '2', '3']) await store.claim(id, NOW, newAnswer());
      expect(await take(store, UNTIL - 1)).toEqual([]);
      expect(await take(store, UNTIL, 'second', 2)).toEqual(['1', '2']);
      expect(await take(store, UNTIL, 'third')).toEqual(['3']);
      expect(await take(store, UNTIL, 'fourth')).toEqual([]);
      await store.renewAnswers('second', ['1', '3'], UNTIL + 60_000);
      expect(await take(store, UNTIL + 30_000, 'fourth')).toEqual(['2', '3']);
      await store.releaseAnswers('second', UNTIL + 31_000);
      expect(await take(store, UNTIL + 31_000, 'fifth')).toEqual(['1']);
    });

    it('of which two take their part at once goes to one of them', async () => {
      const store = await open();
      for (let id = 10; id < 50; id++) await store.claim(String(id), NOW, newAnswer());
      const owners = ['a', 'b', 'c', 'd'];
      const taken = await Promise.all(owners.map(async (owner) => take(store, UNTIL, owner, 40)));
      expect(taken.flat().toSorted()).toEqual(Array.from({ length: 40 }, (_, n) => String(n + 10)));
    });

    it('is free again when its lease ends later than a lease can', async () => {
      const store = await open();
      await store.claim('1', NOW, newAnswer());
      const earlier = NOW - 3_600_000;
      expect(await take(store, earlier)).toEqual(['1']);
      expect(await take(store, earlier, 'third')).toEqual([]);
    });

    it('is forgotten when it is finished', async () => {
      const store = await open();
      for (const id of ['1', '2']) await store.claim(id, NOW, newAnswer());
      await store.finishAnswers(['1']);
      expect(await take(store, UNTIL)).toEqual(['2']);
      expect(await store.claim('1', NOW, newAnswer())).toBe(false);
    });

    it('no longer says the code when that is delivered, which is noted once', async () => {
      const store = await open();
      const code = newCode({ id: '1' });
      await store.issue(code, LIMITS, () => newAnswer());
      for (const how of ['delivered', 'delivered', 'shown'] as const) {
        expect(await store.deliver('1', how, NOW)).toBe(true);
      }
      expect(await store.takeAnswers('second', UNTIL, UNTIL, 1)).toMatchObject([{ sealedBody: null }]);
      expect(eventsIn(await store.readAudit({}))).toEqual(['issued 1', 'delivered 1']);
    });

    it('keeps its code from being withdrawn, and its username from others, until it is finished', async () => {
      const store = await open();
      const code = newCode({ id: '1', issuedAt: NOW - 100_000 });
      await store.issue(code, LIMITS, () => newAnswer());
      await store.withdrawUnclaimed(NOW, NOW);
      expect(await store.issue(newCode({ holderId: '2' }), LIMITS)).toBe('taken');
      await store.finishAnswers(['1']);
      await issue(store, { holderId: '2' });
      await store.withdrawUnclaimed(NOW, NOW);
      expect(await store.find('1')).toMatchObject({ withdrawnAt: NOW });
    });
  });
}
