import type { GenerateCall, GenerateEvent } from '@holdfast/engines';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { EngineClientHarness } from './harness.js';
import { eventually, exactly, freshId, freshPrompt, runTurn, turnCall } from './turns.js';

/** Tokens of an answer that is still going on when everything else has been said and done. */
const LONGEST_ANSWER = 8_000;

/** Ranks of an engine that takes new ones for requests which it has. */
export const rankCases = (harness: () => EngineClientHarness): void => {
  const controllers: AbortController[] = [];
  afterEach(async () => {
    for (const controller of controllers.splice(0)) controller.abort();
    const inside = async (): Promise<number> => {
      const { load } = await harness().client.load();
      return load.runningRequests + load.waitingRequests;
    };
    await eventually(harness(), inside, (count) => count === 0, harness().idleWithinMs ?? 500);
  });

  const epochNow = async (): Promise<string> => (await harness().client.info()).description.epoch;

  /** Sends a request; `first` settles with its first event, or with null when it was aborted before. */
  const open = async (rank: number, tokens: number): Promise<OpenRequest> => {
    const info = await harness().client.info();
    const controller = new AbortController();
    controllers.push(controller);
    const call = turnCall(freshId('p'), freshPrompt(info, info.description.blockTokens - 1), {
      sampling: exactly(tokens),
      hints: { rank },
      signal: controller.signal,
    });
    const events = harness().client.generate(call)[Symbol.asyncIterator]();
    const first = events.next().then(
      ({ value }) => (value as GenerateEvent | undefined) ?? null,
      () => null,
    );
    return { call, controller, events, first };
  };

  /** As many requests as may run at once; each has begun. */
  const fill = async (): Promise<readonly OpenRequest[]> => {
    const { description, maxContextTokens } = await harness().client.info();
    const tokens = Math.min(maxContextTokens - description.blockTokens, LONGEST_ANSWER);
    const blockers = await Promise.all(Array.from({ length: description.maxRunningRequests }, () => open(0, tokens)));
    const firsts = await Promise.all(blockers.map(({ first }) => first));
    expect(firsts).not.toContain(null);
    return blockers;
  };

  const waiting = async (): Promise<number> => (await harness().client.load()).load.waitingRequests;

  /** The names in the order in which they begin, when the blockers leave one after the other. */
  const orderOf = async (
    blockers: readonly OpenRequest[],
    named: Readonly<Record<string, OpenRequest>>,
  ): Promise<readonly string[]> => {
    const order: string[] = [];
    for (const [name, { first }] of Object.entries(named)) void first.then(() => order.push(name));
    for (const [index, blocker] of blockers.slice(0, Object.keys(named).length).entries()) {
      blocker.controller.abort();
      await eventually(
        harness(),
        () => order.length,
        (count) => count > index,
      );
    }
    return order;
  };

  describe('a new rank', () => {
    it('moves a request that waits ahead of one that would have come first, and another one behind', async () => {
      const blockers = await fill();
      const [early, late, last] = [await open(10, 2_000), await open(20, 2_000), await open(30, 2_000)];
      await eventually(harness(), waiting, (count) => count === 3);
      const { client } = harness();
      const epoch = await epochNow();
      expect(await client.rerank(last.call.requestId, epoch, -5)).toBe(true);
      expect(await client.rerank(early.call.requestId, epoch, 40)).toBe(true);
      expect(await orderOf(blockers, { early, late, last })).toEqual(['last', 'late', 'early']);
    });

    it('may be given to a request that runs, which goes on', async () => {
      const promptIds = freshPrompt(await harness().client.info(), 20);
      const call = turnCall(freshId('p'), promptIds, { sampling: exactly(40) });
      const epoch = await epochNow();
      const reranked: boolean[] = [];
      const tokenIds: number[] = [];
      for await (const event of harness().client.generate(call)) {
        if (event.type !== 'tokens') continue;
        if (tokenIds.length === 0) reranked.push(await harness().client.rerank(call.requestId, epoch, 7));
        tokenIds.push(...event.tokenIds);
      }
      expect(tokenIds).toHaveLength(40);
      expect(reranked).toEqual([true]);
    });

    it('comes to nothing for a request that has ended or was never there', async () => {
      const { client } = harness();
      const call = turnCall(freshId('p'), freshPrompt(await client.info(), 20));
      await runTurn(harness(), call);
      expect(await client.rerank(call.requestId, await epochNow(), 1)).toBe(false);
      expect(await client.rerank(freshId('nobody'), '', 1)).toBe(false);
    });

    it('for another epoch is refused: EPOCH_STALE', async () => {
      const work = harness().client.rerank(freshId('request'), 'an-epoch-of-old', 1);
      await expect(work).rejects.toMatchObject({ reason: 'EPOCH_STALE', retryable: false });
    });

    it('that is no whole number is refused: FIELD_INVALID', async () => {
      const work = harness().client.rerank(freshId('request'), '', 0.5);
      await expect(work).rejects.toMatchObject({ reason: 'FIELD_INVALID', retryable: false });
    });
  });
};

/** A request that was sent. */
interface OpenRequest {
  readonly call: GenerateCall;
  readonly controller: AbortController;
  readonly events: AsyncIterator<GenerateEvent>;
  readonly first: Promise<GenerateEvent | null>;
}

/** What an engine answers that takes no new ranks. */
export const noRankCases = (harness: () => EngineClientHarness): void => {
  it('says that it takes no new ranks, and refuses one', async () => {
    const { client } = harness();
    expect((await client.info()).description.capabilities.reranks).toBe(false);
    const missing = { reason: 'ENGINE_CAPABILITY_MISSING', retryable: false };
    await expect(client.rerank('request', '', 1)).rejects.toMatchObject(missing);
  });
};
