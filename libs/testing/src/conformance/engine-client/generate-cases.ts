import { describe, expect, it } from '@jest/globals';
import type { EngineClientHarness, EngineClientTraits } from './harness.js';
import { answerOf, eventually, exactly, extended, freshId, freshPrompt, runTurn, turnCall } from './turns.js';
import type { GenerateEvent } from '@holdfast/engines';

/** Facts, answers, prefix cache, abort, backpressure: what every engine does. */
export const generateCases = (harness: () => EngineClientHarness, { prefixCache = true }: EngineClientTraits): void => {
  const prompt = async (tokens = 40): Promise<Uint32Array> => freshPrompt(await harness().client.info(), tokens);
  /**
   * Shorter than a block, so that it is computed anew each time: on a real engine a prefix from the cache may differ in
   * the last bits from one that was computed with the rest.
   */
  const uncachedPrompt = async (): Promise<Uint32Array> => {
    const { description } = await harness().client.info();
    return prompt(description.blockTokens - 1);
  };

  describe('info', () => {
    it('is complete and says the same twice', async () => {
      const info = await harness().client.info();
      expect(info.model).not.toBe('');
      expect(info.kind).not.toBe('');
      expect(info.description.epoch).not.toBe('');
      expect(info.vocabularySize).toBeGreaterThan(0);
      expect(info.maxContextTokens).toBeGreaterThan(0);
      expect(info.description.blockTokens).toBeGreaterThan(0);
      expect(info.description.maxRunningRequests).toBeGreaterThan(0);
      expect(await harness().client.info()).toEqual(info);
    });

    it('goes with a healthy engine', async () => {
      await expect(harness().client.checkHealth()).resolves.toBeUndefined();
    });
  });

  describe('generate', () => {
    it('yields deltas, then one complete whose counts agree with them', async () => {
      const promptIds = await prompt();
      const { events, streamedIds, complete } = await runTurn(harness(), turnCall(freshId('p'), promptIds));
      expect(events.filter((event) => event.type === 'complete')).toHaveLength(1);
      expect(streamedIds.length).toBeGreaterThan(0);
      expect(complete.outputIds).toEqual(streamedIds);
      expect(complete.promptTokens).toBe(promptIds.length);
      expect(complete.cachedTokens).toBeLessThan(promptIds.length);
    });

    it('gives the same answer for the same prompt and seed', async () => {
      const promptIds = await uncachedPrompt();
      const sampling = exactly(16);
      const first = await runTurn(harness(), turnCall(freshId('p'), promptIds, { sampling }));
      const second = await runTurn(harness(), turnCall(freshId('p'), promptIds, { sampling }));
      expect(second.complete.outputIds).toEqual(first.complete.outputIds);
    });

    it.each([1, 12, 33])('gives exactly %i tokens when asked to', async (tokens) => {
      const call = turnCall(freshId('p'), await prompt(), { sampling: exactly(tokens) });
      const { complete } = await runTurn(harness(), call);
      expect(complete.outputIds).toHaveLength(tokens);
      expect(complete.finishReason).toBe('length');
    });

    const whatIsCached = prefixCache ? 'finds the prefix of an earlier turn in its cache' : 'computes every turn anew';
    it(whatIsCached, async () => {
      const { description } = await harness().client.info();
      const programId = freshId('p');
      const promptIds = await prompt(4 * description.blockTokens + 3);
      const first = await runTurn(harness(), turnCall(programId, promptIds));
      expect(first.complete.cachedTokens).toBe(0);
      const next = extended(promptIds, first, await prompt(5));
      const second = await runTurn(harness(), turnCall(programId, next, { hints: { turn: 1 } }));
      const least = prefixCache ? 4 * description.blockTokens : 0;
      expect(second.complete.cachedTokens).toBeGreaterThanOrEqual(least);
      if (!prefixCache) expect(second.complete.cachedTokens).toBe(0);
      expect(second.complete.cachedTokens).toBeLessThan(next.length);
    });

    it('refuses a prompt without tokens', async () => {
      const call = turnCall(freshId('p'), new Uint32Array());
      await expect(runTurn(harness(), call)).rejects.toMatchObject({ reason: 'PROMPT_EMPTY', retryable: false });
    });

    it('loses nothing when the consumer is slow', async () => {
      const promptIds = await uncachedPrompt();
      const sampling = exactly(150);
      const fast = await runTurn(harness(), turnCall(freshId('p'), promptIds, { sampling }));
      const events: GenerateEvent[] = [];
      for await (const event of harness().client.generate(turnCall(freshId('p'), promptIds, { sampling }))) {
        events.push(event);
        if (events.length % 10 === 0) await harness().passTime(30);
      }
      expect(answerOf(events).streamedIds).toEqual(fast.streamedIds);
    });
  });

  describe('an aborted request', () => {
    const running = async (): Promise<number> => (await harness().client.load()).load.runningRequests;

    it('by signal fails with CALLER_CANCELLED and leaves the engine idle', async () => {
      const controller = new AbortController();
      const call = turnCall(freshId('p'), await prompt(), { sampling: exactly(2_000), signal: controller.signal });
      const events = harness().client.generate(call)[Symbol.asyncIterator]();
      await events.next();
      await eventually(harness(), running, (count) => count === 1);
      controller.abort();
      await expect(events.next()).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
      await eventually(harness(), running, (count) => count === 0, harness().idleWithinMs ?? 500);
    });

    it('by leaving the loop leaves the engine idle', async () => {
      for await (const event of harness().client.generate(
        turnCall(freshId('p'), await prompt(), { sampling: exactly(2_000) }),
      )) {
        expect(event.type).toBe('tokens');
        await eventually(harness(), running, (count) => count === 1);
        break;
      }
      await eventually(harness(), running, (count) => count === 0, harness().idleWithinMs ?? 500);
    });

    it('is never sent when the signal is aborted already', async () => {
      const call = turnCall(freshId('p'), await prompt(), { signal: AbortSignal.abort() });
      await expect(runTurn(harness(), call)).rejects.toMatchObject({ reason: 'CALLER_CANCELLED' });
    });
  });
};
